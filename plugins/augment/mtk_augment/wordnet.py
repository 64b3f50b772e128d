"""The synonyms of a word: Princeton WordNet, of which a table of them is made once and kept in mtk's cache.

WordNet is where NLTK looks for it, which NLTK_DATA extends, or NLTK downloads it once into mtk's cache directory. Only for
that is NLTK imported, which takes a second.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from zipfile import ZipFile

import mtk
from mtk_augment.function_words import FUNCTION_WORDS
from mtk_augment.thesaurus import FILES, Thesaurus, table

_WORD = re.compile(r"\w(?:.*\w)?", re.DOTALL)  # a token without the punctuation around it
_FORMAT = "1"  # of the table


@cache
def synonyms(token: str) -> tuple[str, ...]:
    """What could stand in the place of a token, in any of its senses, as WordNet spells it: case and the punctuation
    around the token are ignored, and a synonym may be several words. Function words, and what WordNet does not know,
    have none.
    """
    found = _WORD.search(token)
    return _synonyms(found[0].lower()) if found else ()


Offer = tuple[int, tuple[tuple[str, ...], tuple[str, ...]]]
"""Of a token of a sentence: its place, its synonyms, and the same written as the token is."""

_last: tuple[tuple[str, ...], list[Offer]] = ((), [])


def offers(tokens: Sequence[str]) -> list[Offer]:
    """Of each token that has synonyms: looked up once for all copies of a sentence that is a tuple, which nobody changes."""
    global _last
    if _last[0] is not tokens:
        _last = tuple(tokens), [(place, found) for place, found in enumerate(map(_known.__getitem__, tokens)) if found]
    return _last[1]


def dressed(synonym: str, token: str) -> str:
    """A synonym written as a token was: with its punctuation and its initial capital."""
    found = _WORD.search(token)
    if found is None:
        return synonym
    if found[0][0].isupper():
        synonym = synonym[0].upper() + synonym[1:]
    return f"{token[: found.start()]}{synonym}{token[found.end() :]}"


class _Known(dict[str, tuple[tuple[str, ...], tuple[str, ...]] | None]):
    """token -> its synonyms, and these as the token is written; None where it has none."""

    def __missing__(self, token: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        found = synonyms(token)
        plain = token.isalnum() and token.islower()  # as most are
        self[token] = (found, found if plain else tuple(dressed(name, token) for name in found)) if found else None
        return self[token]


_known = _Known()


@cache
def _synonyms(word: str) -> tuple[str, ...]:
    return () if word in FUNCTION_WORDS else load().synonyms(word)


@cache
def load() -> Thesaurus:
    """All synonyms. An augmenter that will need them calls this when it is built, so that a run without WordNet ends before
    it has begun. Raises UsageError.
    """
    place = _find()
    try:
        if place.suffix == ".zip":
            files = [place.read_bytes()]

            def read(name: str) -> str:
                return ZipFile(io.BytesIO(files[0])).read(f"wordnet/{name}").decode()
        else:
            files = [(place / name).read_bytes() for name in FILES]

            def read(name: str) -> str:
                return files[FILES.index(name)].decode()

        return Thesaurus(mtk.kept("synonyms", [_FORMAT, *files], lambda: table(read).encode()).decode())
    except Exception as error:
        raise mtk.UsageError(f"WordNet in {place} cannot be read: {error!r}. Delete it and get it again.") from error


def _find() -> Path:
    """Where WordNet is, unpacked or in its zip file, after a download if need be. Raises UsageError."""
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mtk" / "nltk_data"
    if "nltk" not in sys.modules:  # or else somebody may have changed its path
        places = [*_places(), own]
        for place in (*(p / "corpora" / "wordnet" for p in places), *(p / "corpora" / "wordnet.zip" for p in places)):
            if place.exists():
                return place
    return _asked_of_nltk(own)


def _places() -> list[Path]:
    """Where NLTK looks, in its order; elsewhere than on Unix it knows more."""
    named = [Path(place).expanduser() for place in os.environ.get("NLTK_DATA", "").split(os.pathsep) if place]
    system = [Path(root, "nltk_data") for root in ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")]
    own = [Path(sys.prefix, below, "nltk_data") for below in (".", "share", "lib")]
    return [*named, Path(os.path.expanduser("~/nltk_data")), *own, *system]  # noqa: PTH111, without a home it is no error


def _asked_of_nltk(own: Path) -> Path:
    """Where NLTK finds it, or what it downloads to a directory of mtk's own. Raises UsageError."""
    import nltk  # here, because it takes more than a second

    if str(own) not in nltk.data.path:
        nltk.data.path.append(str(own))
    complaint = io.StringIO()
    try:
        try:
            found = nltk.data.find("corpora/wordnet/")
        except LookupError:
            nltk.download("wordnet", download_dir=str(own), quiet=True, print_error_to=complaint)
            found = nltk.data.find("corpora/wordnet/")
    except Exception as error:
        raise mtk.UsageError(
            "Synonyms need WordNet, which is neither in NLTK's data path nor can be downloaded from here. Run "
            "`python -m nltk.downloader wordnet` where there is a network, or point NLTK_DATA at a directory that holds "
            "corpora/wordnet.zip."
        ) from error
    return Path(found.zipfile.filename if hasattr(found, "zipfile") else found.path)
