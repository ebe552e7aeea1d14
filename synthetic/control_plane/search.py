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
from synthetic import random as draws
from synthetic.control_plane.catalogue import Catalogue
from synthetic.random import Stream

__all__ = ["MAX_QUERY_LENGTH", "Hit", "SearchIndex", "build_index", "query_for", "search"]

MAX_QUERY_LENGTH = 1_000
_LATENT_DIMENSIONS = 64
_LATENT_WEIGHT = 0.3  # of the score; the rest is the match of words
_NAME_WEIGHT = 3  # a word of the name counts as three of the description
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
    vector = sparse.csr_array(index.vectorizer.transform([" ".join(known)]))
    with threadpool_limits(limits=1):
        by_word = (index.words @ vector.T).toarray()[:, 0]
        by_company = index.latent @ _unit(vector @ index.latent_axes.T)[0]
    score = (1 - _LATENT_WEIGHT) * by_word + _LATENT_WEIGHT * by_company
    best = np.argsort(-score, kind="stable")[:k]
    hits = []
    for title in best[score[best] > 0].tolist():
        has = set(index.words[[title]].indices.tolist())
        why = dict.fromkeys(word for word in known if index.vectorizer.vocabulary_[word] in has)
        hits.append(Hit(title, float(score[title]), tuple(why)))
    return hits


def query_for(catalogue: Catalogue, title: int, *, seed: int, key: int) -> str:
    """What a member who wants this title types: its name, part of the name, or its genres and a theme.

    Half know the name, a quarter remember its last word, a quarter ask for the kind. Assumption.
    """
    u = float(draws.uniform(seed, key, title, Stream.SEARCH_QUERY))
    name = catalogue.name[title]
    main, second = (catalogue.genres[g] for g in catalogue.genre[title])
    if u < 0.5:
        return name
    if u < 0.75:
        return f"{_WORD.findall(name)[-1]} {main}".lower()
    theme = _WORD.findall(catalogue.description[title])[-1]
    return f"{main} {second} {theme}"


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
