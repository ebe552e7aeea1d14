"""What CTA-5004-B says of one member of a set, and of the members together.

Table 1 gives each key its kind and values; section 6 has a server ignore what it does not know (6.3) and what
is not of that kind (6.4). What a player should have done otherwise is said and costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

import http_sf

from metrics.ingest.cmcd_keys import AGGREGATES, KEYS, NEWEST_VERSION, OBJECT_TYPES, RESPONSE_KEYS, Key
from metrics.ingest.structured_field import Member, as_json, bare

__all__ = ["Issue", "Judged", "Mode", "judge", "rounding", "version_of", "wrong_together"]

Mode = Literal["request", "event"]
Severity = Literal["error", "warning"]
_CUSTOM_MAX_CHARS = 64
_LARGEST = 999_999_999_999_999  # of an RFC 8941 integer; JSON sets no limit
_RANGE = re.compile(r"[0-9]+-[0-9]*|-[0-9]+")
_ABSOLUTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//")
_REMEMBERED_SETS = 4096


@dataclass(frozen=True)
class Issue:
    """What is wrong with a key (or, with an empty key, with the whole).

    An error breaks a MUST of the text, apart from those on rounding; with it goes the value, if the text has
    a server ignore it, and the message says so.
    """

    key: str
    severity: Severity
    message: str


class Judged(NamedTuple):
    """A member: whether it is a structured field (``ok``), its value as written, and what a server keeps.

    ``value`` is ``raw`` without parameters that its key does not define; ``keep`` whether it may be used.
    """

    key: str
    ok: bool
    keep: bool
    raw: Any = None
    value: Any = None
    issues: tuple[Issue, ...] = ()


def version_of(member: Member) -> int:
    """The version that a member ``v`` names; 1 where it names none."""
    value = bare(member.value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else 1


def judge(member: Member, version: int, mode: Mode) -> Judged:
    """One member by the rules of ``version``."""
    name = member.key
    if member.fault:
        return Judged(name, ok=False, keep=False, issues=(Issue(name, "error", member.fault),))
    raw = as_json(member.value)
    key = KEYS.get(name)
    kind = key.kind(version) if key else None
    issue: Issue | None = None
    if key is None and "-" in name:
        issue = _custom_issue(member, version)
        if issue is None:
            return Judged(name, ok=True, keep=True, raw=raw, value=raw)
    elif key is None or kind is None:
        issue = Issue(name, "warning", f"unknown to version {version}; ignored (6.3)")
    elif key.event_only and mode != "event":
        issue = Issue(name, "error", "belongs to event mode only (Table 1); ignored")
    elif fault := _CHECKS[kind](member, key, version):
        issue = Issue(name, "error", f"{fault}; ignored (6.4)")
    else:
        value = raw["value"] if isinstance(raw, dict) else raw
        advice = tuple(_advice(key, raw)) if key.is_advised or value is not raw else ()
        return Judged(key.name, True, True, raw, value, advice)
    return Judged(name, ok=True, keep=False, raw=raw, issues=(issue,))


def _custom_issue(member: Member, version: int) -> Issue | None:
    plain = bare(member.value)
    # Version 1 set no type for custom keys; version 2 allows strings and tokens of at most 64 characters.
    if version == 1 or (isinstance(plain, (str, http_sf.Token)) and len(str(plain)) <= _CUSTOM_MAX_CHARS):
        return None
    limit = f"a custom key is a string or token of at most {_CUSTOM_MAX_CHARS} characters"
    return Issue(member.key, "error", f"{limit} (4.1 item 5); ignored")


# Each of these says what keeps the value from being what Table 1 says, or nothing.


def _boolean_fault(member: Member, _key: Key, _version: int) -> str:
    return "" if isinstance(bare(member.value), bool) else "must be a boolean"


def _integer_fault(member: Member, key: Key, _version: int) -> str:
    number = bare(member.value)
    if not isinstance(number, int) or isinstance(number, bool):
        return "must be an integer"
    return _number_fault(number, key)


def _decimal_fault(member: Member, key: Key, _version: int) -> str:
    number = bare(member.value)
    if not isinstance(number, (int, float, Decimal)) or isinstance(number, bool):
        return "must be a decimal"
    return _number_fault(number, key)


def _string_fault(member: Member, key: Key, version: int) -> str:
    text = bare(member.value)
    if not isinstance(text, str):
        return "must be a string"
    longest = key.v1_max_chars if version == 1 else key.max_chars
    too_long = longest is not None and len(text) > longest
    return f"longer than {longest} characters" if too_long else ""


def _token_fault(member: Member, key: Key, version: int) -> str:
    token = bare(member.value)
    if not isinstance(token, http_sf.Token) and not (member.json and isinstance(token, str)):
        return "must be a token"
    known = key.v1_tokens if version == 1 and key.v1_tokens else key.tokens
    return "" if str(token) in known else f"must be one of {', '.join(known)}"


def _integers_fault(member: Member, key: Key, _version: int) -> str:
    for item in _items(member):
        if item is None or not isinstance(item[0], int) or isinstance(item[0], bool):
            return "must be an inner list of integers"
        number, params = item
        if fault := _number_fault(number, key):
            return fault
        for name, value in params.items():
            if name not in OBJECT_TYPES:
                return f"{name} is no object type (4.1 item 14)"
            if not isinstance(value, bool):
                return f"the object type {name} must be a boolean (4.1 item 14)"
    return ""


def _strings_fault(member: Member, key: Key, _version: int) -> str:
    for item in _items(member):
        if item is None or not isinstance(item[0], str):
            return "must be an inner list of strings"
        if key.name == "nor" and not isinstance(item[1].get("r", ""), str):
            return "the range r must be a string"
    return ""


def _items(member: Member) -> Iterator[tuple[Any, Mapping[str, Any]] | None]:
    """The items of an inner list with their parameters; None for what is none."""
    items = member.value if member.json else member.value[0]
    if not isinstance(items, list):
        yield None
        return
    for item in items:
        if not isinstance(item, dict):
            yield item if isinstance(item, tuple) else (item, {})
        elif isinstance(item.get("params"), dict):
            yield item.get("value"), item["params"]
        else:
            yield None


def _number_fault(number: float | Decimal, key: Key) -> str:
    if not -_LARGEST <= number <= _LARGEST:  # not a number is not at most anything
        return "must have at most 15 digits"
    if number < key.least:
        return "must not be negative" if key.least == 0 else f"must be at least {key.least}"
    return ""


_CHECKS: Mapping[str, Callable[[Member, Key, int], str]] = {
    "boolean": _boolean_fault,
    "integer": _integer_fault,
    "decimal": _decimal_fault,
    "string": _string_fault,
    "token": _token_fault,
    "integers": _integers_fault,
    "strings": _strings_fault,
}


def _advice(key: Key, raw: Any) -> Iterator[Issue]:
    """What a player should have done; the value is kept."""
    value = raw
    if isinstance(raw, dict):
        value = raw["value"]
        yield Issue(key.name, "warning", "has no parameters (Table 1); they are ignored")
    if key.rounded > 1:
        numbers = [bare(item) for item in value] if isinstance(value, list) else [value]
        if any(isinstance(number, int) and number % key.rounded for number in numbers):
            yield rounding(key)
    if key.name in ("pr", "v") and value == 1:
        yield Issue(key.name, "warning", "should be left out when it is 1")
    if key.name == "nor":
        for item in value if isinstance(value, list) else [value]:
            if _ABSOLUTE.match(unquote(bare(item))):
                yield Issue(key.name, "warning", "should be a relative path (Table 1)")
    ranges = [value] if key.name == "nrr" else []
    if key.name == "nor" and isinstance(value, list):
        ranges = [item["params"]["r"] for item in value if isinstance(item, dict) and "r" in item["params"]]
    if not all(_RANGE.fullmatch(given) for given in ranges):
        yield Issue(key.name, "warning", "should give a range as first-last, first- or -length (Table 1)")


def rounding(key: Key) -> Issue:
    """The remark on a number that is not rounded as the text asks."""
    return Issue(key.name, "warning", f"should be rounded to the nearest {key.rounded}")


def wrong_together(kept: Mapping[str, Any], version: int, mode: Mode) -> tuple[Issue, ...]:
    """What the keys that are kept should not be, together; it costs no value.

    >>> [issue.key for issue in wrong_together({"e": "ps", "ts": 1, "v": 2}, 2, "event")]
    ['sta']
    """
    if version == 1 and mode == "request":
        return ()
    return _wrong_together(tuple(kept), kept.get("e"), kept.get("ot"), version, mode)


# Players send few sets of keys, so each is judged once.
@lru_cache(maxsize=_REMEMBERED_SETS)
def _wrong_together(
    names: tuple[str, ...], event: str | None, object_type: str | None, version: int, mode: Mode
) -> tuple[Issue, ...]:
    issues = list(_event_issues(names, event)) if mode == "event" else []
    if version < NEWEST_VERSION:
        if mode == "event":
            issues.append(Issue("v", "error", "must be present: events came with version 2 (4.1 item 9)"))
        return tuple(issues)
    for name in names:
        types = KEYS[name].object_types if name in KEYS else ()
        if types and object_type is not None and object_type not in types:
            issues.append(Issue(name, "error", f"must not be sent with ot={object_type} (Table 1)"))
        if AGGREGATES.get(name) in names:
            issues.append(Issue(name, "error", f"must not be sent beside {AGGREGATES[name]} (Table 1)"))
    return tuple(issues)


def _event_issues(names: tuple[str, ...], event: str | None) -> Iterator[Issue]:
    needs = [("e", True), ("ts", True), ("sta", event == "ps"), ("ec", event == "e"), ("cen", event == "ce")]
    for name, needed in [*needs, ("url", event == "rr")]:
        if needed and name not in names:
            yield Issue(name, "error", "must be present on this event (Table 1)")
    for name in names:
        if name in RESPONSE_KEYS and event != "rr":
            yield Issue(name, "error", "must be on events of type rr only (Table 1)")
    if "cen" in names and event != "ce":
        yield Issue("cen", "error", "must be on events of type ce only (Table 1)")
