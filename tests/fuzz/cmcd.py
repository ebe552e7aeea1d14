"""What must hold for any bytes that claim to be CMCD.

``python -m tests.fuzz.cmcd [FOLDER] [LIBFUZZER OPTION…]`` has Atheris look for bytes for which it does not,
starting from the committed corpus; Atheris is installed apart, for nothing else needs it.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import http_sf

from metrics.ingest.cmcd import Log
from metrics.ingest.cmcd_decode import Decoded, decode, decode_members
from metrics.ingest.cmcd_lines import LineReader, Record, Rejected
from metrics.ingest.cmcd_transmission import cmcd_argument, decode_line
from metrics.ingest.sessionise import fold
from metrics.ingest.source import Source
from metrics.ingest.structured_field import parse_any, parse_common, split_members
from metrics.ingest.timeline import in_order, split

__all__ = ["CORPUS", "check", "corpus"]

CORPUS = Path(__file__).parent / "cmcd_corpus.txt"


def corpus() -> list[bytes]:
    """The committed cases: a line each, escaped as Python escapes bytes."""
    lines = CORPUS.read_text("ascii").splitlines()
    return [line.encode().decode("unicode_escape").encode("latin-1") for line in lines]


def check(data: bytes) -> None:
    """Raise ``AssertionError`` or anything else where the decoder breaks its word on ``data``."""
    text = data.decode(errors="surrogateescape")
    _check_syntax(text)
    for mode in ("request", "event"):
        remembered, afresh = decode(text, mode=mode), decode_members(text, mode=mode)
        assert _shown(remembered) == _shown(afresh)
        assert _shown(decode(text, mode=mode)) == _shown(remembered)
        _check_promises(remembered)
    for mode in ("auto", "query", "headers", "event", "json"):
        _check_promises(decode_line(text, mode))
    if "CMCD" not in text:
        escaped = text.replace("%", "%25").replace("&", "%26")
        assert cmcd_argument(f"?CMCD={escaped}x%3D1") in (None, *_unescaped(f"{escaped}x%3D1"))
    _check_lines(text)


def _check_syntax(text: str) -> None:
    for segment in split_members(text):
        quick, whole = parse_common(segment), parse_any(segment)
        assert quick is None or repr(quick) == repr(whole)
    try:
        parsed = http_sf.parse(text.encode(errors="surrogateescape"), tltype="dict")
    except http_sf.StructuredFieldError:
        assert not decode(text).ok
    else:
        raw = decode(text).raw
        assert isinstance(parsed, dict)
        assert raw is not None
        assert list(raw) == list(parsed)


def _check_promises(decoded: Decoded) -> None:
    assert decoded.ok == (decoded.raw is not None)
    json.dumps([decoded.raw, decoded.accepted], allow_nan=False)
    told = {issue.key for issue in decoded.issues}
    if decoded.raw is not None and "v" not in told:
        assert set(decoded.raw) - set(decoded.accepted) <= told
    if decoded.raw is None:
        assert any(issue.severity == "error" for issue in decoded.issues)


def _check_lines(text: str) -> None:
    log, reader = Log(Source("fuzz", "", 0, 0)), LineReader()
    for line in text.split("\n"):
        log.done.lines += 1
        outcome = reader.read(line)
        if isinstance(outcome, Rejected):
            assert outcome.reason
        if isinstance(outcome, Record):
            json.dumps(outcome.keys, allow_nan=False)
        log.take(outcome, line)
    done = log.done
    assert done.lines == done.records + done.quarantined + sum(done.ignored.values())
    for group in log.groups.values():
        for reports in split(in_order(group.reports), 1_800_000):
            fold(reports, received_ts_ms=1_775_044_800_000)


def _shown(decoded: Decoded) -> str:
    """Types and values, whatever the order in which issues were found."""
    issues = sorted((issue.key, issue.severity, issue.message) for issue in decoded.issues)
    return json.dumps([decoded.ok, decoded.raw, decoded.accepted, issues])


def _unescaped(argument: str) -> tuple[str, ...]:
    """An argument's text, and the text it has where it was escaped twice; up to what ends an argument."""
    for end in "&# \t\r\n\f\v\"'<>\x1c\x1d\x1e\x1f\x85\xa0":
        argument = argument.partition(end)[0]
    return unquote_plus(argument), unquote_plus(unquote_plus(argument))


def _main(options: list[str]) -> None:
    atheris = importlib.import_module("atheris")

    # Imported anew, so that it is watched which branches of them are taken.
    for name in [name for name in sys.modules if name.startswith(("metrics.ingest", "http_sf"))]:
        del sys.modules[name]
    with atheris.instrument_imports(include=["metrics.ingest", "http_sf"]):
        watched = importlib.import_module("tests.fuzz.cmcd")
    with tempfile.TemporaryDirectory() as seeds:
        for number, case in enumerate(corpus()):
            (Path(seeds) / str(number)).write_bytes(case)
        arguments: list[Any] = [sys.argv[0], *(options or ["-max_total_time=300"]), seeds]
        atheris.Setup(arguments, watched.check)
        atheris.Fuzz()


if __name__ == "__main__":
    _main(sys.argv[1:])
