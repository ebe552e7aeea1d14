"""CMCD decoded as CTA-5004-B says, on others' vectors; where they differ, the text decides."""

import json
from pathlib import Path
from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.ingest.cmcd_decode import Decoded, decode, decode_headers, decode_json, up_convert
from metrics.ingest.cmcd_keys import KEYS
from metrics.ingest.cmcd_lines import LineReader, Rejected, Skipped
from metrics.ingest.cmcd_transmission import cmcd_argument, decode_line, header_fields

FIXTURES = Path(__file__).parent / "fixtures" / "cmcd"
VECTORS = json.loads((FIXTURES / "reference_vectors.json").read_text())
V1_CASES = json.loads((FIXTURES / "v1_validator_cases.json").read_text())
V2_KEYS = json.loads((FIXTURES / "v2_keys.json").read_text())

# Where the reference library's verdict is not the text's; see docs/cmcd.md.
LIBRARY_ACCEPTS = {"unquoted uuid starting with letter"}  # sid=token; 4.1 item 8: a String is quoted
LIBRARY_REJECTS = {
    "semicolon param on member",  # version 1 sets no type for custom keys
    "unknown reserved-like key",  # 6.3: ignored, without affecting others
    "v2 key without v (interpreted as v1)",  # 6.3
    "date SFV",  # 6.3: ts is not known to version 1
    "unknown key",
    "hostname changed e=h (CML doc lists)",  # Table 1 lists h
}
# Errors of the version 1 validator that no clause makes a reason to ignore a value.
V1_ADVICE = {"duplicate-key", "duplicated-header", "empty-header", "unnecessary-key", "parameter-encoding"}

MEMBERS = ["br=1", "su", 'cid="a,\\"b"', 'nor=("x,y" "z";r="1-")', "pr=1.5", "sid=t;p=1"]


def _valid(decoded: Decoded) -> bool:
    return decoded.ok and not any(issue.severity == "error" for issue in decoded.issues)


@pytest.mark.parametrize("case", VECTORS["single"], ids=lambda c: c["name"])
def test_single_vectors(case: dict[str, Any]) -> None:
    decoded = decode(case["input"])
    assert decoded.ok == case["ok"]
    assert decoded.raw == case.get("decoded")
    if case["name"] in LIBRARY_ACCEPTS:
        assert not _valid(decoded)
    elif case["name"] in LIBRARY_REJECTS:
        assert _valid(decoded)
    else:
        assert _valid(decoded) == case["valid"]
    assert set(decoded.accepted) <= set(decoded.raw or decoded.accepted)


@pytest.mark.parametrize("case", VECTORS["event_lines"], ids=lambda c: c["name"])
def test_event_vectors(case: dict[str, Any]) -> None:
    decoded = decode(case["input"], mode="event")
    assert decoded.raw == case["decoded"]
    assert _valid(decoded) == (case["valid"] or case["name"] in LIBRARY_REJECTS)


@pytest.mark.parametrize("case", VECTORS["headers"], ids=lambda c: c["name"])
def test_header_vectors(case: dict[str, Any]) -> None:
    decoded = decode_headers(case["headers"])
    assert decoded.raw == case["decoded"]
    assert _valid(decoded) == (case["valid"] or case["name"] in LIBRARY_REJECTS)


@pytest.mark.parametrize("case", VECTORS["event_bodies"], ids=lambda c: c["name"])
def test_event_bodies_are_lines_each_for_itself(case: dict[str, Any]) -> None:
    lines = [line for line in case["input"].splitlines() if line]
    decoded = [decode(line, mode="event") for line in lines]
    assert [one.raw or {} for one in decoded] == case["decoded"]
    assert [_valid(one) for one in decoded] == [bool(raw) for raw in case["decoded"]]
    read = [LineReader().read(line) for line in case["input"].split("\n")]
    # An event that tells no time that can be is not placed in one.
    assert all(isinstance(outcome, (Rejected, Skipped)) for outcome in read)


@pytest.mark.parametrize("case", VECTORS["query"], ids=lambda c: c["query"])
def test_query_vectors(case: dict[str, Any]) -> None:
    assert decode(cmcd_argument(case["query"]) or "").accepted == case["decoded"]


@pytest.mark.parametrize("case", VECTORS["encode"], ids=lambda c: c["encoded"])
def test_what_the_library_encodes_is_kept_whole(case: dict[str, Any]) -> None:
    decoded = decode(case["encoded"])
    assert decoded.accepted == decoded.raw
    assert _valid(decoded)


@pytest.mark.parametrize("row", V2_KEYS, ids=lambda row: row["key"])
def test_keys_are_those_of_table_1(row: dict[str, Any]) -> None:
    key = KEYS[row["key"]]
    assert (key.header, key.v2, list(key.tokens)) == (row["header"], row["kind"], row.get("tokens", []))
    assert key.event_only == (row["modes"] == ["event"])


def test_no_key_is_known_but_those_of_table_1_and_version_1() -> None:
    assert set(KEYS) == {row["key"] for row in V2_KEYS} | {"nrr"}
    assert {name for name, key in KEYS.items() if key.v1} == {
        "br", "bl", "bs", "cid", "d", "dl", "mtp", "nor", "nrr", "ot", "pr", "rtp", "sf", "sid", "st", "su", "tb",
        "v",
    }  # fmt: skip


@pytest.mark.parametrize("case", V1_CASES, ids=lambda c: f"{c['mode']}: {c['name']}")
def test_v1_validator_cases(case: dict[str, Any]) -> None:
    decoded = decode_line(case["line"], case["mode"])
    errors = set(case["errors"])
    if "v=2" in case["line"]:
        # Said to be version 2, and written as version 1: lists are mandatory there (4.1 item 14).
        assert not {"br", "bl", "mtp", "tb", "nor"} & set(decoded.accepted)
    elif errors <= V1_ADVICE or case["name"] in (
        "Test: Key value without = ",  # 6.3: `oti` is an unknown key
        "Incorrect query with nor not being a relative path",  # a player's duty; it is a String all the same
    ):
        # Apart from `bs=false`, which is a token where it is not JSON.
        assert _valid(decoded) or "bs = false" in case["name"]
    else:
        assert _valid(decoded) == case["valid"]


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("sf=e,v=2", {"sf": "e", "v": 2}),
        ("sf=e", {}),  # HESP came with version 2
        ('st="v"', {}),
        ("sid=token", {}),
        ('cid="\u00e9",br=1000', {"br": 1000}),
        ("v=3,br=(1000)", {}),
        ("br=1000,pr=1.2345,su", {"br": 1000, "su": True}),
        ("br=1000,", {"br": 1000}),
        ("com.example-n=500", {"com.example-n": 500}),
        ("com.example-n=500,v=2", {"v": 2}),
        (f'com.example-n="{"x" * 65}",v=2', {"v": 2}),
        ("br=3000,v=2", {"v": 2}),
        ("br=(3000)", {}),
        ("br=(3000;v 128),v=2", {"br": [{"value": 3000, "params": {"v": True}}, 128], "v": 2}),
        ("br=(3000;x),v=2", {"v": 2}),
        ("br=-1", {}),
        ("ltc=-20,v=2", {"ltc": -20, "v": 2}),
        ("d=1.0", {}),
        ("pr=2", {"pr": 2}),
        ("bs=?0", {"bs": False}),
        ("bs=true", {}),
        ("br=1,br=2", {"br": 2}),
        ("br=1,br=x", {}),
        ("rc=200,v=2", {"v": 2}),
        ('v="2",br=1', {"br": 1}),
        (f'cid="{"c" * 100}"', {}),
        (f'cid="{"c" * 100}",v=2', {"cid": "c" * 100, "v": 2}),
        ("BR=1", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_what_a_server_keeps(text: str, accepted: dict[str, Any]) -> None:
    assert decode(text).accepted == accepted


def test_version_counts_wherever_it_stands() -> None:
    assert decode("br=(1),v=2").accepted == decode("v=2,br=(1)").accepted
    assert decode_json({"br": [1], "v": 2}).accepted == {"br": [1], "v": 2}


def test_true_and_one_are_not_the_same_value() -> None:
    assert decode("bs").accepted == {"bs": True}
    assert decode("bs=1").accepted == {}
    assert decode("d=1").accepted == {"d": 1}
    assert decode("d=?1").accepted == {}
    assert decode_json({"d": True, "bs": 1, "su": True}).accepted == {"su": True}


def test_numbers_json_does_not_bound() -> None:
    hostile = json.loads('{"d": 1e999, "br": 123456789012345678901234567890, "pr": NaN, "sid": "a"}')
    assert decode_json(hostile).accepted == {"sid": "a"}
    lists = {"br": [{"value": 1}], "bl": [{"value": 5, "params": {"v": True}}], "v": 2}
    assert decode_json(lists).accepted == {"bl": lists["bl"], "v": 2}


def test_headers_are_judged_by_version_and_place() -> None:
    decoded = decode_headers({"cmcd-session": "pr=1.5,br=1", "CMCD-REQUEST": "su"})
    assert decoded.accepted == {"pr": 1.5, "br": 1, "su": True}
    assert [(issue.key, issue.severity) for issue in decoded.issues] == [("br", "warning")]


def test_bytes_dates_and_parameters_in_raw() -> None:
    raw = decode('a-b=:aGk=:,c-d=@1640995200,e-f=(1;x 2);y=?0,g-h=tok;q="s"').raw
    assert raw == {
        "a-b": "aGk=",
        "c-d": "2022-01-01T00:00:00.000Z",
        "e-f": {"value": [{"value": 1, "params": {"x": True}}, 2], "params": {"y": False}},
        "g-h": {"value": "tok", "params": {"q": "s"}},
    }


@pytest.mark.parametrize("case", VECTORS["single"], ids=lambda c: c["name"])
def test_up_conversion_agrees_where_the_values_are_kept(case: dict[str, Any]) -> None:
    decoded = decode(case["input"])
    if case["ok"] and decoded.accepted == decoded.raw:
        assert up_convert(decoded.accepted) == case["up_converted"]


@given(
    st.one_of(
        st.text(alphabet='ab=,;"()\\ \t1.-?:@%v*é', max_size=40),
        st.lists(st.sampled_from(MEMBERS)).map(", ".join),
    )
)  # fmt: skip
def test_member_by_member_is_the_same_as_the_whole(text: str) -> None:
    try:
        whole = http_sf.parse(text.encode(), tltype="dict")
    except http_sf.StructuredFieldError:
        assert not decode(text).ok
        return
    decoded = decode(text)
    assert decoded.ok
    assert isinstance(whole, dict)
    assert decoded.raw is not None
    assert list(decoded.raw) == list(whole)


def test_arguments_and_headers_are_found_in_text() -> None:
    assert cmcd_argument("/a?xCMCD=br%3D1") is None
    assert cmcd_argument("/a?cmcd=br%3D1") is None
    assert cmcd_argument("CMCD=br%3D1%2Csu&z=1") == "br=1,su"
    assert cmcd_argument("/a?CMCD=cid%253D%2522a%2522") == 'cid="a"'
    assert cmcd_argument("/a?CMCD=cid%3D%22100%25%22") == 'cid="100%"'
    assert header_fields('CMCD-Request: bl=1, CMCD-Object: "br=2"') == {
        "CMCD-Request": "bl=1",
        "CMCD-Object": "br=2",
    }
    assert header_fields("no such thing") == {}


@pytest.mark.parametrize(
    ("line", "mode", "accepted"),
    [
        ('cid="http://x?CMCD=1",br=1', "auto", {"cid": "http://x?CMCD=1", "br": 1}),
        ("br%3D1000", "auto", {}),
        ("br%3D1000", "query", {}),
        ("https://x/y?CMCD=br%3D1000", "auto", {"br": 1000}),
        ("{CMCD-Request: 'su'}", "auto", {"su": True}),
        ('{"CMCD-Object": "br=7"}', "auto", {"br": 7}),
        ('{"br": 7}', "auto", {"br": 7}),
        ("e=t,ts=1,v=2", "auto", {"e": "t", "ts": 1, "v": 2}),
        ("e=t,ts=1,v=2", "event", {"e": "t", "ts": 1, "v": 2}),
        ("[1]", "json", {}),
        ("nothing", "headers", {}),
    ],
)
def test_modes(line: str, mode: str, accepted: dict[str, Any]) -> None:
    assert decode_line(line, mode).accepted == accepted


@given(st.text(max_size=80), st.sampled_from(["auto", "query", "headers", "event", "json"]))
def test_no_text_breaks_it(line: str, mode: str) -> None:
    decoded = decode_line(line, mode)
    assert decoded.ok == (decoded.raw is not None)
    json.dumps({"raw": decoded.raw, "accepted": decoded.accepted})


@pytest.mark.parametrize(
    "text", ['sid="' + "," * 200_000, "," * 200_000, '"' * 200_001, "a=(" * 60_000, '\\",' * 60_000]
)
def test_a_hostile_line_costs_no_more_than_its_length(text: str) -> None:
    # Quadratic work on these would take minutes.
    assert not decode(text).ok
    assert decode_line(text, "auto").accepted == {}
