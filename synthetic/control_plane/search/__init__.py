"""Search: which titles answer a query, and why. It knows what the catalogue tells of titles and nothing of members.

:func:`build_index` takes the emulated service's catalogue or a user's (:func:`read_titles`); :func:`search` answers
one query with its reasons, :func:`search_all` many at once. Both can be held to keywords: words and nothing they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from synthetic.control_plane.search.asking import MAX_QUERY_LENGTH, Ask, checked_words, read_query, spell
from synthetic.control_plane.search.facts import TitleFacts, read_titles
from synthetic.control_plane.search.index import SearchIndex, build_index, model_bytes, scores
from synthetic.control_plane.search.language import content_terms, lexicon, plain_words, silent_words, stem
from synthetic.jit import compiled, prange

__all__ = [
    "MAX_QUERY_LENGTH", "Hit", "SearchIndex", "TitleFacts", "build_index", "checked_words", "model_bytes",
    "read_titles", "search", "search_all",
]  # fmt: skip

_BATCH = 256  # queries scored together: 20 MB of scores for a large catalogue
_IS_OF_THEME = 0.5  # strength from which a theme is given as a reason


@dataclass(frozen=True)
class Hit:
    """A title found: its index, its score (to be compared within one query), and the reasons.

    ``why``: the query's words, as spelled, that its text holds; ``themes`` asked for that it is strong in, each with
    the words that show it; ``facts``: edges of the graph that the query named, as ``country: Norway``.
    """

    title: int
    score: float
    why: tuple[str, ...]
    themes: dict[str, tuple[str, ...]]
    facts: tuple[str, ...]


def search(index: SearchIndex, query: str, k: int = 10, *, keyword: bool = False) -> list[Hit]:
    """The ``k`` titles that match best, best first; fewer where fewer match at all.

    Raises :class:`~metrics.errors.InputError` for a query without a word or longer than 1,000 characters.
    """
    spelled = _spelled(index, checked_words(query))
    ask = read_query(query, spelled, index.names, index.graph, keyword=keyword)
    with threadpool_limits(limits=1):  # one thread: the same bytes on any machine's load
        score = scores(index, [ask], keyword=keyword)[0]
    best = np.argsort(-score, kind="stable")[:k]
    return [_hit(index, ask, spelled, t, float(score[t])) for t in best[score[best] > 0].tolist()]


def search_all(
    index: SearchIndex, queries: Sequence[str], k: int = 10, *, keyword: bool = False
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The titles that :func:`search` finds for each query, [queries, k], -1 where fewer match, and their scores.

    Queries that say the same are scored once, and a few hundred together: milliseconds for what would be
    seconds one by one.
    """
    spelling: dict[str, str] = {}
    asked: dict[str, int] = {}
    asks: list[Ask] = []
    row = np.empty(len(queries), np.int64)
    for i, query in enumerate(queries):
        if query not in asked:
            asked[query] = len(asks)
            asks.append(_ask(index, query, spelling, keyword))
        row[i] = asked[query]
    found, score = np.full((len(asks), k), -1, np.int32), np.zeros((len(asks), k), np.float32)
    with threadpool_limits(limits=1):
        for first in range(0, len(asks), _BATCH):
            batch = slice(first, first + _BATCH)
            _best(scores(index, asks[batch], keyword=keyword), found[batch], score[batch])
    return found[row], score[row]


def _ask(index: SearchIndex, query: str, spelling: dict[str, str], keyword: bool) -> Ask:
    words = plain_words(query)
    for word in words:
        if word not in spelling:
            spelling[word] = spell(word, index.names)
    spelled = [spelling[word] for word in words if spelling[word]]
    return read_query(query, spelled, index.names, index.graph, keyword=keyword)


def _spelled(index: SearchIndex, words: Sequence[str]) -> list[str]:
    return [near for word in words if (near := spell(word, index.names))]


def _hit(index: SearchIndex, ask: Ask, spelled: Sequence[str], title: int, score: float) -> Hit:
    facts, graph = index.facts, index.graph
    text = f"{facts.description[title]} {facts.name[title]}"
    said = {stem(word): word for word in plain_words(text)}
    holds = set(content_terms(text)) | set(said)
    themes: dict[str, tuple[str, ...]] = {}
    meant = sorted(ask.themes, key=lambda theme: (-ask.themes[theme], theme))
    if ask.like:
        meant += np.flatnonzero(index.strength[:, list(ask.like)].max(axis=1) >= _IS_OF_THEME).tolist()
    for theme in meant:
        if index.strength[theme, title] >= _IS_OF_THEME:
            concept = lexicon().concepts[theme]
            signs = [term for term in (*concept.signs, *concept.names) if term in holds]
            themes[concept.name] = tuple(dict.fromkeys(" ".join(said[s] for s in t.split()) for t in signs))
    asked = [*ask.nodes, *(node for nodes in ask.any_of for node in nodes)]
    asked += [] if ask.form is None else [ask.form]
    linked = [str(graph.nodes[node]) for node in asked if graph.edges[node, title] > 0]
    if ask.years and ask.years[0] <= index.year[title] <= ask.years[1]:
        linked.append(f"year: {index.year[title]}")
    words = dict.fromkeys(
        word for word in spelled if stem(word) in holds and stem(word) not in silent_words()
    )
    return Hit(title, score, tuple(words), themes, tuple(linked))


@compiled(parallel=True)
def _best(
    scores: npt.NDArray[np.float32], found: npt.NDArray[np.int32], best: npt.NDArray[np.float32]
) -> None:
    """Titles by falling score into ``found`` and ``best`` [queries, k]; of equal scores the lower title first."""
    k = found.shape[1]
    for i in prange(scores.shape[0]):
        top = best[i]  # 0 is no match
        for title in range(scores.shape[1]):
            score = scores[i, title]
            if score > top[k - 1]:
                at = k - 1
                while at > 0 and score > top[at - 1]:
                    top[at], found[i, at] = top[at - 1], found[i, at - 1]
                    at -= 1
                top[at], found[i, at] = score, title
