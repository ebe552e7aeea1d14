"""Who may play: the state of an account, and whether the authorisation came through."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic.random import Stream, uniforms

__all__ = ["GRANTED", "REFUSED_BUSINESS", "REFUSED_TECHNICAL", "authorise"]

Floats = npt.NDArray[np.float64]

GRANTED, REFUSED_TECHNICAL, REFUSED_BUSINESS = 0, 1, 2


def authorise(
    seed: int,
    member: npt.NDArray[np.int64],
    step: npt.NDArray[np.int64],
    *,
    outage_ratio: Floats,
    technical_ratio: float,
    business_ratio: float,
    is_lapsed: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.int8]:
    """The answer to each of ``n`` requests: granted, refused for a technical or for a business reason.

    ``outage_ratio`` [n] is the share of requests an outage refuses at that moment; ``technical_ratio`` and
    ``business_ratio`` are what is refused on a good day (errors; entitlement, region, too many streams). An
    account that ``is_lapsed`` [n] is refused for business whatever happens.
    """
    u = uniforms(seed, member, step, Stream.CONTROL_FAILURE)
    technical = np.maximum(outage_ratio, technical_ratio)
    answer = np.where(u < technical, REFUSED_TECHNICAL, GRANTED)
    answer[(u >= technical) & (u < technical + business_ratio)] = REFUSED_BUSINESS
    if is_lapsed is not None:
        answer[is_lapsed] = REFUSED_BUSINESS
    return answer.astype(np.int8)
