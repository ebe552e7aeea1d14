"""Logs for tests in every form: sessions that overlap, lines of no use between them, in order of time."""

from __future__ import annotations

import json
from urllib.parse import quote

START_MS = 1_775_044_800_000  # 2026-04-01T12:00:00Z
FORMS = ("combined", "cloudfront", "json", "events")
AGENT = "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0)"
_FIELDS = (
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status "
    "cs(Referer) cs(User-Agent) cs-uri-query\n"
)


def log(form: str, sessions: int = 12, *, bad_every: int = 7, name: str = "s") -> str:
    """A whole log; every ``bad_every``-th line is followed by one that cannot be used."""
    timed = sorted(line for number in range(sessions) for line in _session(form, number, name))
    text = _FIELDS if form == "cloudfront" else ""
    for index, (_, line) in enumerate(timed):
        text += line + "\n"
        if index % bad_every == bad_every - 1:
            text += f'{{"bad": {index}, "of": "203.0.113.{index % 250}"\n'
    return text


def _session(form: str, number: int, name: str) -> list[tuple[int, str]]:
    """One session's lines with their times: a start, requests or changes of state, an end for every other one."""
    start = number * 7_000
    sid = f'sid="{name}-{number}"'
    if form == "events":
        steps = [
            (0, "s"),
            (900, "p"),
            (8_000, "r"),
            (9_500, "p"),
            (20_000, "k"),
            (20_400, "r"),
            (22_000, "p"),
        ]
        steps += [(30_000, "e")] if number % 2 else []
        return [
            (
                start + after,
                f"br=(3000;v 128;a),e=ps,{sid},sn={n},sta={state},ts={START_MS + start + after},v=2",
            )
            for n, (after, state) in enumerate(steps)
        ]
    requests = [(0, f"ot=m,{sid},su"), (1_000, f"bl=0,br=1000,d=4000,ot=v,{sid},su")]
    requests += [
        (3_000 + 4_000 * n, f"bl={3_000 + n * 100},br={1_000 + n},d=4000,ot=v,{sid}") for n in range(6)
    ]
    if number % 3 == 0:
        requests += [(3_600_000, f"bl=0,br=500,d=4000,ot=v,{sid},su")]  # an hour later: another playback
    return [(start + after, _line(form, start + after, cmcd, number)) for after, cmcd in requests]


def _line(form: str, after_ms: int, cmcd: str, number: int) -> str:
    seconds = after_ms // 1000
    clock = f"{12 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    address, argument = f"203.0.113.{number}", f"CMCD={quote(cmcd, safe='')}"
    if form == "combined":
        when = f"01/Apr/2026:{clock} +0000"
        return f'{address} - bob [{when}] "GET /v/{seconds}.m4s?{argument} HTTP/1.1" 200 {1000 + number} "-" "{AGENT}"'
    if form == "cloudfront":
        cells = [
            "2026-04-01",
            clock,
            "FRA2",
            str(1000 + number),
            address,
            "GET",
            "h",
            f"/{seconds}.m4s",
            "200",
            "-",
        ]
        return "\t".join([*cells, quote(AGENT), quote(argument, safe="=&")])
    entry = {"timestamp": f"2026-04-01T{clock}Z", "url": f"/{seconds}.m4s?{argument}", "client_ip": address}
    return json.dumps(entry | {"status": 200, "bytes": 1000 + number, "user_agent": AGENT})
