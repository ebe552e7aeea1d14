"""Lines that carry CMCD, in whatever form: each becomes a record, is skipped, or is rejected with a reason.

Forms, told apart line by line: access logs (combined, W3C, JSON) with a ``CMCD`` query argument or
``CMCD-*`` headers, URLs and query strings, dumps of the headers, JSON objects of keys and values, and bare
structured-field dictionaries (event bodies). Where a request has both headers and a query argument, the
headers win (CTA-5004-B 6.8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from metrics.contract import EARLIEST_TS_MS, LATEST_TS_MS
from metrics.ingest.access_log import (
    CLOUDFRONT_FIELDS,
    Request,
    instant_ms,
    parse_combined,
    parse_json,
    parse_w3c,
)
from metrics.ingest.cmcd_decode import Decoded, Issue, Mode, decode, decode_headers, decode_json
from metrics.ingest.cmcd_keys import KEYS
from metrics.ingest.cmcd_transmission import (
    cmcd_argument,
    decode_argument,
    header_fields,
    headers_win,
    is_event,
    is_header,
    json_headers,
    json_object,
    url_decoded,
)

__all__ = ["LineReader", "Record", "Rejected", "Skipped"]

_DICTIONARY = re.compile(r"^\s*[a-z*][a-z0-9_.*-]*\s*(?:[=,;]|$)")
_PLAYER_VERSION = re.compile(r"(?i)\bplayer version[:\s]+(\S{1,64})")
# A URL, a query string or the first line of a request: nothing else that a time could stand in.
_URL_LINE = re.compile(r"""["']?(?:[A-Z]{3,10} )?[^\s]*(?: HTTP/[\d.]+)?["']?""")
_LIKE_ACCESS_LOG = re.compile(r"^\S+ \S+ [^\"=]*\[")
_BANNER_CHARS = 300
_NO_RECORD = "not a CMCD record"


@dataclass(slots=True)
class Record:
    """One report: the keys a server may keep, and what the line says beside them."""

    keys: dict[str, Any]
    mode: Mode
    request: Request
    issues: tuple[Issue, ...]
    player_version: str | None = None
    is_dump: bool = False
    """Headers that a player wrote down, not a request that a server did."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that is no report and not meant to be: blank, comment, banner, or a request without CMCD.

    A ``banner`` is words above the first record. Whether they are a player's, that record tells: they are
    where it is a dump of headers, and else they are no CMCD record.
    """

    @property
    def otherwise(self) -> Rejected:
        """What a banner is that stands above no dump of headers."""
        return Rejected(_NO_RECORD)

    kind: Literal["blank", "comment", "banner", "without CMCD"]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that cannot be used, for quarantine."""

    reason: str


class LineReader:
    """Reads the lines of one log in order; a ``#Fields:`` line and a version banner hold for those after."""

    def __init__(self, *, begun: bool = False) -> None:
        """``begun``: records stand above, so that words are no banner."""
        self._fields = CLOUDFRONT_FIELDS
        self._player_version: str | None = None
        self._begun = begun

    def read(self, line: str) -> Record | Skipped | Rejected:
        """One line, without its line feed."""
        text = line.strip().removeprefix("\ufeff")
        if not text:
            return Skipped("blank")
        if text.startswith("#"):
            if text.startswith("#Fields:"):
                self._fields = tuple(text.removeprefix("#Fields:").split())
            return Skipped("comment")
        if not text.isprintable() and any(ord(c) < 32 and c != "\t" for c in text):
            return Rejected("binary: control characters")
        if text.startswith("{") and not is_header(text, 1):
            return self._read_json(text)
        # Only a tab-separated line may need its edges: an empty last field.
        request = parse_combined(text) or (parse_w3c(line, self._fields) if "\t" in line else None)
        if request and request.unread_time:
            return _unread(request.unread_time)
        # A line that is cut off within its time, or before its end, must not pass for one without a time.
        if request is None and _LIKE_ACCESS_LOG.match(text):
            return Rejected(_NO_RECORD)
        headers = header_fields(text)
        if headers:
            decoded = headers_win(decode_headers(headers), request.target if request else text)
            return self._record(decoded, "request", request, is_dump=request is None)
        queried = decode_argument(request.target if request else text)
        if queried and (request or _URL_LINE.fullmatch(text)):
            return self._record(queried, "request", request)
        if request:
            return Skipped("without CMCD")
        return self._read_bare(text)

    def _read_json(self, text: str) -> Record | Skipped | Rejected:
        row = json_object(text)
        if row is None:
            return Rejected("not JSON, though it starts with a brace")
        if not row:
            return Rejected("a JSON object without keys")
        if _is_flat(row):
            moment = row.get("timestamp", row.get("time"))
            request = Request("", ts_ms=instant_ms(moment))
            if request.ts_ms is None and moment not in (None, ""):
                return _unread("timestamp")
            values = {k: v for k, v in row.items() if k not in ("timestamp", "time")}
            return self._record(decode_json(values), _json_mode(values), request)
        request = parse_json(row)
        if request.unread_time:
            return _unread(request.unread_time)
        headers = json_headers(row)
        if headers:
            decoded = headers_win(decode_headers(headers), request.target)
            return self._record(decoded, "request", request, is_dump=not request.target)
        cmcd = next((row[name] for name in ("CMCD", "cmcd") if row.get(name)), None)
        if isinstance(cmcd, dict):
            return self._record(decode_json(cmcd), _json_mode(cmcd), request)
        argument = cmcd_argument(request.target)
        if cmcd is not None:
            # With an equals sign in it, it was decoded before it was logged, and what is escaped yet is a value's.
            argument = str(cmcd) if "=" in str(cmcd) else url_decoded(str(cmcd))
        if argument is not None:
            mode: Mode = "event" if is_event(argument) else "request"
            return self._record(decode(argument, mode=mode), mode, request)
        if request.target:
            return Skipped("without CMCD")
        return Rejected("a JSON object without CMCD")

    def _read_bare(self, text: str) -> Record | Skipped | Rejected:
        if _DICTIONARY.match(text) and ("=" in text or text.split(",")[0].strip() in KEYS):
            mode: Mode = "event" if is_event(text) else "request"
            return self._record(decode(text, mode=mode), mode, None)
        if self._begun or "=" in text or "CMCD" in text or len(text) > _BANNER_CHARS:
            return Rejected(_NO_RECORD)
        version = _PLAYER_VERSION.search(text)
        if version:
            self._player_version = version.group(1)
        return Skipped("banner")

    def _record(
        self, decoded: Decoded, mode: Mode, request: Request | None, *, is_dump: bool = False
    ) -> Record | Rejected:
        if not decoded.accepted:
            first = next((i for i in decoded.issues if i.severity == "error"), None)
            first = first or next(iter(decoded.issues), None)
            return Rejected(
                f"{first.key}: {first.message}".removeprefix(": ") if first else "CMCD without a key"
            )
        request = request or Request("")
        sent_ts_ms = decoded.accepted.get("ts")
        if (
            request.ts_ms is None
            and sent_ts_ms is not None
            and not EARLIEST_TS_MS <= sent_ts_ms <= LATEST_TS_MS
        ):
            return _unread("ts")
        self._begun = True
        return Record(
            keys=decoded.accepted,
            mode=mode,
            request=request,
            issues=decoded.issues,
            player_version=self._player_version if is_dump else None,
            is_dump=is_dump,
        )


def _unread(place: str) -> Rejected:
    """By the place and not by what stands there, so that reasons stay few; the line itself is kept."""
    return Rejected(f"time not readable: {place}")


def _is_flat(row: dict[str, Any]) -> bool:
    named = {k for k in row if k in KEYS or "-" in k}
    if any(k.lower().startswith("cmcd") for k in row):
        return False
    return "sid" in row or named == set(row) or (bool(named) and named | {"timestamp", "time"} >= set(row))


def _json_mode(values: dict[str, Any]) -> Mode:
    return "event" if "e" in values or "ts" in values else "request"
