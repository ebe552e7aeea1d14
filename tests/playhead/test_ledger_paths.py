"""One lake, fed by every path there is: after each of them the ledger adds up, in numbers known beforehand."""

from __future__ import annotations

import gzip
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from metrics.lake import Lake
from metrics.ledger import Ledger, ledger
from playhead.cli import main
from playhead.synthesis import synthesise
from synthetic.scenario import load_scenario
from tests.metrics.log_lines import FORMS, log

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "dashboards" / "app.py"
# Of `log(form, 12)`: every third session of requests plays again after an hour of silence.
SESSIONS = {form: 12 if form == "events" else 16 for form in FORMS}
MAP = '[columns]\nsession_id = "id"\nsubscriber_id = "who"\nstart_ts_ms = {column = "at", unit = "iso"}\n'
MAP += 'playing_ms = {column = "s", unit = "s"}\n'
OWN = "id,who,at,s\na,alice,2026-04-01T12:00:00Z,60\nb,bob,never,60\nc,alice,2026-04-01T13:00:00Z,-5\n"
OWN += "d,carol,2026-04-01T14:00:00Z,60\n"
IMPOSSIBLE = 'e=ps,sid="i",sta=s,ts=1775044800000,v=2\nbsd=(90000),e=ps,sid="i",sta=p,ts=1775044801000,v=2\n'
AHEAD = 'e=ps,sid="d",sta=d,ts=1775044800000,v=2\ne=ps,sid="d",sta=q,ts=1775044801000,v=2\n'
IMPOSSIBLE += 'bsd=(90000),e=ps,sid="i",sta=p,ts=1775044802000,v=2\n'
DUMP = "{CMCD-Request: 'su', CMCD-Object: 'ot=v,br=900', CMCD-Session: 'sid=\"h\"'}\n"

Run = Callable[..., None]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command that must succeed."""

    def command(*args: object, stdin: bytes = b"") -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stop:
            main([str(arg) for arg in args])
        said = capsys.readouterr()
        assert stop.value.code == 0, said.err

    return command


def _lines(text: str) -> int:
    """Lines of a log from :func:`tests.metrics.log_lines.log` that cannot be used."""
    return text.count('{"bad"')


def test_every_path_adds_up(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expected = tmp_path / "lake", {"in": 0, "counted": 0, "lines": 0, "all_lines": 0}

    def check(*, sessions: int = 0, out: int = 0, lines: int = 0, of: str | bytes = "") -> Ledger:
        """What a path should have brought: sessions counted, excluded or quarantined, bad lines, all lines."""
        expected["all_lines"] += len((of if isinstance(of, bytes) else of.encode()).splitlines())
        expected["in"] += sessions + out
        expected["counted"] += sessions
        expected["lines"] += lines
        found = ledger(Lake.open(path))
        assert (found.residual, found.lines_residual, found.lines_uncounted) == (0, 0, 0)
        assert found.lines_in == expected["all_lines"]
        assert (found.sessions_in, found.counted) == (expected["in"], expected["counted"])
        assert sum(found.lines_quarantined.values()) == expected["lines"]
        return found

    def write(name: str, content: str | bytes) -> Path:
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def cmcd(*files: object, stdin: bytes = b"") -> None:
        run("ingest", "cmcd", *files, "--lake", path, "--received-at", "2026-04-01", stdin=stdin)

    # Access logs of every form, event bodies among them; then gzip and standard input of the same: nothing.
    for form in FORMS:
        text = log(form, name=form)
        whole = write(f"{form}.log", text)
        cmcd(whole)
        check(sessions=SESSIONS[form], lines=_lines(text), of=text)
        cmcd(write(f"{form}.log.gz", gzip.compress(text.encode())))
        cmcd("-", stdin=text.encode())
        check()
    # The same again, under other ids, zipped and from standard input.
    cmcd(write("z.gz", gzip.compress(log("json", name="zipped").encode())))
    check(sessions=16, lines=_lines(log("json")), of=log("json"))
    cmcd("-", stdin=log("combined", name="piped").encode())
    check(sessions=16, lines=_lines(log("combined")), of=log("combined"))
    # Headers as a player writes them down and as a server logs them.
    cmcd(write("dump.log", "A Player\nPlayer Version 8\n" + DUMP))
    headers = {"CMCD-Session": 'sid="j"', "CMCD-Object": "ot=v,br=900", "CMCD-Request": "su"}
    entry = {"timestamp": "2026-04-01T12:00:00Z", "url": "/v", "headers": headers}
    cmcd(write("headers.log", json.dumps(entry) + "\n"))
    check(sessions=2, of="four\n" * 4)
    # A query string alone; what cannot have been; what was no attempt; a line of junk.
    cmcd(write("url.log", "/v?CMCD=br%3D900%2Cot%3Dv%2Csid%3D%22q%22%2Csu\n"))
    check(sessions=1, of="one")
    cmcd(write("odd.log", (IMPOSSIBLE + AHEAD).encode() + b"\x00\xff\xfe\n"))
    found = check(out=2, lines=1, of=IMPOSSIBLE + AHEAD + "junk")
    assert found.excluded["quarantined: stall longer than its interval"] == 1
    assert found.excluded["loaded ahead and never asked to play"] == 1
    # A log that grows, and a session of it that goes on; a reader of it is killed on the way.
    text = log("combined", 6, name="growing")
    for share in (3, 2):
        write("grows.log", text[: len(text) // share])
        cmcd(tmp_path / "grows.log")
        assert ledger(Lake.open(path)).residual == 0
    write("grows.log", text)
    for step in ("f1", "1", "2", "-3"):
        follower = [
            sys.executable,
            "-m",
            "tests.metrics.log_follower",
            str(path),
            str(tmp_path / "grows.log"),
            step,
        ]
        assert (
            subprocess.run(follower, cwd=ROOT, check=False, capture_output=True).returncode == -signal.SIGKILL
        )
        assert ledger(Lake.open(path)).residual == 0
    cmcd(tmp_path / "grows.log")
    check(sessions=8, lines=_lines(text), of=text)
    # One's own table: two rows in, two in quarantine; twice.
    write("map.toml", MAP)
    for _ in range(2):
        run("ingest", "sessions", write("own.csv", OWN), "--map", tmp_path / "map.toml", "--lake", path)
    check(sessions=2, out=2)
    # The emulated service.
    before = Lake.open(path).snapshot("playback_session").rows
    synthesise(load_scenario(None, panel=64, days=1), Lake.open(path))
    check(sessions=Lake.open(path).snapshot("playback_session").rows - before)
    # Upkeep moves rows and changes none.
    run("lake", "compact", "--lake", path)
    run("lake", "vacuum", "--lake", path, "--retention-hours", 0)
    check()
    # A subscriber forgotten takes along one session that was counted and one in quarantine.
    run("lake", "forget", "alice", "--lake", path)
    expected["counted"] -= 1
    expected["in"] -= 2
    found = check()
    # The command and the page say the same.
    with pytest.raises(SystemExit) as stop:
        main(["ledger", "--lake", str(path), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0
    assert (told["sessions_in"], told["counted"], told["residual"]) == (found.sessions_in, found.counted, 0)
    assert told["excluded"] == found.excluded
    assert (told["lines_in"], told["lines_residual"]) == (found.lines_in, 0)
    monkeypatch.setenv("PLAYHEAD_LAKE", str(path))
    main_module = sys.modules["__main__"]
    page = AppTest.from_file(str(PAGE), default_timeout=60).run().switch_page("views/trust.py").run()
    sys.modules["__main__"] = main_module
    assert not page.exception
    assert page.header[0].value == "Every session is accounted for."
    shown = {metric.label: metric.value for metric in page.metric}
    assert (shown["Sessions in"], shown["Residual"]) == (f"{found.sessions_in:,}", "0")
    assert (shown["Counted"], shown["Excluded"]) == (
        f"{found.counted:,}",
        f"{sum(found.excluded.values()):,}",
    )
