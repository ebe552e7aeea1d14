"""One set of Common Media Client Data: structured field in, what a server may keep out.

Syntax is :mod:`metrics.ingest.structured_field`, meaning :mod:`metrics.ingest.cmcd_judge`. Section 6 of
CTA-5004-B asks a server to ignore what it does not know or what is badly typed "without affecting known key
values", so a member that cannot be parsed costs that member and not its neighbours: ``ok`` says whether the
whole field was well-formed, and ``accepted`` has what may be kept in either case. Where the widely used
``@svta/cml-cmcd`` does something else, this follows the text: ``docs/cmcd.md`` has the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from metrics.ingest.cmcd_judge import Issue, Judged, Mode, judge, version_of, wrong_together
from metrics.ingest.cmcd_keys import KEYS, NEWEST_VERSION
from metrics.ingest.cmcd_remembered import REMARKABLE, REMEMBERED, REMEMBERED_CHARS, REMEMBERED_MEMBERS
from metrics.ingest.structured_field import Member, is_deep, parse_member, split_members

__all__ = [
    "Decoded",
    "Issue",
    "Mode",
    "decode",
    "decode_headers",
    "decode_json",
    "decode_members",
    "refused",
    "up_convert",
]


class Decoded(NamedTuple):
    """``raw`` is the structured field as written, None unless ``ok``; ``accepted`` what a server may keep.

    They may be one, and lists are shared between sets: to be read, not written to.
    """

    ok: bool
    raw: dict[str, Any] | None
    accepted: dict[str, Any]
    issues: tuple[Issue, ...] = ()


def refused(message: str) -> Decoded:
    """What cannot be decoded at all."""
    return Decoded(ok=False, raw=None, accepted={}, issues=(Issue("", "error", message),))


def decode(text: str, *, mode: Mode = "request") -> Decoded:
    """Decode one structured-field dictionary, not URL-encoded.

    >>> decode('br=3200,bs,ot=v,zzz=1').accepted
    {'br': 3200, 'bs': True, 'ot': 'v'}
    """
    return _at_once(text, mode) or decode_members(text, mode=mode)


def decode_members(text: str, *, mode: Mode = "request") -> Decoded:
    """What :func:`decode` does for sets of which there is something to say, and to the same effect for any."""
    return _decode_segments(split_members(text), mode)


def decode_headers(headers: Mapping[str, str]) -> Decoded:
    """Decode the four ``CMCD-*`` request headers, whose names may be in any case.

    >>> decode_headers({"cmcd-object": "br=200", "CMCD-Request": "su"}).accepted
    {'br': 200, 'su': True}
    """
    fields = [(name.lower(), split_members(text)) for name, text in headers.items()]
    decoded = _at_once(",".join(filter(None, headers.values())), "request")
    if decoded is None:
        decoded = _decode_segments([segment for _, field in fields for segment in field], "request")
    misplaced = [
        Issue(key.name, "warning", f"belongs in {key.header}, not in {name}")
        for name, field in fields
        for segment in field
        if (key := _KEYS_OF_HEADERS.get(segment.partition("=")[0].partition(";")[0]))
        and name != key.header.lower()
        and name != key.v1_header.lower()
    ]
    return decoded._replace(issues=(*decoded.issues, *misplaced)) if misplaced else decoded


def decode_json(values: Mapping[str, Any]) -> Decoded:
    """Decode keys and values that were already parsed, where a string may be a token.

    >>> decode_json({"ot": "v", "d": "4004"}).accepted
    {'ot': 'v'}
    """
    mode: Mode = "event" if "e" in values or "ts" in values else "request"
    version = version_of(Member("v", values.get("v"), json=True))
    return _assemble(
        [judge(_json_member(name, value), version, mode) for name, value in values.items()], version, mode
    )


def up_convert(accepted: Mapping[str, Any]) -> dict[str, Any]:
    """Version 1 keys in version 2's shapes: inner lists where they became lists, ``nrr`` inside ``nor``.

    >>> up_convert({"br": 3000, "nor": "..%2Fseg.m4v", "nrr": "12323-48763"})
    {'br': [3000], 'nor': [{'value': '../seg.m4v', 'params': {'r': '12323-48763'}}]}
    """
    if accepted.get("v", 1) != 1:
        return dict(accepted)
    converted: dict[str, Any] = {}
    for name, value in accepted.items():
        if name == "nor":
            path = unquote(value)
            byte_range = accepted.get("nrr")
            converted[name] = [{"value": path, "params": {"r": byte_range}} if byte_range else path]
        elif name in _BECAME_LISTS:
            converted[name] = [value]
        elif name != "nrr":
            converted[name] = value
    return converted


_KEYS_OF_HEADERS = {name: key for name, key in KEYS.items() if key.header}
_BECAME_LISTS = frozenset(key.name for key in KEYS.values() if key.v1 == "integer" and key.v2 == "integers")


def _at_once(text: str, mode: Mode) -> Decoded | None:
    """What is made of a set all of whose members are kept as they are; None for any other."""
    # Split at every comma: where one stands in a string, its two halves are no members, so remarkable.
    segments = text.split(",")
    version = 2 if "v=2" in segments else 1
    remembered = REMEMBERED[version, mode]
    if len(remembered) > REMEMBERED_MEMBERS:
        remembered.forget()
    kept = dict(map(remembered.__getitem__, segments))
    if REMARKABLE[0] in kept or len(kept) < len(segments):
        return None
    issues: tuple[Issue, ...] = ()
    for segment in filter(remembered.remarks.__contains__, segments):
        issues += remembered.remarks[segment]
    return Decoded(True, kept, kept, issues + wrong_together(kept, version, mode))


def _decode_segments(segments: Sequence[str], mode: Mode) -> Decoded:
    version = 1
    for segment in segments:
        if segment.startswith("v") and (member := parse_member(segment)).key == "v":
            version = version_of(member)
    return _assemble([_judged(segment, version, mode) for segment in segments], version, mode)


def _judged(segment: str, version: int, mode: Mode) -> Judged:
    if len(segment) > REMEMBERED_CHARS:
        return judge(parse_member(segment), version, mode)
    return _judged_once(segment, version, mode)


@lru_cache(maxsize=REMEMBERED_MEMBERS)
def _judged_once(segment: str, version: int, mode: Mode) -> Judged:
    return judge(parse_member(segment), version, mode)


def _json_member(name: str, value: Any) -> Member:
    if is_deep(value):
        return Member(name, fault="nested too deeply", json=True)
    return Member(name, value, json=True)


def _assemble(judged: Iterable[Judged], version: int, mode: Mode) -> Decoded:
    issues: list[Issue] = []
    raw: dict[str, Any] = {}
    accepted: dict[str, Any] = {}
    whole = True
    for key, ok, keep, written, value, remarks in judged:
        if remarks:
            issues.extend(remarks)
        if key in raw:
            issues.append(Issue(key, "warning", "given more than once; the last one counts"))
            accepted.pop(key, None)
        if ok:
            raw[key] = written
        else:
            whole = False
        if keep:
            accepted[key] = value
    if version > NEWEST_VERSION:
        newer = f"version {version} is newer than {NEWEST_VERSION}; the whole set is ignored (6.13)"
        return Decoded(whole, raw if whole else None, {}, (Issue("v", "error", newer),))
    issues.extend(wrong_together(accepted, version, mode))
    return Decoded(whole, raw if whole else None, accepted, tuple(issues))
