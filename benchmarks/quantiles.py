"""The quantile sketch beside DataSketches' KLL and REQ and DDSketch: error, size, and speed of filling and merging.

The peers are measured where they are installed (``pip install datasketches ddsketch``); they are no dependency.
All take the same values; an error is the largest of the p50, p90, p99 and p99.9, relative to the exact quantile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from benchmarks.harness import Row, race, rate
from metrics.quantiles import quantile_of_buckets, with_bucket

__all__ = ["rows"]

VALUES = 1_000_000
SHARDS = 64
QUANTILES = tuple(Fraction(text) for text in ("0.5", "0.9", "0.99", "0.999"))
_Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sketch:
    """A sketch of values, of several sketches, its quantiles and its size as it would be stored."""

    fill: Callable[[_Array], Any]
    merge: Callable[[list[Any]], Any]
    quantiles: Callable[[Any], list[float]]
    size_bytes: Callable[[Any], int]


def rows() -> list[Row]:
    """Error and size on startup times and on values made to be hard; speed on startup times."""
    peers = _peers()
    found = []
    wrong = {(case, name): error for case, name, error in errors()}
    for case in _cases():
        assert wrong[case, ""] <= 0.01, f"{case}: {wrong[case, '']}"
        found += _beside(
            f"quantiles of {case}: largest relative error",
            lambda n: f"{wrong[case, n]:.2%}",  # noqa: B023
            peers,
        )
    startup = _cases()["startup times"]
    sizes = {name: s.size_bytes(_sharded(s, startup)) for name, s in (("", OURS), *peers.items())}
    found += _beside("quantile sketch of startup times: size", lambda n: f"{sizes[n] / 1000:.1f} kB", peers)
    found += race(
        "quantile sketch filled",
        lambda: OURS.fill(startup),
        {name: lambda s=s: s.fill(startup) for name, s in peers.items()},  # type: ignore[misc]
        rate(VALUES, "values"),
    )
    shards = {name: _shards(s, startup) for name, s in (("", OURS), *peers.items())}
    return found + race(
        f"{SHARDS} quantile sketches merged",
        lambda: OURS.merge(shards[""]),
        {name: lambda s=s, name=name: s.merge(shards[name]) for name, s in peers.items()},  # type: ignore[misc]
        rate(SHARDS, "sketches"),
    )


def errors() -> Iterator[tuple[str, str, float]]:
    """The case, the peer (none: ours) and its largest relative error over the quantiles, sketched in shards."""
    peers = _peers()
    for case, values in _cases().items():
        exact = _exact(values)
        for name, sketch in (("", OURS), *peers.items()):
            found = sketch.quantiles(_sharded(sketch, values))
            yield case, name, max(abs(x - e) / e for x, e in zip(found, exact, strict=True))


def _beside(what: str, shown: Callable[[str], str], peers: dict[str, Sketch]) -> list[Row]:
    return [Row(what, shown(""), name, shown(name)) for name in peers] or [Row(what, shown(""))]


def _cases() -> dict[str, _Array]:
    draw = np.random.default_rng(8)
    is_near = draw.random(VALUES) < 0.98
    return {
        "startup times": draw.lognormal(6, 0.8, VALUES).astype(np.int64) + 1,
        "values over twelve decades": (10.0 ** draw.uniform(0, 12, VALUES)).astype(np.int64) + 1,
        "two far clusters, sorted": np.sort(
            np.where(is_near, draw.integers(200, 210, VALUES), draw.integers(9**12, 2 * 9**12, VALUES))
        ),
    }


def _exact(values: _Array) -> list[int]:
    """The smallest value at which the share reaches each quantile."""
    ordered = np.sort(values)
    return [int(ordered[-(-len(values) * q.numerator // q.denominator) - 1]) for q in QUANTILES]


def _shards(sketch: Sketch, values: _Array) -> list[Any]:
    return [sketch.fill(some) for some in np.array_split(values, SHARDS)]


def _sharded(sketch: Sketch, values: _Array) -> Any:
    return sketch.merge(_shards(sketch, values))


def _fill(values: _Array) -> pl.DataFrame:
    frame = with_bucket(nw.from_native(pl.LazyFrame({"value": values})), nw.col("value"), "bucket")
    filled: pl.LazyFrame = frame.group_by("bucket").agg(nw.len().alias("weight")).to_native()
    return filled.collect(engine="streaming")


def _merge(sketches: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(sketches).group_by("bucket").agg(pl.col("weight").sum())


def _quantiles(sketch: pl.DataFrame) -> list[float]:
    return [
        quantile_of_buckets(sketch, q, bucket="bucket", weight="weight")["value"].item() for q in QUANTILES
    ]


OURS = Sketch(_fill, _merge, _quantiles, lambda sketch: sketch.height * 16)


def _peers() -> dict[str, Sketch]:
    peers = {}
    try:
        data = import_module("datasketches")
    except ModuleNotFoundError:
        pass
    else:
        peers["DataSketches KLL, k = 200"] = _datasketch(lambda: data.kll_floats_sketch(200))
        peers["DataSketches REQ, k = 12"] = _datasketch(lambda: data.req_floats_sketch(12))
    try:
        ddsketch = import_module("ddsketch")
    except ModuleNotFoundError:
        pass
    else:
        peers["DDSketch, 1 %"] = _ddsketch(lambda: ddsketch.DDSketch(0.01))
    return peers


def _datasketch(new: Callable[[], Any]) -> Sketch:
    def fill(values: _Array) -> Any:
        sketch = new()
        sketch.update(values.astype(np.float32))
        return sketch

    def quantiles(sketch: Any) -> list[float]:
        return [float(sketch.get_quantile(float(q), inclusive=True)) for q in QUANTILES]

    return Sketch(fill, lambda sketches: _folded(new(), sketches), quantiles, lambda s: len(s.serialize()))


def _ddsketch(new: Callable[[], Any]) -> Sketch:
    def fill(values: _Array) -> Any:
        sketch = new()
        for value in values.tolist():
            sketch.add(value)
        return sketch

    def quantiles(sketch: Any) -> list[float]:
        return [float(sketch.get_quantile_value(float(q))) for q in QUANTILES]

    # Its dense store holds a count for each index in the range.
    return Sketch(
        fill, lambda sketches: _folded(new(), sketches), quantiles, lambda s: 8 * len(s._store.bins)
    )


def _folded(into: Any, sketches: list[Any]) -> Any:
    for sketch in sketches:
        into.merge(sketch)
    return into
