"""How many CMCD lines are decoded and judged by the standard a second, beside parsers that only parse, and taken
in from an access log.

The reference library runs under Node where both are found: ``npm install @svta/cml-cmcd@2.7.0`` in any folder,
and ``CML_CMCD_FOLDER`` names it. It goes through the same lines turn about with ours. All by CPU time: the
lines a second of one core, whatever else the machine does.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import http_sf

from benchmarks.harness import Row, race, rate
from metrics.ingest.cmcd import ingest_cmcd
from metrics.ingest.cmcd_decode import Mode, decode
from metrics.ingest.source import open_source
from metrics.lake import Lake

__all__ = ["NODE_FOLDER", "node_folder", "rows"]

NODE_FOLDER = "CML_CMCD_FOLDER"
LINES, LOG_LINES, SESSION_LINES = 20_000, 30_000, 100
LADDER_KBPS = (235, 375, 560, 750, 1050, 1750, 2350, 3000, 4300, 5800)
START_TS = 1_775_044_800
# It reads lines once, and goes through all of them each time it is told how.
PEER = """
import {decodeCmcd, validateCmcd} from '@svta/cml-cmcd';
import {readFileSync} from 'node:fs';
import {createInterface} from 'node:readline';
const [path, reportingMode] = process.argv.slice(-2);
const lines = readFileSync(path, 'utf8').split('\\n');
const ways = {
  keys: () => lines.slice(0, 100).map(line => Object.keys(decodeCmcd(line)).sort()),
  parse: () => lines.forEach(line => decodeCmcd(line)),
  judge: () => lines.forEach(line => validateCmcd(decodeCmcd(line), {reportingMode})),
};
for await (const way of createInterface({input: process.stdin})) {
  const begin = process.cpuUsage();
  const answer = ways[way]();
  const {user, system} = process.cpuUsage(begin);
  console.log(JSON.stringify(answer ?? (user + system) / 1e6));
}
"""


def rows() -> list[Row]:
    """Lines as players write them, no two alike: requests of version 1, events of version 2."""
    found = _race("CMCD requests, version 1, decoded and judged, one core", _requests(LINES), "request")
    found += _race("CMCD events, version 2, decoded and judged, one core", _events(LINES), "event")
    return [*found, *_ingest()]


def node_folder() -> Path | None:
    """The folder in which the reference library is installed, if Node is and ``CML_CMCD_FOLDER`` names it."""
    folder = Path(os.environ.get(NODE_FOLDER, "."))
    found = shutil.which("node") and (folder / "node_modules" / "@svta" / "cml-cmcd").is_dir()
    return folder if found else None


def _race(what: str, lines: list[str], mode: Mode) -> list[Row]:
    encoded = [line.encode("ascii") for line in lines]
    for line in lines[:100]:
        parsed = http_sf.parse(line.encode("ascii"), tltype="dictionary")
        assert isinstance(parsed, dict)
        assert decode(line, mode=mode).accepted.keys() == parsed.keys()

    def ours() -> None:
        for line in lines:
            decode(line, mode=mode)

    def parser() -> None:
        for line in encoded:
            http_sf.parse(line, tltype="dictionary")

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lines"
        file.write_text("\n".join(lines), encoding="ascii")
        with _reference(file, mode) as answer:
            peers: dict[str, Callable[[], object]] = {"http-sf, parsed only": parser}
            if answer is not None:
                assert answer("keys") == [sorted(decode(line, mode=mode).accepted) for line in lines[:100]]
                peers["@svta/cml-cmcd under Node, parsed only"] = lambda: answer("parse")
                peers["@svta/cml-cmcd under Node, parsed and validated"] = lambda: answer("judge")
            found = race(what, ours, peers, rate(len(lines), "lines"), clock=_cpu_seconds)
    if answer is None:
        found.append(Row(what, found[0].ours, "@svta/cml-cmcd under Node, none installed"))
    return found


@contextmanager
def _reference(file: Path, mode: Mode) -> Iterator[Callable[[str], object] | None]:
    folder = node_folder()
    if folder is None:
        yield None
        return
    argv = ["node", "--input-type=module", "--eval", PEER, str(file), mode]
    with subprocess.Popen(
        argv, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        told, heard = process.stdin, process.stdout
        assert told is not None
        assert heard is not None

        def answer(way: str) -> object:
            told.write(f"{way}\n")
            told.flush()
            return json.loads(heard.readline())

        yield answer
        told.close()


def _ingest() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "access.log"
        log.write_text(_access_log(LOG_LINES), encoding="ascii")
        source, runs = open_source(str(log)), iter(range(100))

        def ours() -> None:
            done = ingest_cmcd(Lake.create(folder / f"lake{next(runs)}"), source)
            assert (done.records, done.quarantined) == (LOG_LINES, 0)

        what = "CMCD access log taken into a lake, one core"
        return race(what, ours, {}, rate(LOG_LINES, "lines"), clock=_cpu_seconds)


def _cpu_seconds(run: Callable[[], object]) -> float:
    """Of this process, or what another says it took."""
    begin = time.process_time()
    told = run()
    return told if isinstance(told, float) else time.process_time() - begin


def _requests(count: int) -> list[str]:
    draw = random.Random(1)
    sessions = _sessions(draw, count)
    return [
        f"bl={draw.randrange(0, 30_000, 100)},br={draw.choice(LADDER_KBPS)},bs,"
        f'cid="title-{draw.randrange(5_000)}",d={draw.randrange(1_000, 6_000)},'
        f"dl={draw.randrange(0, 30_000, 100)},"
        f"mtp={draw.randrange(1_000, 90_000, 100)},ot=v,pr=1,sf=h,"
        f'sid="{sessions[i // SESSION_LINES]}",st=v,su,tb=5800'
        for i in range(count)
    ]


def _events(count: int) -> list[str]:
    draw = random.Random(2)
    sessions = _sessions(draw, count)
    return [
        f"bl=({draw.randrange(0, 30_000, 100)};v {draw.randrange(0, 30_000, 100)};a),"
        f"br=({draw.choice(LADDER_KBPS)};v 128;a),"
        f'cid="title-{draw.randrange(500)}",e=t,h="cdn.example",mtp=({draw.randrange(1_000, 90_000, 100)}),'
        f'pt={i * 4_000 + draw.randrange(4_000)},sid="{sessions[i // SESSION_LINES]}",'
        f"sn={i % SESSION_LINES},sta=p,ts={START_TS * 1_000 + i * 137},v=2"
        for i in range(count)
    ]


def _sessions(draw: random.Random, count: int) -> list[str]:
    return [f"{draw.getrandbits(128):032x}" for _ in range(count // SESSION_LINES + 1)]


def _access_log(count: int) -> str:
    lines = []
    for i, cmcd in enumerate(_requests(count)):
        when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(START_TS + i // 20))
        target = f"/v/{i % 997}.m4s?CMCD={quote(cmcd, safe='')}"
        client = f"203.0.113.{i // SESSION_LINES % 256}"
        lines.append(f'{client} - - [{when}] "GET {target} HTTP/1.1" 200 900000 "-" "Player/1.0 (SMART-TV)"')
    return "\n".join(lines) + "\n"
