"""Trace replay: equal to the reference simulator to the last digit, and right where an answer is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import InputError
from playhead.cli import main
from synthetic.arrays import Floats
from synthetic.player.manifest import Manifest, read_manifest
from synthetic.player.replay import ABR, replay
from synthetic.player.trace import read_traces

FIXTURES = Path(__file__).parent / "fixtures" / "replay"
SETS = ("bbb", "bbb4k")
FIGURES = [
    "startup_ms", "rebuffer_ms", "rebuffer_events", "total_play_ms", "played_bitrate_sum", "bitrate_change_sum",
    "network_total_ms",
]  # fmt: skip


@pytest.fixture(scope="module")
def expected() -> pl.DataFrame:
    return pl.read_csv(FIXTURES / "expected.csv", schema_overrides=dict.fromkeys(FIGURES, pl.Float64))


@pytest.fixture(scope="module", params=SETS)
def recorded(request: pytest.FixtureRequest) -> tuple[str, Manifest, dict[str, Floats]]:
    name: str = request.param
    return name, read_manifest(FIXTURES / f"{name}.json"), read_traces(FIXTURES / name)


def exactly(frame: pl.DataFrame) -> list[tuple[float, ...]]:
    return [tuple(map(float, row)) for row in frame.sort("trace").select(FIGURES).iter_rows()]


def constant(kbps: float, latency_ms: float = 0.0) -> dict[str, Floats]:
    return {"constant": np.array([[1000.0, kbps, latency_ms]])}


def video(*bitrates_kbps: float, segments: int = 20, segment_ms: float = 2000.0) -> Manifest:
    sizes = np.array([bitrates_kbps] * segments, np.float64) * segment_ms
    return Manifest(segment_ms, bitrates_kbps, sizes)


@pytest.mark.parametrize("abandon", [True, False])
@pytest.mark.parametrize("abr", ABR)
def test_equals_the_reference_to_the_last_digit(
    recorded: tuple[str, Manifest, dict[str, Floats]], expected: pl.DataFrame, abr: str, abandon: bool
) -> None:
    name, manifest, traces = recorded
    wanted = expected.filter(manifest=name, abr=abr, abandon=int(abandon))
    assert len(wanted) == len(traces)
    assert exactly(replay(manifest, traces, abr, abandon=abandon)) == exactly(wanted)


def test_the_command_gives_the_reference_rows_in_full_precision(
    expected: pl.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = expected.filter(manifest="bbb4k", abr="dynamicdash", abandon=1)
    files: list[str | Path] = [
        "replay",
        "--manifest",
        FIXTURES / "bbb4k.json",
        "--trace",
        FIXTURES / "bbb4k",
        "--abr",
        "dynamicdash",
    ]
    status, out, _ = run(capsys, *files, "--json")
    assert status == 0
    assert [row["trace"] for row in json.loads(out)] == sorted(wanted["trace"])
    assert exactly(pl.DataFrame(json.loads(out))) == exactly(wanted)
    status, out, _ = run(capsys, *files)
    assert status == 0
    table = [line.split() for line in out.splitlines()]
    assert [float(row[table[0].index("rebuffer_ms")]) for row in table[1:]] == wanted.sort("trace")[
        "rebuffer_ms"
    ].to_list()


def test_one_file_is_one_trace(capsys: pytest.CaptureFixture[str]) -> None:
    trace = FIXTURES / "bbb4k" / "trace0007.json"
    status, out, _ = run(
        capsys, "replay", "--manifest", FIXTURES / "bbb4k.json", "--trace", trace, "--abr", "bola", "--json"
    )
    assert status == 0
    assert [row["trace"] for row in json.loads(out)] == ["trace0007.json"]


def test_a_trace_goes_round(recorded: tuple[str, Manifest, dict[str, Floats]]) -> None:
    _, manifest, traces = recorded
    twice = {name: np.concatenate([trace, trace]) for name, trace in traces.items()}
    assert replay(manifest, traces, "dynamic").equals(replay(manifest, twice, "dynamic"))


@pytest.mark.parametrize("abr", ["throughput", "bola", "bola_basic", "dynamic"])
def test_a_single_bitrate_on_a_steady_network_is_arithmetic(abr: str) -> None:
    """Each segment takes 100 ms of latency and 2,500 of download for 2,000 of play: a stall before each."""
    (row,) = replay(video(1000), constant(800, 100), abr, abandon=False).to_dicts()
    assert row["startup_ms"] == pytest.approx(2500)
    assert row["rebuffer_ms"] == pytest.approx(19 * 600)
    assert row["rebuffer_events"] == 19
    assert row["played_bitrate_sum"] == 20_000
    assert row["bitrate_change_sum"] == 0
    assert row["network_total_ms"] == pytest.approx(20 * 2600)
    assert row["total_play_ms"] == pytest.approx(100 + 2500 + 20 * 2000 + 19 * 600)


@pytest.mark.parametrize("abr", ABR)
def test_a_fast_network_plays_without_a_stall_and_ends_at_the_top(abr: str) -> None:
    manifest = video(100, 200, 400, segments=60)
    (row,) = replay(manifest, constant(1e6), abr).to_dicts()
    assert row["rebuffer_ms"] == 0
    assert row["rebuffer_events"] == 0
    assert 100 + 59 * 200 < row["played_bitrate_sum"] <= 100 + 59 * 400


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Manifest, dict[str, Floats], str]:
    steps = draw(st.lists(st.floats(1.1, 4.0), min_size=1, max_size=5))
    bitrates = tuple(float(kbps) for kbps in 200 * np.cumprod([1.0, *steps]))
    segments, segment_ms = draw(st.integers(1, 40)), draw(st.sampled_from([1000.0, 2002.0, 4000.0]))
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = np.array(bitrates) * segment_ms * noise.uniform(0.5, 1.5, (segments, 1))
    periods = draw(st.integers(1, 30))
    trace = np.stack(
        [noise.uniform(0, 5000, periods), noise.choice([0.0, 150.0, 900.0, 5000.0], periods),
         noise.uniform(0, 300, periods)], axis=1,
    )  # fmt: skip
    trace[0, :2] = 1000.0, 1200.0
    return Manifest(segment_ms, bitrates, sizes), {"drawn": trace}, draw(st.sampled_from(ABR))


@settings(max_examples=150, deadline=None)
@given(worlds(), st.booleans(), st.booleans(), st.booleans())
def test_every_segment_is_played_and_time_adds_up(
    world: tuple[Manifest, dict[str, Floats], str], abandon: bool, oscillation_free: bool, as_published: bool
) -> None:
    manifest, traces, abr = world

    def play(as_published: bool) -> dict[str, Any]:
        played = replay(
            manifest,
            traces,
            abr,
            abandon=abandon,
            oscillation_free=oscillation_free,
            as_published=as_published,
        )
        return played.to_dicts()[0]

    row, published = play(as_published), play(True)
    # Only as published does startup hold the first byte's latency, which total play time always does.
    playing_ms = len(manifest.sizes_bits) * manifest.segment_ms
    told_ms = published["startup_ms"] + playing_ms + row["rebuffer_ms"]
    assert row["total_play_ms"] == pytest.approx(told_ms, abs=1e-3)
    assert row["network_total_ms"] <= row["total_play_ms"] + 1e-3
    low, high = manifest.bitrates_kbps[0], manifest.bitrates_kbps[-1]
    segments = len(manifest.sizes_bits)
    assert low * segments * 0.999999 <= row["played_bitrate_sum"] <= (high * segments) * 1.000001
    assert (row["rebuffer_ms"] > 0) >= (row["rebuffer_events"] > 0)


def test_as_published_differs_by_the_first_latency_where_nothing_is_given_up() -> None:
    manifest, traces = video(100, 200, 400), constant(1000, 30)
    (habit,) = replay(manifest, traces, "bola").to_dicts()
    (published,) = replay(manifest, traces, "bola", as_published=True).to_dicts()
    assert published["startup_ms"] == pytest.approx(habit["startup_ms"] + 30)
    assert published | {"startup_ms": habit["startup_ms"]} == habit


def test_as_published_takes_the_rung_that_a_download_was_given_up_for() -> None:
    """The network falls below the middle rung for good. Giving up saves the viewer a stall; the rule, asked
    again, begins the same download again and again, which the network pays for."""
    falls = {"falls": np.array([[8_000.0, 10_000.0, 0.0], [300_000.0, 400.0, 0.0]])}
    manifest = video(100, 2000, 4000, segments=12, segment_ms=4000.0)
    (whole,) = replay(manifest, falls, "throughput", abandon=False).to_dicts()
    (habit,) = replay(manifest, falls, "throughput").to_dicts()
    (published,) = replay(manifest, falls, "throughput", as_published=True).to_dicts()
    assert (whole["rebuffer_events"], habit["rebuffer_events"]) == (1, 0)
    assert published["network_total_ms"] < habit["network_total_ms"] - 10_000
    assert published | {"network_total_ms": habit["network_total_ms"]} == habit


def test_a_rule_that_gives_up_for_ever_is_stopped() -> None:
    """Dynamic with hardly any weight on stalls: BOLA asks for the top, the throughput rule gives it up."""
    falls = {"falls": np.array([[10_000.0, 10_000.0, 0.0], [1e15, 100.0, 0.0]])}
    manifest = video(100, 4000, segments=60)
    with pytest.raises(InputError, match="keeps giving up"):
        replay(manifest, falls, "dynamic", gamma_p=0.05)
    assert replay(manifest, falls, "dynamic", gamma_p=0.05, abandon=False)["rebuffer_ms"].item() > 0


def test_bola_o_changes_bitrate_less_than_bola_u(
    recorded: tuple[str, Manifest, dict[str, Floats]],
) -> None:
    _, manifest, traces = recorded
    changes = [
        replay(manifest, traces, "bola", abandon=False, oscillation_free=o)["bitrate_change_sum"].sum()
        for o in (True, False)
    ]
    assert changes[0] < changes[1]


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


GOOD_MANIFEST = {
    "segment_duration_ms": 2000, "bitrates_kbps": [100, 200], "segment_sizes_bits": [[200_000, 400_000]] * 3,
}  # fmt: skip
GOOD_TRACE = [{"duration_ms": 1000, "bandwidth_kbps": 500, "latency_ms": 20}]


def refused(
    capsys: pytest.CaptureFixture[str], folder: Path, manifest: str, trace: str, extra: Sequence[str] = ()
) -> str:
    """The one line that refuses; a good trace beside the bad one must not be printed either."""
    (folder / "manifest.json").write_text(manifest, "utf-8")
    traces = folder / "traces"
    traces.mkdir()
    (traces / "a_good.json").write_text(json.dumps(GOOD_TRACE), "utf-8")
    (traces / "bad.json").write_text(trace, "utf-8")
    status, out, err = run(
        capsys, "replay", "--manifest", folder / "manifest.json", "--trace", traces, "--abr", "bola", *extra
    )
    assert (status, out) == (2, "")
    (line,) = err.strip().splitlines()
    return line


@pytest.mark.parametrize(
    ("trace", "says"),
    [
        ("[]", "empty trace"),
        ("", "cut off"),
        (json.dumps(GOOD_TRACE * 3)[:-20], "cut off, at line 1"),
        ("[" + "1" * 5000 + "]", "not JSON text"),
        ("{}", "no trace"),
        ("[3]", "period 0 has no duration_ms"),
        (json.dumps([*GOOD_TRACE, {"duration_ms": 1, "bandwidth_kbps": 5}]), "period 1 has no latency_ms"),
        (json.dumps([GOOD_TRACE[0] | {"bandwidth_kbps": -1}]), "bandwidth_kbps is -1"),
        (json.dumps([GOOD_TRACE[0] | {"duration_ms": -1}]), "duration_ms is -1"),
        (json.dumps([GOOD_TRACE[0] | {"latency_ms": -1}]), "latency_ms is -1"),
        (json.dumps([GOOD_TRACE[0] | {"bandwidth_kbps": 0}] * 2), "carries no bit"),
        (json.dumps([GOOD_TRACE[0] | {"duration_ms": 0}]), "carries no bit"),
        (json.dumps([GOOD_TRACE[0] | {"bandwidth_kbps": float("nan")}]), "NaN is not a number"),
        (json.dumps([GOOD_TRACE[0] | {"bandwidth_kbps": True}]), "true is not a number"),
        (json.dumps([GOOD_TRACE[0] | {"bandwidth_kbps": "500"}]), '"500" is not a number'),
        (json.dumps([GOOD_TRACE[0] | {"bandwidth_kbps": 10**400}]), "is not a number"),
        (json.dumps([GOOD_TRACE[0] | {"bandwidth_kbps": 1e-300}]), "does not come to an end"),
    ],
)
def test_a_bad_trace_is_one_line(
    trace: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(capsys, tmp_path, json.dumps(GOOD_MANIFEST), trace)
    assert says in line
    assert "bad.json" in line


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"segment_sizes_bits": []}, "no segments"),
        ({"segment_sizes_bits": [[200, 400], [200]]}, "segment 1 has 1 sizes for 2 bitrates"),
        ({"segment_sizes_bits": [[200, 400], None]}, "segment 1 has no list of sizes"),
        ({"segment_sizes_bits": [[200, 0]]}, "segment 0 has a size of 0 bits"),
        ({"bitrates_kbps": [200, 100]}, "do not rise from above 0: 200, 100"),
        ({"bitrates_kbps": [100, 100]}, "do not rise"),
        ({"bitrates_kbps": [0, 100]}, "do not rise from above 0"),
        ({"bitrates_kbps": []}, "no list of bitrates"),
        ({"segment_duration_ms": 0}, "segment_duration_ms is 0"),
        ({"segment_duration_ms": None}, "null is not a number"),
        ({"segment_duration_ms": 30_000}, "a buffer of 25 s for segments of 30 s"),
    ],
)
def test_a_bad_manifest_is_one_line(
    change: dict[str, Any], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(capsys, tmp_path, json.dumps(GOOD_MANIFEST | change), json.dumps(GOOD_TRACE))
    assert says in line


@pytest.mark.parametrize("missing", GOOD_MANIFEST)
def test_a_manifest_without_a_part_says_what_it_needs(
    missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = {key: value for key, value in GOOD_MANIFEST.items() if key != missing}
    assert missing in refused(capsys, tmp_path, json.dumps(manifest), json.dumps(GOOD_TRACE))


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["--abr", "bolla"], "did you mean bola"),
        (["--buffer", "0"], "a buffer of 0 s"),
        (["--buffer", "nan"], "'--buffer': nan is not a finite number"),
        (["--gamma-p", "0"], "gamma p of 0"),
        (["--trace", "nowhere.json"], "nowhere.json: no such file"),
    ],
)
def test_a_bad_option_is_one_line(
    extra: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in refused(capsys, tmp_path, json.dumps(GOOD_MANIFEST), json.dumps(GOOD_TRACE), extra)


def test_a_folder_without_traces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no traces"):
        read_traces(tmp_path)


@pytest.mark.parametrize("abr", ["bolae", "dynamicdash"])
def test_a_rule_that_needs_two_rungs_says_so(abr: str) -> None:
    with pytest.raises(InputError, match="over a single bitrate"):
        replay(video(500), constant(1000), abr)
