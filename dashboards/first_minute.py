"""An empty lake: make the demo, or bring one's own telemetry, with a look at what would come of it first."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import streamlit as st

from dashboards.components import card
from metrics.errors import PlayheadError
from metrics.ingest import sessions
from metrics.lake import Lake

__all__ = ["first_minute", "share_done", "suggested"]

LOGS = {"CDN logs with CMCD": "cmcd", "Access logs without CMCD": "log"}
SIZES = {
    "A fortnight of 1,000 members, some 30 s": ("--subscribers", "1000", "--days", "14"),
    "A quarter of 20,000 members, some 4 min": (),
}
_ENDING = threading.Lock()
# Whole steps of the demo, and how far it is when each begins.
_STEPS = (
    ("ledger", 0.72),
    ("objectives", 0.76),
    ("economics", 0.8),
    ("metric tree", 0.93),
    ("data quality", 0.95),
)


@dataclass
class Making:
    """A command that fills the lake, and what it has said so far; any reader of the server sees the same one."""

    lake: str
    process: subprocess.Popen[str] | None = None
    adding_up: subprocess.Popen[bytes] | None = None
    said: Path | None = None
    given: Path | None = None  # a folder of files that a reader has uploaded
    lines: list[str] = field(default_factory=list)
    failed: str = ""  # how the last one ended, where it did not work

    def last(self) -> str:
        """What it said last, without any path of this machine."""
        line = self.lines[-1] if self.lines else ""
        for folder in filter(None, (self.given, self.lake)):
            line = line.replace(f"{folder}/", "").replace(str(folder), "the lake")
        return line.removeprefix("playhead: ")


def first_minute(lake: Lake, *, may_write: bool) -> None:
    """The page of a lake without sessions."""
    st.header("No sessions here yet", anchor=False)
    if not may_write:
        st.caption(
            "Whoever runs this server can make the demo or bring telemetry, with `playhead demo` or `ingest`."
        )
        return
    making = _making(str(lake.path))
    if making.process is not None:
        _progress(making)
        return
    if making.failed:
        st.error(making.failed, title="This did not work", icon=":material/error:")
    st.caption("Two ways forward. Both fill this lake, and every page then reads it.")
    left, right = st.columns(2)
    with left, card("Look around first"):
        st.markdown(
            "An emulated streaming service: members, titles, a CDN, incidents whose truth is known. Its telemetry "
            "is what yours would be."
        )
        size = st.radio("Size", list(SIZES), label_visibility="collapsed")
        if st.button("Make the demo", type="primary", icon=":material/play_arrow:", key="make-demo"):
            _start(making, ["demo", "--no-serve", *SIZES[size], "--lake", str(lake.path)])
            st.rerun()
    with right, card("Bring your own telemetry"):
        st.markdown(
            "Bad lines are set aside and counted; ids are hashed and addresses cut before anything is kept."
        )
        kind = st.segmented_control(
            "Kind",
            [*LOGS, "A table of sessions"],
            default=next(iter(LOGS)),
            required=True,
            label_visibility="collapsed",
        )
        if kind in LOGS:
            _logs(lake, making, LOGS[kind])
        else:
            _table(lake)


def share_done(lines: Sequence[str]) -> float:
    """How far the demo is by what it has said, 0..1.

    >>> share_done([]), share_done(["synthesise: week 2 (50%)"]), share_done(["ledger: every session counted"])
    (0.0, 0.35, 0.72)
    """
    share = 0.0
    for line in lines:
        if found := re.search(r"\((\d+)%\)", line):
            share = max(share, 0.7 * int(found[1]) / 100)
        share = max([share, *(at for step, at in _STEPS if line.startswith(step))])
    return share


@st.cache_resource(show_spinner=False)
def _making(path: str) -> Making:
    return Making(path)


def _start(making: Making, words: list[str]) -> None:
    making.failed = ""
    making.said = Path(tempfile.mkstemp(prefix="playhead-", suffix=".log")[1])
    with making.said.open("w", encoding="utf-8") as out:
        making.process = subprocess.Popen(
            [sys.executable, "-m", "playhead", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=out,
            text=True,
        )


@st.fragment(run_every="1s")
def _progress(making: Making) -> None:
    process, said = making.process, making.said
    if process is None or said is None:
        st.rerun()  # another reader's page has seen the end of it
    with suppress(FileNotFoundError):
        making.lines = said.read_text(encoding="utf-8").splitlines()
    status = process.poll()
    if status is None:
        st.progress(share_done(making.lines), making.last() or "starting")
        st.caption("The page opens by itself when it is done; it may be left and opened again meanwhile.")
        return
    with _ENDING:
        is_first, making.process = making.process is not None, None
    if not is_first:
        st.rerun()
    said.unlink(missing_ok=True)
    how = making.last() or "It ended without a word."
    if making.given is not None:
        shutil.rmtree(making.given, ignore_errors=True)
        making.given = None
    if status == 0:
        # Pages read the rows until they have sums by day; whoever waits for the page does not wait for these.
        making.adding_up = subprocess.Popen(
            [sys.executable, "-m", "playhead", "lake", "cube", "--lake", making.lake],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    else:
        making.failed = how
    st.rerun()


def _logs(lake: Lake, making: Making, kind: str) -> None:
    files = st.file_uploader("Log files, gzip too", accept_multiple_files=True, key=f"files-{kind}")
    if not files or not st.button("Ingest", type="primary", icon=":material/upload:", key=f"ingest-{kind}"):
        return
    folder = making.given = Path(tempfile.mkdtemp(prefix="playhead-"))
    paths = []
    for file in files:
        path = folder / Path(file.name).name
        path.write_bytes(file.getvalue())
        paths.append(str(path))
    _start(making, ["ingest", kind, *paths, "--lake", str(lake.path)])
    st.rerun()


def _table(lake: Lake) -> None:
    file = st.file_uploader("CSV or Parquet, a row a session", type=["csv", "parquet"], key="table")
    if file is None:
        return
    with tempfile.TemporaryDirectory(prefix="playhead-") as folder:
        path = Path(folder) / Path(file.name).name
        path.write_bytes(file.getvalue())
        try:
            columns = (
                (pl.scan_csv(path) if path.suffix == ".csv" else pl.scan_parquet(path))
                .collect_schema()
                .names()
            )
            written = Path(folder) / "map.toml"
            written.write_text(
                st.text_area("Mapping: their columns to ours", suggested(columns), height=220, key="mapping"),
                encoding="utf-8",
            )
            mapping = sessions.load_mapping(written)
            # Looked at before anything is written, so that a slip leaves nothing behind.
            validated = sessions.validate(path, mapping, key=b"dry run")
        except PlayheadError as error:
            st.error(
                f"{error.what}. {error.mend}".replace(folder, ""), title="Not yet", icon=":material/error:"
            )
            return
        except pl.exceptions.PolarsError:
            st.error("The file is no CSV or Parquet that can be read.", title="Not yet")
            return
        st.markdown(
            f"**{validated.good.height:,}** rows would be accepted, **{validated.quarantined.height:,}** not."
        )
        if validated.reasons:
            st.table(
                [{"reason": why, "rows": f"{rows:,}"} for why, rows in validated.reasons.items()],
                border="horizontal", hide_index=True, alt="Why rows would not be accepted",
            )  # fmt: skip
        if unknown := sessions.untold(mapping):
            st.caption(f"Not mapped: {', '.join(unknown)}. Metrics that need them leave these sessions out.")
        if validated.good.height and st.button("Ingest", type="primary", key="ingest-table"):
            sessions.ingest(lake, path, mapping)
            st.rerun()


# Names that tables of sessions often have, and what they are in the contract.
_USUAL = {
    "session_id": r"^(session|view|playback)[ _-]?id$|^id$",
    "start_ts_ms": r"^(start|started|begin|view[ _]?start)[ _-]?(at|time|ts)?$|^(timestamp|at|time)$",
    "playing_ms": r"^(play|playing|watch|watched|view)[ _-]?(time|duration|seconds|s|ms)$|^(duration|seconds)$",
    "stall_count": r"^(stalls?|rebuffers?|buffering)([ _-]?(count|events))?$",
    "stall_ms": r"^(stall(ed)?|rebuffer(ing)?|buffering)[ _-]?(time|duration|seconds|s|ms)$",
    "mean_bitrate_kbps": r"^((mean|avg|average)[ _-]?)?(bit[ _-]?rate[ _-]?)?kbps$",
    "subscriber_id": r"^(member|subscriber|user|account)([ _-]?id)?$",
    "startup_ms": r"ttff|start[ _-]?up|join[ _-]?time|time[ _-]?to[ _-]?first",
    "region": r"^(region|market|continent)$",
    "country": r"^country([ _-]?code)?$",
    "device": r"^dev(ice)?([ _-]?type)?$",
    "isp": r"^(isp|asn|as[ _-]?name)$",
    "cdn": r"^cdn$",
}


def suggested(columns: Sequence[str]) -> str:
    """A mapping to begin with, from names that are often used; what is not recognised is listed to be placed.

    >>> print(suggested(["SessionID", "started_at", "stalls", "stall_s", "user", "colour"]))
    [columns]
    session_id = "SessionID"
    start_ts_ms = {column = "started_at", unit = "iso"}
    stall_count = "stalls"
    stall_ms = {column = "stall_s", unit = "s"}
    subscriber_id = "user"
    # not placed yet: colour
    """
    lines, placed = ["[columns]"], set()
    for ours, usual in _USUAL.items():
        theirs = next(
            (name for name in columns if name not in placed and re.search(usual, name, re.IGNORECASE)), None
        )
        if theirs is None:
            continue
        placed.add(theirs)
        unit = {"start_ts_ms": "iso"}.get(ours, "ms" if theirs.lower().endswith("ms") else "s")
        quoted = json.dumps(theirs)
        is_time = ours.endswith("_ms")
        lines.append(
            f"{ours} = {{column = {quoted}, unit = {json.dumps(unit)}}}" if is_time else f"{ours} = {quoted}"
        )
    if rest := [name for name in columns if name not in placed]:
        lines.append(f"# not placed yet: {', '.join(rest)}")
    return "\n".join(lines)
