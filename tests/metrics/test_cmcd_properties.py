"""What holds for any set of CMCD: how it is sent changes nothing, nor does what was read before it."""

import json
import random
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.ingest.cmcd_decode import Decoded, Mode, decode, decode_headers, decode_json, decode_members
from metrics.ingest.cmcd_keys import HEADERS, KEYS, OBJECT_TYPES, Key
from metrics.ingest.cmcd_lines import LineReader, Record
from metrics.ingest.cmcd_remembered import REMEMBERED
from metrics.ingest.cmcd_transmission import cmcd_argument
from metrics.ingest.structured_field import parse_any, parse_common

MODES = st.sampled_from(("request", "event"))
_PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
_NUMBERS = st.integers(0, 999_999_999_999_999)
_OBJECTS = st.lists(st.sampled_from(OBJECT_TYPES), max_size=2, unique=True)


def _values(key: Key, version: int) -> st.SearchStrategy[Any]:
    """Values of the key as ``http_sf`` has them."""
    numbers = _NUMBERS.filter(lambda n: n >= key.least)
    tokens = key.v1_tokens if version == 1 and key.v1_tokens else key.tokens
    by_kind: dict[str | None, st.SearchStrategy[Any]] = {
        "boolean": st.booleans(),
        "integer": st.just(version) if key.name == "v" else numbers,
        "decimal": st.decimals(0, 1000, places=2),
        "string": _PLAIN,
        "token": st.sampled_from([http_sf.Token(token) for token in tokens]) if tokens else st.nothing(),
        "integers": st.lists(
            st.tuples(numbers, _OBJECTS.map(lambda types: dict.fromkeys(types, True))), max_size=4
        ).map(lambda items: (items, {})),
        "strings": st.lists(st.tuples(_PLAIN, st.just({})), max_size=3).map(lambda items: (items, {})),
    }
    return by_kind[key.kind(version)]


@st.composite
def _sets(draw: st.DrawFn, version: int, mode: Mode = "request") -> dict[str, Any]:
    known = [k for k in KEYS.values() if k.kind(version) and (mode == "event" or not k.event_only)]
    chosen = draw(st.lists(st.sampled_from(known), unique_by=lambda key: key.name, max_size=8))
    values = {key.name: draw(_values(key, version)) for key in chosen if key.name != "v"}
    return values | ({"v": 2} if version == 2 else {})


def _plain(value: Any) -> Any:
    """A value of ``http_sf`` as decoding gives it."""
    if isinstance(value, tuple):
        return [{"value": item, "params": params} if params else item for item, params in value[0]]
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if isinstance(value, http_sf.Token) else value


def _text(values: dict[str, Any]) -> str:
    return str(http_sf.ser(values)) if values else ""


def _shown(decoded: Decoded) -> str:
    """With types told apart, and issues in any order."""
    issues = sorted((issue.key, issue.severity, issue.message) for issue in decoded.issues)
    return json.dumps([decoded.ok, decoded.raw, decoded.accepted, issues])


@given(st.one_of(_sets(1), _sets(2)))
def test_a_well_formed_set_is_kept_whole_however_it_is_sent(values: dict[str, Any]) -> None:
    expected, text = {name: _plain(value) for name, value in values.items()}, _text(values)
    decoded = decode(text)
    assert decoded.ok
    assert decoded.accepted == decoded.raw == expected
    once = quote(text, safe="")
    for argument in (once, quote_plus(text), quote(once, safe=""), text and once.replace("%2C", "%2c")):
        found = cmcd_argument(f"/seg.m4v?a=1&CMCD={argument}&b=2")
        assert decode(found or "").accepted == expected
    fields = {header: {k: v for k, v in values.items() if KEYS[k].header == header} for header in HEADERS}
    sent = decode_headers({header: _text(field) for header, field in fields.items() if field})
    assert sent.accepted == expected
    assert all(issue.severity == "warning" or "must not be sent" in issue.message for issue in sent.issues)
    assert decode_json(json.loads(json.dumps(expected))).accepted == expected


@given(_sets(2, "event"), st.integers(1_700_000_000_000, 1_800_000_000_000))
def test_a_well_formed_event_is_kept_whole(values: dict[str, Any], ts_ms: int) -> None:
    values |= {"e": http_sf.Token("t"), "ts": ts_ms, "sid": "s"}
    expected = {name: _plain(value) for name, value in values.items()}
    assert decode(_text(values), mode="event").accepted == expected
    record = LineReader().read(f"  {_text(values)} ")
    assert isinstance(record, Record)
    assert (record.mode, record.keys) == ("event", expected)


_MEMBERS = st.one_of(
    st.builds(
        "{}={}".format,
        st.sampled_from([*KEYS, "zzz", "a-b", "BR", ""]),
        st.one_of(
            st.sampled_from(["x", "?0", "1.5", "()", "(1 2)", '("a")', '"a,b"', '"a\\"b"', "1;v", ":aa=:", "@1", "-0"]),
            st.integers(-(10**16), 10**16).map(str),
            st.lists(st.sampled_from(["100", "150;v", "1;x", "-1", "1;v=1", "", '"s"', "2;a;v"]), max_size=3)
            .map(" ".join).map("({})".format),
            st.text(alphabet='ab=,;"()\\ \t1.-?:@%v*é_', max_size=12),
        ),
    ),
    st.sampled_from(["v=2", "v=1", "v=3", "v", "su", "bs", " su", "su ", "\tsu", "", "br", 'sid="s"']),
)  # fmt: skip


@given(st.lists(_MEMBERS, max_size=6).map(",".join), MODES)
def test_what_is_remembered_is_what_is_judged_afresh(text: str, mode: Mode) -> None:
    afresh = _shown(decode_members(text, mode=mode))
    assert _shown(decode(text, mode=mode)) == afresh
    assert _shown(decode(text, mode=mode)) == afresh


_ALONE = _MEMBERS.map(str.strip).filter(lambda text: text and text.count('"') % 2 == 0 and "\\" not in text)


@given(st.lists(st.lists(_ALONE, min_size=1, max_size=3).map(",".join), min_size=1, max_size=4))
def test_headers_are_one_set(texts: list[str]) -> None:
    """Apart from remarks on the header that a key stands in."""
    headers = dict(zip(HEADERS, texts, strict=False))
    whole, sent = decode_members(",".join(texts)), decode_headers(headers)
    placed = tuple(issue for issue in sent.issues if not issue.message.startswith("belongs in"))
    assert _shown(sent._replace(issues=placed)) == _shown(whole)


@given(_MEMBERS)
def test_common_members_are_read_as_the_library_reads_them(segment: str) -> None:
    quick = parse_common(segment)
    assert quick is None or repr(quick) == repr(parse_any(segment))


@pytest.mark.parametrize(
    "segment",
    ["su", "br=3000", "pr=1.25", "ot=v", 'sid="a b"', "bs=?0", "br=(3000;v 128;a)", 'ec=("a" "b")', "ltc=-20"],
)  # fmt: skip
def test_common_members_are_read_without_the_library(segment: str) -> None:
    assert repr(parse_common(segment)) == repr(parse_any(segment))


def test_memory_is_bounded_and_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrics.ingest.cmcd_decode.REMEMBERED_MEMBERS", 100)
    draw = random.Random(1)
    for _ in range(500):
        line = f'bl={draw.randrange(10**5)},nor="https://x/{draw.getrandbits(64):x}",pr=1,sid="s"'
        assert _shown(decode(line)) == _shown(decode_members(line))
        assert decode(f"{draw.getrandbits(64):x} y").accepted == {}  # what is refused is remembered as well
    assert len(REMEMBERED[1, "request"]) <= 110
    assert len(REMEMBERED[1, "request"].remarks) <= 110


def test_every_unknown_or_ill_typed_key_is_noted() -> None:
    decoded = decode('br=1000,d="4",zzz=1,st=x,su=1,sid=t,bl=(1),x y')
    assert decoded.accepted == {"br": 1000}
    assert {issue.key for issue in decoded.issues} == {"d", "zzz", "st", "su", "sid", "bl", "x"}
