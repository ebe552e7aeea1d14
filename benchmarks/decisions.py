"""``python -m benchmarks.decisions [--worlds N]``: how often the decision table's intervals hold the truth.

Small services of different seeds, each with three experiments running in its telemetry, and both worlds of each switch
lived through on the same seed. Every estimate of the table is made from the telemetry alone and laid beside what the
switch truly did, for the whole service and in each region. Writes ``docs/decisions.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
from scipy.stats import beta

from cost_model.rates import load
from metrics.decide import DECISIONS, LEAVES, decide, estimates, tried
from metrics.scorecard import score
from playhead.decision import truths
from synthetic.emulator import run
from synthetic.scenario import ExperimentSpec, Scenario, load_scenario

__all__ = ["cells_of", "measured", "scores", "service"]

PAGE = Path(__file__).parent.parent / "docs" / "decisions.md"
WORLDS, MEMBERS, DAYS, TITLES = 16, 2_000, 28, 3_000
BEFORE_DAYS = 14  # what the arms were apart before is told by these
FIRST_SEED = 7_001
# One switch of delivery at a time; where it is not AV1, AV1 is told by comparing like sessions.
_DELIVERY = ("third_party_cdn", "h264_only")
_DISCOVERY = ("siloed", "keyword_search")
_LEVELS = (0.90, 0.95)


def main() -> None:
    """Measure, print and write the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--worlds", type=int, default=WORLDS)
    options.add_argument("--cells", type=Path, help="keep every cell as CSV, and go on from what it holds")
    given = options.parse_args()
    cells = measured(given.worlds, given.cells)
    page = _page(cells)
    print(page)
    PAGE.write_text(page, encoding="utf-8")


def measured(worlds: int = WORLDS, kept: Path | None = None) -> pl.DataFrame:
    """The cells of so many services; each is kept as CSV at once, and what is kept is not run again."""
    held = pl.read_csv(kept, infer_schema_length=None) if kept and kept.exists() else None
    found = [] if held is None else [held]
    done = set() if held is None else set(held["seed"])
    for seed in range(FIRST_SEED, FIRST_SEED + worlds):
        if seed in done:
            continue
        began = time.process_time()
        found.append(cells_of(seed))
        print(f"seed {seed}: {time.process_time() - began:.0f} s", file=sys.stderr, flush=True)
        if kept:
            pl.concat(found, how="vertical_relaxed").write_csv(kept)
    return pl.concat(found, how="vertical_relaxed")


def service(seed: int) -> Scenario:
    """Four weeks of a small service without incidents, three experiments over the last two."""
    whole = load_scenario(None, panel=MEMBERS, days=DAYS, seed=seed, titles=TITLES)
    switches = (_DELIVERY[seed % 2], *_DISCOVERY)
    codecs = whole.codecs.model_copy(update={"av1_titles": TITLES // 3})
    specs = tuple(
        ExperimentSpec(name=name, switch=name, share=0.5, from_day=BEFORE_DAYS, to_day=DAYS)
        for name in switches
    )
    return whole.model_copy(update={"incident": (), "experiment": specs, "codecs": codecs})


def cells_of(seed: int) -> pl.DataFrame:
    """The table of the service of that seed, its cells that have both an estimate and a truth; with ``seed``."""
    frames: dict[str, list[pl.DataFrame]] = {}
    for batch in run(service(seed)):
        for name, frame in batch.tables.items():
            frames.setdefault(name, []).append(frame)
    tables = {name: pl.concat(parts).lazy() for name, parts in frames.items()}
    telemetry: Mapping[str, pl.LazyFrame] = {n: t for n, t in tables.items() if not n.startswith("truth_")}
    known = truths(
        tables["truth_counterfactual"].collect(),
        tables["truth_discovery"].collect(),
        None,
        load(),
        experiments=tried(telemetry),
        by_region=True,
    )
    cells = decide(telemetry, estimates(telemetry), truths=known, by_region=True)
    return cells.filter(pl.col("holds").is_not_null()).select(
        pl.lit(seed).alias("seed"),
        "world",
        "region",
        "metric",
        "method",
        "estimate",
        "low",
        "high",
        "true_effect",
    )


def scores(cells: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table ``score``: coverage by method, of the whole service and of regions, and error over interval."""
    rows = []
    for method, part, where in _parts(cells):
        case_set = f"{method}, {where}, {cells['seed'].n_unique()} services"
        for level in _LEVELS:
            held = _held(part, level)
            rows.append(score("decide", case_set, f"coverage_{100 * level:.0f}", held, unit="ratio"))
        bias = ((part["estimate"] - part["true_effect"]) / _error(part)).to_list()
        rows.append(score("decide", case_set, "bias_in_standard_errors", bias))
    return pl.concat(rows)


def _parts(cells: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame, str]]:
    for method in ("experiment", "comparison"):
        for where, is_whole in (("whole service", True), ("regions", False)):
            part = cells.filter(pl.col("method") == method, pl.col("region").is_null() == is_whole)
            if part.height:
                yield method, part, where


def _error(part: pl.DataFrame) -> pl.Series:
    return (part["high"] - part["low"]) / 2 / _t(0.90)


def _held(part: pl.DataFrame, level: float) -> list[bool]:
    """Whether the interval of that level holds the truth: the table's own, widened by Student's t."""
    half = _error(part) * _t(level)
    return ((part["estimate"] - part["true_effect"]).abs() <= half).to_list()


def _t(level: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, 31))


def _page(cells: pl.DataFrame) -> str:
    names = {d.world: f"{d.switch}, not {d.was}" for d in DECISIONS}
    titles = {leaf.metric: leaf.title for leaf in LEAVES}
    lines = [ABOUT.format(worlds=cells["seed"].n_unique(), members=f"{MEMBERS:,}", days=DAYS)]
    lines += ["| estimated by | of | cells | 90 % interval holds | 95 % interval holds | mean error, std. errors |",
              "|---|---|---:|---:|---:|---:|"]  # fmt: skip
    for method, part, where in _parts(cells):
        shares = [_share(_held(part, level)) for level in _LEVELS]
        bias = float(((part["estimate"] - part["true_effect"]) / _error(part)).mean() or 0.0)  # type: ignore[arg-type]
        lines.append(f"| {method} | {where} | {part.height:,} | {shares[0]} | {shares[1]} | {bias:+.2f} |")
    lines += ["", "Of the whole service and its regions together, by switch and figure:", "",
              "| switch | figure | by | cells | 90 % holds | mean error in standard errors |",
              "|---|---|---|---:|---:|---:|"]  # fmt: skip
    for (world, metric, method), part in cells.group_by("world", "metric", "method", maintain_order=True):
        bias = float(((part["estimate"] - part["true_effect"]) / _error(part)).mean() or 0.0)  # type: ignore[arg-type]
        lines.append(
            f"| {names[str(world)]} | {titles[str(metric)]} | {method} | {part.height} | "
            f"{_share(_held(part, 0.90))} | {bias:+.2f} |"
        )
    return "\n".join([*lines, "", AFTER])


def _share(held: list[bool]) -> str:
    k, n = sum(held), len(held)
    low, high = beta.ppf([0.05, 0.95], [max(k, 1e-9), k + 1], [n - k + 1, max(n - k, 1e-9)])
    return f"{100 * k / n:.1f} % ({100 * low:.0f}–{100 * high:.0f})"


ABOUT = """# The decision table, and how often it is right

`playhead decide --lake LAKE` says what each switch of the system does to the leaves of the north star, to retention and
to margin: what runs over the alternative, with a 90 % interval, for the service and with `--by region` for each market.
Of each figure it takes the best that the lake has:

- **experiment**: the table `assignment` has one whose name holds the switch's (`keyword-search-may`), or that
  `--experiment SWITCH=NAME` names; its control arm is what runs. The interval is a jackknife's over members.
- **comparison**: AV1 against H.264, in sessions of the titles encoded in AV1, by region and device class; own
  against third-party CDN, where both serve a share of the sessions. The sessions without are weighted to stand for
  those with (direct standardisation); the jackknife computes the weights anew. Not drawn at random: what else differs
  within a stratum is not adjusted for.
- **model**: of margin alone. Bytes at the margin over the rates' ranges; for a switch that an experiment says moves
  hours, fixed costs over those hours.
- **none**: how many members an arm an experiment as long as the lake needs to tell a change of 5 % with power .8.

No interval, no effect: a figure that did not vary between who was sampled says nothing. Margin moves with cost; what
members pay for an hour is held. Beside each estimate stands the true effect, where the emulator ran both worlds on one
seed; no estimate sees it.

## How often the intervals hold the truth

Written by `python -m benchmarks.decisions`. {worlds} services of {members} members and {days} days, each of its own
seed, with three experiments running in the telemetry. An interval is right where it holds the true effect.

"""
AFTER = """In brackets the 90 % interval of the share; cells of one service hang together, so it should be wider. The
truth cannot tell retention of switches of delivery (both worlds have the same members), nor time to play of switches of
discovery (lived through without delivery).
"""


if __name__ == "__main__":
    main()
