"""Cubes: every question has the answer of the rows, to the integer, and no stale cube ever answers."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrics import cube, cube_build, held
from metrics.arms import HEADLINE
from metrics.catalog import METRICS, Metric
from metrics.cube import made_with
from metrics.erasure import forget
from metrics.errors import InputError
from metrics.experiment import compare
from metrics.lake import Lake
from metrics.parts import dimensions_of
from metrics.plan import SKETCH, Cut, Source, roll_up
from metrics.query import Where, apart, check_cut, measure
from metrics.upkeep import compact
from playhead.synthesis import synthesise
from synthetic.scenario import load_scenario
from tests.metrics.rows import APRIL_MS, DAY_MS, rows, session

QUARTER_MS = 900_000
CUTS: list[dict[str, Any]] = [
    {},
    {"intervals": True},
    {"grain": "1d"},
    {"by": ["region"], "grain": "1w"},
    {"by": ["region"], "where": {"device": ["mobile", "tv"], "isp": [None, "nothing"]}},
    {"by": ["isp", "region"], "start_ts_ms": APRIL_MS + DAY_MS},
    {"by": ["device"], "where": {"region": ["mena", None]}, "grain": "1d", "end_ts_ms": APRIL_MS + 3 * DAY_MS},
    {"by": ["site"], "start_ts_ms": APRIL_MS, "end_ts_ms": APRIL_MS + 2 * DAY_MS},
    {"by": ["is_synthetic"], "where": {"is_synthetic": ["true"]}, "intervals": True},
    {"where": {"is_synthetic": ["false"]}},
    {"by": ["codec", "cdn"]},
    {"by": ["surface"], "where": {"region": ["south-asia"]}},
    {"grain": "15m", "start_ts_ms": APRIL_MS + 7 * QUARTER_MS, "end_ts_ms": APRIL_MS + 50 * QUARTER_MS},
    {"by": ["cdn"], "where": {"device": ["mobile"]}, "start_ts_ms": APRIL_MS + 3 * QUARTER_MS},
    {"grain": "1h", "where": {"region": ["south-asia"]}, "end_ts_ms": APRIL_MS + 9 * QUARTER_MS},
    {"by": ["arm"], "where": {"experiment": ["holdout"]}, "intervals": True},
    {"by": ["arm"], "where": {"experiment": ["second"], "region": ["south-asia"], "device": ["mobile"]}},
    {"by": ["arm"], "where": {"experiment": ["holdout"], "isp": ["sa-isp-1", None]}, "intervals": True},
    {"where": {"experiment": ["holdout"], "arm": ["control"]}, "start_ts_ms": APRIL_MS + DAY_MS},
    {"by": ["experiment", "arm"], "where": {"experiment": ["second"]}, "grain": "1d"},
    {"by": ["region"], "intervals": True, "start_ts_ms": APRIL_MS + DAY_MS},
]  # fmt: skip

VALUES = {
    "region": ("mena", "south-asia", "nowhere"), "isp": ("nothing",), "device": ("mobile", "smart_tv"),
    "codec": ("av1", "h264"), "cdn": ("own", "third_party"),
}  # fmt: skip
FEW = ("attempts", "rebuffer_rate", "time_to_play_p99_ms", "watch_hours", "gigabytes_per_hour")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Four days of the emulated service, and a real session of a kind of its own."""
    made = Lake.create(tmp_path_factory.mktemp("lake") / "lake")
    synthesise(load_scenario(None, panel=200, days=4), made)
    add(made, 1, weight=10**5, edge_bytes=5 * 10**13, flags="bytes_unknown;stalls_unknown", device="mobile")
    assign(made)
    cube_build.build(made)
    return made


def assign(lake: Lake) -> None:
    """Members into arms: of a holdout that all are in, for two days; of a second experiment from when they came on."""
    members = lake.scan("membership").group_by("subscriber_id").agg(pl.first("weight", "replicate")).collect()
    members = members.sort("subscriber_id").with_columns(
        is_synthetic=pl.lit(value=True), is_control=pl.int_range(pl.len()) % 3 > 0
    )
    arm = pl.when("is_control").then(pl.lit("control")).otherwise(pl.lit("treatment"))
    holdout = members.with_columns(
        arm=arm, experiment=pl.lit("holdout"), is_holdout=~pl.col("is_control"),
        assigned_ts_ms=pl.lit(APRIL_MS + DAY_MS), until_ts_ms=pl.lit(APRIL_MS + 3 * DAY_MS),
    )  # fmt: skip
    second = members.head(80).with_columns(
        arm=arm, experiment=pl.lit("second"), is_holdout=pl.lit(value=False),
        assigned_ts_ms=APRIL_MS + pl.int_range(pl.len()) * 3_600_000,
    )  # fmt: skip
    twice = second.head(1).with_columns(is_control=~pl.col("is_control"), arm=pl.lit("treatment"))
    for version, frame in enumerate((holdout, second, twice)):
        lake.append("assignment", frame, application="arms", version=version)


def add(lake: Lake, version: int, **given: Any) -> None:
    given = {"session_id": f"s{version}", "subscriber_id": f"v{version}", "replicate": 5} | given
    lake.append(
        "playback_session", rows("playback_session", session(**given)), application="t", version=version
    )


def answerable(by: list[str], where: Where, grain: str | None) -> list[str]:
    kept = []
    for name in METRICS:
        try:
            check_cut([name], [*by, *where], grain)
        except InputError:
            continue
        kept.append(name)
    return kept


def both(lake: Lake, names: Sequence[str] = (), **cut: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    names = names or answerable(cut.get("by", []), cut.get("where", {}), cut.get("grain"))
    assert names
    return measure(lake, names, **cut), measure(lake, names, scan=lake.scan, **cut)


def unread(table: str) -> pl.LazyFrame:
    raise AssertionError(f"the rows of {table} are read")


@pytest.mark.parametrize("cut", CUTS)
def test_a_cube_gives_the_answer_of_the_rows(lake: Lake, cut: dict[str, Any]) -> None:
    ours, theirs = both(lake, **cut)
    assert ours.equals(theirs)
    assert ours["value"].count() > 0


@pytest.mark.parametrize("cut", [*CUTS, {"by": ["isp"], "grain": "3d"}, {"where": {"region": ["nowhere"]}}])
def test_a_cube_held_in_memory_gives_it_too(lake: Lake, cut: dict[str, Any]) -> None:
    names = answerable(cut.get("by", []), cut.get("where", {}), cut.get("grain"))
    for source in (held.source_of(lake), Source(lake.scan, held.source_of(lake).ready)):  # read, then held
        assert measure(source, names, **cut).equals(measure(lake, names, scan=lake.scan, **cut))


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_slice_and_period_of_memory_is_that_of_the_rows(lake: Lake, data: st.DataObject) -> None:
    dimensions = ("region", "isp", "device", "codec", "cdn")
    by = data.draw(st.lists(st.sampled_from(dimensions), max_size=2, unique=True))
    where = {
        name: data.draw(st.lists(st.sampled_from([*VALUES[name], None]), min_size=1, max_size=3))
        for name in data.draw(st.lists(st.sampled_from(dimensions), max_size=2, unique=True))
    }
    first = data.draw(st.integers(-1, 4))
    cut: dict[str, Any] = {
        "by": by,
        "where": where,
        "start_ts_ms": APRIL_MS + first * DAY_MS,
        "end_ts_ms": APRIL_MS + data.draw(st.integers(first + 1, 6)) * DAY_MS,
        "grain": data.draw(st.sampled_from([None, "1d", "2d", "1w"])),
        "intervals": data.draw(st.booleans()),
    }
    names = [name for name in FEW if name in answerable(by, where, cut["grain"])]
    theirs = measure(lake, names, scan=lake.scan, **cut)
    assert measure(held.source_of(lake), names, **cut).equals(theirs)


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_quantile_of_any_slice_is_told_by_a_sketch_that_is_held(lake: Lake, data: st.DataObject) -> None:
    names = [name for name in FEW if METRICS[name].quantile is not None]
    held.hold_fine(lake, [METRICS[name] for name in names])
    some = st.lists(st.sampled_from(held.FINE), max_size=4, unique=True)
    by, sliced = data.draw(some), data.draw(some)
    where = {name: data.draw(st.sampled_from([*VALUES.get(name, ("nothing",)), None])) for name in sliced}
    first = data.draw(st.integers(-1, 4))
    cut: dict[str, Any] = {
        "by": by,
        "where": {name: [value, "smart_tv"] for name, value in where.items()},
        "start_ts_ms": APRIL_MS + first * DAY_MS,
        "end_ts_ms": APRIL_MS + data.draw(st.integers(first + 1, 6)) * DAY_MS,
        "grain": data.draw(st.sampled_from([None, "1d", "1w"])),
    }
    theirs = measure(lake, names, scan=lake.scan, **cut)
    assert measure(Source(unread, held.source_of(lake).ready), names, **cut).equals(theirs)


def test_what_is_held_adds_up_over_the_values_of_a_dimension(lake: Lake) -> None:
    """A sketch comes in 64 bits where rows come in decimals; over regions both are added up."""
    metrics = [METRICS[name] for name in ("time_to_play_p50_ms", "rebuffer_rate")]
    cut = Cut(("region",), start_ts_ms=APRIL_MS)
    ours, theirs = (roll_up(source, metrics, cut) for source in (held.source_of(lake), Source(lake.scan)))
    for mine, other in zip(apart(ours, "region").items(), apart(theirs, "region").items(), strict=True):
        assert mine[0] == other[0]
        for key, frame in mine[1].items():
            sums = {name: frame[name].cast(pl.Int64).sum() for name in frame.columns if name != SKETCH}
            assert sums == {name: other[1][key][name].cast(pl.Int64).sum() for name in sums}
            assert frame.height == other[1][key].height


def test_what_is_held_is_bounded(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = held._Held()
    monkeypatch.setattr(held, "_HELD", fresh)
    monkeypatch.setattr(held, "MOST_BYTES", 20_000)
    for cut in CUTS:
        names = [
            name
            for name in FEW
            if name in answerable(cut.get("by", []), cut.get("where", {}), cut.get("grain"))
        ]
        assert measure(held.source_of(lake), names, **cut).equals(measure(lake, names, **cut))
        assert sum(column.nbytes for column in fresh._columns.values()) == fresh._bytes <= 20_000


@pytest.mark.parametrize("clock", [{}, {"start_ts_ms": APRIL_MS}, {"grain_ms": DAY_MS}])
def test_no_row_is_read_where_a_cube_tells(lake: Lake, clock: dict[str, Any]) -> None:
    cubes = cube.source_of(lake)
    source = Source(unread, cubes.ready, cubes.counted_arms)
    # Bills are small, and what is spread over the genres of a member has no fewer rows than the table.
    metrics = [
        m for m in METRICS.values() if not m.within and all(part.table != "charge" for part in m.parts)
    ]
    for replicates, by in product([False, True], [(), ("region",)]):
        sliced = [m for m in metrics if not by or (m.quantile is None and "region" in told_by(m))]
        sliced = [m for m in sliced if not (replicates and m.spread)]
        assert roll_up(source, sliced if by else metrics, Cut(by, replicates=replicates, **clock))


def test_no_row_is_read_for_the_arms_of_an_experiment(lake: Lake) -> None:
    cubes = cube.source_of(lake)
    source = Source(unread, cubes.ready, cubes.counted_arms)
    names = [name for name in HEADLINE if METRICS[name].spread is None]
    for where in ({}, {"region": ["south-asia"]}, {"device": ["mobile"]}):
        told = [name for name in names if set(where) <= told_by(METRICS[name])]
        ours = compare(source, told, experiment="holdout", where=where)
        assert ours.equals(compare(Source(lake.scan), told, experiment="holdout", where=where))
        assert ours["value"].count() >= 10


def test_cubes_by_arm_are_those_of_who_is_in_them_now(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    synthesise(load_scenario(None, panel=64, days=3), lake)
    cube_build.build(lake)
    assign(lake)
    for _ in range(2):  # stale, then made anew
        ours, theirs = both(lake, ["hours_per_member_day"], by=["arm"], where={"experiment": ["holdout"]})
        assert ours.equals(theirs)
        assert set(ours["arm"]) == {"control", "treatment"}
        cube_build.build(lake)


def test_what_cubes_tell_is_known_before_it_is_asked(lake: Lake) -> None:
    metrics = [
        METRICS[name] for name in ("rebuffer_rate", "first_week_genres", "edge_offload_ratio", "attempts")
    ]
    days, any_instant = Cut(end_ts_ms=APRIL_MS + DAY_MS), Cut(end_ts_ms=APRIL_MS + 1)
    assert [m.name for m in cube.told(lake, metrics, days)] == [
        "rebuffer_rate",
        "edge_offload_ratio",
        "attempts",
    ]
    assert [m.name for m in cube.told(lake, metrics, any_instant)] == ["edge_offload_ratio"]


def told_by(metric: Metric) -> set[str]:
    return set.intersection(*(set(dimensions_of(part.table)) for part in metric.parts))


@pytest.mark.parametrize(
    "cut",
    [
        {"grain": "5m"},
        {"start_ts_ms": APRIL_MS + 1},
        {"end_ts_ms": APRIL_MS + DAY_MS + 3_600_000},
        {"by": ["content_id"]},
        {"by": ["site"], "where": {"device": ["tv"]}},
    ],
)  # fmt: skip
def test_what_no_cube_tells_is_read_from_the_rows(lake: Lake, cut: dict[str, Any]) -> None:
    names = ["attempts", "rebuffer_rate"]
    assert measure(lake, names, **cut).equals(measure(lake, names, scan=lake.scan, **cut))


def test_a_lake_that_moves_on_is_read_until_its_cubes_are_extended(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    for version in (1, 2, 3):
        add(lake, version, start_ts_ms=APRIL_MS + version * DAY_MS, startup_ms=version * 777)
    cube_build.build(lake)
    add(lake, 4, weight=9, startup_ms=12_345)
    source = Source(unread, cube.source_of(lake).ready)
    with pytest.raises(AssertionError, match="rows of playback_session are read"):
        roll_up(source, [METRICS["attempts"]], Cut())
    for _ in range(2):  # stale, then extended
        for cut in ({}, {"grain": "1d"}, {"intervals": True}, {"by": ["region", "device"]}):
            ours, theirs = both(lake, FEW, **cut)
            assert ours.equals(theirs)
            assert ours.filter(pl.col("metric") == "attempts")["n"].sum() == 4
        cube_build.build(lake)
    assert roll_up(source, [METRICS["attempts"]], Cut())
    # Files that were joined are other files: made anew.
    compact(lake)
    cube_build.build(lake)
    ours, theirs = both(lake, FEW, grain="1d")
    assert ours.equals(theirs)
    assert roll_up(source, [METRICS["attempts"]], Cut())


def test_an_extended_cube_reads_new_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake.create(tmp_path / "lake")
    add(lake, 1)
    cube_build.build(lake)
    old = lake.snapshot("playback_session").files
    add(lake, 2)
    read: list[str] = []
    scan = Lake.scan

    def noted(self: Lake, table: str, files: Any = None) -> pl.LazyFrame:
        read.extend(files or ())
        return scan(self, table, files)

    monkeypatch.setattr(Lake, "scan", noted)
    cube_build.build(lake)
    assert len(set(read)) == 1
    assert read[0] not in old


def test_cubes_are_known_by_all_that_they_are_made_with() -> None:
    sources = made_with("cube_build")
    known = {source.stem for source in sources} | {source.parent.name for source in sources}
    assert {"cube_sets", "plan", "rollup", "parts", "catalog", "measures", "quantiles", "charges"} <= known
    assert not {"figures", "held", "query"} & known  # what asks cubes makes none
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not node.level, source
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert {name.split(".")[1] for name in names if name.startswith("metrics.")} <= known, source


def test_sums_past_64_bits_stay_exact(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    for version in range(1, 4):
        add(lake, version, weight=10**5, edge_bytes=5 * 10**13, subscriber_id=f"v{version}")
        cube_build.build(lake)
    found = measure(lake, ["gigabytes_per_hour"])
    assert found.equals(measure(lake, ["gigabytes_per_hour"], scan=lake.scan))
    assert found["numerator"].item() == 3 * 5 * 10**9
    assert found.equals(measure(held.source_of(lake), ["gigabytes_per_hour"]))
    held_too = measure(held.source_of(lake), ["gigabytes_per_hour"], by=["region"], grain="1d")
    assert held_too.equals(measure(lake, ["gigabytes_per_hour"], by=["region"], grain="1d", scan=lake.scan))


def test_who_is_forgotten_is_in_no_cube(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    add(lake, 1)
    add(lake, 2)
    cube_build.build(lake)
    forget(lake, "v1")
    assert not list((lake.path / "artefacts").rglob("*.parquet"))
    cube_build.build(lake)
    assert measure(lake, ["attempts"])["n"].item() == 1
