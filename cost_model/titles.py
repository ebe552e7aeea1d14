"""Which titles are worth another codec: the encode of a title against the bytes it saves while it is in service.

The identities, a title (USD; rate names in ``rates.toml``)::

    encode  = runtime in hours · 60 · encode price a minute · ladder_1080p_equivalent · encode_trials
    saved   = hours watched a month · gb_per_hour · device share · saving · price of a byte at the margin
    worth it where saved · 12 · encode_life_years ≥ encode; payback in months = encode / saved

Titles compete for nothing: each is worth it or not by itself, so the catalogue's tail is where the next most
watched title no longer is. What launching the codec costs once is :func:`cost_model.encoding.payback`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import polars as pl

from cost_model.cdn import Policy, own_marginal_usd_per_gb, rate_names
from cost_model.encoding import Delivery
from cost_model.rates import Rates
from cost_model.uncertainty import Floats, Interval, interval, sample
from metrics.errors import InputError

__all__ = ["CODECS", "TITLES", "TITLE_COUNT", "Codec", "Tail", "tail", "typical_catalogue"]

Codec = Literal["hevc", "av1_fgs"]
CODECS: tuple[Codec, ...] = ("hevc", "av1_fgs")
TITLES = pl.Schema({"content_id": pl.String, "runtime_hours": pl.Float64, "hours_per_month": pl.Float64})
DRAWS = 4_000

_RATES: Mapping[Codec, tuple[str, str, str]] = {
    "hevc": ("encode_price_hevc", "hevc_device_ratio", "hevc_saving_ratio"),
    "av1_fgs": ("encode_price_av1", "av1_device_ratio", "av1_saving_ratio"),
}
_SHARED = ("ladder_1080p_equivalent", "encode_trials", "encode_life_years", "film_grain_encode_factor")
TITLE_COUNT, _STRETCH = 18_214, 0.30


@dataclass(frozen=True)
class Tail:
    """Where a codec stops being worth it, over draws. Titles are counted from the most watched by hour of runtime.

    ``hours_watched_per_hour``: watched a month for each hour of runtime at which a title is just worth it.
    ``payback_months`` of titles at a rank; infinite in draws where nothing is saved.
    """

    codec: Codec
    delivery: Delivery
    titles: int
    worth_it: Interval
    worth_it_hours_ratio: Interval
    hours_watched_per_hour: Interval
    payback_months: Mapping[int, Interval]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "codec": self.codec,
            "delivery": self.delivery,
            "titles": self.titles,
            "titles_worth_it": self.worth_it.as_dict(),
            "hours_of_titles_worth_it_ratio": self.worth_it_hours_ratio.as_dict(),
            "break_even_hours_watched_per_hour_and_month": self.hours_watched_per_hour.as_dict(),
            "payback_months_by_rank": {str(k): v.as_dict() for k, v in self.payback_months.items()},
        }


def tail(
    titles: pl.DataFrame,
    rates: Rates,
    day: date,
    codec: Codec,
    *,
    subscribers: float,
    delivery: Delivery = "third_party",
    policy: Policy = "lean",
    given: Mapping[str, float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Tail:
    """Which of ``titles`` (in :data:`TITLES`) are worth encoding in ``codec``.

    Raises :class:`~metrics.errors.InputError` for titles without runtime, with negative hours, or for none.
    """
    _check(titles)
    price_name, device, saving = _RATES[codec]
    names = tuple(dict.fromkeys((price_name, device, saving, *_SHARED, *rate_names())))
    rate = sample(rates, names, day, given=given, draws=draws, seed=seed)
    encode_hour = 60 * rate[price_name] * rate["ladder_1080p_equivalent"] * rate["encode_trials"]
    if codec == "av1_fgs":
        encode_hour = encode_hour * rate["film_grain_encode_factor"]
    byte_price = (
        rate["third_party_price"]
        if delivery == "third_party"
        else own_marginal_usd_per_gb(np.full(draws, float(subscribers)), rate, policy)
    )
    saved_hour = rate["gb_per_hour"] * rate[device] * rate[saving] * byte_price
    # What an hour of runtime must be watched a month, to pay for its encode within its life.
    needed = encode_hour / (saved_hour * 12 * rate["encode_life_years"])
    watched = (titles["hours_per_month"] / titles["runtime_hours"]).to_numpy()
    order = np.argsort(-watched, kind="stable")
    watched, hours = watched[order], titles["hours_per_month"].to_numpy()[order]
    count = np.searchsorted(-watched, -needed, side="right").astype(np.float64)
    cumulated = np.concatenate([[0.0], np.cumsum(hours)]) / max(float(hours.sum()), 1e-300)
    ranks = [k for k in (1, 10, 100, 1_000, 4_000, 10_000) if k <= len(watched)]
    return Tail(
        codec,
        delivery,
        len(watched),
        interval(count, most=len(watched)),
        interval(cumulated[count.astype(np.int64)], most=1.0),
        interval(needed),
        {
            k: interval(
                encode_hour / (saved_hour * watched[k - 1]) if watched[k - 1] else np.full(draws, np.inf)
            )
            for k in ranks
        },
    )


def typical_catalogue(subscribers: float, hours_per_member_day: float, runtime_hours: float) -> pl.DataFrame:
    """A catalogue where none is measured: 18,214 titles, hours by a stretched exponential with c = 0.30.

    hours of rank i ∝ (1 − ln i / ln 2n)^(1/c), scaled to ``subscribers``; ``runtime_hours`` is a title's (a
    season counts as one). Public viewing of H1 2023 has 19.6, 57.5 and 87.4 % in the top 100, 1,000 and 4,000.
    """
    rank = np.arange(1, TITLE_COUNT + 1)
    share: Floats = (1 - np.log(rank) / np.log(2 * TITLE_COUNT)) ** (1 / _STRETCH)
    month = subscribers * hours_per_member_day * 365 / 12
    return pl.DataFrame(
        {
            "content_id": [f"rank {k}" for k in rank],
            "runtime_hours": np.full(TITLE_COUNT, runtime_hours),
            "hours_per_month": month * share / share.sum(),
        },
        schema=TITLES,
    )


def _check(titles: pl.DataFrame) -> None:
    if titles.is_empty():
        raise InputError(
            "no titles", mend="give a lake whose sessions tell content_id and content_duration_ms"
        )
    for column, least in (("runtime_hours", "above 0"), ("hours_per_month", "not negative")):
        low = float(titles[column].min())  # type: ignore[arg-type]
        if low < 0 or (low == 0 and column == "runtime_hours"):
            raise InputError(f"titles: {column} is {low:g}", mend=f"it is {least}")
