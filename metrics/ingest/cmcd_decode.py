"""One set of Common Media Client Data: structured field in, what a server may keep out.

Syntax is :mod:`metrics.ingest.structured_field`; meaning is CTA-5004-B. Section 6 asks a server to ignore
what it does not know or what is badly typed "without affecting known key values", so a member that cannot
be parsed costs that member and not its neighbours: ``ok`` says whether the whole field was well-formed, and
``accepted`` has what may be kept in either case.

Where the widely used ``@svta/cml-cmcd`` 2.7.0 does something else, this follows the text:

=====================================  ==============================  ============================
input                                  the library                     here, and the clause
=====================================  ==============================  ============================
``sf=e,v=2`` (HESP)                    rejects                         keeps (Table 1, sf)
``e=h,...`` (hostname changed)         rejects                         keeps (Table 1, e)
``st="v"``                             accepts a string                ignores st (Table 1: Token)
``sid=token``, ``cid="é"``             accepts                         ignores it (4.1 items 8, 12)
``zzz=1,br=1000``                      an error                        ignores zzz, notes it (6.3)
``v=3,...``                            decodes                         ignores the whole set (6.13)
one bad member                         drops the line                  ignores the member (6.4)
``com.example-n=500`` in version 1     an error                        keeps (CTA-5004, 2.: any type)
=====================================  ==============================  ============================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote

import http_sf

from metrics.ingest.cmcd_keys import KEYS, NEWEST_VERSION, OBJECT_TYPES, RESPONSE_KEYS, Key
from metrics.ingest.structured_field import Member, as_json, bare, parse_member, split_members

__all__ = ["Decoded", "Issue", "Mode", "decode", "decode_headers", "decode_json", "up_convert"]

Mode = Literal["request", "event"]
Severity = Literal["error", "warning"]
_CACHED_MEMBERS, _CACHED_CHARS = 1 << 16, 256
_CUSTOM_MAX_CHARS = 64
_LARGEST = 999_999_999_999_999  # of an RFC 8941 integer; JSON sets no limit


@dataclass(frozen=True)
class Issue:
    """What is wrong with a key (or, with an empty key, with the whole): an error breaks a MUST."""

    key: str
    severity: Severity
    message: str


@dataclass(frozen=True)
class Decoded:
    """``raw`` is the structured field as written, None unless ``ok``; ``accepted`` what a server may keep."""

    ok: bool
    raw: dict[str, Any] | None
    accepted: dict[str, Any]
    issues: tuple[Issue, ...] = field(default=())


def decode(text: str, *, mode: Mode = "request") -> Decoded:
    """Decode one structured-field dictionary, not URL-encoded.

    >>> decode('br=3200,bs,ot=v,zzz=1').accepted
    {'br': 3200, 'bs': True, 'ot': 'v'}
    """
    return _decode_segments(split_members(text), mode)


def decode_headers(headers: Mapping[str, str]) -> Decoded:
    """Decode the four ``CMCD-*`` request headers, whose names may be in any case.

    >>> decode_headers({"cmcd-object": "br=200", "CMCD-Request": "su"}).accepted
    {'br': 200, 'su': True}
    """
    segments: list[str] = []
    misplaced: list[Issue] = []
    for name, text in headers.items():
        for segment in split_members(text):
            segments.append(segment)
            key = KEYS.get(segment.partition("=")[0].partition(";")[0])
            if key and key.header and name.lower() not in (key.header.lower(), key.v1_header.lower()):
                misplaced.append(Issue(key.name, "warning", f"belongs in {key.header}, not in {name}"))
    decoded = _decode_segments(segments, "request")
    return Decoded(decoded.ok, decoded.raw, decoded.accepted, (*decoded.issues, *misplaced))


def decode_json(values: Mapping[str, Any]) -> Decoded:
    """Decode keys and values that were already parsed, where a string may be a token.

    >>> decode_json({"ot": "v", "d": "4004"}).accepted
    {'ot': 'v'}
    """
    mode: Mode = "event" if "e" in values or "ts" in values else "request"
    members = [Member(str(key), value, json=True) for key, value in values.items()]
    version = _version(Member("v", values.get("v"), json=True))
    return _assemble([_judge(member, version, mode) for member in members], version, mode)


def up_convert(accepted: Mapping[str, Any]) -> dict[str, Any]:
    """Version 1 keys in version 2's shapes: inner lists where they became lists, ``nrr`` inside ``nor``.

    >>> up_convert({"br": 3000, "nor": "..%2Fseg.m4v", "nrr": "12323-48763"})
    {'br': [3000], 'nor': [{'value': '../seg.m4v', 'params': {'r': '12323-48763'}}]}
    """
    if accepted.get("v", 1) != 1:
        return dict(accepted)
    converted: dict[str, Any] = {}
    for name, value in accepted.items():
        key = KEYS.get(name)
        if name == "nrr":
            continue
        if name == "nor":
            path = unquote(value)
            byte_range = accepted.get("nrr")
            converted[name] = [{"value": path, "params": {"r": byte_range}} if byte_range else path]
        elif key and key.v2 == "integers" and key.v1 == "integer":
            converted[name] = [value]
        else:
            converted[name] = value
    return converted


def _decode_segments(segments: list[str], mode: Mode) -> Decoded:
    version = 1
    for segment in segments:
        if segment.startswith("v") and parse_member(segment).key == "v":
            version = _version(parse_member(segment))
    return _assemble([_judge_segment(segment, version, mode) for segment in segments], version, mode)


def _assemble(judged: list[_Judged], version: int, mode: Mode) -> Decoded:
    issues: list[Issue] = []
    raw: dict[str, Any] = {}
    accepted: dict[str, Any] = {}
    ok = True
    for member in judged:
        issues.extend(member.issues)
        ok = ok and member.ok
        if member.key in raw:
            issues.append(Issue(member.key, "warning", "given more than once; the last one counts"))
            accepted.pop(member.key, None)
        if member.ok:
            raw[member.key] = member.raw
        if member.keep:
            accepted[member.key] = member.raw
    if version > NEWEST_VERSION:
        newer = f"version {version} is newer than {NEWEST_VERSION}; the whole set is ignored (6.13)"
        return Decoded(ok, raw if ok else None, {}, (Issue("v", "error", newer),))
    if mode == "event":
        issues.extend(_event_issues(accepted))
    return Decoded(ok, raw if ok else None, accepted, tuple(issues))


def _version(member: Member) -> int:
    value = member.value[0] if isinstance(member.value, tuple) else member.value
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else 1


@dataclass(frozen=True)
class _Judged:
    """A member parsed (``ok``), and whether a server keeps it."""

    key: str
    ok: bool
    keep: bool
    raw: Any = None
    issues: tuple[Issue, ...] = ()


def _judge_segment(segment: str, version: int, mode: Mode) -> _Judged:
    # Players repeat most members (session, content, bitrate) on every request, so those are judged once.
    judge = _judge_cached if len(segment) <= _CACHED_CHARS else _judge_cached.__wrapped__
    return judge(segment, version, mode)


@lru_cache(maxsize=_CACHED_MEMBERS)
def _judge_cached(segment: str, version: int, mode: Mode) -> _Judged:
    return _judge(parse_member(segment), version, mode)


def _judge(member: Member, version: int, mode: Mode) -> _Judged:
    name = member.key
    if member.fault:
        return _Judged(name, ok=False, keep=False, issues=(Issue(name, "error", member.fault),))
    raw = as_json(member.value)
    key = KEYS.get(name)
    kind = key.kind(version) if key else None
    issue: Issue | None = None
    if key is None and "-" in name:
        issue = _custom_issue(member, version)
    elif key is None or kind is None:
        issue = Issue(name, "warning", f"unknown to version {version}; ignored (6.3)")
    elif key.event_only and mode != "event":
        issue = Issue(name, "error", "belongs to event mode only (Table 1); ignored")
    elif fault := _type_fault(member, key, kind, version):
        issue = Issue(name, "error", f"{fault}; ignored (6.4)")
    else:
        return _Judged(name, ok=True, keep=True, raw=raw, issues=tuple(_advice(key, raw)))
    return _Judged(name, ok=True, keep=issue is None, raw=raw, issues=(issue,) if issue else ())


def _custom_issue(member: Member, version: int) -> Issue | None:
    plain = bare(member.value)
    # Version 1 set no type for custom keys; version 2 allows strings and tokens of at most 64 characters.
    if version == 1 or (isinstance(plain, (str, http_sf.Token)) and len(str(plain)) <= _CUSTOM_MAX_CHARS):
        return None
    limit = f"a custom key is a string or token of at most {_CUSTOM_MAX_CHARS} characters"
    return Issue(member.key, "error", f"{limit} (4.1 item 5); ignored")


def _type_fault(member: Member, key: Key, kind: str, version: int) -> str:
    """What keeps the value from being what Table 1 says, or nothing."""
    value = member.value
    if kind in ("integers", "strings"):
        items = value if member.json else value[0]
        if not isinstance(items, list):
            return f"must be an inner list of {kind}"
        return next((fault for item in items if (fault := _item_fault(item, key, kind))), "")
    if isinstance(value, list) or (isinstance(value, tuple) and isinstance(value[0], list)):
        return f"must be {_A[kind]}, not a list"
    plain = bare(value)
    right = {
        "boolean": isinstance(plain, bool),
        "integer": isinstance(plain, int) and not isinstance(plain, bool),
        "decimal": isinstance(plain, (int, float, Decimal)) and not isinstance(plain, bool),
        "string": isinstance(plain, str),
        "token": isinstance(plain, http_sf.Token) or (member.json and isinstance(plain, str)),
    }[kind]
    if not right:
        return f"must be {_A[kind]}"
    if kind == "token":
        known = key.v1_tokens if version == 1 and key.v1_tokens else key.tokens
        return "" if str(plain) in known else f"must be one of {', '.join(known)}"
    longest = key.v1_max_chars if version == 1 else key.max_chars
    if kind == "string" and longest is not None and len(plain) > longest:
        return f"longer than {longest} characters"
    return _number_fault(plain, key) if kind in ("integer", "decimal") else ""


def _number_fault(number: float, key: Key) -> str:
    if not abs(number) <= _LARGEST:  # not a number is not at most anything
        return "must have at most 15 digits"
    return "must not be negative" if number < 0 and not key.signed else ""


_A = {"boolean": "a boolean", "integer": "an integer", "decimal": "a decimal"} | {
    "string": "a string",
    "token": "a token",
}


def _item_fault(item: Any, key: Key, kind: str) -> str:
    plain, params = item if isinstance(item, tuple) else (item, {})
    if isinstance(item, dict):
        plain, params = item.get("value"), item.get("params")
        if not isinstance(params, dict):
            return "must give each value its params"
    if kind == "strings":
        return "" if isinstance(plain, str) else "must be an inner list of strings"
    if not isinstance(plain, int) or isinstance(plain, bool):
        return "must be an inner list of integers"
    if fault := _number_fault(plain, key):
        return fault
    strange = [name for name in params if name not in OBJECT_TYPES]
    return f"{', '.join(strange)} is no object type" if strange else ""


def _advice(key: Key, value: Any) -> Iterator[Issue]:
    """What a player should have done; the value is kept."""
    if key.rounded > 1:
        numbers = [bare(item) for item in value] if isinstance(value, list) else [value]
        if any(isinstance(number, int) and number % key.rounded for number in numbers):
            yield Issue(key.name, "warning", f"should be rounded to the nearest {key.rounded}")
    if key.name in ("pr", "v") and value == 1:
        yield Issue(key.name, "warning", "should be left out when it is 1")


def _event_issues(accepted: Mapping[str, Any]) -> Iterator[Issue]:
    event = accepted.get("e")
    needs = [("e", True), ("ts", True), ("sta", event == "ps"), ("ec", event == "e"), ("cen", event == "ce")]
    for name, needed in needs:
        if needed and name not in accepted:
            yield Issue(name, "error", "must be present on this event (Table 1)")
    for name in RESPONSE_KEYS:
        if name in accepted and event != "rr":
            yield Issue(name, "warning", "belongs on events of type rr only (Table 1)")
    if "cen" in accepted and event != "ce":
        yield Issue("cen", "warning", "belongs on events of type ce only (Table 1)")
