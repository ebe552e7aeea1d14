"""Lakes that the pages are shown: an emulated fortnight, a real log alone, nothing, and a broken one."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from metrics.ingest.cmcd import ingest_cmcd
from metrics.ingest.source import open_source
from metrics.lake import Lake
from playhead.decision import publish
from playhead.economics import economics
from playhead.synthesis import synthesise
from synthetic.scenario import load_scenario

RECEIVED_MS = 1_775_044_800_000  # 2026-04-01T12:00:00Z
AGENT = "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0)"


def emulated(path: Path, *, is_first: bool = False) -> Path:
    """A fortnight of 200 subscribers, with what the demo computes for its pages; ``is_first``: its past, too."""
    lake = Lake.create(path)
    synthesise(load_scenario(None, panel=200, days=14), lake)
    economics(lake, "2026Q2", ledger_residual=0, is_first=is_first)
    publish(lake)
    return path


def shown() -> Path | None:
    """The lake that ``PLAYHEAD_SHOWN`` names, to be shown in a browser instead of an emulated one."""
    named = os.environ.get("PLAYHEAD_SHOWN")
    return Path(named) if named else None


def logged(path: Path) -> Path:
    """Three sessions of a CDN's combined access log with CMCD: no regions, no members, no costs."""
    lines = []
    for session in range(3):
        common = f'cid="c",ot=v,sid="s-{session}"'
        for second, cmcd in (
            (0, f'cid="c",ot=m,sid="s-{session}",su'),
            (1, f"bl=0,br=1000,d=4000,{common},su"),
            (3, f"bl=3000,br=1000,d=4000,{common},su"),
            (6, f"bl=4000,br=2000,d=4000,{common}"),
        ):
            when = f"01/Apr/2026:12:{10 * session:02d}:{second:02d} +0000"
            url = f"/v/{second}.m4s?CMCD={quote(cmcd, safe='')}"
            lines.append(f'203.0.113.{session} - - [{when}] "GET {url} HTTP/1.1" 200 9000 "-" "{AGENT}"')
    path.mkdir()
    log = path.with_suffix(".log")
    log.write_text("\n".join([*lines, "not a line of any log"]), encoding="utf-8")
    ingest_cmcd(Lake.create(path), open_source(str(log)), received_ts_ms=RECEIVED_MS)
    return path


def empty(path: Path) -> Path:
    """A lake that nobody has written to."""
    Lake.create(path)
    return path


def broken(path: Path) -> Path:
    """A lake whose description is damaged."""
    Lake.create(path)
    (path / "_playhead.json").write_text("{", encoding="utf-8")
    return path
