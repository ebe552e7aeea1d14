"""Lines that carry CMCD, in whatever form: each becomes a record, is skipped, or is rejected with a reason.

Forms, told apart line by line: access logs (combined, W3C, JSON) with a ``CMCD`` query argument or
``CMCD-*`` headers, URLs and query strings, dumps of the headers, JSON objects of keys and values, and bare
structured-field dictionaries (event bodies). Where a request has both headers and a query argument, the
headers win (CTA-5004-B 6.8).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import unquote

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
from metrics.ingest.cmcd_keys import HEADERS, KEYS

__all__ = ["LineReader", "Record", "Rejected", "Skipped", "cmcd_argument", "decode_line", "header_fields"]

_HEADER = re.compile(r"(?i)\b(CMCD-(?:Object|Request|Session|Status))[\"']?\s*[:=]\s*")
_ARGUMENT = re.compile(r"(?:[?&]|^)CMCD=([^&#\s\"'<>]*)")
_DICTIONARY = re.compile(r"^\s*[a-z*][a-z0-9_.*-]*\s*(?:[=,;]|$)")
_PLAYER_VERSION = re.compile(r"(?i)\bplayer version[:\s]+(\S{1,64})")
# A URL, a query string or the first line of a request: nothing else that a time could stand in.
_URL_LINE = re.compile(r"""["']?(?:[A-Z]{3,10} )?[^\s]*(?: HTTP/[\d.]+)?["']?""")
_LIKE_ACCESS_LOG = re.compile(r"^\S+ \S+ [^\"=]*\[")
_BANNER_CHARS = 300
_NO_RECORD = "not a CMCD record"


@dataclass(frozen=True, slots=True)
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
        if text.startswith("{") and not _HEADER.match(text, 1):
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
            return self._record(decode_headers(headers), "request", request, is_dump=request is None)
        argument = cmcd_argument(request.target if request else text)
        if argument is not None and (request or _URL_LINE.fullmatch(text)):
            return self._record(decode(argument), "request", request)
        if request:
            return Skipped("without CMCD")
        return self._read_bare(text)

    def _read_json(self, text: str) -> Record | Skipped | Rejected:
        row = _object(text)
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
        headers = _json_headers(row)
        if headers:
            return self._record(decode_headers(headers), "request", request, is_dump=not request.target)
        cmcd = next((row[name] for name in ("CMCD", "cmcd") if row.get(name)), None)
        if isinstance(cmcd, dict):
            return self._record(decode_json(cmcd), _json_mode(cmcd), request)
        argument = _decoded(str(cmcd)) if cmcd is not None else cmcd_argument(request.target)
        if argument is not None:
            mode: Mode = "event" if _is_event(argument) else "request"
            return self._record(decode(argument, mode=mode), mode, request)
        if request.target:
            return Skipped("without CMCD")
        return Rejected("a JSON object without CMCD")

    def _read_bare(self, text: str) -> Record | Skipped | Rejected:
        if _DICTIONARY.match(text) and ("=" in text or text.split(",")[0].strip() in KEYS):
            mode: Mode = "event" if _is_event(text) else "request"
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


def decode_line(text: str, mode: str = "auto") -> Decoded:
    """Decode the CMCD of one line that carries it as ``mode`` says.

    ``auto`` takes the line for a bare dictionary where it is one, and else goes by what it looks like.

    >>> decode_line("/seg.m4v?CMCD=br%3D3000").accepted
    {'br': 3000}
    """
    if mode == "auto":
        mode = _mode_of(text)
    if mode == "query":
        argument = cmcd_argument(text)
        if argument is None:
            return _nothing("no CMCD query argument")
        decoded = decode(argument)
        if len(_ARGUMENT.findall(text)) > 1:
            twice = Issue("", "error", "more than one CMCD query argument; the first counts")
            return replace(decoded, issues=(*decoded.issues, twice))
        return decoded
    if mode == "headers":
        row = _object(text)
        headers = header_fields(text) if row is None else _json_headers(row)
        return decode_headers(headers) if headers or row == {} else _nothing("no CMCD header")
    if mode == "json":
        row = _object(text)
        return decode_json(row) if row is not None else _nothing("not a JSON object")
    return decode(text, mode="event" if mode == "event" else "request")


def _mode_of(text: str) -> str:
    if decode(text).ok:
        return "event" if _is_event(text) else "dictionary"
    row = _object(text)
    if row is not None:
        return "headers" if _json_headers(row) else "json"
    if header_fields(text):
        return "headers"
    if cmcd_argument(text) is not None:
        return "query"
    return "event" if _is_event(text) else "dictionary"


def _object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _nothing(message: str) -> Decoded:
    return Decoded(ok=False, raw=None, accepted={}, issues=(Issue("", "error", message),))


def cmcd_argument(url: str) -> str | None:
    """The decoded ``CMCD`` query argument of a URL or query string; None without one.

    >>> cmcd_argument("https://cdn.example/seg.m4v?a=1&CMCD=br%3D3000%2Csu")
    'br=3000,su'
    """
    match = _ARGUMENT.search(url)
    return _decoded(match.group(1)) if match else None


def header_fields(text: str) -> dict[str, str]:
    """The ``CMCD-*`` headers in a line of text, quoted or not; a header given twice is joined, as HTTP does.

    >>> header_fields("{CMCD-Request: 'su', CMCD-Object: 'ot=m'}")
    {'CMCD-Request': 'su', 'CMCD-Object': 'ot=m'}
    """
    if "cmcd-" not in text.lower():
        return {}
    starts = list(_HEADER.finditer(text))
    ends = [*(start.start() for start in starts[1:]), len(text)]
    fields: dict[str, str] = {}
    for start, end in zip(starts, ends, strict=False):
        value = text[start.end() : end].strip()
        value = value.rstrip(" \t,;}") if value[:1] not in ("'", '"') else value[1 : value.rfind(value[0])]
        name = next(known for known in HEADERS if known.lower() == start.group(1).lower())
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    return fields


def _decoded(argument: str) -> str:
    """URL-decoded; once more where a CDN has encoded what was encoded already."""
    once = argument
    # The escapes that make up most of it; what they leave, if anything, is decoded the long way.
    for escape, character in (("%2C", ","), ("%3D", "="), ("%22", '"')):
        once = once.replace(escape, character)
    if "%" in once:
        once = unquote(once)
    return unquote(once) if "%" in once and "=" not in once and "%3D" in once.upper() else once


def _is_flat(row: dict[str, Any]) -> bool:
    named = {k for k in row if k in KEYS or "-" in k}
    if any(k.lower().startswith("cmcd") for k in row):
        return False
    return "sid" in row or named == set(row) or (bool(named) and named | {"timestamp", "time"} >= set(row))


def _json_headers(row: dict[str, Any]) -> dict[str, str]:
    nested = [row[name] for name in ("headers", "request_headers", "requestHeaders") if name in row]
    places = [row, *(place for place in nested if isinstance(place, dict))]
    known = {name.lower(): name for name in HEADERS}
    return {
        known[name.lower()]: str(value)
        for place in places
        for name, value in place.items()
        if name.lower() in known and isinstance(value, str)
    }


def _json_mode(values: dict[str, Any]) -> Mode:
    return "event" if "e" in values or "ts" in values else "request"


def _is_event(text: str) -> bool:
    return bool(re.search(r"(?:^|,)\s*(?:e|ts)=", text))
