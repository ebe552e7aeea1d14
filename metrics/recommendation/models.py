"""Built-in models. Each is fitted on a log and gives a function from users to scores [n, items].

Scores are comparable within a user only. None is sparing with items a user knows already; whoever ranks leaves
those out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from metrics.recommendation.log import Floats, Ints, Log

__all__ = [
    "MOST_EASE_ITEMS",
    "Scorer",
    "Scores",
    "als",
    "ease",
    "ease_items",
    "item_knn",
    "newness",
    "popularity",
    "successors",
    "trend",
]  # fmt: skip

Scores = npt.NDArray[np.float32]
Scorer = Callable[[Ints], Scores]

MOST_EASE_ITEMS = 4_000
"""Where users and items are both more than this, EASE knows this many of the most popular items only."""
_MOST_EASE_CELLS = 40_000_000
_ITEM_BLOCK = 512
_TIME_BINS = 256
_MOST_PAIRS = 20_000_000


def popularity(log: Log) -> Scorer:
    """How many rated it."""
    count = np.bincount(log.item, minlength=log.items).astype(np.float32)
    return lambda users: np.broadcast_to(count, (users.size, log.items))


def trend(log: Log, half_life: float) -> Scorer:
    """How many rated it around the time a user was last seen, weighed by ``half_life`` (a share of the log).

    Time is told in shares of the log's rows, so that its unit, pauses and rushes do not matter.
    """
    edges = np.quantile(log.time, np.linspace(0.0, 1.0, _TIME_BINS + 1)[1:-1]) if log.count else np.zeros(1)
    when = np.searchsorted(edges, log.time, side="right")
    cell = when * log.items + log.item
    count = (
        np.bincount(cell, minlength=_TIME_BINS * log.items).reshape(_TIME_BINS, log.items).astype(np.float32)
    )
    apart = np.abs(np.subtract.outer(np.arange(_TIME_BINS), np.arange(_TIME_BINS))) / _TIME_BINS
    smooth = np.exp2(-apart / half_life).astype(np.float32) @ count
    seen = np.searchsorted(edges, log.last_time(), side="right")
    return lambda users: smooth[seen[users]]


def newness(log: Log, half_life: float) -> Scorer:
    """How lately an item was first rated, seen from a user's last row: halves in ``half_life``, a share of the log.

    0 for what nobody had rated by then.
    """
    ordered = np.sort(log.time)
    first = np.full(log.items, np.inf)
    np.minimum.at(first, log.item, log.time)
    born = np.searchsorted(ordered, first, side="left") / max(1, log.count)
    now = np.searchsorted(ordered, log.last_time(), side="right") / max(1, log.count)

    def scores(users: Ints) -> Scores:
        age = now[users][:, None] - born[None, :]
        return np.where(age >= 0, np.exp2(-np.maximum(age, 0.0) / half_life), 0.0).astype(np.float32)

    return scores


def item_knn(log: Log, *, neighbours: int = 100, shrink: float = 10.0) -> Scorer:
    """Sum of cosines to a user's items, each item known to its ``neighbours`` nearest; ``shrink`` damps rare ones."""
    table = log.table()
    length = np.sqrt(np.asarray(table.sum(axis=0)) + shrink)
    unit = (table / length[None, :]).tocsr()
    turned = unit.T.tocsr()
    parts = []
    for start in range(0, log.items, _ITEM_BLOCK):
        block = (turned[start : start + _ITEM_BLOCK] @ unit).toarray().astype(np.float32)
        here = np.arange(block.shape[0])
        block[here, start + here] = 0.0
        kept = min(neighbours, log.items)
        near = np.argpartition(-block, kept - 1, axis=1)[:, :kept]
        cosine = np.take_along_axis(block, near, axis=1)
        rows = np.repeat(here, kept)
        parts.append(sparse.csr_array((cosine.ravel(), (rows, near.ravel())), shape=block.shape))
    similar = sparse.vstack(parts).T.tocsr()
    return lambda users: (table[users] @ similar).toarray().astype(np.float32)


def successors(
    log: Log, *, window: int, half_life: float, prior: float = 5.0, mutual: bool = False
) -> Scorer:
    """What tends to follow a user's latest items: shares of what came within ``window`` rows after each, 1/distance.

    A user's items count by recency, halved every ``half_life`` rows; ``prior`` pulls items with few followers to 0.
    With ``mutual``, what came before counts too.
    """
    window = max(1, min(window, _MOST_PAIRS // max(1, log.count)))
    first, second, weight = [], [], []
    for gap in range(1, window + 1):
        same = log.user[gap:] == log.user[:-gap]
        first.append(log.item[:-gap][same])
        second.append(log.item[gap:][same])
        weight.append(np.full(int(same.sum()), 1.0 / gap))
    shape = (log.items, log.items)
    pairs = (np.concatenate(first), np.concatenate(second))
    follows = sparse.csr_array((np.concatenate(weight), pairs), shape=shape)
    if mutual:
        follows = (follows + follows.T).tocsr()
    total = np.maximum(np.asarray(follows.sum(axis=1)) + prior, 1e-12)
    follows = (follows / total[:, None]).tocsr()
    recency = recent(log, half_life)
    return lambda users: (recency[users] @ follows).toarray().astype(np.float32)


def recent(log: Log, half_life: float) -> sparse.csr_array:
    """[users, items] histories in which a row's weight halves with every ``half_life`` rows after it."""
    return log.table(np.exp2(-log.rows_after() / half_life))


def ease(table: sparse.csr_array, penalty: float) -> Callable[[sparse.csr_array], Scores]:
    """EASE in closed form (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, 2019): B = I − P · diag(1 / P).

    ``table`` [users, items] is learned from, P = (XᵀX + penalty · I)⁻¹; the function takes histories [n, items] to
    their scores. Where users are fewer than items, P is never made: by Woodbury's identity XP = (XXᵀ + penalty
    · I)⁻¹X, a system of the size of the users. Of more items than :func:`ease_items` allows, the most popular are
    related to each other; the others score 0.
    """
    users, items = table.shape
    solve = _ease_of_users if users <= min(items, MOST_EASE_ITEMS) else _ease_of_items
    most = ease_items(users, items)
    if most == items:
        return solve(table, penalty)
    count = np.asarray(table.sum(axis=0))
    kept = np.sort(np.argsort(-count, kind="stable")[:most])
    inner = solve(table[:, kept].tocsr(), penalty)

    def scores(histories: sparse.csr_array) -> Scores:
        found = np.zeros(histories.shape, np.float32)
        found[:, kept] = inner(histories[:, kept].tocsr())
        return found

    return scores


def ease_items(users: int, items: int) -> int:
    """How many items EASE relates to each other; what it holds is bounded, whatever the file."""
    if users <= min(items, MOST_EASE_ITEMS):
        return min(items, max(MOST_EASE_ITEMS, _MOST_EASE_CELLS // users))
    return min(items, MOST_EASE_ITEMS)


def _ease_of_users(table: sparse.csr_array, penalty: float) -> Callable[[sparse.csr_array], Scores]:
    gram = (table @ table.T).toarray()
    gram[np.diag_indices_from(gram)] += penalty
    dense = table.toarray()
    solved = linalg.cho_solve(linalg.cho_factor(gram, overwrite_a=True), dense)
    diagonal = (1.0 - (dense * solved).sum(axis=0)) / penalty
    solved = solved.astype(np.float32)
    scale = (1.0 / (penalty * diagonal)).astype(np.float32)

    def scores(histories: sparse.csr_array) -> Scores:
        own = histories.toarray().astype(np.float32)
        explained = (histories @ table.T).toarray().astype(np.float32) @ solved
        return np.asarray(own - (own - explained) * scale)

    return scores


def _ease_of_items(table: sparse.csr_array, penalty: float) -> Callable[[sparse.csr_array], Scores]:
    gram = (table.T @ table).toarray()
    gram[np.diag_indices_from(gram)] += penalty
    lower, _ = linalg.lapack.dpotrf(gram, lower=True, clean=True, overwrite_a=True)
    inverse, _ = linalg.lapack.dpotri(lower, lower=True, overwrite_c=True)
    inverse += np.tril(inverse, -1).T
    weights = (-inverse / np.diag(inverse)[None, :]).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return lambda histories: np.asarray(histories.astype(np.float32) @ weights)


def als(log: Log, *, factors: int = 64, penalty: float = 20.0, alpha: float = 10.0) -> Scorer:
    """Implicit alternating least squares (Hu, Koren and Volinsky 2008), by the library implicit."""
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=factors, regularization=penalty, alpha=alpha, iterations=10, num_threads=1, random_state=42
    )
    with threadpool_limits(limits=1):
        model.fit(sparse.csr_matrix(log.table().astype(np.float32)), show_progress=False)
    user: Floats = model.user_factors
    item = np.ascontiguousarray(model.item_factors.T)
    return lambda users: user[users] @ item
