"""What every augmenter promises. Each function is a promise, as `mtk.testing.check.Promise` says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from random import Random
from typing import Any

from hypothesis import strategies as st

from mtk.errors import MtkError
from mtk.host.options import options
from mtk.testing.check import Check, Subject

# Words that WordNet knows synonyms of, so that an augmenter which needs them has something to do.
_PLAIN = """
    film story happy quick large house begin answer beautiful money child strange idea journey friend build strong
    picture simple careful ocean trouble doctor famous gentle village market window bright garden silent river teacher
    clever battle country danger music narrow purchase rapid street tired useful victory wealth worker"""
PLAIN = _PLAIN.split()
_HOSTILE = """
    `` 's n't ... !? (film) e-mail ÉTÉ naïve é 電影 映画館 фильм 🎬 12 a I"""
HOSTILE = _HOSTILE.split()


@dataclass(frozen=True)
class Sentence:
    """A sentence, and the seed of what is random."""

    words: tuple[str, ...]
    seed: int

    def __str__(self) -> str:
        return f"{' '.join(self.words)!r} and seed {self.seed}"


def sentences(words: st.SearchStrategy[str]) -> st.SearchStrategy[Sentence]:
    return st.builds(Sentence, st.lists(words, min_size=1, max_size=12).map(tuple), st.integers(0, 99))


def any_sentence(subject: Subject, sentence: Sentence) -> str | None:
    """No sentence makes it fail: a single word, punctuation, other scripts, emoji."""
    subject.build()(list(sentence.words), Random(sentence.seed))
    return None


def never_empty(subject: Subject, sentence: Sentence) -> str | None:
    """At least one word comes back, in a list."""
    result = _result(subject, sentence)
    return None if isinstance(result, list) and result else f"{result!r}"


def words(subject: Subject, sentence: Sentence) -> str | None:
    """What comes back are words: strings that are neither blank nor hold a space."""
    result = _result(subject, sentence)
    wrong = [word for word in result if not isinstance(word, str) or word.split() != [word]]
    return f"{wrong[0]!r} in {result!r}" if wrong else None


def same_seed(subject: Subject, sentence: Sentence) -> str | None:
    """The same seed gives the same words, the first time, the second time, and from a fresh instance."""
    augmenter = subject.build()
    results = []
    for each in (augmenter, augmenter, subject.build()):
        random.seed(0)  # whether that matters is another promise
        results.append(each(list(sentence.words), Random(sentence.seed)))
    return None if results[0] == results[1] == results[2] else f"{results[0]!r}, then {results[1]!r} and {results[2]!r}"


def only_its_rng(subject: Subject, sentence: Sentence) -> str | None:
    """All randomness comes from `rng`: the global generator neither matters nor moves."""
    results = []
    for seed in (0, 1):
        augmenter = subject.build()
        random.seed(seed)
        before = random.getstate()
        results.append(augmenter(list(sentence.words), Random(sentence.seed)))
        if random.getstate() != before:
            return "the global random generator moved"
    return None if results[0] == results[1] else f"{results[0]!r} and, after random.seed(1), {results[1]!r}"


def input_kept(subject: Subject, sentence: Sentence) -> str | None:
    """The words it is given stay as they are, and can be a tuple."""
    given = list(sentence.words)
    subject.build()(given, Random(sentence.seed))
    subject.build()(sentence.words, Random(sentence.seed))
    return None if given == list(sentence.words) else f"{list(sentence.words)!r} became {given!r}"


def share(subject: Subject, strength: dict[str, float]) -> str | None:
    """An option `alpha` is the share of the words that change: on average over many sentences at least half of it, and at
    most three times as much, since a swap changes two words and a synonym can be several."""
    augmenter, rng = subject.component(**{**subject.options, **strength}), Random(0)
    shares = []
    for _ in range(40):
        sentence = rng.sample(PLAIN, 40)
        shares.append(_changed(sentence, augmenter(list(sentence), rng)) / len(sentence))
    mean = sum(shares) / len(shares)
    return None if strength["alpha"] / 2 <= mean <= 3 * strength["alpha"] else f"{mean:.3f} of the words changed"


def checks(subject: Subject) -> list[Check]:
    plain, hostile = st.sampled_from(PLAIN), st.sampled_from(HOSTILE)
    text = st.text(min_size=1, max_size=4).filter(lambda word: word.split() == [word])
    tame = sentences(plain)
    found = [
        Check(subject, any_sentence, sentences(hostile | text | plain)),
        Check(subject, never_empty, sentences(hostile | plain)),
        Check(subject, words, sentences(hostile | plain)),
        Check(subject, same_seed, tame),
        Check(subject, only_its_rng, tame),
        Check(subject, input_kept, tame),
    ]
    if "alpha" in options(subject.component):
        found.append(Check(subject, share, st.fixed_dictionaries({"alpha": st.sampled_from([0.1, 0.2, 0.3])})))
    return found


def _result(subject: Subject, sentence: Sentence) -> Any:
    """What comes back, or one plain word where nothing does: `any_sentence` speaks of that."""
    try:
        return subject.build()(list(sentence.words), Random(sentence.seed))
    except MtkError:
        raise
    except Exception:
        return ["word"]


def _changed(before: Sequence[str], after: Sequence[str]) -> int:
    """How many words were replaced, put in or left out."""
    edits = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in edits if tag != "equal")
