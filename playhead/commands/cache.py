"""``playhead cache``: what a cache of a given size misses of a trace, by replacement policy."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import click

from playhead.commands._common import json_option, print_json


@click.command()
@click.argument("paths", metavar="TRACE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--policy",
    "policies",
    multiple=True,
    required=True,
    help="lru, fifo, lfu, s3fifo, sieve, wtinylfu or belady; may be given several times.",
)
@click.option(
    "--capacity",
    "capacities",
    type=int,
    multiple=True,
    required=True,
    help="Objects the cache holds; may be given several times.",
)
@click.option("--column", help="The CSV column of object ids, where it is not called object_id or the like.")
@json_option
def command(
    paths: tuple[Path, ...],
    policies: tuple[str, ...],
    capacities: tuple[int, ...],
    column: str | None,
    as_json: bool,
) -> None:
    """Play each trace against an empty cache, and say how much it missed.

    A TRACE is a .npy of integer object ids, or CSV with a column of ids (integers or text), a request a row.
    All objects count alike. Belady knows the future: what it misses, every policy must. Requests a second are
    those of the cache alone, on one core, once the ids are read and numbered.
    """
    import numpy as np

    from synthetic.data_plane.cache import misses, numbered, read_trace

    runs = list(itertools.product(policies, capacities))
    for policy, capacity in runs:
        misses(numbered(np.arange(2)), policy, capacity)  # compiles it, and refuses before anything is read
    rows: list[dict[str, Any]] = []
    for path in paths:
        trace = read_trace(path, column)
        requests, objects = len(trace.requests), trace.distinct
        for policy, capacity in runs:
            start = time.perf_counter()
            missed = misses(trace, policy, capacity)
            seconds = time.perf_counter() - start
            rows.append(
                {
                    "trace": path.name,
                    "policy": policy,
                    "capacity": capacity,
                    "requests": requests,
                    "objects": objects,
                    "misses": missed,
                    "miss_ratio": missed / requests,
                    "requests_per_s": requests / seconds,
                }
            )
    if as_json:
        print_json(rows)
    else:
        _print_table(rows)


def _print_table(rows: list[dict[str, Any]]) -> None:
    widest = max(len("trace"), *(len(row["trace"]) for row in rows))
    click.echo(
        f"{'trace':<{widest}}{'policy':>10}{'capacity':>12}{'requests':>13}{'objects':>12}{'misses':>13}"
        f"  {'miss ratio':<19}{'requests/s':>13}"
    )
    for row in rows:
        click.echo(
            f"{row['trace']:<{widest}}{row['policy']:>10}{row['capacity']:>12,}{row['requests']:>13,}"
            f"{row['objects']:>12,}{row['misses']:>13,}  {row['miss_ratio']!s:<19}{row['requests_per_s']:>13,.0f}"
        )
