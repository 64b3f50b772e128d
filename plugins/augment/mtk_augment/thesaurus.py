"""The synonyms in Princeton WordNet, and nothing else of it, as a table that is read in a moment.

`table` makes it of WordNet's own files, whose format is wndb(5WN) in WordNet's documentation. It is text: for each part of
speech four lines of cells with tabs between them: the lemmas, the synonyms of each, the irregular forms, the lemmas of each.
In a cell there are spaces between several, and an underscore for a space, as in WordNet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

# The parts of speech, in the order in which a word's senses are read; and of each what an inflected form ends with, and what
# its lemma does, as morphy(7WN) has it.
ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "noun": (
        *(("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z")),
        *(("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y")),
    ),
    "verb": (
        *(("s", ""), ("ies", "y"), ("es", "e"), ("es", "")),
        *(("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    ),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}

FILES = [name for part in ENDINGS for name in (f"data.{part}", f"index.{part}", f"{part}.exc")]
"""The files of WordNet that it is made of."""


def table(read: Callable[[str], str]) -> str:
    """The table, of what `read` gives of a file in `FILES`. Raises ValueError or LookupError if these are no WordNet."""
    lines = []
    for part in ENDINGS:
        names = dict(map(_synset, _records(read(f"data.{part}"))))
        synonyms = {}
        for record in _records(read(f"index.{part}")):
            lemma, _, synsets, *rest = record.split()
            found = dict.fromkeys(name for synset in rest[-int(synsets) :] for name in names[synset])
            synonyms[lemma] = " ".join(name for name in found if name.lower() != lemma)
        irregular = dict(line.split(" ", 1) for line in read(f"{part}.exc").split("\n") if line)
        lines += ["\t".join(cells) for column in (synonyms, irregular) for cells in (column, column.values())]
    return "\n".join(lines)


def _records(content: str) -> Iterator[str]:
    """The lines of a file, without the licence at its head."""
    return (line for line in content.split("\n") if line and not line.startswith(" "))


def _synset(record: str) -> tuple[str, list[str]]:
    """Its place in the file, by which the index names it, and its words, without the mark of where an adjective stands."""
    place, _, _, count, rest = record.split(" ", 4)
    words = rest.split(" ", 2 * int(count, 16))[:-1:2]
    return place, [word[: word.index("(")] if word.endswith(")") else word for word in words]


class Thesaurus:
    """A table, in memory."""

    def __init__(self, table: str) -> None:
        """Raises ValueError if it is none."""
        columns = [line.split("\t") for line in table.split("\n")]
        pairs = iter([dict(zip(*pair, strict=True)) for pair in zip(columns[::2], columns[1::2], strict=True)])
        self._parts = [(next(pairs), next(pairs), endings) for endings in ENDINGS.values()]

    def synonyms(self, word: str) -> tuple[str, ...]:
        """What stands in any synset of a word in lower case, whatever its part of speech, or of a word that it is a form of;
        without these themselves: 'movie' is no synonym of 'movies'."""
        found: dict[str, None] = {}
        itself = {word}
        for lemmas, irregular, endings in self._parts:
            if word in irregular:
                forms = irregular[word].split(" ")
            else:
                forms = [word[: -len(old)] + new for old, new in endings if word.endswith(old)]
            for form in dict.fromkeys((word, *forms)):
                if form in lemmas:
                    itself.add(form)
                    found |= dict.fromkeys(lemmas[form].split())
        return tuple(name.replace("_", " ") for name in found if name.lower() not in itself)
