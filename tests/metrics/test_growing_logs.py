"""A log that grows, is rotated, renamed or zipped: every line once, every session once, wherever it was cut."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrics.errors import InputError
from metrics.ingest.cmcd import Ingested, ingest_cmcd
from metrics.ingest.source import open_source
from metrics.lake import Lake
from metrics.ledger import ledger
from metrics.privacy import KEY_VARIABLE
from tests.metrics.log_lines import FORMS, START_MS, log


@pytest.fixture(autouse=True)
def one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that two lakes have the same ids."""
    monkeypatch.setenv(KEY_VARIABLE, "a test's key")


def _ingest(lake: Lake, path: Path) -> Ingested:
    done = ingest_cmcd(lake, open_source(str(path)))
    assert done.already or done.lines == done.records + done.quarantined + sum(done.ignored.values())
    return done


def contents(lake: Lake) -> dict[str, pl.DataFrame]:
    """The rows of a lake that are the same whatever batches they came in."""
    return {
        "sessions": lake.scan("playback_session").collect().sort("session_id"),
        "events": lake.scan("playback_event").collect().sort("session_id", "sequence"),
        "quarantine": lake.scan("quarantine").select("table", "reason", "row").collect().sort("row"),
    }


def assert_same(found: Lake, expected: Lake) -> None:
    """Equal rows, and a ledger that adds up."""
    wanted = contents(expected)
    for name, frame in contents(found).items():
        assert frame.equals(wanted[name]), name
    assert ledger(found).residual == ledger(expected).residual == 0
    assert ledger(found) == ledger(expected)


def _at_once(folder: Path, text: str) -> Lake:
    lake = Lake.create(folder / "at_once")
    (folder / "whole.log").write_text(text)
    _ingest(lake, folder / "whole.log")
    return lake


@pytest.mark.parametrize("form", FORMS)
def test_taken_in_piece_by_piece_it_is_the_same(tmp_path: Path, form: str) -> None:
    text = log(form)
    lake, path = Lake.create(tmp_path / "lake"), tmp_path / "growing.log"
    cuts = sorted(random.Random(form).sample(range(1, len(text)), 9))
    for end in [*cuts, len(text), len(text)]:
        path.write_text(text[:end])
        _ingest(lake, path)
        assert ledger(lake).residual == 0
    assert_same(lake, _at_once(tmp_path, text))
    assert _ingest(lake, path).already == [str(path)]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FORMS), st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_wherever_it_is_cut(tmp_path_factory: pytest.TempPathFactory, form: str, at: list[float]) -> None:
    text = log(form, 4, bad_every=3)
    folder = tmp_path_factory.mktemp("cut")
    lake, path = Lake.create(folder / "lake"), folder / "growing.log"
    for end in sorted({round(share * len(text)) for share in at} | {len(text)}):
        path.write_text(text[:end])
        _ingest(lake, path)
    assert_same(lake, _at_once(folder, text))


def test_a_line_that_is_half_written_is_left_for_the_next_run(tmp_path: Path) -> None:
    lake, path = Lake.create(tmp_path / "lake"), tmp_path / "log"
    first, second = 'e=ps,sid="a",sta=s,ts=1775044800000,v=2\n', 'e=ps,sid="a",sta=p,ts=1775044801000,v=2\n'
    path.write_text(first + second[:9])
    done = _ingest(lake, path)
    assert (done.records, done.quarantined, dict(done.ignored)) == (1, 0, {"unfinished last line": 1})
    assert contents(lake)["sessions"]["outcome"].to_list() == ["exit_before_start"]
    path.write_text(first + second)
    done = _ingest(lake, path)
    assert (done.lines, done.records, done.sessions, done.sessions_continued) == (1, 1, 1, 1)
    (session,) = contents(lake)["sessions"].iter_rows(named=True)
    assert (session["outcome"], session["startup_ms"]) == ("played", 1_000)
    assert contents(lake)["quarantine"].is_empty()


def test_half_a_line_that_reads_as_a_whole_one_is_read_again(tmp_path: Path) -> None:
    lake, path = Lake.create(tmp_path / "lake"), tmp_path / "log"
    # Cut off, the last line names another session and another state.
    whole = 'e=ps,sta=s,ts=1775044800000,v=2,sid=abc\ne=ps,sta=p,ts=1775044801000,v=2,sid="b"\n'
    path.write_text(whole[: whole.index("1775044801000") + 13])
    _ingest(lake, path)
    path.write_text(whole)
    _ingest(lake, path)
    assert_same(lake, _at_once(tmp_path, whole))


def test_a_rotated_log_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    text = log("combined")
    half = text.index("\n", len(text) // 2) + 1
    lake, path = Lake.create(tmp_path / "lake"), tmp_path / "access.log"
    path.write_text(text[: half // 2])
    _ingest(lake, path)
    # It grew to its end, was renamed, and a new log begun under its name; both are named in the next run.
    rotated = path.rename(tmp_path / "access.log.1")
    rotated.write_text(text[:half])
    path.write_text(text[half:])
    assert _ingest(lake, rotated).lines > 0
    assert _ingest(lake, path).lines > 0
    # Then zipped, and the name used again by copying and truncating.
    (tmp_path / "access.log.2.gz").write_bytes(gzip.compress(text[:half].encode()))
    (tmp_path / "access.log.1").write_text(text[half:])
    for name in ("access.log.2.gz", "access.log.1"):
        assert _ingest(lake, tmp_path / name).already
    assert_same(lake, _at_once(tmp_path, text))


def test_a_log_that_was_growing_is_zipped_before_its_rest_is_in(tmp_path: Path) -> None:
    text = log("json")
    lake, path = Lake.create(tmp_path / "lake"), tmp_path / "log"
    path.write_text(text[: len(text) // 3])
    _ingest(lake, path)
    (tmp_path / "log.gz").write_bytes(gzip.compress(text.encode()))
    _ingest(lake, tmp_path / "log.gz")
    assert_same(lake, _at_once(tmp_path, text))


def test_a_zipped_log_that_was_cut_off_comes_whole(tmp_path: Path) -> None:
    text = log("combined", 40, bad_every=10_000)
    zipped = gzip.compress(text.encode())
    lake, path = Lake.create(tmp_path / "lake"), tmp_path / "log.gz"
    for end in (len(zipped) // 3, 2 * len(zipped) // 3, len(zipped)):
        path.write_bytes(zipped[:end])
        done = _ingest(lake, path)
        assert done.reasons == ({"the gzip stream is broken or cut off": 1} if end < len(zipped) else {})
    found, wanted = contents(lake), contents(_at_once(tmp_path, text))
    assert found["sessions"].equals(wanted["sessions"])
    assert found["events"].equals(wanted["events"])
    assert set(found["quarantine"]["reason"]) == {"the gzip stream is broken or cut off"}


@pytest.mark.parametrize("how", ["rotated", "truncated", "gone"])
def test_a_log_that_changes_hands_while_it_is_read_is_not_taken_for_itself(tmp_path: Path, how: str) -> None:
    lake, path = Lake.create(tmp_path / "lake"), tmp_path / "log"
    path.write_text(log("json"))
    source = open_source(str(path))
    if how == "truncated":
        path.write_text("")
    else:
        path.rename(tmp_path / "log.1")
    if how == "rotated":
        path.write_text(log("json", name="new"))
    with pytest.raises(InputError, match="was rotated or cut while it was read"):
        ingest_cmcd(lake, source)
    assert lake.scan("playback_session").collect().is_empty()
    (tmp_path / "log.1").write_text(log("json"))
    _ingest(lake, tmp_path / "log.1")
    assert_same(lake, _at_once(tmp_path, log("json")))


def test_a_bomb_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(80 << 20)))
    with pytest.raises(InputError, match="unzips to more than 250 times its size"):
        open_source(str(tmp_path / "bomb.gz"))


def test_two_logs_with_one_heading_are_two_logs(tmp_path: Path) -> None:
    text = log("cloudfront").replace(" cs-uri-query", " cs-uri-query x-more").replace("\n2026", "\tx\n2026")
    heading, middle = text[: text.index("\n2026") + 1], text.index("\n2026", len(text) // 2) + 1
    lake, path = Lake.create(tmp_path / "lake"), tmp_path / "log"
    for part in (heading, text[:middle], heading + text[middle:]):
        path.write_text(part)
        assert _ingest(lake, path).lines > 0
    # Both were read on from the heading, whose fields hold for them.
    assert_same(lake, _at_once(tmp_path, text))


def test_a_session_is_told_anew_for_as_long_as_it_may_go_on(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")

    def step(name: str, *steps: tuple[int, str]) -> Ingested:
        lines = [f'e=ps,sid="a",sta={state},ts={START_MS + at},v=2\n' for at, state in steps]
        (tmp_path / name).write_text("".join(lines))
        return _ingest(lake, tmp_path / name)

    step("one", (0, "s"), (1_000, "p"))
    assert "never_closed" in contents(lake)["sessions"]["flags"].item()
    assert step("two", (600_000, "r"), (601_000, "p")).sessions_continued == 1
    step("three", (2_000_000, "e"))
    (session,) = contents(lake)["sessions"].iter_rows(named=True)
    assert (session["startup_ms"], session["stall_ms"], session["end_reason"]) == (1_000, 1_000, "completed")
    assert session["watched_ms"] == 2_000_000
    # The same id two hours later is another session.
    assert step("four", (7_200_000, "s"), (7_202_000, "p"), (7_300_000, "q")).sessions_continued == 0
    sessions = contents(lake)["sessions"].sort("start_ts_ms")
    assert sessions["startup_ms"].to_list() == [1_000, 2_000]
    assert sessions["session_id"].n_unique() == 2


def test_one_absurd_clock_closes_nobody_s_session(tmp_path: Path) -> None:
    lake, path = Lake.create(tmp_path / "lake"), tmp_path / "log"
    text = "".join(
        f'e=ps,sid="a",sta={s},ts={START_MS + at},v=2\n' for at, s in ((0, "s"), (900, "p"), (2_000, "t"))
    )
    text = (
        text.replace('e=ps,sid="a",sta=t', 'e=t,sid="a"') + f'e=ps,sid="z",sta=p,ts={4_000_000_000_000},v=2\n'
    )
    path.write_text(text)
    _ingest(lake, path)
    path.write_text(text + f'e=ps,sid="a",sta=e,ts={START_MS + 9_000},v=2\n')
    assert _ingest(lake, path).sessions_continued == 1
    assert contents(lake)["sessions"].sort("end_ts_ms")["end_reason"].to_list() == ["completed", "timeout"]


def test_a_session_in_quarantine_is_told_anew_too(tmp_path: Path) -> None:
    lake, path = Lake.create(tmp_path / "lake"), tmp_path / "log"
    head = f'e=ps,sid="a",sta=s,ts={START_MS},v=2\ne=ps,sid="a",sta=p,ts={START_MS + 1_000},v=2\n'
    impossible = f'bsd=(90000),e=ps,sid="a",sta=p,ts={START_MS + 5_000},v=2\n'
    path.write_text(head + impossible)
    assert _ingest(lake, path).reasons == {"stall longer than its interval": 1}
    path.write_text(head + impossible + f'e=ps,sid="a",sta=e,ts={START_MS + 6_000},v=2\n')
    _ingest(lake, path)
    assert (ledger(lake).sessions_in, ledger(lake).counted) == (1, 0)
    assert_same(lake, _at_once(tmp_path, path.read_text()))


def test_open_sessions_hold_nobody_s_address_and_are_let_go(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    for day in range(3):
        path = tmp_path / f"{day}.log"
        path.write_text(log("combined", 3).replace("01/Apr", f"{1 + 2 * day:02d}/Apr"))
        _ingest(lake, path)
    kept = lake.scan("log_checkpoint").collect()
    stored = kept.write_json()
    for secret in ("203.0.113", "s-1", "bob", "Tizen"):
        assert secret not in stored
    # The first day's are gone: a later one, which is in, has left them two days behind.
    open_days = kept["end_ts_ms"].drop_nulls() // 86_400_000
    assert open_days.min() == (START_MS + 2 * 86_400_000) // 86_400_000
