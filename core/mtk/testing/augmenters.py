"""What every augmenter promises. Each function is a promise, as `mtk.testing.check.Promise` says.

What it works on is given as a run gives it, by the names of the arguments: a tuple of words, an example, or many texts. Each
of the three has promises of its own; those about randomness are asked of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from random import Random
from typing import Any, TypeAlias

from hypothesis import strategies as st

from mtk.augmenter import method_of
from mtk.calling.arguments import named
from mtk.errors import MtkError
from mtk.host.options import options
from mtk.testing.check import Check, Promise, Subject
from mtk.testing.processes import elsewhere, reachable
from mtk.testing.randomness import global_generators

# Words that WordNet knows synonyms of, so that an augmenter which needs them has something to do.
_PLAIN = """
    film story happy quick large house begin answer beautiful money child strange idea journey friend build strong
    picture simple careful ocean trouble doctor famous gentle village market window bright garden silent river teacher
    clever battle country danger music narrow purchase rapid street tired useful victory wealth worker"""
PLAIN = _PLAIN.split()
_HOSTILE = """
    `` 's n't ... !? (film) e-mail ÉTÉ naïve é 電影 映画館 фильм 🎬 12 a I"""
HOSTILE = _HOSTILE.split()
LONG = 300  # words of a long text: a review, and not a sentence


@dataclass(frozen=True)
class Sentence:
    """A sentence, and the seed of what is random."""

    words: tuple[str, ...]
    seed: int

    def offered(self) -> dict[str, Any]:
        """The arguments of `__call__`."""
        return {"words": self.words, "rng": Random(self.seed)}

    def other(self) -> Sentence:
        """A sentence that may have been changed before this one."""
        return Sentence((*reversed(PLAIN[: 1 + self.seed % 9]), "end"), self.seed + 1)

    def __str__(self) -> str:
        more = f"… ({len(self.words)} words)" if len(self.words) > 12 else ""
        return f"{' '.join(self.words[:12])!r}{more} and seed {self.seed}"


@dataclass(frozen=True)
class Whole:
    """An example, those with the same label, and the seed of what is random."""

    texts: tuple[str, ...]
    label: str
    others: tuple[tuple[str, ...], ...]
    seed: int

    def offered(self) -> dict[str, Any]:
        """The arguments of `example`."""
        alike = (self.texts, *self.others)
        return {"texts": self.texts, "label": self.label, "rng": Random(self.seed), "alike": alike}

    def other(self) -> Whole:
        """An example that may have been changed before this one."""
        return replace(self, texts=tuple(f"{text} end" for text in self.texts), seed=self.seed + 1)

    def __str__(self) -> str:
        return f"{self.texts!r}, label '{self.label}', {len(self.others)} others alike, and seed {self.seed}"


@dataclass(frozen=True)
class Many:
    """Texts of several rows, and the seed of what is random."""

    texts: tuple[str, ...]
    seed: int

    def offered(self) -> dict[str, Any]:
        """The arguments of `batch`."""
        return {"texts": self.texts, "rngs": tuple(Random(f"{self.seed} {row}") for row in range(len(self.texts)))}

    def other(self) -> Many:
        """Texts that may have been changed before these."""
        return Many((*reversed(self.texts), "the end"), self.seed + 1)

    def __str__(self) -> str:
        more = f"… ({len(self.texts)} texts)" if len(self.texts) > 3 else ""
        return f"{self.texts[:3]!r}{more} and seed {self.seed}"


Sample: TypeAlias = Sentence | Whole | Many


def sentences(words: st.SearchStrategy[str], *, long: bool = False) -> st.SearchStrategy[Sentence]:
    """Of up to twelve words, and now and then a `long` one."""
    some = st.lists(words, min_size=1, max_size=12)
    short, longer = some.map(tuple), some.map(lambda few: tuple(few * LONG)[:LONG])
    return st.builds(Sentence, st.one_of(short, short, short, longer) if long else short, st.integers(0, 99))


def texts(words: st.SearchStrategy[str], *, long: bool = False) -> st.SearchStrategy[str]:
    """The same as texts."""
    return sentences(words, long=long).map(lambda sentence: " ".join(sentence.words))


def wholes(text: st.SearchStrategy[str]) -> st.SearchStrategy[Whole]:
    """Examples of one text or two. Their labels read as a class and as a score alike."""

    def of(columns: int) -> st.SearchStrategy[Whole]:
        row = st.tuples(*[text] * columns)
        others = st.lists(row, max_size=3).map(tuple)
        return st.builds(Whole, row, st.sampled_from(["0", "1", "2.5"]), others, st.integers(0, 99))

    return st.integers(1, 2).flatmap(of)


def many(text: st.SearchStrategy[str]) -> st.SearchStrategy[Many]:
    """Up to six texts."""
    return st.builds(Many, st.lists(text, min_size=1, max_size=6).map(tuple), st.integers(0, 99))


def any_sentence(subject: Subject, sentence: Sentence) -> str | None:
    """No sentence makes it fail: a single word, punctuation, other scripts, emoji, three hundred words."""
    changed(subject.build(), sentence)
    return None


def any_example(subject: Subject, example: Whole) -> str | None:
    """No example makes it fail: one text or two, a single word, punctuation, other scripts, emoji, three hundred words, the
    only example with its label."""
    changed(subject.build(), example)
    return None


def any_batch(subject: Subject, batch: Many) -> str | None:
    """No texts make it fail: one text alone, a single word, punctuation, other scripts, emoji, three hundred words."""
    changed(subject.build(), batch)
    return None


def as_many_texts(subject: Subject, sample: Whole | Many) -> str | None:
    """As many texts come back as there were, in a list or a tuple, none of them blank."""
    if isinstance(sample, Many):
        sample = replace(sample, texts=(*sample.texts, sample.texts[0]))  # two of them are alike
    result = _result(subject, sample)
    if isinstance(sample, Whole):
        try:
            result, _ = result
        except (TypeError, ValueError):
            return f"{result!r} and not (texts, label)"
    if not isinstance(result, list | tuple) or len(result) != len(sample.texts):
        return f"{_shown(result)}"
    wrong = [text for text in result if not isinstance(text, str) or not text.strip()]
    return f"{wrong[0]!r} in {_shown(result)}" if wrong else None


def with_a_label(subject: Subject, example: Whole) -> str | None:
    """With the texts of an example comes a label, as a file has it: a string."""
    result = _result(subject, example)
    label = result[1] if isinstance(result, tuple | list) and len(result) == 2 else example.label
    return None if isinstance(label, str) and label.strip() else f"{label!r}"


def never_empty(subject: Subject, sentence: Sentence) -> str | None:
    """At least one word comes back, in a list."""
    result = _result(subject, sentence)
    return None if isinstance(result, list) and result else f"{result!r}"


def words(subject: Subject, sentence: Sentence) -> str | None:
    """What comes back are words: strings that are neither blank nor hold a space."""
    result = _result(subject, sentence)
    wrong = [word for word in result if not isinstance(word, str) or word.split() != [word]]
    return f"{wrong[0]!r} in {_shown(result)}" if wrong else None


def same_seed(subject: Subject, sentence: Sample) -> str | None:
    """What it is given and a seed decide what comes back: the first time, the second time, after something else, and from a
    fresh instance."""
    augmenter, other = subject.build(), sentence.other()
    results = []
    for each in (augmenter, augmenter, subject.build()):
        with global_generators(0):  # whether they matter is another promise
            results.append(changed(each, sentence))
    if not results[0] == results[1] == results[2]:
        return f"{_shown(results[0])}, then {_shown(results[1])} and {_shown(results[2])}"
    with global_generators(0):
        changed(augmenter, other)
    with global_generators(0):
        after = changed(augmenter, sentence)
    return None if after == results[0] else f"{_shown(results[0])}, and after {other} {_shown(after)}"


def only_its_rng(subject: Subject, sentence: Sample) -> str | None:
    """All randomness comes from `rng`, which goes on and is not set back: global generators neither matter nor move."""
    results = []
    for seed in (0, 1):
        augmenter = subject.build()
        with global_generators(seed) as moved:
            results.append(changed(augmenter, sentence))
            if seen := moved():
                return seen
    if results[0] != results[1]:
        return f"{_shown(results[0])} and, after random.seed(1), {_shown(results[1])}"
    states = []
    for seed in (sentence.seed, sentence.seed + 1):
        offered = replace(sentence, seed=seed).offered()
        _changed_by(subject.build(), sentence, offered)
        states.append([rng.getstate() for rng in offered.get("rngs", (offered.get("rng"),))])
    same = any(one == other for one, other in zip(*states, strict=True))
    return "`rng` in the same state after it began from another seed" if same else None


def any_process(subject: Subject, sentence: Sample) -> str | None:
    """The same seed gives the same in another process, where strings hash otherwise and sets have another order."""
    there, why = elsewhere(outcome, subject, sentence)
    here = outcome(subject, sentence)
    if why:
        return f"in another process {why}"
    return None if here == there else f"{_shown(here)}, and in another process {_shown(there)}"


def input_kept(subject: Subject, sentence: Sample) -> str | None:
    """What it is given stays as it is, and can be a list as well as a tuple."""
    changed(subject.build(), sentence)
    offered = sentence.offered()
    given = {name: list(value) for name, value in offered.items() if name in ("words", "texts", "alike")}
    _changed_by(subject.build(), sentence, {**offered, **given})
    moved = next((name for name, value in given.items() if value != list(offered[name])), None)
    return f"{_shown(list(offered[moved]))} became {_shown(given[moved])}" if moved else None


def copies(subject: Subject, _: Sample) -> str | None:
    """`copies`, how many it makes of an example where the user does not say, is a whole number from 1 on."""
    given: Any = subject.build().copies
    return None if type(given) is int and given >= 1 else f"copies = {given!r}"


def share(subject: Subject, strength: dict[str, float]) -> str | None:
    """An option `alpha` is the share of the words that change: on average over many sentences at least half of it, and at
    most three times as much, since a swap changes two words and a synonym can be several."""
    augmenter, rng = subject.component(**{**subject.options, **strength}), Random(0)
    shares = []
    for _ in range(40):
        sentence = rng.sample(PLAIN, 40)
        shares.append(_changed(sentence, augmenter(tuple(sentence), rng)) / len(sentence))
    mean = sum(shares) / len(shares)
    return None if strength["alpha"] / 2 <= mean <= 3 * strength["alpha"] else f"{mean:.3f} of the words changed"


def checks(subject: Subject) -> list[Check]:
    plain, hostile = st.sampled_from(PLAIN), st.sampled_from(HOSTILE)
    text = st.text(min_size=1, max_size=4).filter(lambda word: word.split() == [word])
    wild, strange, tame = hostile | text | plain, hostile | plain, plain
    method = method_of(subject.component)
    if method == "__call__":
        own: list[tuple[Promise, Any]] = [
            (any_sentence, sentences(wild, long=True)),
            (never_empty, sentences(strange, long=True)),
            (words, sentences(strange, long=True)),
        ]
        usual: Any = sentences(tame)
        elsewhere_too: Any = st.builds(Sentence, st.just(tuple(PLAIN)), st.integers(0, 99))
    else:
        made, first = (wholes, any_example) if method == "example" else (many, any_batch)
        own = [(first, made(texts(wild, long=True))), (as_many_texts, made(texts(strange, long=True)))]
        own += [(with_a_label, made(texts(strange)))] if method == "example" else []
        usual, elsewhere_too = made(texts(tame)), made(st.just(" ".join(PLAIN)) | texts(tame))
    found = [Check(subject, promise, samples) for promise, samples in own]
    found += [Check(subject, promise, usual) for promise in (same_seed, only_its_rng, input_kept)]
    found.append(Check(subject, copies, usual, tries=1))
    if reachable(subject):
        found.append(Check(subject, any_process, elsewhere_too, tries=10))
    if "alpha" in options(subject.component) and method == "__call__":
        found.append(Check(subject, share, st.fixed_dictionaries({"alpha": st.sampled_from([0.1, 0.2, 0.3])})))
    return found


def changed(augmenter: Any, sample: Sample) -> Any:
    """What it makes of a sample, called as a run calls it."""
    return _changed_by(augmenter, sample, sample.offered())


def outcome(subject: Subject, sample: Sample) -> Any:
    """The same, from a fresh one, with the global generators where they always are."""
    with global_generators(0):
        return changed(subject.build(), sample)


def _changed_by(augmenter: Any, sample: Sample, offered: dict[str, Any]) -> Any:
    method = {Sentence: "__call__", Whole: "example", Many: "batch"}[type(sample)]
    return getattr(augmenter, method)(**named(getattr(type(augmenter), method), offered))


def _result(subject: Subject, sample: Sample) -> Any:
    """What comes back, or something in order where nothing does: the promise that nothing makes it fail speaks of that."""
    try:
        return changed(subject.build(), sample)
    except MtkError:
        raise
    except Exception:
        if isinstance(sample, Sentence):
            return ["word"]
        return (sample.texts, sample.label) if isinstance(sample, Whole) else sample.texts


def _shown(words: Any) -> str:
    return repr(words) if not isinstance(words, list) or len(words) <= 50 else f"{words[:50]!r}…"


def _changed(before: Sequence[str], after: Sequence[str]) -> int:
    """How many words were replaced, put in or left out."""
    edits = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in edits if tag != "equal")
