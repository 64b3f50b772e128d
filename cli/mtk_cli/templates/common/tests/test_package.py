"""mtk finds the package, and what it says it brings is there."""


def test_mtk_finds_it(brought: list, broken: list[str]) -> None:
    assert not broken
    assert brought, "nothing of this package is installed: pip install -e '.[test]'"


def test_what_it_brings_is_there(brought: list) -> None:
    assert not [reason for part in brought if (reason := part.missing())]
