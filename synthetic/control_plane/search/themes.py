"""Which titles a theme belongs to, and which titles belong together.

A theme starts from the lexicon's signs. The titles that show most of them are taken for examples, and what else
sets their words apart is learned from them (pseudo-relevance feedback, once a theme, when the index is built), in
words and in the latent space. Where titles are listed in genres or rated for an age, those are the examples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from synthetic.arrays import Floats, Ints, Singles
from synthetic.control_plane.search.facts import TitleFacts
from synthetic.control_plane.search.language import content_terms, lexicon

__all__ = ["cluster_titles", "theme_labels", "theme_strengths"]

_EXAMPLES = 250  # titles that a theme is learned from, at most
_TOP = 50  # titles whose mean evidence makes a strength of 1
_RIDGE = 1.0
_LABEL = 0.7  # of a strength where the title is listed in such a genre; the rest is its text
_TITLES_A_CLUSTER = 150
_MAX_CLUSTERS = 64


def theme_labels(facts: TitleFacts) -> sparse.csr_array:
    """[themes, titles] 1 where a genre that the title is listed in, or its age rating, says so."""
    known = lexicon()
    named: dict[str, tuple[int, ...]] = {}
    rated: dict[str, list[int]] = {}
    for theme, concept in enumerate(known.concepts):
        for rating in concept.ratings:
            rated.setdefault(rating, []).append(theme)
    pairs: set[tuple[int, int]] = set()
    for title, (genres, rating) in enumerate(zip(facts.genres, facts.rating, strict=True)):
        for genre in genres:
            if genre not in named:
                named[genre] = tuple(t for term in content_terms(genre) for t in known.named.get(term, ()))
            pairs.update((theme, title) for theme in named[genre])
        pairs.update((theme, title) for theme in rated.get(rating, ()))
    themes, titles = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    shape = (len(known.concepts), facts.count)
    return sparse.csr_array((np.ones(themes.size, np.float32), (themes, titles)), shape=shape)


def theme_strengths(
    words: sparse.csr_array,
    vocabulary: dict[str, int],
    idf: Floats,
    latent: Singles,
    labels: sparse.csr_array,
) -> tuple[Singles, Singles]:
    """How much each title is of each theme [themes, titles], about 1 for the clearest fifty; and the themes' directions
    in the latent space [axes, themes].

    ``words`` are BM25 weights [titles, terms], ``latent`` the titles in the latent space.
    """
    concepts = lexicon().concepts
    count = words.shape[0]
    signs = np.zeros((len(concepts), words.shape[1]))
    for theme, concept in enumerate(concepts):
        known = [vocabulary[term] for term in (*concept.signs, *concept.names) if term in vocabulary]
        signs[theme, known] = 1.0
    seen = words.astype(bool).astype(np.float64)
    example = _examples((words @ signs.T).T)
    is_labelled = labels.toarray() > 0
    learned = is_labelled.sum(axis=1) >= min(_EXAMPLES, 20)
    example[learned] = is_labelled[learned]
    by_words = (seen @ (_log_odds(example, seen) + 0.3 * signs * idf).T).T
    gram = latent.T.astype(np.float64) @ latent
    centred = example - example.mean(axis=1, keepdims=True)
    with threadpool_limits(limits=1):
        axes = np.linalg.solve(gram + _RIDGE * np.eye(gram.shape[0]), latent.T @ centred.T)
        by_company = (latent @ axes).T
    strength = _scaled(_scaled(by_words) + 0.5 * _scaled(by_company))
    has_labels = is_labelled.any(axis=1)
    strength[has_labels] = (1 - _LABEL) * strength[has_labels] + _LABEL * is_labelled[has_labels]
    return np.asarray(strength, np.float32).reshape(len(concepts), count), np.asarray(axes, np.float32)


def cluster_titles(
    latent: Singles, words: sparse.csr_array, terms: tuple[str, ...], seed: int
) -> tuple[str, ...]:
    """The name of each title's cluster: the three terms that set it apart; empty for a small catalogue."""
    count: int = latent.shape[0]
    clusters = min(_MAX_CLUSTERS, count // _TITLES_A_CLUSTER)
    if clusters < 2:
        return ("",) * count
    with threadpool_limits(limits=1):
        member = KMeans(clusters, n_init=1, max_iter=30, random_state=seed).fit_predict(latent)
    of = sparse.csr_array((np.ones(count), (member, np.arange(count))), shape=(clusters, count))
    size: Ints = np.bincount(member, minlength=clusters)[:, None]
    total: Floats = (of @ words).toarray()
    apart = total / np.maximum(size, 1) - (total.sum(axis=0) - total) / np.maximum(count - size, 1)
    order: Ints = np.argsort(-apart, axis=1, kind="stable")[:, :3]
    names = [", ".join(terms[t] for t in row) for row in order.tolist()]
    found: list[str] = [names[c] for c in member.tolist()]
    return tuple(found)


def _examples(evidence: Floats) -> Floats:
    """[themes, titles] 0..1: how good an example of its theme each title is."""
    count = evidence.shape[1]
    good, last = count - 1 - min(20, count - 1), count - 1 - min(_EXAMPLES, count - 1)
    rising = np.partition(evidence, (last, good), axis=1)
    full, least = rising[:, [good]], rising[:, [last]]
    full = np.where(full > 0, full, np.maximum(evidence.max(axis=1, keepdims=True), 1e-9))
    return np.asarray(np.clip(evidence / full, 0, 1) * (evidence >= least))


def _log_odds(example: Floats, seen: sparse.csr_array) -> Floats:
    """[themes, terms] how much more often examples hold a term than other titles; damped where they are few."""
    count, total = seen.shape[0], np.asarray(seen.sum(axis=0))
    held = (seen.T @ example.T).T
    examples = example.sum(axis=1, keepdims=True)
    inside = (held + 2 * total / count) / (examples + 2)
    outside = (total - held + 1) / (count - examples + 2)
    odds = np.log(inside / outside)
    return np.asarray(np.where(odds > 0, odds, 0.3 * odds) * held / (held + 3))


def _scaled(evidence: npt.NDArray[np.floating]) -> Floats:
    top = max(1, min(_TOP, evidence.shape[1] // 10))
    mean = np.sort(np.partition(evidence, -top, axis=1)[:, -top:], axis=1).mean(axis=1, keepdims=True)
    return np.asarray(np.clip(evidence / np.maximum(mean, 1e-9), 0, 2), np.float64)
