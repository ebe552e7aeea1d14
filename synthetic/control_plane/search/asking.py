"""What a query asks for: its words, spelled, and the themes, people, places, times and titles that it names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rapidfuzz import process
from rapidfuzz.distance import OSA

from metrics.errors import InputError
from synthetic.control_plane.search.graph import Graph, Node
from synthetic.control_plane.search.language import (
    lexicon,
    places,
    plain_words,
    query_terms,
    silent_words,
    stem,
)

__all__ = ["MAX_QUERY_LENGTH", "Ask", "Names", "checked_words", "read_query", "spell"]

MAX_QUERY_LENGTH = 1_000
_SIGN = 0.3  # a word that is a sign of a theme speaks for it less than the theme's name, which is 1
_BROADER = 0.4
_PERSON, _SURNAME, _COUNTRY, _GENRE, _CLUSTER, _SHARED = 2.0, 0.5, 0.8, 0.15, 0.05, 0.1
_SHORT_NAME = 6
_MAX_NAMESAKES = 40  # beyond, a surname says nothing
_ALIKE = frozenset(("like", "similar", "resembling"))
_LEAD = frozenset(("lead", "leads", "star", "stars", "actor", "actress", "protagonist"))
_CAST = frozenset(("cast", "actors", "ensemble"))
_DIRECTOR = frozenset(("director", "directors", "filmmaker", "creator", "creators", "maker", "makers"))
_ROLES = _LEAD | _CAST | _DIRECTOR
_AROUND = frozenset(
    plain_words("movies movie films film shows show series titles with by from of in the a an to starring")
)
_DECADE = re.compile(r"(?<!\w)((?:19|20)?[0-9]0)['’]?s(?!\w)")
_YEAR = re.compile(r"(?<!\w)(19[0-9]{2}|20[0-9]{2})(?!\w)")


@dataclass(frozen=True)
class Names:
    """Names of titles and every word in use, to find what a query means and to mend its spelling.

    ``titles`` finds titles by their plain words; ``counts`` says how often a plain word is used.
    """

    titles: dict[str, tuple[int, ...]]
    counts: dict[str, int]
    ordinary: frozenset[str]
    """Plain words that a description writes without a capital: not names alone."""
    known: frozenset[str]
    """Stems that mean something: of the titles' texts, of people's names, of the lexicon and of places."""


@dataclass
class Ask:
    """``terms`` by weight, ``themes`` and ``nodes`` of the graph by weight; ``named`` titles, titles to be ``like``.

    ``any_of``: nodes of which a title should be linked to any: a region's countries, a cast. ``years``: first and
    last year of release, where a time is asked for. ``form``: the node of films or of series.
    """

    terms: dict[str, float] = field(default_factory=dict)
    themes: dict[int, float] = field(default_factory=dict)
    nodes: dict[int, float] = field(default_factory=dict)
    any_of: dict[tuple[int, ...], float] = field(default_factory=dict)
    named: tuple[int, ...] = ()
    like: tuple[int, ...] = ()
    years: tuple[int, int] | None = None
    form: int | None = None


def checked_words(query: str) -> list[str]:
    """The plain words of a query.

    Raises :class:`~metrics.errors.InputError` for a query without a word or longer than 1,000 characters.
    """
    if len(query) > MAX_QUERY_LENGTH:
        raise InputError(
            f"a query of {len(query):,} characters", mend=f"use at most {MAX_QUERY_LENGTH:,} characters"
        )
    words = plain_words(query)
    if not words:
        raise InputError("the query holds no word", mend="give a name, a genre or a theme")
    return words


def spell(word: str, names: Names) -> str:
    """The word, or the nearest one in use where it is unknown; empty where none is near.

    One slip (a letter more, less, other, or two that changed places) in words of four to six letters, two in
    longer ones; of the words equally near, the most used.
    """
    if stem(word) in names.known or word.isdigit() or _DECADE.fullmatch(word):
        return word
    slips = 0 if len(word) < 4 else 1 if len(word) < 7 else 2
    if not slips or len(word) > 40:
        return ""
    near = process.extract(word, names.counts.keys(), scorer=OSA.distance, score_cutoff=slips, limit=8)
    return min(near, key=lambda n: (n[1], n[0][0] != word[0], -names.counts[n[0]], n[0]))[0] if near else ""


def read_query(
    query: str, spelled: Sequence[str], names: Names, graph: Graph, *, keyword: bool = False
) -> Ask:
    """What a query of these words (as spelled) asks for; with ``keyword``, its words and nothing they mean."""
    named = names.titles.get(" ".join(spelled), ())
    if (words := plain_words(query)) != list(spelled):
        # The nearest name to what was typed, before that to words mended one by one: unknown ones are gone from these.
        named = _nearest_titles(" ".join(words), names) or named
    if not spelled:
        return Ask(named=named)
    if keyword:
        stems = [stem(word) for word in spelled]
        return Ask(terms=dict.fromkeys(query_terms(stems) or stems, 1.0), named=named)
    ask = Ask(named=named)
    left = list(spelled)
    if not named:
        left = _related(ask, left, names, graph)
    left = _people(ask, left, names, graph)
    stems = [stem(word) for word in left]
    terms = query_terms(stems) or (stems if not ask.nodes and not ask.like else [])
    for term in terms:
        ask.terms[term] = 1.0
        if " " in term:  # a phrase is also its words, each for half
            for part in term.split(" "):
                if query_terms([part]):
                    ask.terms.setdefault(part, 0.5)
    placed = _places(ask, query, stems, graph)
    _themes(ask, [term for term in terms if term not in placed])
    return ask


def _themes(ask: Ask, terms: Sequence[str]) -> None:
    """Themes that the terms name, or are signs of; shared by the themes that a term may mean; and broader ones."""
    known = lexicon()
    for term in dict.fromkeys(terms):
        meant = known.signed.get(term, ())
        found = dict.fromkeys(meant, _SIGN / max(len(meant), 1) ** 0.5)
        meant = known.named.get(term, ())
        found |= dict.fromkeys(meant, 1 / max(len(meant), 1) ** 0.5)
        for theme, weight in found.items():
            ask.themes[theme] = ask.themes.get(theme, 0.0) + weight
    for theme, weight in list(ask.themes.items()):
        for broader in known.concepts[theme].broader:
            ask.themes[broader] = ask.themes.get(broader, 0.0) + _BROADER * weight


def _places(ask: Ask, query: str, stems: Sequence[str], graph: Graph) -> set[str]:
    """Countries, times, forms and genres by the words for them; the terms that are said with a country."""
    known = places()
    placed = set()
    for length in (3, 2, 1):
        for first in range(len(stems) - length + 1):
            term = " ".join(stems[first : first + length])
            if term in known.countries:
                meant = (graph.index.get(Node("country", country)) for country in known.countries[term])
                if region := tuple(node for node in meant if node is not None):
                    ask.any_of[region] = _COUNTRY
                    placed.add(term)
            if term in known.years:
                ask.years = known.years[term]
            if term in known.forms:
                ask.form = graph.index.get(Node("form", known.forms[term]))
            for node in graph.kinds.get(term, ()):
                weight = _GENRE if graph.nodes[node].kind == "genre" else _CLUSTER
                ask.nodes[node] = max(weight, ask.nodes.get(node, 0.0))
    if decade := _DECADE.search(query.lower()):
        short = int(decade[1])
        first_year = short if short > 99 else short + (2000 if short < 30 else 1900)
        ask.years = (first_year, first_year + 9)
    elif year := _YEAR.search(query):
        ask.years = (int(year[1]), int(year[1]))
    return placed


def _related(ask: Ask, words: list[str], names: Names, graph: Graph) -> list[str]:
    """``TITLE's lead actor``, ``the director of TITLE``, ``like TITLE``: follow the graph; the words that are left."""
    roles = _ROLES.intersection(words)
    alike = _ALIKE.intersection(words)
    if not roles and not alike:
        return words
    found = _title_in(words, names)
    if found is None:
        return words
    first, last = found
    if alike and not roles and words[max(first - 1, 0)] not in _ALIKE | {"to"}:
        return words
    titles = names.titles[" ".join(words[first:last])]
    for title in titles:
        if alike and not roles:
            for node in _nodes_of(graph, title, ("person", "director", "cluster")):
                ask.nodes[node] = _SHARED
        if roles & _CAST and (cast := tuple(_nodes_of(graph, title, ("person",)))):
            ask.any_of[cast] = _PERSON
        if roles & _LEAD and graph.leads[title]:
            _link(ask, graph, Node("person", graph.leads[title]), _PERSON)
        if roles & _DIRECTOR:
            for node in _nodes_of(graph, title, ("director",)):
                ask.nodes[node] = _PERSON
    if alike and not roles:
        ask.like = titles
    said = _ROLES | (_ALIKE if ask.like else frozenset())
    return [w for i, w in enumerate(words) if not first <= i < last and w not in said and w != "to"]


def _title_in(words: Sequence[str], names: Names) -> tuple[int, int] | None:
    """Where a title's name stands in a query that speaks of one; the longest."""
    for length in range(min(len(words) - 1, 12), 0, -1):
        for first in range(len(words) - length, -1, -1):
            part = words[first : first + length]
            if " ".join(part) in names.titles and not set(part) <= _ROLES | _AROUND | _ALIKE:
                return first, first + length
    return None


def _people(ask: Ask, words: list[str], names: Names, graph: Graph) -> list[str]:
    """People by their whole name, a slip forgiven, or by a surname that is no other word; the words that are left."""
    if not graph.people:
        return words
    taken = [False] * len(words)
    is_name = [not _means_something(word) for word in words]
    for find in (graph.people.get, lambda name: _nearest(name, graph)):
        for length in (4, 3, 2):
            for first in range(len(words) - length + 1):
                last = first + length
                if any(taken[first:last]) or not any(is_name[first:last]):
                    continue
                if nodes := find(" ".join(words[first:last])):
                    ask.nodes.update(dict.fromkeys(nodes, _PERSON))
                    taken[first:last] = [True] * length
    for i, word in enumerate(words):
        namesakes = graph.surnames.get(word, ())
        if is_name[i] and not taken[i] and word not in names.ordinary and len(namesakes) <= _MAX_NAMESAKES:
            for node in namesakes:
                ask.nodes[node] = max(_SURNAME, ask.nodes.get(node, 0.0))
    return [word for word, is_taken in zip(words, taken, strict=True) if not is_taken]


def _nearest(name: str, graph: Graph) -> tuple[int, ...]:
    """The people of the nearest name; nobody where none is near or no word is a surname."""
    if len(name) < 8 or not any(word in graph.surnames for word in name.split(" ")):
        return ()
    near = process.extractOne(
        name, graph.people.keys(), scorer=OSA.distance, score_cutoff=1 if len(name) < 12 else 2
    )
    return graph.people[near[0]] if near else ()


def _nearest_titles(name: str, names: Names) -> tuple[int, ...]:
    """The titles of the name nearest to one that is written wrong, or in one word; none where no name is near.

    One slip in names of up to twelve letters, two in longer ones; none in the shortest, which are near to anything.
    """
    if len(name) < _SHORT_NAME:
        return ()
    slips = 1 if len(name) < 12 else 2
    near = process.extract(name, names.titles.keys(), scorer=OSA.distance, score_cutoff=slips, limit=None)
    least = min((distance for _, distance, _ in near), default=0)
    return tuple(title for key, distance, _ in near if distance == least for title in names.titles[key])


def _means_something(word: str) -> bool:
    """Whether a word is more than a name: of the lexicon, of a place, or one that says nothing."""
    term = stem(word)
    known = lexicon()
    return term in known.named or term in known.signed or term in places().countries or term in silent_words()


def _nodes_of(graph: Graph, title: int, kinds: Sequence[str]) -> list[int]:
    return [node for node in graph.nodes_of(title) if graph.nodes[node].kind in kinds]


def _link(ask: Ask, graph: Graph, node: Node, weight: float) -> None:
    place = graph.index.get(node)
    if place is not None:
        ask.nodes[place] = max(weight, ask.nodes.get(place, 0.0))
