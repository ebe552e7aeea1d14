"""The server's CPU time of pages on a lake and on one many times as large: scripts alone, without a browser.

``python -m benchmarks.pages --lake lake --large large`` (:mod:`benchmarks.at_scale` makes one). Each is opened by a
process of its own, the two turn about; there, what the server answers ahead is answered first, and every page and
interaction is then asked once, so that no answer comes out of a cache. Both lakes are prepared: ``playhead lake cube``.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, markdown, milliseconds

ROOT = Path(__file__).parent.parent
ROUNDS = 2
_SLICES: tuple[dict[str, Any], ...] = ({}, {"region": "South Asia"}, {"device": "Mobile"})
_PERIODS: tuple[dict[str, Any], ...] = ({"period": "7d"}, {"period": "all"})
ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("overview", query) for query in (*_SLICES, *_PERIODS)),
    ("explore", {}), ("explore", {"by": ["region", "device"]}), ("explore", {"by": ["region", "ISP", "device"]}),
    ("objectives", {}),
    *(("incidents", query) for query in (*_SLICES, *_PERIODS)),
    *(("delivery", query) for query in (*_SLICES[:2], _PERIODS[0])),
    *(("discovery", query) for query in (*_SLICES, *_PERIODS)),
    *(("experiments", query) for query in (*_SLICES, {"experiment": "Siloed models"})),
    ("trust", {}), ("economics", {}),
)  # fmt: skip


def main() -> None:
    """Ask both lakes, turn about, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--large", type=Path)
    given = parser.parse_args()
    if given.large is None:
        print(json.dumps(_asked(given.lake)))
        return
    taken: dict[Path, list[list[float]]] = {given.lake: [], given.large: []}
    for _ in range(ROUNDS):
        for lake, rounds in taken.items():
            command = [sys.executable, "-m", "benchmarks.pages", "--lake", str(lake)]
            done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
            rounds.append(json.loads(done.stdout.splitlines()[-1]))
    small, large = (
        [statistics.median(each) for each in zip(*rounds, strict=True)] for rounds in taken.values()
    )
    rows = [
        Row(_name(page, query), milliseconds(more), given.lake.name, milliseconds(less), less / more)
        for (page, query), less, more in zip(ASKED, small, large, strict=True)
    ]
    ratios = [more / less for less, more in zip(small, large, strict=True)]
    told = f"{statistics.median(ratios):.2f}×, the highest {max(ratios):.2f}×"
    print(markdown([*rows, Row(f"median of {len(ratios)}", told)]))


def _asked(lake: Path) -> list[float]:
    """CPU seconds of each of :data:`ASKED`."""
    from streamlit.testing.v1 import AppTest

    logging.disable(logging.CRITICAL)
    os.environ["PLAYHEAD_LAKE"] = str(lake)

    def show(page: str, query: dict[str, Any]) -> tuple[Any, float]:
        app = AppTest.from_file(str(ROOT / "dashboards" / "app.py"), default_timeout=1200)
        if page != "overview":
            app.switch_page(f"views/{page}.py")
        for name, value in query.items():
            app.query_params[name] = value
        before = time.process_time()
        app.run()
        assert not app.exception, app.exception
        return app, time.process_time() - before

    for page in ("trust", "economics"):  # what they import is imported once a server
        show(page, {})
    app, _ = show("overview", {})
    _answer_ahead(*app.session_state["_view"])
    return [show(page, query)[1] for page, query in ASKED]


def _answer_ahead(source: Any, filters: Any) -> None:
    from dashboards import warm
    from metrics.errors import PlayheadError

    for ask in (*warm._held(source, filters), *warm._read(source, filters)):
        with suppress(PlayheadError):
            ask()


def _name(page: str, query: dict[str, Any]) -> str:
    said = ", ".join(" × ".join(v) if isinstance(v, list) else v for v in query.values())
    return page.capitalize() + (f", {said}" if said else "")


if __name__ == "__main__":
    main()
