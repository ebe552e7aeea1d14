"""How many CMCD lines are decoded and judged by the standard a second, beside the syntax parser alone."""

from __future__ import annotations

import random

import http_sf

from benchmarks.harness import Row, race, rate
from metrics.ingest.cmcd_decode import decode

__all__ = ["rows"]

LINES = 50_000


def rows() -> list[Row]:
    """Lines as players write them: a dozen keys, a session id each few hundred lines, no two alike."""
    lines = _lines(LINES)
    encoded = [line.encode("ascii") for line in lines]
    for line in lines[:100]:
        parsed = http_sf.parse(line.encode("ascii"), tltype="dictionary")
        assert isinstance(parsed, dict)
        assert decode(line).accepted.keys() == parsed.keys()

    def ours() -> None:
        for line in lines:
            decode(line)

    def parser() -> None:
        for line in encoded:
            http_sf.parse(line, tltype="dictionary")

    return race("CMCD lines decoded and judged", ours, {"http-sf, parsed only": parser}, rate(LINES, "lines"))


def _lines(n: int) -> list[str]:
    draw = random.Random(1)
    sessions = [f"{draw.getrandbits(128):032x}" for _ in range(n // 300 + 1)]
    ladder = (235, 375, 560, 750, 1050, 1750, 2350, 3000, 4300, 5800)
    return [
        f"bl={draw.randrange(0, 30_000, 100)},br={draw.choice(ladder)},bs,"
        f'cid="title-{draw.randrange(5_000)}",d={draw.randrange(1_000, 6_000)},'
        f"dl={draw.randrange(0, 30_000, 100)},"
        f"mtp={draw.randrange(1_000, 90_000, 100)},ot=v,pr=1,sf=h,"
        f'sid="{sessions[i // 300]}",st=v,su,tb=5800'
        for i in range(n)
    ]
