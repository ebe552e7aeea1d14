"""Finding titles by words: TF-IDF over names and descriptions, widened by latent semantic analysis.

Exact words decide first; the latent part brings titles whose descriptions keep the same company (Deerwester et
al. 1990). A word that no title has is replaced by the nearest one that some title has.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from metrics.errors import InputError
from synthetic.control_plane.catalogue import Catalogue
from synthetic.jit import compiled, prange

__all__ = ["MAX_QUERY_LENGTH", "Hit", "SearchIndex", "build_index", "search", "search_all"]

MAX_QUERY_LENGTH = 1_000
_LATENT_DIMENSIONS = 64
_LATENT_WEIGHT = 0.3  # of the score; the rest is the match of words
_NAME_WEIGHT = 3  # a word of the name counts as three of the description
_BATCH = 256  # queries scored together: 20 MB of scores for a large catalogue
_WORD = re.compile(r"\w+")
_STOP_WORDS = ("a", "an", "and", "for", "in", "of", "on", "or", "the", "to", "with")


@dataclass(frozen=True)
class Hit:
    """A title found: its index, its score (1 is a perfect match) and the query's words that it holds."""

    title: int
    score: float
    why: tuple[str, ...]


@dataclass(frozen=True)
class SearchIndex:
    """``count`` titles by ``words``, rows of length 1, and in the latent space, rows of length 1."""

    vectorizer: TfidfVectorizer
    vocabulary: tuple[str, ...]
    words: sparse.csr_array
    latent_axes: npt.NDArray[np.float32]
    latent: npt.NDArray[np.float32]


def build_index(catalogue: Catalogue, *, seed: int = 0) -> SearchIndex:
    """Index the names and descriptions of a catalogue."""
    if catalogue.count == 0:
        raise InputError("the catalogue holds no title", mend="give at least one title to search in")
    texts = [
        f"{f'{name} ' * _NAME_WEIGHT}{text}"
        for name, text in zip(catalogue.name, catalogue.description, strict=True)
    ]
    vectorizer = TfidfVectorizer(
        token_pattern=_WORD.pattern, stop_words=list(_STOP_WORDS), sublinear_tf=True, dtype=np.float32
    )
    words = sparse.csr_array(vectorizer.fit_transform(texts))
    dimensions = min(_LATENT_DIMENSIONS, min(words.shape) - 1)
    with threadpool_limits(limits=1):  # one thread: the same bytes on any machine's load
        if dimensions >= 1:
            axes = TruncatedSVD(dimensions, random_state=seed).fit(words).components_.astype(np.float32)
        else:
            axes = np.zeros((1, words.shape[1]), np.float32)
        latent = _unit(words @ axes.T)
    return SearchIndex(vectorizer, tuple(vectorizer.get_feature_names_out()), words, axes, latent)


def search(index: SearchIndex, query: str, k: int = 10) -> list[Hit]:
    """The ``k`` titles that match best, best first; fewer where fewer match at all.

    Raises :class:`~metrics.errors.InputError` for a query without a word or longer than 1,000 characters.
    """
    if len(query) > MAX_QUERY_LENGTH:
        raise InputError(
            f"a query of {len(query):,} characters", mend=f"use at most {MAX_QUERY_LENGTH:,} characters"
        )
    asked = _WORD.findall(query.lower())
    if not asked:
        raise InputError("the query holds no word", mend="give a name, a genre or a theme")
    known = _spelled(asked, index.vocabulary)
    if not known:
        return []
    score = _scores(index, [" ".join(known)])[0]
    best = np.argsort(-score, kind="stable")[:k]
    hits = []
    for title in best[score[best] > 0].tolist():
        has = set(index.words[[title]].indices.tolist())
        why = dict.fromkeys(word for word in known if index.vectorizer.vocabulary_[word] in has)
        hits.append(Hit(title, float(score[title]), tuple(why)))
    return hits


def search_all(index: SearchIndex, queries: Sequence[str], k: int = 10) -> npt.NDArray[np.int32]:
    """The titles that :func:`search` finds for each query, [queries, k]; -1 where fewer match.

    Queries that say the same are scored once, and a few hundred together: milliseconds for what would be
    seconds one by one.
    """
    spelling: dict[str, str] = {}
    texts: dict[str, int] = {}
    row = np.empty(len(queries), np.int64)
    for i, query in enumerate(queries):
        words = _WORD.findall(query.lower())
        for word in words:
            if word not in spelling:
                spelling[word] = " ".join(_spelled([word], index.vocabulary))
        row[i] = texts.setdefault(" ".join(filter(None, (spelling[word] for word in words))), len(texts))
    distinct = list(texts)
    found = np.full((len(distinct), k), -1, np.int32)
    for first in range(0, len(distinct), _BATCH):
        scores = _scores(index, distinct[first : first + _BATCH])
        _best(scores, found[first : first + _BATCH])
    return found[row]


def _scores(index: SearchIndex, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Score of every title for queries of known words, [texts, count]; 0 for a text without a word."""
    vectors = sparse.csr_array(index.vectorizer.transform(texts))
    with threadpool_limits(limits=1):
        by_word = (vectors @ index.words.T).toarray()
        by_company = _unit(vectors @ index.latent_axes.T) @ index.latent.T
    return np.asarray((1 - _LATENT_WEIGHT) * by_word + _LATENT_WEIGHT * by_company, np.float32)


@compiled(parallel=True)
def _best(scores: npt.NDArray[np.float32], found: npt.NDArray[np.int32]) -> None:
    """Titles by falling score into ``found`` [queries, k]; of equal scores the lower title first, 0 is no match."""
    k = found.shape[1]
    for i in prange(scores.shape[0]):
        top = np.zeros(k, np.float32)
        for title in range(scores.shape[1]):
            score = scores[i, title]
            if score > top[k - 1]:
                at = k - 1
                while at > 0 and score > top[at - 1]:
                    top[at], found[i, at] = top[at - 1], found[i, at - 1]
                    at -= 1
                top[at], found[i, at] = score, title


def _spelled(asked: Sequence[str], vocabulary: Sequence[str]) -> list[str]:
    """The words asked for, those unknown replaced by the nearest known ones, or dropped."""
    known = set(vocabulary)
    spelled = []
    for word in asked:
        if word in _STOP_WORDS:
            continue
        near = [word] if word in known else difflib.get_close_matches(word[:40], vocabulary, n=1, cutoff=0.75)
        spelled += near
    return spelled


def _unit(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    length = np.sqrt((np.asarray(rows, np.float64) ** 2).sum(axis=1, keepdims=True))
    return np.asarray((rows / np.maximum(length, 1e-12)).astype(np.float32))
