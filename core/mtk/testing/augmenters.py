"""What every augmenter promises. Each function is a promise, as `mtk.testing.check.Promise` says.

A sentence is given as a run gives it: a tuple of words, by the names of the arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from random import Random
from typing import Any

from hypothesis import strategies as st

from mtk.calling.arguments import named
from mtk.errors import MtkError
from mtk.host.options import options
from mtk.testing.check import Check, Subject
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

    def __str__(self) -> str:
        more = f"… ({len(self.words)} words)" if len(self.words) > 12 else ""
        return f"{' '.join(self.words[:12])!r}{more} and seed {self.seed}"


def sentences(words: st.SearchStrategy[str], *, long: bool = False) -> st.SearchStrategy[Sentence]:
    """Of up to twelve words, and now and then a `long` one."""
    some = st.lists(words, min_size=1, max_size=12)
    short, longer = some.map(tuple), some.map(lambda few: tuple(few * LONG)[:LONG])
    return st.builds(Sentence, st.one_of(short, short, short, longer) if long else short, st.integers(0, 99))


def any_sentence(subject: Subject, sentence: Sentence) -> str | None:
    """No sentence makes it fail: a single word, punctuation, other scripts, emoji, three hundred words."""
    changed(subject.build(), sentence)
    return None


def never_empty(subject: Subject, sentence: Sentence) -> str | None:
    """At least one word comes back, in a list."""
    result = _result(subject, sentence)
    return None if isinstance(result, list) and result else f"{result!r}"


def words(subject: Subject, sentence: Sentence) -> str | None:
    """What comes back are words: strings that are neither blank nor hold a space."""
    result = _result(subject, sentence)
    wrong = [word for word in result if not isinstance(word, str) or word.split() != [word]]
    return f"{wrong[0]!r} in {_shown(result)}" if wrong else None


def same_seed(subject: Subject, sentence: Sentence) -> str | None:
    """A sentence and a seed decide the words: the first time, the second time, after other sentences, and from a fresh
    instance."""
    augmenter, other = subject.build(), Sentence((*reversed(PLAIN[: 1 + sentence.seed % 9]), "end"), sentence.seed + 1)
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


def only_its_rng(subject: Subject, sentence: Sentence) -> str | None:
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
    one, other = Random(sentence.seed), Random(sentence.seed + 1)
    for rng in (one, other):
        changed(subject.build(), sentence, rng)
    return None if one.getstate() != other.getstate() else "`rng` in the same state after it began from another seed"


def any_process(subject: Subject, sentence: Sentence) -> str | None:
    """The same seed gives the same words in another process, where strings hash otherwise and sets have another order."""
    there, why = elsewhere(outcome, subject, sentence)
    here = outcome(subject, sentence)
    if why:
        return f"in another process {why}"
    return None if here == there else f"{_shown(here)}, and in another process {_shown(there)}"


def input_kept(subject: Subject, sentence: Sentence) -> str | None:
    """The words it is given stay as they are, and can be a list as well as a tuple."""
    given = list(sentence.words)
    changed(subject.build(), sentence)
    augmenter, rng = subject.build(), Random(sentence.seed)
    augmenter(**named(type(augmenter).__call__, {"words": given, "rng": rng}))
    return None if given == list(sentence.words) else f"{_shown(list(sentence.words))} became {_shown(given)}"


def copies(subject: Subject, _: Sentence) -> str | None:
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
    tame = sentences(plain)
    found = [
        Check(subject, any_sentence, sentences(hostile | text | plain, long=True)),
        Check(subject, never_empty, sentences(hostile | plain, long=True)),
        Check(subject, words, sentences(hostile | plain, long=True)),
        Check(subject, same_seed, tame),
        Check(subject, only_its_rng, tame),
        Check(subject, input_kept, tame),
        Check(subject, copies, tame, tries=1),
    ]
    if reachable(subject):
        whole = st.builds(Sentence, st.just(tuple(PLAIN)), st.integers(0, 99))
        found.append(Check(subject, any_process, whole, tries=10))
    if "alpha" in options(subject.component):
        found.append(Check(subject, share, st.fixed_dictionaries({"alpha": st.sampled_from([0.1, 0.2, 0.3])})))
    return found


def changed(augmenter: Any, sentence: Sentence, rng: Random | None = None) -> Any:
    """What it makes of a sentence, called as a run calls it."""
    offered = {"words": sentence.words, "rng": rng or Random(sentence.seed)}
    return augmenter(**named(type(augmenter).__call__, offered))


def outcome(subject: Subject, sentence: Sentence) -> Any:
    """The same, from a fresh one, with the global generators where they always are."""
    with global_generators(0):
        return changed(subject.build(), sentence)


def _result(subject: Subject, sentence: Sentence) -> Any:
    """What comes back, or one plain word where nothing does: `any_sentence` speaks of that."""
    try:
        return changed(subject.build(), sentence)
    except MtkError:
        raise
    except Exception:
        return ["word"]


def _shown(words: Any) -> str:
    return repr(words) if not isinstance(words, list) or len(words) <= 50 else f"{words[:50]!r}…"


def _changed(before: Sequence[str], after: Sequence[str]) -> int:
    """How many words were replaced, put in or left out."""
    edits = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in edits if tag != "equal")
