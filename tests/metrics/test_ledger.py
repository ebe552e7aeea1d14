"""Sessions in = counted + excluded by reason: the residual is 0, with quarantine and all."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from metrics.ingest.cmcd import ingest_cmcd
from metrics.ingest.source import open_source
from metrics.lake import Lake
from metrics.ledger import Ledger, ledger
from tests.metrics.rows import rows, session


def test_every_session_is_counted_or_excluded_by_reason(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    good = rows(
        "playback_session",
        *(session(weight=10),) * 5,
        *(session(weight=3, excluded_reason="bot"),) * 2,
        session(weight=2, excluded_reason="no_end"),
    )
    bad = good[:3].with_columns(playing_ms=pl.lit(-1, pl.Int64))
    lake.append("playback_session", pl.concat([good, bad]), application="test", version=1)
    lake.append("playback_session", good, application="test", version=1)  # again: already in
    # What is no row tells no weight; other tables' rows are not sessions, and neither are lines.
    lines = pl.DataFrame(
        {"table": ["playback_session", "delivery"], "reason": ["unreadable"] * 2, "row": ["?", "?"]}
    )
    lake.quarantine(lines, application="log", version=1)
    lake.quarantine(lines, application="lines/log", version=1)
    found = ledger(lake)
    assert (found.sessions_in, found.counted, found.residual) == (8 + 3 + 1, 5, 0)
    assert dict(found.excluded) == {
        "quarantined: playing_ms: negative": 3, "bot": 2, "no_end": 1, "quarantined: unreadable": 1,
    }  # fmt: skip
    assert dict(found.weight_excluded) == {
        "quarantined: playing_ms: negative": 30, "bot": 6, "no_end": 2, "quarantined: unreadable": 1,
    }  # fmt: skip
    assert found.weight_in == 50 + 39
    assert found.lines_quarantined == {"unreadable": 1}
    # No log of this lake has counted its lines.
    assert (found.lines_in, found.lines_uncounted, found.lines_residual) == (0, 1, 0)


def test_an_empty_lake_has_an_empty_ledger(tmp_path: Path) -> None:
    found = ledger(Lake.create(tmp_path / "lake"))
    assert found == Ledger(0, 0, {}, 0, {})
    assert found.residual == 0


def test_a_lost_row_would_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.append(
        "playback_session", rows("playback_session", session(), session()), application="t", version=1
    )
    whole = lake.scan("playback_session")
    scan = Lake.scan
    monkeypatch.setattr(
        Lake, "scan", lambda self, table: whole.head(1) if table == "playback_session" else scan(self, table)
    )
    assert ledger(lake).residual == 1


def test_a_lost_line_would_show(tmp_path: Path) -> None:
    lake, path = Lake.create(tmp_path / "lake"), tmp_path / "log"
    path.write_text('total garbage here\n# so\nsid="a",br=1,ot=v,d=1\nsid="a",br')
    ingest_cmcd(lake, open_source(str(path)))
    found = ledger(lake)
    assert (found.lines_in, found.lines_used, found.lines_ignored) == (3, 1, {"comment": 1})
    assert (found.lines_quarantined, found.lines_residual) == ({"not a CMCD record": 1}, 0)
    forged = pl.DataFrame({"table": ["playback_session"], "reason": ["twice"], "row": [""]})
    batch = lake.scan("quarantine").collect()["application"].item()
    lake.quarantine(forged, application=batch, version=1)
    assert ledger(lake).lines_residual == -1
