"""Training text made larger: every example is kept, and changed copies of it are added."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from random import Random
from typing import Any, NamedTuple

from mtk.augmenter import Augmenter, method_of
from mtk.calling.arguments import in_order
from mtk.calling.failures import broken, call, calling
from mtk.data.split import Label, Split, as_label
from mtk.task import Task

_OTHER_SPACES = [character for character in map(chr, range(128)) if character.isspace() and character != " "]
BATCH = 64  # rows whose texts an augmenter's `batch` is given at once


class Example(NamedTuple):
    """A row as an augmenter works on it."""

    name: str  # which row it is; with the seed it decides what is drawn
    texts: tuple[str, ...]
    label: str  # as a file has it; empty where the augmenter does not ask for it


def augment_split(split: Split, augmenter: Augmenter, copies: int, seed: int, task: Task) -> Split:
    """The examples of `split`, which are this task's, as they are, then `copies` changed ones of each: those of example ID
    are ID#1, ID#2, …

    Raises UsageError if the augmenter breaks its promise.
    """
    with calling(task.kind, "value"):
        labels = [task.kind.written(task.kind.value(label)) for label in split.labels or ()] or [""] * len(split)
    rows = zip(split.ids, zip(*split.texts, strict=True), labels, strict=True)
    examples = [Example(name, texts, label) for name, texts, label in rows]
    made = list(changed_examples(examples, augmenter, copies, f"{seed} {task.name} augment"))
    return Split(
        [*split.ids, *(f"{name}#{number}" for name in split.ids for number in range(1, copies + 1))],
        tuple(
            [*column, *(changed.texts[place] for few in made for changed in few)] for place, column in enumerate(split.texts)
        ),
        split.labels
        and split.labels
        + [
            label if changed.label == example.label else _label(augmenter, task, example, changed)
            for example, label, few in zip(examples, split.labels, made, strict=True)
            for changed in few
        ],
        split.source,
        split.skipped,
        split.notes,
    )


def changed_examples(examples: Iterable[Example], augmenter: Augmenter, copies: int, seed: str) -> Iterator[list[Example]]:
    """Of each example, in order, `copies` changed ones, each by the method that the augmenter has. Only `example` needs to
    see all of them before the first. Raises UsageError if the augmenter breaks its promise."""
    return _BY[method_of(type(augmenter))](examples, augmenter, copies, seed)


def changed_copies(text: str, augmenter: Augmenter, copies: int, rng: Random) -> list[str]:
    """`copies` ones of a text that the augmenter changes by its words. A text without a word stays as it is. Raises
    UsageError."""
    words = tuple(text.split())
    if not words:
        return [text] * copies
    change = in_order(augmenter.__call__, ("words", "rng"))
    try:
        results: list[Any] = [change(words, rng) for _ in range(copies)]
    except BaseException:
        with calling(augmenter, "__call__", f" on '{text}'"):  # only then: it takes a quarter of a change
            raise
    try:
        texts = list(map(" ".join, results))
    except TypeError:  # something that is no string
        texts = [""]
    whole = " ".join(texts)
    # Between words stands one space; where more than that is told apart, each word is looked at.
    plain = _only_spaces(whole) and "  " not in f" {whole} " and {*map(type, results)} == {list}
    if not plain and (wrong := [result for result in results if not _are_words(result)]):
        raise broken(augmenter, "__call__", f"it promises a list of at least one word, but '{text}' became {wrong[0]!r}")
    return texts


def _by_sentence(examples: Iterable[Example], augmenter: Augmenter, copies: int, seed: str) -> Iterator[list[Example]]:
    for name, texts, label in examples:
        rng = _rng(seed, name)
        changed = zip(*(changed_copies(text, augmenter, copies, rng) for text in texts), strict=True)
        yield [Example(name, each, label) for each in changed]


def _by_example(examples: Iterable[Example], augmenter: Augmenter, copies: int, seed: str) -> Iterator[list[Example]]:
    examples = list(examples)
    texts_of = defaultdict(list)
    for example in examples:
        texts_of[example.label].append(example.texts)
    alike = {label: tuple(texts) for label, texts in texts_of.items()}
    for name, texts, label in examples:
        given = {"texts": texts, "label": label, "rng": _rng(seed, name), "alike": alike[label]}
        results = (call(augmenter, "example", on=f" on {texts!r}", **given) for _ in range(copies))
        yield [_example(augmenter, name, texts, result) for result in results]


def _by_batch(examples: Iterable[Example], augmenter: Augmenter, copies: int, seed: str) -> Iterator[list[Example]]:
    examples = iter(examples)
    while rows := list(islice(examples, BATCH)):
        owners = [_rng(seed, row.name) for row in rows]
        asked = [(text, rng) for row, rng in zip(rows, owners, strict=True) for text in row.texts if text.strip()]
        given, rngs = [text for text, _ in asked], [rng for _, rng in asked]
        made = [iter(_batch(augmenter, given, rngs) if given else ()) for _ in range(copies)]
        for name, texts, label in rows:
            yield [Example(name, tuple(next(one) if t.strip() else t for t in texts), label) for one in made]


_BY: dict[str, Callable[..., Iterator[list[Example]]]] = {
    "__call__": _by_sentence,
    "example": _by_example,
    "batch": _by_batch,
}


def _rng(seed: str, name: str) -> Random:
    return Random(f"{seed} {name}")


def _example(augmenter: Augmenter, name: str, texts: tuple[str, ...], result: Any) -> Example:
    """What `example` gave for these texts, if it is as promised."""
    try:
        changed, label = result
        if _are_texts(changed, len(texts)) and isinstance(label, str):
            return Example(name, tuple(changed), label)
    except (TypeError, ValueError):
        pass
    of = "a text that is" if len(texts) == 1 else f"{len(texts)} texts that are"
    raise broken(augmenter, "example", f"it promises ({of} not blank, a label), but {texts!r} became {result!r}")


def _batch(augmenter: Augmenter, texts: list[str], rngs: list[Random]) -> list[str]:
    """What `batch` makes of these texts, if it is as promised."""
    result = call(
        augmenter, "batch", on=f" on {len(texts)} texts from '{texts[0]}' on", texts=tuple(texts), rngs=tuple(rngs)
    )
    if not _are_texts(result, len(texts)):
        gave = f"{len(result)} in {type(result).__name__}" if isinstance(result, list | tuple) else repr(result)
        raise broken(augmenter, "batch", f"it promises a list of {len(texts)} texts, none of them blank, and gave {gave}")
    return list(result)


def _label(augmenter: Augmenter, task: Task, example: Example, changed: Example) -> Label:
    """The number of the label that `example` gave in the place of the example's own."""
    try:
        return as_label(task.kind.read_label(changed.label))
    except ValueError as reason:
        raise broken(augmenter, "example", f"it gave {example.texts!r} a label that {task.name} has not: {reason}") from None


def _only_spaces(text: str) -> bool:
    """Whether what separates its words are plain spaces. ASCII, as most text is, is searched at the memory's speed."""
    return not any(map(text.__contains__, _OTHER_SPACES)) if text.isascii() else text.isprintable()


def _are_words(result: object) -> bool:
    try:
        return isinstance(result, list) and bool(result) and all(map(str.strip, result))
    except TypeError:  # something that is no string
        return False


def _are_texts(result: object, count: int) -> bool:
    return (
        isinstance(result, list | tuple) and len(result) == count and all(isinstance(t, str) and t.strip() for t in result)
    )
