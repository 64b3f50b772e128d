"""What every augmenter promises, and what each operation of Easy Data Augmentation does."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise, permutations
from pathlib import Path
from random import Random
from typing import Any
from zipfile import ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mtk
from mtk.augmenter import method_of
from mtk.host.options import options
from mtk_augment import thesaurus, wordnet
from mtk_augment.aeda import MARKS, Aeda
from mtk_augment.draws import some_of
from mtk_augment.eda import Eda
from mtk_augment.exchange import Exchange
from mtk_augment.function_words import FUNCTION_WORDS
from mtk_augment.join import Join
from mtk_augment.random_deletion import RandomDeletion
from mtk_augment.random_insertion import RandomInsertion
from mtk_augment.random_swap import RandomSwap
from mtk_augment.synonym_replacement import SynonymReplacement

AUGMENTERS = [component for component in mtk.Registry().components if component.kind == "augmenter"]
OF_WORDS = [component.qualified for component in AUGMENTERS if method_of(component.load()) == "__call__"]
WITH_ALPHA = [component.qualified for component in AUGMENTERS if "alpha" in options(component.load())]
NEED_WORDNET = [SynonymReplacement, RandomInsertion, Eda]

KNOWN = ["film", "Great", "movies,", "house.", "``", "(quickly)", "running", "Paris", "dog", "happy!", "'s", "12"]
words = st.one_of(
    st.sampled_from(KNOWN),
    st.sampled_from(sorted(FUNCTION_WORDS)),
    st.text(min_size=1, max_size=6).filter(lambda token: token.split() == [token]),
)
sentences = st.lists(words, min_size=1, max_size=25).map(tuple)
seeds = st.integers(0, 2**32)
alphas = st.floats(0.01, 1)


@pytest.fixture
def toy_wordnet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every word that starts with k has the synonym WORD~, and no other has any."""
    monkeypatch.setattr(wordnet, "load", lambda: None)
    monkeypatch.setattr(wordnet, "_known", wordnet._Known())
    monkeypatch.setattr(wordnet, "synonyms", lambda token: (f"{token}~",) if token.startswith("k") else ())


@pytest.fixture
def no_wordnet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No copy on this machine, and no network."""
    monkeypatch.setattr("nltk.data.path", [str(tmp_path)])
    monkeypatch.setattr("nltk.download", lambda *_, **__: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wordnet.load.cache_clear()
    yield
    wordnet.load.cache_clear()


# every augmenter


def test_all_are_found_by_their_entry_point() -> None:
    names = ["synonym-replacement", "random-insertion", "random-swap", "random-deletion", "eda", "aeda", "join", "exchange"]
    assert {f"multitask-toolkit/{name}" for name in names} <= {component.qualified for component in AUGMENTERS}


@pytest.mark.usefixtures("wordnet")
@pytest.mark.parametrize("name", OF_WORDS)
@settings(max_examples=60, deadline=None)
@given(sentence=sentences, seed=seeds)
def test_gives_words_and_repeats_itself(name: str, sentence: tuple[str, ...], seed: int) -> None:
    augmenter = mtk.Registry().part("augmenter", name).build()
    mutable = list(sentence)
    result = augmenter(mutable, Random(seed))
    assert augmenter.copies >= 1
    assert mutable == list(sentence)
    assert isinstance(result, list)
    assert result
    assert all(word.split() == [word] for word in result), "an element is one word"
    assert augmenter(sentence, Random(seed)) == result


@pytest.mark.parametrize("alpha", ["0", "1.5", "-0.1", "nan", "much"])
@pytest.mark.parametrize("name", WITH_ALPHA)
def test_alpha_is_a_share(name: str, alpha: str) -> None:
    with pytest.raises(mtk.UsageError, match=r"'alpha' of '.*': it takes float, > 0, ≤ 1"):
        mtk.Registry().part("augmenter", f"{name}:alpha={alpha}")


_NLTK = """
    i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it
    its itself they them their theirs themselves what which who whom this that these those am is are was were be been
    being have has had having do does did doing a an the and but if or because as until while of at by for with about
    against between into through during before after above below to from up down in out on off over under again further
    then once here there when where why how all any both each few more most other some such no nor not only own same so
    than too very s t can will just don should now"""
NLTK_STOP_WORDS = _NLTK.split()


@pytest.mark.usefixtures("wordnet")
def test_the_stop_words_of_the_paper_stay() -> None:
    """Section 2 of Wei and Zou 2019; the list is that of their eda.py, but for the empty word in it."""
    assert len(NLTK_STOP_WORDS) == 127
    replace = mtk.Registry().part("augmenter", "synonym-replacement:alpha=1").build()
    for word in NLTK_STOP_WORDS:
        assert replace([word, word.capitalize(), f"{word},"], Random(0)) == [word, word.capitalize(), f"{word},"]


# synonym replacement


@pytest.mark.usefixtures("wordnet")
@settings(max_examples=60, deadline=None)
@given(sentence=sentences, seed=seeds, alpha=alphas)
def test_replacement_leaves_other_words_alone(sentence: tuple[str, ...], seed: int, alpha: float) -> None:
    result = SynonymReplacement(alpha=alpha)(sentence, Random(seed))
    kept = [word for word in sentence if not wordnet.synonyms(word)]
    rest = iter(result)
    assert all(word in rest for word in kept), "words without synonyms stay, in their order"
    if kept == list(sentence):
        assert result == kept


@pytest.mark.usefixtures("toy_wordnet")
@pytest.mark.parametrize(
    ("alpha", "sentence", "changed"),
    [
        (0.1, "k1 k2 k3", 1),  # at least one
        (0.3, "k1 k2 k3 k4 k5 k6 k7 k8 k9 k10", 3),
        (0.5, "k1 k2 x x x x x x", 2),  # no more than there are
        (1, "k1 k2 k3 k4", 4),
        (1, "x x", 0),
    ],
)
def test_replacement_changes_the_share_asked_for(alpha: float, sentence: str, changed: int) -> None:
    for seed in range(20):
        result = SynonymReplacement(alpha=alpha)(sentence.split(), Random(seed))
        assert [word.rstrip("~") for word in result] == sentence.split()
        assert sum(word.endswith("~") for word in result) == changed


@pytest.mark.usefixtures("wordnet")
@pytest.mark.parametrize("word", sorted(FUNCTION_WORDS))
def test_function_words_have_no_synonyms(word: str) -> None:
    assert not wordnet.synonyms(word)
    assert not wordnet.synonyms(f"'{word.title()},")


@pytest.mark.usefixtures("wordnet")
def test_synonyms_are_of_the_word_whatever_stands_around_it() -> None:
    assert "film" in wordnet.synonyms("movie")
    assert "motion picture" in wordnet.synonyms("movie")
    assert wordnet.synonyms("(Movie!)") == wordnet.synonyms("movie")
    assert not {"movie", "movies"} & set(wordnet.synonyms("movies"))
    assert wordnet.synonyms("``") == wordnet.synonyms("qwxz") == ()


@pytest.mark.parametrize(
    ("synonym", "token", "written"),
    [
        ("film", "movie", ["film"]),
        ("film", "Movie", ["Film"]),
        ("film", '"Movie,"', ['"Film,"']),
        ("motion picture", "(Movie)!", ["(Motion", "picture)!"]),
        ("Red China", "china", ["Red", "China"]),
    ],
)
def test_a_synonym_is_written_as_the_word_was(synonym: str, token: str, written: list[str]) -> None:
    assert wordnet.dressed(synonym, token).split() == written


# the table of synonyms


def nltk_wordnet() -> Any:
    """NLTK's own reader of the same files."""
    import nltk
    from nltk.corpus.reader import WordNetCorpusReader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are no other languages
        return WordNetCorpusReader(nltk.data.find("corpora/wordnet/"), None)


@pytest.mark.usefixtures("wordnet")
def test_the_table_has_what_nltk_finds() -> None:
    """Of every fortieth lemma, of forms of it, and of words that are in no dictionary."""
    theirs, ours = nltk_wordnet(), wordnet.load()
    lemmas = [lemma for lemma in sorted(theirs._lemma_pos_offset_map) if "_" not in lemma][::40]
    endings = ("", "s", "es", "ed", "ing", "er", "est", "ies", "men", "q")
    for number, lemma in enumerate(lemmas):
        word = lemma + endings[number % len(endings)]
        forms = {word, *(form for part in "nvar" for form in theirs._morphy(word, part))}
        found = {name for synset in theirs.synsets(word) for name in synset.lemma_names() if name.lower() not in forms}
        assert sorted(ours.synonyms(word)) == sorted(name.replace("_", " ") for name in found), word


@pytest.mark.usefixtures("wordnet")
def test_the_table_is_made_once_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setenv("MTK_CACHE", str(tmp_path))
    monkeypatch.setattr(wordnet, "table", lambda read: made.append(1) or thesaurus.table(read))
    anew, again = (wordnet.load.__wrapped__() for _ in range(2))
    assert len(made) == 1
    assert [anew.synonyms(word) for word in KNOWN] == [again.synonyms(word) for word in KNOWN]


TOY = {
    "data.noun": "  1 licence\n00000001 03 n 02 film 0 motion_picture 0 000 | .\n00000002 03 n 02 Ox 0 bull 0 000 | .\n",
    "index.noun": "film n 1 0 1 0 00000001\nmotion_picture n 1 0 1 0 00000001\nox n 1 1 @ 1 0 00000002\n",
    "noun.exc": "oxen ox\n",
    "data.adj": "00000003 00 s 02 dear(a) 0 costly 0 000 | .\n",
    "index.adj": "dear a 1 0 1 0 00000003\ncostly a 1 0 1 0 00000003\n",
}


def test_a_table_is_of_what_stands_in_the_files() -> None:
    toy = thesaurus.Thesaurus(thesaurus.table(lambda name: TOY.get(name, "")))
    assert toy.synonyms("films") == toy.synonyms("film") == ("motion picture",)
    assert toy.synonyms("oxen") == ("bull",), "an irregular form, and a name is no synonym of itself"
    assert toy.synonyms("dearest") == ("costly",)
    assert toy.synonyms("costlier") == toy.synonyms("costly,") == ()
    assert toy.synonyms("costly") == ("dear",), "without the mark of where it stands"


@pytest.mark.parametrize("content", ["film", "film n 1 0 1 0 00000009", "film n x"])
def test_what_is_no_wordnet_is_no_table(content: str) -> None:
    with pytest.raises((ValueError, LookupError)):
        thesaurus.table(lambda name: content if name == "index.noun" else "")


@pytest.mark.usefixtures("wordnet")
def test_wordnet_may_be_unpacked(tmp_path: Path) -> None:
    """And NLTK, which takes a second to import, is not asked."""
    place = wordnet._find()
    if place.suffix != ".zip":
        pytest.skip("it is unpacked here already")
    with ZipFile(place) as archive:
        archive.extractall(tmp_path / "corpora")
    code = "import sys; from mtk_augment import wordnet; print(wordnet.synonyms('Movie!')[0], 'nltk' in sys.modules)"
    command, environment = [sys.executable, "-c", code], {**os.environ, "NLTK_DATA": str(tmp_path)}
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "film False\n"


# random insertion


@pytest.mark.usefixtures("wordnet")
@settings(max_examples=60, deadline=None)
@given(sentence=sentences, seed=seeds, alpha=alphas)
def test_insertion_adds_synonyms_of_the_sentence(sentence: tuple[str, ...], seed: int, alpha: float) -> None:
    result = RandomInsertion(alpha=alpha)(sentence, Random(seed))
    rest = iter(result)
    assert all(word in rest for word in sentence), "the sentence is still there, in its order"
    parts = {part for word in sentence for synonym in wordnet.synonyms(word) for part in synonym.split()}
    assert set(Counter(result) - Counter(sentence)) <= parts
    assert (len(result) > len(sentence)) == bool(parts)


@pytest.mark.usefixtures("toy_wordnet")
@pytest.mark.parametrize(("alpha", "length", "added"), [(0.1, 3, 1), (0.3, 10, 3), (1, 4, 4)])
def test_insertion_adds_the_share_asked_for(alpha: float, length: int, added: int) -> None:
    result = RandomInsertion(alpha=alpha)(["k"] * length, Random(0))
    assert Counter(result) == {"k": length, "k~": added}


# random swap


@given(sentence=sentences, seed=seeds, alpha=alphas)
def test_swap_permutes(sentence: tuple[str, ...], seed: int, alpha: float) -> None:
    result = RandomSwap(alpha=alpha)(sentence, Random(seed))
    assert Counter(result) == Counter(sentence)
    moved = sum(before != after for before, after in zip(sentence, result, strict=True))
    assert moved <= 2 * max(1, int(alpha * len(sentence)))


@given(seed=seeds, length=st.integers(2, 9))
def test_one_swap_moves_two_words(seed: int, length: int) -> None:
    sentence = [str(number) for number in range(length)]
    result = RandomSwap(alpha=0.1)(sentence, Random(seed))
    assert sum(before != after for before, after in zip(sentence, result, strict=True)) == 2


# random deletion


@given(sentence=sentences, seed=seeds, alpha=alphas)
def test_deletion_keeps_a_subsequence(sentence: tuple[str, ...], seed: int, alpha: float) -> None:
    result = RandomDeletion(alpha=alpha)(sentence, Random(seed))
    rest = iter(sentence)
    assert all(word in rest for word in result)
    assert result
    if alpha == 1:
        assert len(result) == 1


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_deletion_leaves_out_the_share_asked_for(alpha: float) -> None:
    kept = len(RandomDeletion(alpha=alpha)(["word"] * 10_000, Random(0)))
    assert 1 - kept / 10_000 == pytest.approx(alpha, abs=0.025)  # five standard deviations of the widest


def test_deletion_leaves_out_each_word_whatever_becomes_of_the_others() -> None:
    deletion, rng, rounds = RandomDeletion(alpha=0.3), Random(0), 20_000
    found = Counter("".join(deletion("abc", rng)) for _ in range(rounds))
    for kept in ("abc", "ab", "ac", "bc"):
        expected = 0.7 ** len(kept) * 0.3 ** (3 - len(kept))
        assert found[kept] / rounds == pytest.approx(expected, abs=0.017)  # five standard deviations of the widest
    single = 0.7 * 0.3**2 + 0.3**3 / 3  # and one that stays where none would
    assert [found[kept] / rounds for kept in "abc"] == pytest.approx([single] * 3, abs=0.01)


def test_deletion_of_next_to_nothing_leaves_all() -> None:
    assert RandomDeletion(alpha=5e-324)(["word"] * 1000, Random(0)) == ["word"] * 1000


# draws


@pytest.mark.parametrize("count", [1, 2, 3])
def test_some_are_drawn_alike_and_none_twice(count: int) -> None:
    rng, rounds = Random(0), 12_000
    found = Counter(tuple(some_of("abcd", count, rng)) for _ in range(rounds))
    assert set(found) == set(permutations("abcd", count))
    for times in found.values():
        assert times / rounds == pytest.approx(1 / len(found), abs=0.02)


# eda


@pytest.mark.usefixtures("toy_wordnet")
def test_eda_spreads_its_copies_over_the_four_operations() -> None:
    sentence = [f"k{number}" for number in range(20)]

    def operation(result: list[str]) -> str:
        originals = [word for word in result if not word.endswith("~")]
        if len(result) > len(sentence):
            return "insertion"
        if len(originals) < len(result):
            return "replacement"
        return "swap" if originals != sentence and len(originals) == len(sentence) else "deletion"

    eda, rng = Eda(alpha=0.3), Random(0)
    counts = Counter(operation(eda(sentence, rng)) for _ in range(2000))
    assert set(counts) == {"replacement", "insertion", "swap", "deletion"}
    assert min(counts.values()) > 400
    assert Eda.copies == 9


# aeda


@given(sentence=sentences, seed=seeds, share=alphas)
def test_marks_come_in_and_no_word_goes(sentence: tuple[str, ...], seed: int, share: float) -> None:
    result = Aeda(share=share)(sentence, Random(seed))
    rest = iter(result)
    assert all(word in rest for word in sentence), "the sentence is still there, in its order"
    assert set(Counter(result) - Counter(sentence)) <= set(MARKS)
    assert 1 <= len(result) - len(sentence) <= max(1, int(share * len(sentence)))


def test_from_one_mark_to_a_third_of_the_words_each_before_another_word() -> None:
    """Section 3 of Karimi et al. 2021."""
    sentence, rng = [str(number) for number in range(12)], Random(0)
    results = [Aeda()(sentence, rng) for _ in range(3000)]
    numbers = Counter(len(result) - 12 for result in results)
    assert set(numbers) == {1, 2, 3, 4}
    assert min(numbers.values()) > 650
    marks = Counter(word for result in results for word in result if word in MARKS)
    assert set(marks) == set(".;?:!,")
    assert min(marks.values()) > 0.9 * marks.total() / 6
    marked = Counter(word for result in results for mark, word in pairwise(result) if mark in MARKS)
    assert set(marked) == set(sentence), "before any word, and never before another mark or at the end"
    assert min(marked.values()) > 0.85 * marks.total() / 12


# join


def test_texts_of_one_label_are_joined_column_by_column() -> None:
    texts, alike = ("a", "A"), (("b", "B"), ("a", "A"), ("c", "C"))
    made = {(*joined, label) for seed in range(40) for joined, label in [Join().example(texts, "1", Random(seed), alike)]}
    assert made == {("a b", "A B", "1"), ("a c", "A C", "1")}


def test_who_is_alone_with_a_label_stays_as_it_was() -> None:
    assert Join().example(("a",), "1", Random(0), (("a",), ("a",))) == (("a",), "1")


# exchange


ORDERS = [(("a", "b"), ("b", "a")), (("a",), ("a",)), (("a", "b", "c"), ("a", "b", "c"))]


@pytest.mark.parametrize(("texts", "turned"), ORDERS)
def test_a_pair_is_turned_and_nothing_else(texts: tuple[str, ...], turned: tuple[str, ...]) -> None:
    changed, label = Exchange().example(texts, "1")
    assert (tuple(changed), label) == (turned, "1")


# WordNet


@pytest.mark.usefixtures("no_wordnet")
@pytest.mark.parametrize("augmenter", NEED_WORDNET)
def test_without_wordnet_one_message_says_how_to_get_it(augmenter: type[mtk.Augmenter]) -> None:
    with pytest.raises(mtk.UsageError, match=r"python -m nltk.downloader wordnet.*NLTK_DATA"):
        augmenter()


@pytest.mark.usefixtures("no_wordnet")
@pytest.mark.parametrize("augmenter", [RandomSwap, RandomDeletion, Aeda])
def test_what_needs_no_wordnet_never_asks_for_it(augmenter: type[mtk.Augmenter]) -> None:
    assert augmenter()(["a", "film"], Random(0))


@pytest.mark.usefixtures("no_wordnet")
def test_a_failing_download_is_the_same_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> bool:
        raise OSError("no route to host")

    monkeypatch.setattr("nltk.download", refuse)
    with pytest.raises(mtk.UsageError, match="point NLTK_DATA at"):
        Eda()


@pytest.mark.usefixtures("no_wordnet")
def test_wordnet_is_downloaded_into_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def download(package: str, *, download_dir: str, quiet: bool, **_: Any) -> bool:
        asked.append((package, download_dir, quiet))
        return True

    monkeypatch.setattr("nltk.download", download)
    with pytest.raises(mtk.UsageError):
        wordnet.load()
    assert asked == [("wordnet", str(tmp_path / "cache" / "mtk" / "nltk_data"), True)]


@pytest.mark.usefixtures("no_wordnet")
def test_a_broken_wordnet_is_named(tmp_path: Path) -> None:
    (tmp_path / "corpora" / "wordnet").mkdir(parents=True)
    with pytest.raises(mtk.UsageError, match=rf"{tmp_path}.* cannot be read: .*get it again"):
        wordnet.load()
