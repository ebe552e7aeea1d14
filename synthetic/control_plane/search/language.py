"""What words mean here: stems without accents, phrases, the lexicon of kinds, and the names of places and times."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import snowballstemmer

__all__ = [
    "Concept", "Lexicon", "Places", "content_terms", "lexicon", "places", "plain_words", "query_terms", "silent_words",
    "stem", "stems",
]  # fmt: skip

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['’](s\b)?")
_STOP = """a about above after again all also am an and any are as at be because been before being both but by can could
did do does doing down during each few for from further had has have having he her hers him his how i if in into is it
its itself just me more most my no nor not now of off on once only or other our out over own same she should so some
such than that the their them then there these they this those through to too under until up upon very was we were
what when where which while who whom whose why will with within would you your amid among one two three four"""
# Of a query only: they ask for a title and say nothing of it.
_ASKING = """movie movies film films show shows series tv watch watching story stories tale tales title titles something
someone anything vibe vibes kind type sort like want feel feeling set based best good great new really keep get make
makes making made full lots featuring feature find looking please recommend starring"""


@dataclass(frozen=True)
class Concept:
    """A genre, mood or theme: what it is called, what speaks for it (terms), and the broader ones it belongs to."""

    name: str
    names: tuple[str, ...]
    signs: tuple[str, ...]
    broader: tuple[int, ...]
    ratings: tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """The concepts, which of them a term names and is a sign of, and the phrases that are read as one term."""

    concepts: tuple[Concept, ...]
    named: dict[str, tuple[int, ...]]
    signed: dict[str, tuple[int, ...]]
    phrases: frozenset[tuple[str, ...]]
    longest: int
    words: frozenset[str]
    """The plain words of the names."""


@dataclass(frozen=True)
class Places:
    """Terms for countries (several for a region), for spans of years, and for the form of a title."""

    countries: dict[str, tuple[str, ...]]
    years: dict[str, tuple[int, int]]
    forms: dict[str, str]


def plain_words(text: str) -> list[str]:
    """The words of a text: lower case, no accents, no possessive.

    >>> plain_words("The Café's haunted houses")
    ['the', 'cafe', 'haunted', 'houses']
    """
    return _WORD.findall(_POSSESSIVE.sub("", _fold(text)))


def stems(text: str) -> tuple[str, ...]:
    """The plain words of a text, stemmed.

    >>> stems("The Café's haunted houses")
    ('the', 'cafe', 'haunt', 'hous')
    """
    return tuple(map(stem, plain_words(text)))


@lru_cache(maxsize=1 << 17)
def stem(word: str) -> str:
    """A plain word without its inflection (Snowball English)."""
    # A stemmer has state, so each call has its own: threads may ask at once.
    found: str = snowballstemmer.stemmer("english").stemWord(word[:64])
    return found


def content_terms(text: str) -> list[str]:
    """Terms of a title's text: its words without stop words, and the lexicon's phrases beside their words."""
    words = stems(text)
    found = [" ".join(words[first:last]) for first, last in _phrases(words)]
    return found + [word for word in words if word not in _stop_words()]


def query_terms(words: Sequence[str]) -> list[str]:
    """Terms of a query: phrases instead of their words, then what is left that says something of a title."""
    taken = [False] * len(words)
    found = []
    for first, last in _phrases(words):
        if not any(taken[first:last]):
            taken[first:last] = [True] * (last - first)
            found.append(" ".join(words[first:last]))
    silent = silent_words()
    return found + [word for word, used in zip(words, taken, strict=True) if not used and word not in silent]


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The lexicon that is shipped, ``lexicon.toml``."""
    told = _read("lexicon.toml")
    index = {name: i for i, name in enumerate(told)}
    concepts = tuple(
        Concept(
            name=name,
            names=_terms(entry["names"]),
            signs=_terms(entry["signs"]),
            broader=tuple(index[broad] for broad in _parts(entry.get("is", ""))),
            ratings=tuple(_parts(entry.get("ratings", ""))),
        )
        for name, entry in told.items()
    )
    every = {tuple(term.split(" ")) for concept in concepts for term in concept.names + concept.signs}
    phrases = frozenset(term for term in every if len(term) > 1)
    return Lexicon(
        concepts=concepts,
        named=_inverted([concept.names for concept in concepts]),
        signed=_inverted([concept.signs for concept in concepts]),
        phrases=phrases,
        longest=max(map(len, phrases)),
        words=frozenset(word for entry in told.values() for word in plain_words(entry["names"])),
    )


@lru_cache(maxsize=1)
def places() -> Places:
    """The names of places, times and forms that are shipped, ``places.toml``."""
    told = _read("places.toml")
    countries: dict[str, tuple[str, ...]] = {
        term: (country,)
        for country, words in told["country"].items()
        for term in (" ".join(stems(country)), *_terms(words))
    }
    for region, members in told["region"].items():
        countries[" ".join(stems(region))] = tuple(_parts(members))
    years = {}
    for name, span in told["era"].items():
        first, last = map(int, _parts(span))
        years[" ".join(stems(name))] = (first, last)
    forms = {term: form for form, words in told["form"].items() for term in _terms(words)}
    return Places(countries, years, forms)


def _phrases(words: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Where the lexicon's phrases stand, the longest first."""
    known = lexicon()
    for length in range(min(known.longest, len(words)), 1, -1):
        for first in range(len(words) - length + 1):
            if tuple(words[first : first + length]) in known.phrases:
                yield first, first + length


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.lower())
    return "".join(c for c in apart if not unicodedata.combining(c))


@lru_cache(maxsize=1)
def _stop_words() -> frozenset[str]:
    return frozenset(map(stem, _STOP.split()))


@lru_cache(maxsize=1)
def silent_words() -> frozenset[str]:
    """Stems of a query's words that say nothing of a title."""
    return _stop_words() | frozenset(map(stem, _ASKING.split()))


def _read(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(files(__package__).joinpath(name).read_text("utf-8"))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _terms(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(stems(part)) for part in _parts(text)))


def _inverted(terms: Sequence[tuple[str, ...]]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for concept, words in enumerate(terms):
        for word in words:
            found.setdefault(word, []).append(concept)
    return {word: tuple(concepts) for word, concepts in found.items()}
