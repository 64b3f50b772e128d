"""The synonyms of a word: Princeton WordNet, read by NLTK.

WordNet is taken from NLTK's data path, where NLTK_DATA leads, or downloaded once into mtk's cache directory.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import mtk
from mtk_augment.function_words import FUNCTION_WORDS

_WORD = re.compile(r"\w(?:.*\w)?", re.DOTALL)  # a token without the punctuation around it


@cache
def synonyms(token: str) -> tuple[str, ...]:
    """What could stand in the place of a token, in any of its senses, as WordNet spells it: case and the punctuation
    around the token are ignored, and a synonym may be several words. Function words, and what WordNet does not know,
    have none.
    """
    found = _WORD.search(token)
    return _synonyms(found[0].lower()) if found else ()


_last: tuple[tuple[str, ...], list[tuple[int, tuple[str, ...]]]] = ((), [])


def synonyms_of_all(tokens: tuple[str, ...]) -> list[tuple[int, tuple[str, ...]]]:
    """The place of each token that has synonyms, and those: looked up once for all copies of a sentence."""
    global _last
    if _last[0] is not tokens:
        _last = tokens, [(place, found) for place, token in enumerate(tokens) if (found := synonyms(token))]
    return _last[1]


def dressed(synonym: str, token: str) -> list[str]:
    """The words of `synonym` written as `token` was: with its punctuation and its initial capital."""
    if token.isalnum():  # most are, and need no search
        return (synonym[0].upper() + synonym[1:] if token[0].isupper() else synonym).split()
    found = _WORD.search(token)
    if found is None:
        return synonym.split()
    if found[0][0].isupper():
        synonym = synonym[0].upper() + synonym[1:]
    return f"{token[: found.start()]}{synonym}{token[found.end() :]}".split()


@cache
def _synonyms(word: str) -> tuple[str, ...]:
    if word in FUNCTION_WORDS:
        return ()
    wordnet = load()
    itself = {word, *(wordnet.morphy(word, pos) for pos in "nvar")}  # 'movie' is no synonym of 'movies'
    names = (name for synset in wordnet.synsets(word) for name in synset.lemma_names())
    return tuple(dict.fromkeys(name.replace("_", " ") for name in names if name.lower() not in itself))


@cache
def load() -> Any:
    """NLTK's reader of WordNet. An augmenter that will need synonyms calls this when it is built, so that a run without
    WordNet ends before it has begun. Raises UsageError.
    """
    import nltk  # here, because it takes more than a second and `mtk show eda` does not need it
    from nltk.corpus.reader import WordNetCorpusReader

    class EnglishWordNet(WordNetCorpusReader):  # type: ignore[misc]
        """Ready in 0.9 s instead of 4.1 s: the first method saves 0.5 s, the second 2.7 s."""

        def open(self, file: str) -> io.TextIOWrapper:
            """Decoded by Python and not by NLTK's own stream. WordNet is ASCII: an offset in bytes is one in text."""
            with self.root.join(file).open() as stream:
                return io.TextIOWrapper(io.BytesIO(stream.read()), encoding="utf-8")

        def map_wn(self, version: str = "wordnet") -> None:
            """Without the map between WordNet versions, which only other languages need."""

    root = _find(nltk)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are no other languages
            return EnglishWordNet(root, None)
    except Exception as error:
        raise mtk.UsageError(f"WordNet in {root} cannot be read: {error!r}. Delete it and get it again.") from error


def _find(nltk: Any) -> Any:
    """Where WordNet is, unpacked or in its zip file, after a download if need be."""
    cache_directory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mtk" / "nltk_data"
    if str(cache_directory) not in nltk.data.path:
        nltk.data.path.append(str(cache_directory))  # NLTK opens nothing outside its path
    name = "corpora/wordnet/"
    try:
        return nltk.data.find(name)
    except LookupError:
        pass
    complaint = io.StringIO()
    try:
        nltk.download("wordnet", download_dir=str(cache_directory), quiet=True, print_error_to=complaint)
        return nltk.data.find(name)
    except Exception as error:
        raise mtk.UsageError(
            "Synonyms need WordNet, which is neither in NLTK's data path nor can be downloaded from here. Run "
            "`python -m nltk.downloader wordnet` where there is a network, or point NLTK_DATA at a directory that holds "
            "corpora/wordnet.zip."
        ) from error
