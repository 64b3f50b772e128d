"""The English words that say how a sentence hangs together, not what it is about. They have no synonyms to put in their
place, though WordNet, a dictionary of nouns, verbs, adjectives and adverbs, believes so: its 'a' is the angstrom, 'he'
helium, 'who' the World Health Organization, and 'no' nobelium, which would turn a sentence's meaning round.

Wei and Zou 2019, section 2, choose the words to change among those that are no stop words. Their stop words are NLTK's list
of English ones, and all of them are here.
"""

from __future__ import annotations

from string import ascii_lowercase

_ARTICLES = "a an the"
_PRONOUNS = """
    i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers
    herself it its itself they them their theirs themselves one who whom whose which what this that these those
    someone somebody something anyone anybody anything everyone everybody everything"""
_PREPOSITIONS = """
    about above across after against along among around at before behind below beneath beside between beyond by despite
    down during except for from in inside into near of off on onto out outside over since than through throughout to
    toward towards under until up upon via with within without"""
_CONJUNCTIONS = "and or but nor so yet if unless because although though while whereas whether as when where why how"
_AUXILIARIES = """
    am is are was were be been being have has had having do does did doing done can could may might must shall should
    will would ought"""
_NEGATIONS = "no not none never neither nobody nothing nowhere cannot"
_CLITICS = "re ll ve ca don"  # as tokenizers split them off: they 're, ca n't, don 't
_QUANTIFIERS = "all any both each few more most other some such only own same"
_ADVERBS = "again further then once here there too very just now"

_ALL = (
    *(_ARTICLES, _PRONOUNS, _PREPOSITIONS, _CONJUNCTIONS, _AUXILIARIES, _NEGATIONS),
    *(_CLITICS, _QUANTIFIERS, _ADVERBS),
    *ascii_lowercase,  # a letter by itself is an initial or the 's' of "film 's", and a unit to WordNet
)
FUNCTION_WORDS = frozenset(" ".join(_ALL).split())
