"""The plugin host: what is installed is found, what is broken is said, and neither takes the program down."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

import mtk
from mtk.host.component import Component
from mtk.host.listeners import Listeners
from mtk.host.registry import SLOW, Broken, Registry
from mtk.plan import find_encoder

Install = Callable[..., Path]

BUILT_IN = {(c.kind, c.qualified) for c in Registry().components}

HEAD = """
import mtk

class Head(mtk.Head):
    def __init__(self, width, outputs, inputs, *, rank: int = 2):
        super().__init__()
        {constructor}
    def forward(self, first, second=None): ...
"""


def registers(*calls: str) -> str:
    """A plugin that makes these calls when it registers."""
    body = "\n    ".join(calls)
    return f"import mtk\n\n@mtk.hookimpl\ndef mtk_register(registry):\n    {body}\n"


def offers(target: str, name: str = "clinic", kind: str = "head") -> str:
    return registers(f"registry.{kind}('{name}', '{target}', summary='s')")


def only_broken(registry: Registry) -> Broken:
    """The one broken plugin. It takes nothing else with it."""
    (broken,) = registry.broken
    assert {(c.kind, c.qualified) for c in registry.components} >= BUILT_IN
    with pytest.raises(mtk.UsageError) as caught:
        registry.find("head", "no-such-head")
    assert broken.reason in str(caught.value), "using it says the same"
    assert "\n" not in broken.reason
    return broken


def brought(registry: Registry) -> list[Component]:
    return [c for c in registry.components if (c.kind, c.qualified) not in BUILT_IN]


# What is installed is found --------------------------------------------------------------------------------------------


def test_a_component_knows_where_it_came_from(install: Install) -> None:
    install("clinic", {"clinic_plugin": offers("clinic_plugin:Head")}, {"ward": "clinic_plugin"})
    component = Registry().find("head", "clinic")
    assert component == Component("head", "clinic", "clinic_plugin:Head", "s", "ward", "clinic", "1.2")
    assert Registry().find("head", "clinic/clinic") == component


def test_listing_imports_neither_components_nor_torch(install: Install, tmp_path: Path) -> None:
    site = install("clinic", {"clinic": offers("clinic_head:Head"), "clinic_head": ""}, {"clinic": "clinic"})
    code = (
        "import sys; from mtk.host.registry import Registry; registry = Registry(); registry.find('head', 'clinic');"
        "loaded = {'torch', 'transformers', 'clinic_head', 'mtk_heads.cnn', 'clinic'} & set(sys.modules);"
        "assert loaded == {'clinic'}, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(site)})


def test_it_is_built_with_the_options_of_its_spec(install: Install) -> None:
    source = offers("clinic:Head") + HEAD.format(constructor="self.rank = rank")
    install("clinic", {"clinic": source})
    assert Registry().part("head", "clinic:rank=5").build(width=8, outputs=1, inputs=2).rank == 5


def test_annotations_for_the_type_checker_alone_do_no_harm(install: Install) -> None:
    source = f"""
from __future__ import annotations
from typing import TYPE_CHECKING
{offers("clinic:Halves", kind="combiner")}
if TYPE_CHECKING:
    from collections.abc import Sequence

class Halves(mtk.GramianCombiner):
    def __init__(self, tasks: Sequence[str], *, share: float = 0.5):
        super().__init__(tasks)
        self.share = share
    def weights(self, gramian): ...
"""
    install("clinic", {"clinic": source})
    assert Registry().part("combiner", "clinic:share=0.25").build(tasks=["a", "b"]).share == 0.25


def test_two_packages_may_call_their_plugins_alike(install: Install) -> None:
    install("clinic-one", {"one": offers("one:Head", "one")}, {"heads": "one"}, directory="a")
    install("clinic-two", {"two": offers("two:Head", "two")}, {"heads": "two"}, directory="b")
    registry = Registry()
    assert registry.broken == []
    assert {c.qualified for c in brought(registry)} == {"clinic-one/one", "clinic-two/two"}
    assert registry.find("head", "linear").plugin == "heads"


def test_a_name_that_two_packages_offer_is_ambiguous_until_qualified(install: Install) -> None:
    install("clinic-one", {"one": offers("one:Head")}, directory="a")
    install("clinic-two", {"two": offers("two:Head")}, directory="b")
    registry = Registry()
    assert registry.broken == []
    assert {c.qualified for c in brought(registry)} == {"clinic-one/clinic", "clinic-two/clinic"}
    with pytest.raises(mtk.UsageError, match=r"offered by 2 packages\. Write clinic-one/clinic or clinic-two/clinic"):
        registry.find("head", "clinic")
    assert registry.find("head", "clinic-two/clinic").package == "clinic-two"


def test_a_name_of_the_toolkits_own_means_that_whoever_else_offers_it(install: Install) -> None:
    install("clinic", {"clinic": offers("clinic:Head", "linear")})
    registry = Registry()
    own = registry.find("head", "linear")
    assert own.package == "multitask-toolkit"
    assert [registry.shortest(c) for c in (own, registry.find("head", "clinic/linear"))] == ["linear", "clinic/linear"]
    assert [c.qualified for c in registry.twins(own)] == ["clinic/linear"]
    assert registry.twins(registry.find("head", "cnn")) == []


def test_a_switched_off_part_is_not_replaced_by_another_of_its_name(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("clinic", {"clinic": offers("clinic:Sum", "sum", "combiner")})
    monkeypatch.setenv("MTK_DISABLE_PLUGINS", "optimizers")
    message = (
        "There is no combiner 'multitask-toolkit/sum'. There is clinic/sum. MTK_DISABLE_PLUGINS switches off optimizers."
    )
    with pytest.raises(mtk.UsageError) as caught:
        Registry().find("combiner", "multitask-toolkit/sum")
    assert str(caught.value) == message


def test_a_plugin_that_takes_its_time_is_named(install: Install) -> None:
    install("clinic", {"clinic": f"import time\ntime.sleep({SLOW + 0.05})\n" + registers("pass")}, {"ward": "clinic"})
    registry = Registry()
    assert {p.name for p in registry.plugins if p.seconds >= SLOW} == {"ward"}
    (sentence,) = registry.slow().values()
    assert sentence.startswith("The plugin 'ward' (clinic 1.2) takes 0.6 s to import, and every command waits for it.")


def test_a_target_that_is_not_there_is_known_without_importing_it(install: Install) -> None:
    targets = {
        "gone": "nowhere:Head",
        "below": "clinic_head.deep:Head",
        "misspelt": "clinic_head:Heed",
        "there": "clinic_head:Head",
    }
    calls = (f"registry.head('{name}', '{target}', summary='s')" for name, target in targets.items())
    calls = (*calls, "registry.tasks('sets', 'clinic_head:sets', summary='s')")
    site = install("clinic", {"clinic": registers(*calls), "clinic_head": "class Head: ...\n1 / 0"}, {"clinic": "clinic"})
    assert {c.name: c.missing() for c in brought(Registry())} == {
        "gone": "there is no module nowhere",
        "below": "there is no module clinic_head.deep",
        "misspelt": f"{site / 'clinic_head.py'} has no Heed",
        "there": None,
        "sets": "there is no folder 'sets' in an installed package 'clinic_head'",
    }
    assert "clinic_head" not in sys.modules


def test_one_name_may_be_of_two_kinds(install: Install) -> None:
    call = "registry.{}('clinic', 'clinic:Thing', summary='s')"
    install("clinic", {"clinic": registers(call.format("head"), call.format("augmenter"))})
    registry = Registry()
    assert registry.broken == []
    assert registry.find("head", "clinic").kind == "head"
    assert registry.find("augmenter", "clinic").kind == "augmenter"


def test_a_package_twice_on_the_path_counts_once(install: Install) -> None:
    install("clinic", {"clinic": offers("clinic:Head", "older")}, directory="a")
    install("clinic", {"clinic": offers("clinic:Head", "newer")}, directory="b")  # prepended, so it comes first
    registry = Registry()
    assert registry.broken == []
    assert [c.name for c in brought(registry)] == ["newer"]


def test_a_plugin_may_listen_to_a_run_and_bring_nothing(install: Install) -> None:
    install(
        "clinic", {"clinic": "import mtk\nheard = []\n@mtk.hookimpl\ndef mtk_progressed(progress): heard.append(progress)"}
    )
    registry = Registry()
    assert registry.broken == []
    assert brought(registry) == []
    Listeners(registry, []).tell("mtk_progressed", progress="step 1")
    assert sys.modules["clinic"].heard == ["step 1"]


def test_data_is_found_in_its_package_which_is_not_imported(install: Install) -> None:
    calls = (
        "registry.tasks('cases', 'clinic_data:sets/cases', summary='s')",
        "registry.encoder('doctor', 'clinic_data:doctor', hub_id='clinic/doctor', summary='s')",
        "registry.encoder('nurse', 'clinic_absent:nurse', hub_id='clinic/nurse', summary='s')",
        "registry.encoder('porter', hub_id='clinic/porter', summary='s')",
    )
    site = install("clinic", {"clinic": registers(*calls)})
    for folder in ("sets/cases", "doctor"):
        (site / "clinic_data" / folder).mkdir(parents=True)
    (site / "clinic_data" / "__init__.py").write_text("raise AssertionError")
    registry = Registry()
    assert registry.broken == []
    assert registry.find("tasks", "cases").folder() == site / "clinic_data" / "sets" / "cases"
    assert find_encoder("doctor", registry).source == str(site / "clinic_data" / "doctor")
    assert [find_encoder(name, registry).source for name in ("clinic/nurse", "porter", "nobody")] == [
        "clinic/nurse", "clinic/porter", "nobody",
    ]  # fmt: skip


def test_a_component_knows_its_file_without_being_imported(install: Install) -> None:
    site = install("clinic", {"clinic": offers("clinic_ward.bed:Head"), "clinic_beside": ""}, {"clinic": "clinic"})
    (site / "clinic_ward").mkdir()
    (site / "clinic_ward" / "__init__.py").write_text("raise AssertionError")
    (site / "clinic_ward" / "bed.py").write_text("raise AssertionError")
    registry = Registry()
    assert registry.find("head", "clinic").place() == site / "clinic_ward" / "bed.py"
    for component in registry.components:
        assert component.place(), component
    assert "clinic_ward" not in sys.modules


# What is switched off --------------------------------------------------------------------------------------------------


def test_a_disabled_plugin_is_not_even_imported(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("clinic", {"clinic": "raise RuntimeError"})
    monkeypatch.setenv("MTK_DISABLE_PLUGINS", "no-such-plugin, clinic,heads")
    registry = Registry()
    assert registry.broken == []
    assert "head" not in {c.kind for c in registry.components}
    assert "combiner" in {c.kind for c in registry.components}
    assert "clinic" not in sys.modules
    with pytest.raises(
        mtk.UsageError, match=r"no head 'cnn'. There are none. MTK_DISABLE_PLUGINS switches off clinic, heads"
    ):
        registry.find("head", "cnn")


# What is unknown -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("liner", "There is no head 'liner'. Did you mean linear?"),
        ("xyzzy", "There is no head 'xyzzy'. Known: attention, cnn, concat-mlp, cosine, dot-product, joint-cosine, linear,"),
        ("multitask-toolkit/liner", "Did you mean multitask-toolkit/linear"),
        ("pcgrad", "'pcgrad' is no head: its kind is combiner."),
        ("multitask-toolkit/eda", "'multitask-toolkit/eda' is no head: its kind is augmenter."),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(mtk.UsageError) as caught:
        Registry().find("head", name)
    assert message in str(caught.value)


# What is broken as a plugin --------------------------------------------------------------------------------------------

TWICE = "registry.head('clinic', 'clinic:Head', summary='s')"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (offers("a.b:folder", kind="tasks"), "the target of task set 'clinic' is 'a.b:folder', not \"package:folder\""),
        (offers("", kind="encoder"), "the target of encoder 'clinic' is '', not \"package:folder\""),
        (registers("registry.tasks('clinic', 'clinic:x', summary='s')") + "    1 / 0", "ZeroDivisionError: "),
        ("\nimport nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found' ({file}:2)"),
        ("def f(:", "SyntaxError: invalid syntax (clinic.py, line 1)"),
        ("import sys\nsys.exit(3)", "SystemExit: 3 ({file}:2)"),
        ("import os\nos._exit(3)", "SystemExit: it called os._exit(3) ({file}:2)"),
        (registers("import os", "os._exit(3)"), "SystemExit: it called os._exit(3) ({file}:6)"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines ({file}:1)"),
        (registers("raise KeyError('x')"), "KeyError: 'x' ({file}:5)"),
        (registers("raise SystemExit"), "SystemExit ({file}:5)"),
        (registers("registry.heads('x')"), "AttributeError: 'Registration' object has no attribute 'heads' ({file}:5)"),
        (registers(TWICE, TWICE), "it registers the head 'clinic' twice ({file}:6)"),
        (offers("clinic"), "the target of head 'clinic' is 'clinic', not \"module:Class\" ({file}:5)"),
        (offers(":Head"), "the target of head 'clinic' is ':Head', not \"module:Class\" ({file}:5)"),
        (
            offers("clinic:Head", "a b"),
            "'a b' cannot name a head: it is empty or holds one of : = , / or a space ({file}:5)",
        ),
        (offers("clinic:Head", ""), "'' cannot name a head: it is empty or holds one of : = , / or a space ({file}:5)"),
        (
            registers("registry.head('clinic', object, summary=None)"),
            "a head's name, target and summary are text, not 'clinic', <class 'object'> and None ({file}:5)",
        ),
        (
            offers("clinic:Head") + "def mtk_evaluated(evaluation): ...",
            "its mtk_evaluated is not marked with @mtk.hookimpl",
        ),
        ("def mtk_register(registry): ...", "it implements no hook of mtk: mark its mtk_register with @mtk.hookimpl"),
        (offers("clinic:Head").replace("mtk_register", "mtk_regsiter"), "unknown hook 'mtk_regsiter'"),
        (offers("clinic:Head").replace("(registry)", "(registry, x)"), "Argument(s) {{'x'}} are declared in the hookimpl"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_package_and_the_reason(install: Install, source: str, reason: str) -> None:
    site = install("clinic", {"clinic": source})
    registry = Registry()
    broken = only_broken(registry)
    assert (broken.plugin, broken.package, broken.version) == ("clinic", "clinic", "1.2")
    assert reason.format(file=site / "clinic.py") in broken.reason
    assert brought(registry) == [], "all of a plugin is there, or nothing"


def test_the_user_can_interrupt_a_plugin(install: Install) -> None:
    install("clinic", {"clinic": "raise KeyboardInterrupt"})
    with pytest.raises(KeyboardInterrupt):
        Registry()


def test_a_plugin_without_a_module_is_broken(install: Install) -> None:
    install("clinic", {}, {"clinic": "nowhere_to_be_found"})
    assert only_broken(Registry()).reason == "ModuleNotFoundError: No module named 'nowhere_to_be_found'"


def test_a_broken_plugin_hears_of_no_run(install: Install) -> None:
    listens = "\n@mtk.hookimpl\ndef mtk_progressed(progress): raise AssertionError"
    install("clinic", {"clinic": registers("raise KeyError") + listens})
    registry = Registry()
    only_broken(registry)
    Listeners(registry, []).tell("mtk_progressed", progress=None)


def test_one_module_is_one_plugin(install: Install) -> None:
    install("clinic", {"clinic": offers("clinic:Head")}, {"first": "clinic", "second": "clinic"})
    registry = Registry()
    assert only_broken(registry).reason == "it is the same module as plugin 'clinic/first'"
    assert [c.plugin for c in brought(registry)] == ["first"]


def test_a_package_cannot_offer_a_name_through_two_plugins(install: Install) -> None:
    install("clinic", {"first": offers("first:Head"), "second": offers("second:Head")})
    registry = Registry()
    assert only_broken(registry).reason.startswith("it registers the head 'clinic', and so does plugin 'first' of the same")
    assert registry.find("head", "clinic").plugin == "first"


@pytest.mark.parametrize("metadata", [b"", b"Metadata-Version: 2.1\nName: clinic\n", b"Name: \xff\xfe\n"])
def test_a_plugin_whose_package_cannot_be_named_is_broken(install: Install, metadata: bytes) -> None:
    install("clinic", {"clinic": offers("clinic:Head")}, metadata=metadata)
    broken = only_broken(Registry())
    assert (broken.plugin, broken.package) == ("clinic", "unknown package")
    assert "the metadata of its package" in broken.reason
    assert "install it again" in broken.reason


@pytest.mark.parametrize("entry_points", [b"[mtk]\n\xff = clinic\n", b"[mtk]\nclinic\n"])
def test_entry_points_that_cannot_be_read_hide_no_others(install: Install, entry_points: bytes) -> None:
    site = install("clinic", {"clinic": ""}, entry_points=entry_points)
    assert f"the entry points of a package in {site}" in only_broken(Registry()).reason


@pytest.mark.parametrize(
    ("requires", "fits"),
    [
        ("multitask-toolkit", True),
        ("multitask-toolkit>=0.1", True),
        ("multitask_toolkit (>=0.1)", True),
        ("torch>=99", True),
        ("multitask-toolkit-extras>=99", True),
        ('multitask-toolkit>=99; extra == "test"', True),
        ("multitask-toolkit>=99", False),
        ("Multitask.Toolkit[minilm]<0.1,>=0.0.1", False),
    ],
)
def test_a_plugin_built_for_another_version_is_named_as_such_and_not_imported(
    install: Install, requires: str, fits: bool
) -> None:
    install("clinic", {"clinic": registers("pass")}, requires=requires)
    registry = Registry()
    assert ("clinic" in sys.modules) == fits
    if fits:
        assert registry.broken == []
    else:
        wanted = requires.rpartition("]")[2].removeprefix("multitask-toolkit")
        expected = f"it was built for multitask-toolkit {wanted}, and {version('multitask-toolkit')} is installed: "
        assert only_broken(registry).reason.startswith(expected)


@pytest.mark.parametrize(("installed", "fits"), [("0.3.0.dev4+g1234", True), ("0.3.0rc1", True), ("0.2.9", False)])
def test_a_development_version_has_what_its_release_will_have(
    install: Install, monkeypatch: pytest.MonkeyPatch, installed: str, fits: bool
) -> None:
    install("clinic", {"clinic": registers("pass")}, requires="multitask-toolkit>=0.3")
    monkeypatch.setattr("mtk.host.registry.version", lambda _: installed)
    assert (Registry().broken == []) == fits


# What is broken as a component -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "source", "reason"),
    [
        ("nowhere_to_be_found:Head", "", "importing nowhere_to_be_found:Head failed: ModuleNotFoundError"),
        ("clinic_head:Head", "\nraise RuntimeError('ill')", "failed: RuntimeError: ill ({file}:2)"),
        ("clinic_head:Head", "raise SystemExit('bye')", "failed: SystemExit: bye ({file}:1)"),
        ("clinic_head:Heed", "", "AttributeError: module 'clinic_head' has no attribute 'Heed'"),
        ("clinic_head:Head", "class Head: ...", "clinic_head:Head is not a subclass of mtk.Head"),
        ("clinic_head:Head", "import mtk\nclass Head(mtk.Augmenter): ...", "is not a subclass of mtk.Head"),
        ("clinic_head:Head", "Head = 3", "clinic_head:Head is not a class"),
        (
            "clinic_head:Head",
            "import mtk\nclass Head(mtk.Head): ...",
            "clinic_head:Head does not define `forward(self, first, second, joint, labels)`",
        ),
        ("clinic_head:Head", HEAD.format(constructor="1 / 0"), "failed: ZeroDivisionError: division by zero ({file}:7)"),
        (
            "clinic_head:Head",
            HEAD.format(constructor="from torch.nn import Linear; Linear('a', 'b')"),
            "its constructor failed: TypeError: ",
        ),
        ("clinic_head:Head", HEAD.format(constructor="raise SystemExit"), "its constructor failed: SystemExit ({file}:7)"),
        (
            "clinic_head:Head",
            "from __future__ import annotations\n" + HEAD.format(constructor="pass").replace("int", "Share"),
            "its options cannot be read: NameError: name 'Share' is not defined",
        ),
    ],
)
def test_using_a_broken_component_says_why_and_whose_it_is(install: Install, target: str, source: str, reason: str) -> None:
    site = install("clinic", {"clinic": offers(target), "clinic_head": source}, {"ward": "clinic"})
    registry = Registry()
    assert registry.broken == []
    with pytest.raises(mtk.UsageError) as caught:
        registry.part("head", "clinic").build(width=8, outputs=1, inputs=2)
    message = str(caught.value)
    assert message.startswith("The head 'clinic' of plugin 'ward' (clinic 1.2) is broken: ")
    assert reason.format(file=site / "clinic_head.py") in message


def test_a_mistake_is_placed_in_the_plugin_and_not_in_a_library(install: Install) -> None:
    source = HEAD.format(constructor="from torch.nn import Linear; Linear('a', 'b')")
    site = install("clinic", {"clinic": offers("clinic_head:Head"), "clinic_head": source}, {"ward": "clinic"})
    with pytest.raises(mtk.UsageError) as caught:
        Registry().part("head", "clinic").build(width=8, outputs=1, inputs=2)
    assert str(caught.value).endswith(f"({site}/clinic_head.py:7)")


@pytest.mark.parametrize(
    ("constructor", "message"),
    [
        ("raise ValueError('rank is too high')", "'clinic:rank=9' cannot be built: rank is too high"),
        ("raise mtk.UsageError('rank and width differ')", "rank and width differ"),
    ],
)
def test_a_value_that_a_constructor_refuses_is_the_users_mistake(install: Install, constructor: str, message: str) -> None:
    install("clinic", {"clinic": offers("clinic:Head") + HEAD.format(constructor=constructor)})
    with pytest.raises(mtk.UsageError) as caught:
        Registry().part("head", "clinic:rank=9").build(width=8, outputs=1, inputs=2)
    assert str(caught.value) == message
