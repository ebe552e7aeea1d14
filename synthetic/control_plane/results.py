"""The search head: in which order results are shown, and what that was learned from.

Three things tell how likely a title found is the one meant: how well it answers the words, how popular it is, and the
member's taste for it (log lift). Their weights are a logistic regression of the results that were looked at: played
and kept, or passed over. Bayes would have popularity and taste weigh alike, were either known; the fit also tells how
far either can be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from synthetic.control_plane.play_log import ResultLog
from synthetic.jit import compiled
from synthetic.products import product

__all__ = ["LIFT", "POPULARITY", "RELEVANCE", "learn_weights", "order_results"]

Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

RELEVANCE, POPULARITY, LIFT = 0, 1, 2
"""Features of a result: its score in words less the best one's, log share of plays, log lift."""
_PRIOR = (4.0, 1.0, 1.0)  # Bayes for what is known; that a full match outweighs popularity is an assumption
_LEAST, _MOST = 1_000, 50_000  # results looked at that weights are learned from


def learn_weights(results: Sequence[ResultLog]) -> FloatArray:
    """[3] weight of each feature, none below 0; a first guess where there is too little to learn from."""
    feature = np.concatenate([each.feature for each in results] or [np.empty((0, 3), np.float32)])
    is_liked = np.concatenate([each.is_liked for each in results] or [np.empty(0, np.bool_)])
    some = np.flatnonzero(np.isfinite(feature).all(axis=1))
    some = some[:: max(1, some.size // _MOST)]
    if some.size < _LEAST or is_liked[some].all() or not is_liked[some].any():
        return np.array(_PRIOR)
    fit = LogisticRegression(C=1e3).fit(feature[some].astype(np.float64), is_liked[some])
    return np.maximum(np.asarray(fit.coef_[0], np.float64), 0.0)


@compiled(counted=False)
def order_results(
    found: Int32Array, relevance: Float32Array, is_name: bool, popularity: Float32Array, taste: Float32Array,
    title: Float32Array, norm: Float32Array, low: int, high: int, is_out: BoolArray, weight: FloatArray,
    results: Int32Array, feature: Float32Array, value: FloatArray, lift: Float32Array,
) -> None:  # fmt: skip
    """What a search ``found``, in the order shown, into ``results`` and ``feature`` [results, 3]; the very name first.

    The relevance of a name that stands first because it is one is infinite: nothing is to be learned from it.
    ``popularity`` is the region's. ``value`` and ``lift`` are working space, as long as ``found``.
    """
    # All are valued before any is placed: titles lie all over the catalogue, and a machine that need not decide
    # between two of them fetches the next ones meanwhile.
    own, reads_taste = taste[low:high], weight[LIFT] > 0.0
    for k in range(found.size):
        j = found[k]
        value[k], lift[k] = -np.inf, 0.0
        if j >= 0 and is_out[j]:
            if reads_taste:
                lift[k] = product(own, title[j, low:high]) - norm[j]
            s = weight[RELEVANCE] * float(relevance[k]) + weight[POPULARITY] * float(popularity[j])
            value[k] = np.inf if is_name and k == 0 else s + weight[LIFT] * float(lift[k])
    results[:] = -1
    feature[:] = 0.0
    count, least = 0, -np.inf
    for k in range(found.size):
        s = value[k]
        if s <= least:
            continue
        at = min(count, results.size - 1)
        count = at + 1
        while at > 0 and s > value[results[at - 1]]:
            results[at] = results[at - 1]
            at -= 1
        results[at] = k
        if count == results.size:
            least = value[results[count - 1]]
    for at in range(count):
        k = results[at]
        j = found[k]
        results[at] = j
        feature[at, RELEVANCE] = np.inf if is_name and k == 0 else relevance[k]
        feature[at, POPULARITY], feature[at, LIFT] = popularity[j], lift[k]
