"""The index of a catalogue, and how well each of its titles answers a query.

A score is a sum of parts, each about 1 for a full match: the query's words (BM25, Robertson and Zaragoza 2009), the
company they keep (latent semantic analysis, Deerwester et al. 1990), the themes that they name or are signs of, and
the facts of the graph. Keyword search is the first part alone.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from threadpoolctl import threadpool_limits

from metrics.errors import InputError
from synthetic.arrays import Floats, Ints, Singles
from synthetic.control_plane.catalogue import Catalogue
from synthetic.control_plane.search.asking import Ask, Names
from synthetic.control_plane.search.facts import TitleFacts, facts_of
from synthetic.control_plane.search.graph import Graph, make_graph
from synthetic.control_plane.search.language import (
    content_terms,
    lexicon,
    places,
    plain_words,
    silent_words,
    stem,
)
from synthetic.control_plane.search.themes import cluster_titles, theme_labels, theme_strengths

__all__ = ["SearchIndex", "build_index", "model_bytes", "scores"]

_LATENT_DIMENSIONS = 64
_SATURATION, _LENGTH = 1.2, 0.5  # BM25's k1 and b
_NAME_WEIGHT = 2  # a word of the name counts as two of the description
_COMPANY, _THEMES = 0.15, 0.7
_GUESSED, _GUESSES = 0.45, 5  # weight and number of themes taken from the company of words that name none
_NAMED = 8.0  # a title whose name is the query comes first
_YEARS, _FORM = 0.5, 0.15


@dataclass(frozen=True)
class SearchIndex:
    """What is known of ``facts.count`` titles.

    ``evidence`` [terms and then nodes of the graph, titles] BM25 weights and edges; ``latent_axes`` [terms, axes] and
    ``latent`` [titles, axes] of length 1; ``strength`` [themes, titles] and ``theme_axes`` [axes, themes]; ``year``
    [titles], 0 unknown.
    """

    facts: TitleFacts
    names: Names
    vocabulary: dict[str, int]
    idf: Floats
    evidence: sparse.csr_array
    latent_axes: Singles
    latent: Singles
    strength: Singles
    theme_axes: Singles
    graph: Graph
    year: Ints


def build_index(catalogue: Catalogue | TitleFacts, *, seed: int = 0) -> SearchIndex:
    """Index a catalogue: names and descriptions as words, everything else as facts.

    Raises :class:`~metrics.errors.InputError` for a catalogue without a title.
    """
    if catalogue.count == 0:
        raise InputError("the catalogue holds no title", mend="give at least one title to search in")
    facts = catalogue if isinstance(catalogue, TitleFacts) else facts_of(catalogue)
    counts, terms = _count_terms(facts)
    weight, idf = _bm25(counts)
    vocabulary = {term: i for i, term in enumerate(terms)}
    axes, latent = _latent_space(weight, seed)
    strength, theme_axes = theme_strengths(weight, vocabulary, idf, latent, theme_labels(facts))
    names = _names(facts)
    graph = make_graph(facts, cluster_titles(latent, weight, _as_written(terms, names), seed))
    return SearchIndex(
        facts=facts,
        names=names,
        vocabulary=vocabulary,
        idf=idf,
        evidence=sparse.csr_array(sparse.vstack([weight.T, graph.edges], format="csr"), dtype=np.float32),
        latent_axes=axes,
        latent=latent,
        strength=strength,
        theme_axes=theme_axes,
        graph=graph,
        year=np.array(facts.year, np.int64),
    )


def scores(index: SearchIndex, asks: Sequence[Ask], *, keyword: bool = False) -> Singles:
    """Score of every title for each query, [asks, titles]; 0 is no match."""
    terms = _rows([_known_terms(index, ask) for ask in asks], len(index.vocabulary))
    asked = np.array([sum(_weights(index, ask)) for ask in asks])
    share = sparse.diags_array(1 / np.maximum((_SATURATION + 1) * asked, 1e-9))
    nodes = _rows([{} if keyword else ask.nodes for ask in asks], len(index.graph.nodes))
    said = sparse.csr_array(sparse.hstack([share @ terms, nodes], format="csr"), dtype=np.float32)
    score: Singles = (said @ index.evidence).toarray()
    for i, ask in enumerate(asks):
        score[i, list(ask.named)] += _NAMED
    if keyword:
        return score
    latent = _unit((terms * index.idf[None, :]).astype(np.float32) @ index.latent_axes)
    company = (_COMPANY * latent) @ index.latent.T
    score += np.maximum(company, 0, out=company)
    score += _themes_asked(index, asks, latent) @ index.strength
    for i, ask in enumerate(asks):
        for any_of, weight in ask.any_of.items():
            score[i] += weight * index.graph.edges[list(any_of)].max(axis=0).toarray().ravel()
        if ask.years:
            score[i] += _YEARS * ((index.year >= ask.years[0]) & (index.year <= ask.years[1]))
        if ask.like:
            score[i] += _likeness(index, ask.like)
            score[i, list(ask.like)] = 0
        if ask.form is not None:  # says which of the titles that answer, and answers nothing unless it is all
            is_form = index.graph.edges[[ask.form]].toarray().ravel()
            score[i] *= 1 + _FORM * is_form
            if not (ask.terms or ask.nodes or ask.any_of or ask.years):
                score[i] = _FORM * is_form
    return score


def _themes_asked(index: SearchIndex, asks: Sequence[Ask], latent: Singles) -> sparse.csr_array:
    """[asks, themes] themes that each query names, by their share of the score; the rest as words tell."""
    company = np.maximum(latent @ index.theme_axes, 0) ** 2
    rows = []
    for ask, near in zip(asks, company, strict=True):
        total = sum(ask.themes.values())
        row = {theme: weight / max(total, 1.0) for theme, weight in ask.themes.items()}
        if total < 1 and not ask.named and near.any():
            nearest = np.argsort(-near, kind="stable")[:_GUESSES]
            share = (1 - total) * _GUESSED / float(near[nearest].sum())
            for theme in nearest.tolist():
                row[theme] = row.get(theme, 0.0) + share * float(near[theme])
        rows.append(row)
    return sparse.csr_array(_THEMES * _rows(rows, index.strength.shape[0]), dtype=np.float32)


def _likeness(index: SearchIndex, titles: Sequence[int]) -> Floats:
    """[titles] how much each is like these: in words, company and the themes they are strong in."""
    words = np.asarray(index.evidence[: len(index.vocabulary), list(titles)].mean(axis=1)).ravel()
    own = (term for title in titles for term in content_terms(index.facts.name[title]))
    words[[index.vocabulary[term] for term in own if term in index.vocabulary]] = 0.0
    themes = index.strength[:, list(titles)].mean(axis=1)
    themes = np.where(themes >= 0.5, themes, 0.0)
    company = index.latent @ index.latent[list(titles)].mean(axis=0)
    by_words = words @ index.evidence[: len(index.vocabulary)] / max(float(words @ words), 1e-9)
    by_theme = themes @ index.strength / max(float(themes.sum()), 1.0)
    return np.asarray(by_words + 0.5 * np.maximum(company, 0) + by_theme, np.float64)


def model_bytes(index: SearchIndex) -> int:
    """Size of the index when it is written down, half precision, compressed; without the catalogue's own texts."""
    arrays = (
        index.evidence.data.astype(np.float16), index.evidence.indices.astype(np.int32), index.evidence.indptr,
        index.latent_axes.astype(np.float16), index.latent.astype(np.float16), index.strength.astype(np.float16),
    )  # fmt: skip
    texts = [*index.vocabulary, *index.names.counts, *map(str, index.graph.nodes)]
    return sum(len(zlib.compress(array.tobytes())) for array in arrays) + len(
        zlib.compress("\n".join(texts).encode())
    )


def _known_terms(index: SearchIndex, ask: Ask) -> dict[int, float]:
    return {index.vocabulary[term]: weight for term, weight in ask.terms.items() if term in index.vocabulary}


def _weights(index: SearchIndex, ask: Ask) -> list[float]:
    """What each term of a query would add at most: its rarity; a term that no title holds is as rare as any."""
    rarest = float(index.idf.max()) if index.idf.size else 1.0
    return [
        weight * (float(index.idf[index.vocabulary[term]]) if term in index.vocabulary else rarest)
        for term, weight in ask.terms.items()
    ]


def _count_terms(facts: TitleFacts) -> tuple[sparse.csr_array, tuple[str, ...]]:
    """[titles, terms] how often each title's text holds each term, its name's words twice."""
    held = []
    for name, description in zip(facts.name, facts.description, strict=True):
        terms = Counter(content_terms(description))
        for term in content_terms(name) or [stem(word) for word in plain_words(name)]:
            terms[term] += _NAME_WEIGHT
        held.append(terms)
    vocabulary = tuple(sorted({term for counts in held for term in counts}))
    place = {term: i for i, term in enumerate(vocabulary)}
    rows = [{place[term]: float(count) for term, count in counts.items()} for counts in held]
    return _rows(rows, len(vocabulary)), vocabulary


def _bm25(counts: sparse.csr_array) -> tuple[sparse.csr_array, Floats]:
    titles = counts.shape[0]
    holders = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log(1 + (titles - holders + 0.5) / (holders + 0.5))
    length = counts.sum(axis=1)
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * length / max(length.mean(), 1e-9))
    of = np.repeat(norm, np.diff(counts.indptr))
    weight = counts.copy()
    weight.data = counts.data * (_SATURATION + 1) / (counts.data + of) * idf[counts.indices]
    return weight, idf


def _latent_space(weight: sparse.csr_array, seed: int) -> tuple[Singles, Singles]:
    """Axes [terms, axes] and titles [titles, axes] of length 1."""
    length = np.sqrt((weight * weight).sum(axis=1))
    unit = sparse.csr_array(sparse.diags_array(1 / np.maximum(length, 1e-9)) @ weight)
    dimensions = min(_LATENT_DIMENSIONS, min(unit.shape) - 1)
    if dimensions < 1:
        axes = np.zeros((unit.shape[1], 1), np.float32)
    else:
        # Titles that are all alike have no variance to explain a share of, and none is asked for.
        with threadpool_limits(limits=1), np.errstate(invalid="ignore"):
            axes = TruncatedSVD(dimensions, random_state=seed).fit(unit).components_.T.astype(np.float32)
    axes[np.bincount(weight.indices, minlength=axes.shape[0]) < 2] = (
        0  # what one title holds keeps no company
    )
    return np.ascontiguousarray(axes), _unit(unit @ axes)


def _names(facts: TitleFacts) -> Names:
    titles: dict[str, list[int]] = {}
    counts: Counter[str] = Counter()
    for title, (name, description) in enumerate(zip(facts.name, facts.description, strict=True)):
        words = plain_words(name)
        titles.setdefault(" ".join(words), []).append(title)
        counts.update(words + plain_words(description))
    for named in (*facts.cast, *facts.director, *facts.genres, *facts.countries):
        for name in named:
            counts.update(plain_words(name))
    told = lexicon()
    for word in told.words:
        counts.setdefault(word, 1)
    known = set(silent_words())
    for term in (*told.named, *told.signed, *places().countries, *places().years):
        known.update(term.split(" "))
    known.update(map(stem, counts))
    return Names(
        titles={key: tuple(found) for key, found in titles.items() if key},
        counts=dict(counts),
        ordinary=frozenset(word for text in facts.description for word in text.split() if word.islower()),
        known=frozenset(known),
    )


def _as_written(terms: Sequence[str], names: Names) -> tuple[str, ...]:
    """Each term with the most used word for each of its stems."""
    word: dict[str, str] = {}
    for plain in sorted(names.counts, key=lambda plain: (names.counts[plain], plain)):
        word[stem(plain)] = plain
    return tuple(" ".join(word.get(part, part) for part in term.split(" ")) for term in terms)


def _rows(rows: Sequence[dict[int, float]], width: int) -> sparse.csr_array:
    start = np.cumsum([0, *map(len, rows)])
    column = np.array([place for row in rows for place in row], np.int32)
    weight = np.array([weight for row in rows for weight in row.values()], np.float64)
    return sparse.csr_array((weight, column, start), shape=(len(rows), width))


def _unit(rows: Floats | Singles) -> Singles:
    length = np.sqrt((np.asarray(rows, np.float64) ** 2).sum(axis=1, keepdims=True))
    return np.asarray((rows / np.maximum(length, 1e-12)).astype(np.float32))
