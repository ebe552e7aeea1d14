"""The same viewers with an own CDN's columns and without: what is named, how it is judged, how it is added up."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from metrics.localise.located import score
from metrics.localise.visibility import VIEWS, looks, seen, untimed_stalls, viewers
from tests.metrics.rows import APRIL_MS, rows, session

MINUTE_MS = 60_000
START_MS = APRIL_MS + 600 * MINUTE_MS
SITES = {"s1": "i1", "s2": "i1", "s3": "i2", "s4": "i2"}


def watching(count: int = 8_000) -> pl.DataFrame:
    """Viewers of four sites of two ISPs, two appliances a site, each for half an hour within ten hours."""
    draw = np.random.default_rng(1)
    site = draw.choice(list(SITES), count)
    start = START_MS + draw.integers(-360, 110, count) * MINUTE_MS
    return pl.DataFrame(
        {
            "session_id": [f"v{i}" for i in range(count)],
            "from_ms": start,
            "to_ms": start + 30 * MINUTE_MS,
            "tier": "edge",
            "region": "r",
            "country": "c",
            "isp": [SITES[one] for one in site],
            "cdn": "own",
            "device": draw.choice(["tv", "web"], count),
            "site": site,
            "appliance": [f"{one}-edge-{n}" for one, n in zip(site, draw.integers(1, 3, count), strict=True)],
        }
    )


def stalls(frame: pl.DataFrame, inside: pl.Expr, share: float = 0.5) -> pl.DataFrame:
    """One in fifty stalls at some time; of those inside, a share after the start."""
    draw = np.random.default_rng(2)
    at = frame["from_ms"] + pl.Series(draw.integers(0, 30, frame.height) * MINUTE_MS)
    is_hit = (
        frame.select(inside).to_series() & (at >= START_MS) & pl.Series(draw.random(frame.height) < share)
    )
    chosen = is_hit | pl.Series(draw.random(frame.height) < 0.02)
    return frame.select("session_id", from_ms=at, to_ms=at + 20_000).filter(chosen)


def test_an_own_cdn_names_the_site_and_an_opaque_one_its_isp() -> None:
    inside = pl.col("site") == "s2"
    frame = watching()
    found = seen(frame.with_columns(is_hit=inside), stalls(frame, inside), START_MS, minutes=(60,))
    own, opaque = found.sort("view", descending=True).to_dicts()
    assert (own["view"], own["slices"], own["finest"]) == ("own", "site=s2", "site")
    assert (own["precision"], own["recall"]) == (1.0, 1.0)
    assert (opaque["slices"], opaque["finest"]) == ("isp=i1", "isp")
    assert opaque["recall"] == 1.0
    assert opaque["precision"] == pytest.approx(0.5, abs=0.05)
    assert own["viewers"] == opaque["viewers"]
    assert own["stalling"] == opaque["stalling"]


def test_an_isp_is_named_by_both() -> None:
    inside = pl.col("isp") == "i2"
    frame = watching()
    found = seen(frame.with_columns(is_hit=inside), stalls(frame, inside), START_MS, minutes=(60,))
    assert found["slices"].to_list() == ["isp=i2", "isp=i2"]


def test_nothing_is_named_where_nothing_happened_and_nobody_is_judged() -> None:
    frame = watching()
    found = seen(frame, stalls(frame, pl.lit(value=False)), START_MS)
    assert found["slices"].null_count() == found.height
    assert found["precision"].null_count() == found.height
    assert found["recall"].null_count() == found.height


def test_looks_know_nothing_of_what_comes_after_them() -> None:
    inside = pl.col("site") == "s2"
    frame = watching()
    later = START_MS + 20 * MINUTE_MS
    told = stalls(frame, inside)
    upto = frame.filter(pl.col("from_ms") < later), told.filter(pl.col("from_ms") < later)
    whole, cut = (
        [look.answer for look in looks(*each, START_MS, VIEWS["own"], (10, 20))]
        for each in ((frame, told), upto)
    )
    assert whole == cut


def test_without_viewers_there_is_no_look() -> None:
    frame = watching()
    assert seen(frame.clear(), stalls(frame, pl.lit(value=False)), START_MS).is_empty()
    assert seen(frame, stalls(frame, pl.lit(value=False)), START_MS - 10**9).is_empty()


def test_viewers_and_untimed_stalls_of_sessions() -> None:
    frame = rows(
        "playback_session",
        session(session_id="a", start_ts_ms=APRIL_MS, startup_ms=500, stall_count=2, stall_ms=900, edge_bytes=10,
                storage_bytes=20, third_party_bytes=0),
        session(session_id="b", start_ts_ms=APRIL_MS, edge_bytes=0, storage_bytes=0, third_party_bytes=0),
    )  # fmt: skip
    found = {row["session_id"]: row for row in viewers(frame).iter_rows(named=True)}
    assert found["a"]["from_ms"] == APRIL_MS + 500
    assert (found["a"]["tier"], found["b"]["tier"]) == ("storage", None)
    spans = untimed_stalls(frame)
    assert spans["session_id"].to_list() == ["a"]
    assert spans["from_ms"].to_list() == [APRIL_MS + 500]


def test_trials_add_up() -> None:
    """Own finds one of two sites, after ten minutes; opaque neither; calm spans name one in four."""
    columns = ["seed", "incident_id", "kind", "level", "view", "minutes", "slices", "precision", "recall"]
    frame = pl.DataFrame(
        [
            (1, "a", "lived", "site", "own", 10, "site=x", 1.0, 0.9),
            (1, "a", "lived", "site", "opaque", 10, "isp=y", 0.4, 1.0),
            (1, "b", "lived", "site", "own", 10, None, None, 0.0),
            (1, "b", "lived", "site", "opaque", 10, None, None, 0.0),
            *(
                (1, "c", "calm", "site", "own", at, "site=x" if at == 10 else None, 0.0, None)
                for at in (5, 10, 15, 20)
            ),
        ],
        columns,
        orient="row",
    )
    found = {
        (row["estimator"], row["case_set"], row["measure"]): row for row in score(frame).iter_rows(named=True)
    }
    own, opaque = ("visibility", "lived at one site"), ("visibility/opaque", "lived at one site")
    assert found[*own, "located_10_minutes"]["value"] == 0.5
    assert found[*opaque, "located_10_minutes"]["value"] == 0.0
    assert found[*opaque, "precision"]["value"] == 0.4
    assert found[*own, "located_10_minutes_more"]["value"] == 0.5
    assert found["visibility", "calm", "false_named"]["value"] == 0.25
    assert (*own, "minutes_to_locate") not in found  # half were never found
    assert score(frame.clear()).is_empty()
