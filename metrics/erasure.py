"""Forgetting a subscriber: every row that is theirs, what is in quarantine, artefacts that name them, the history."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from metrics.cube import discard
from metrics.lake import Lake
from metrics.own_tables import CHECKPOINT, QUARANTINE
from metrics.privacy import hash_id
from metrics.telemetry import TABLES
from metrics.upkeep import erase, sweep

__all__ = ["Forgotten", "forget"]

_HASHED = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Forgotten:
    """Rows erased by table, files deleted with the history that held them, and artefacts that named them."""

    rows: dict[str, int]
    files_deleted: int
    artefacts_deleted: tuple[str, ...]


def forget(lake: Lake, subscriber: str) -> Forgotten:
    """Erase a subscriber, so that no file of the lake tells of them.

    ``subscriber`` is the id of an account or a viewer, as the service knows it or as the lake has it (hashed).
    Theirs are the rows that name it, the rows of their viewers that name no account, the events of their
    sessions, and lines and rows in quarantine that name any of these. An artefact that does is deleted, since
    whatever computed it can do so again.
    """
    ids = [subscriber, hash_id(subscriber, lake.key)]
    erased: dict[str, int] = {}
    with lake.alone():
        discard(lake)
        named = pl.col("subscriber_id").is_in(ids) | pl.col("viewer_id").is_in(ids)
        table = lake.scan("playback_session")
        viewers = (
            table.filter(named).select("viewer_id").drop_nulls().unique().collect()["viewer_id"].to_list()
        )
        theirs = named | (pl.col("subscriber_id").is_null() & pl.col("viewer_id").is_in(viewers))
        sessions = table.filter(theirs).select("session_id").collect()["session_id"].to_list()
        names = _names(ids, viewers, sessions)
        # Sessions go last: should this be interrupted, they still tell which events are theirs.
        open_ones = pl.col("session_id").is_in(sessions) | pl.col("state").str.contains_any(names)
        erase(lake, CHECKPOINT.name, open_ones & pl.col("session_key").is_not_null())
        sweep(lake, CHECKPOINT.name)
        for name in sorted(lake.tables(), key="playback_session".__eq__):
            columns = TABLES[name].schema if name in TABLES else QUARANTINE.schema
            if name == QUARANTINE.name:
                erased[name] = erase(lake, name, pl.col("row").str.contains_any(names))
            elif "viewer_id" in columns:
                erased[name] = erase(lake, name, theirs)
            elif "subscriber_id" in columns:
                erased[name] = erase(lake, name, pl.col("subscriber_id").is_in(ids))
            elif "session_id" in columns:
                erased[name] = erase(lake, name, pl.col("session_id").is_in(sessions))
        deleted = sum(sweep(lake, name) for name in lake.tables())
        artefacts = tuple(_delete_artefacts(lake, names))
    return Forgotten(erased, deleted, artefacts)


def _names(ids: list[str], viewers: list[str], sessions: list[str]) -> list[str]:
    """What text that tells of them holds: a hash anywhere, any other id as the value of its column.

    A short id as it is would be found in half of all text.
    """
    fields = [
        f'"{column}":"{name}"' for name in [*ids, *viewers] for column in ("subscriber_id", "viewer_id")
    ]
    fields += [f'"session_id":"{name}"' for name in sessions]
    return [*fields, *(name for name in (*ids, *viewers, *sessions) if _HASHED.fullmatch(name))]


def _delete_artefacts(lake: Lake, names: list[str]) -> list[str]:
    folder = lake.artefact("")
    # JSON for people has a space after the colon.
    texts = [text.encode() for name in names for text in {name, name.replace('":"', '": "')}]
    deleted = []
    for file in sorted(folder.rglob("*")):
        if file.is_file() and any(text in content for content in [file.read_bytes()] for text in texts):
            file.unlink()
            deleted.append(str(file.relative_to(folder)))
    return deleted
