"""``python -m benchmarks.decisions [--worlds N]``: how often the decision table's intervals hold the truth.

Small services of different seeds, each with three experiments running in its telemetry, and both worlds of each switch
lived through on the same seed. Every estimate of the table is made from the telemetry alone and laid beside what the
switch truly did, for the whole service and in each region. Writes ``docs/decisions.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import polars as pl
from scipy.stats import beta
from scipy.stats import t as student

from benchmarks.redrawn import DRAWS as REDRAWS
from benchmarks.redrawn import redrawn
from cost_model.rates import load
from metrics.decide import DECISIONS, LEAVES, decide, estimates, tried
from metrics.lake import Lake
from metrics.scorecard import score
from playhead.decision import discovery_effects, truths
from synthetic.emulator import run
from synthetic.paired import paired_worlds
from synthetic.scenario import ExperimentSpec, Scenario, load_scenario
from synthetic.world import make_world

__all__ = ["cells_of", "measured", "scores", "service", "turned_for_everyone"]

PAGE = Path(__file__).parent.parent / "docs" / "decisions.md"
WORLDS, MEMBERS, DAYS, TITLES = 16, 2_000, 28, 3_000
BEFORE_DAYS = 14  # what the arms were apart before is told by these
FIRST_SEED = 7_001
# An arm's model learns from its own members' logs: what that does is told where the switch is turned for everyone.
SHARED_WORLDS, SHARED_MEMBERS, FIRST_SHARED_SEED = 4, 2_000, 9_001
_SHARES = {"popularity": 0.1, "siloed": 0.5}
# One switch of delivery at a time; where it is not AV1, AV1 is told by comparing like sessions.
_DELIVERY = ("third_party_cdn", "h264_only")
_DISCOVERY = ("siloed", "keyword_search")
_LEVELS = (0.90, 0.95)


def main() -> None:
    """Measure, print and write the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--worlds", type=int, default=WORLDS)
    options.add_argument("--cells", type=Path, help="keep every cell as CSV, and go on from what it holds")
    options.add_argument(
        "--shared", type=int, default=SHARED_WORLDS, help="services turned for everyone, too"
    )
    options.add_argument("--lives", type=Path, help="keep those as CSV, and go on from what it holds")
    options.add_argument("--lake", type=Path, help="lake of a demo, whose members are drawn into arms anew")
    given = options.parse_args()
    cells = _kept(cells_of, FIRST_SEED, given.worlds, given.cells)
    lives = _kept(turned_for_everyone, FIRST_SHARED_SEED, given.shared, given.lives)
    page = _page(cells, lives, redrawn(Lake.open(given.lake)) if given.lake else None)
    print(page)
    PAGE.write_text(page, encoding="utf-8")


def measured(worlds: int = WORLDS, kept: Path | None = None) -> pl.DataFrame:
    """The cells of so many services; each is kept as CSV at once, and what is kept is not run again."""
    return _kept(cells_of, FIRST_SEED, worlds, kept)


def _kept(of: Callable[[int], pl.DataFrame], first: int, count: int, kept: Path | None) -> pl.DataFrame:
    held = pl.read_csv(kept, infer_schema_length=None) if kept and kept.exists() else None
    found = [] if held is None else [held]
    done = set() if held is None else set(held["seed"])
    for seed in range(first, first + count):
        if seed in done:
            continue
        began = time.process_time()
        found.append(of(seed))
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


def turned_for_everyone(seed: int) -> pl.DataFrame:
    """What experiments on discovery did as they ran, and what their switch does where every member lives in one world.

    ``seed, switch, share, metric, of_experiment, of_everyone``: effects of what runs over the alternative. Members,
    days and draws are the same; delivery is in the first alone.
    """
    whole = load_scenario(None, panel=SHARED_MEMBERS, days=DAYS, seed=seed, titles=TITLES)
    specs = tuple(
        ExperimentSpec(name=name, switch=name, share=share, from_day=BEFORE_DAYS, to_day=DAYS)
        for name, share in _SHARES.items()
    )
    frames = []
    for spec in specs:
        # One at a time, so that its members differ by nothing else.
        scenario = whole.model_copy(update={"incident": (), "experiment": (spec,)})
        *_, last = run(scenario)
        lives = {"of_experiment": last.tables["truth_discovery"]}
        world = make_world(scenario)
        lives["of_everyone"] = paired_worlds(world, world.members.count)
        for source, truth in lives.items():
            ((_, _, _, effects),) = discovery_effects(truth.filter(experiment=spec.name))
            told = [(seed, spec.switch, spec.share, e.metric, source, e.effect) for e in effects]
            names = ["seed", "switch", "share", "metric", "source", "effect"]
            frames.append(pl.DataFrame(told, schema=names, orient="row"))
    return pl.concat(frames).pivot("source", index=["seed", "switch", "share", "metric"], values="effect")


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
    return float(student.ppf((1 + level) / 2, 31))


def _page(cells: pl.DataFrame, everyone: pl.DataFrame, anew: pl.DataFrame | None) -> str:
    names = {d.world: f"{d.switch}, not {d.was}" for d in DECISIONS}
    titles = {leaf.metric: leaf.title for leaf in LEAVES}
    lines = [
        ABOUT.format(
            worlds=cells["seed"].n_unique(), members=f"{MEMBERS:,}", days=DAYS, within=DAYS - BEFORE_DAYS,
            everyone="\n".join(_everyone(everyone)),
        )
    ]  # fmt: skip
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
    lines += ["", AFTER, *(_anew(anew) if anew is not None else ())]
    return "\n".join(lines)


def _everyone(lives: pl.DataFrame) -> list[str]:
    """The mean over services of both effects and of what they are apart; of several, with Student's interval."""
    titles = {d.world: f"{d.switch}, not {d.was}" for d in DECISIONS}
    count = lives["seed"].n_unique()
    lines = [
        f"{count} service{'s' * (count > 1)} of {SHARED_MEMBERS:,} members, {DAYS - BEFORE_DAYS} days of one "
        "experiment each. Turned for everyone, members live without delivery. "
        + ("Means, and the 90 % interval of what is between them." if count > 1 else "One seed tells no interval."),
        "", "| switch | share in treatment | figure | experiment as it ran | turned for everyone | apart |",
        "|---|---:|---|---:|---:|---:|",
    ]  # fmt: skip
    for (switch, share, metric), part in lives.group_by("switch", "share", "metric", maintain_order=True):
        leaf = next(leaf for leaf in LEAVES if leaf.metric == metric)
        scale, unit = (100, " pt") if leaf.unit.startswith("ratio") else (1, " h")
        ran, turned = (scale * part[name].to_numpy() for name in ("of_experiment", "of_everyone"))
        apart = f"{_signed((ran - turned).mean())}{unit}"
        if count > 1:
            half = float(student.ppf(0.95, count - 1)) * float((ran - turned).std(ddof=1)) / count**0.5
            apart += f" ± {half:.2f}"
        lines.append(
            f"| {titles[str(switch)]} | {share:.0%} | {leaf.title} | {_signed(ran.mean())}{unit} | "
            f"{_signed(turned.mean())}{unit} | {apart} |"
        )
    return [*lines, ""]


def _signed(value: float) -> str:
    return f"{value:+.2f}" if abs(value) >= 0.005 else "0.00"


def _anew(found: pl.DataFrame) -> list[str]:
    titles = {leaf.metric: leaf.title for leaf in LEAVES}
    lines = [
        f"Where nothing was done: the members of one lake of `make demo` drawn into arms {REDRAWS} times, over a "
        "fortnight in which no experiment ran, with the fortnight before it to adjust by.", "",
        "| share in treatment | figure | 90 % holds | as it is, not adjusted | width over that |",
        "|---:|---|---:|---:|---:|",
    ]  # fmt: skip
    lines += [
        f"| {share:.0%} | {titles[metric]} | {100 * held:.1f} % | {100 * raw:.1f} % | {width:.2f} |"
        for share, metric, held, raw, width in found.iter_rows()
    ]
    return [*lines, ""]


def _share(held: list[bool]) -> str:
    k, n = sum(held), len(held)
    low, high = beta.ppf([0.05, 0.95], [max(k, 1e-9), k + 1], [n - k + 1, max(n - k, 1e-9)])
    return f"{100 * k / n:.1f} % ({100 * low:.0f}–{100 * high:.0f})"


ABOUT = """# The decision table, and how often it is right

`playhead decide --lake LAKE` says what each switch of the system does to the leaves of the north star, to retention and
to margin: what runs over the alternative, with a 90 % interval, for the service and with `--by region` for each market.
Of each figure it takes the best that the lake has:

- **experiment**: the table `assignment` has one whose name holds the switch's (`keyword-search-may`), or that
  `--experiment SWITCH=NAME` names; its control arm is what runs. The estimate is the difference of the arms' figures
  (sums over sums: hours over member-months, stalled sessions over sessions), less what the arms were apart before the
  experiment where the lake holds days from before it ([before.py](../metrics/before.py); CUPED on the jackknife's
  groups). The interval is a jackknife's over members.
- **comparison**: AV1 against H.264, in sessions of the titles encoded in AV1, by region and device class; own
  against third-party CDN, where both serve a share of the sessions. The sessions without are weighted to stand for
  those with (direct standardisation); the jackknife computes the weights anew. Not drawn at random: what else differs
  within a stratum is not adjusted for.
- **model**: of margin alone. Bytes at the margin over the rates' ranges; what the edge tier asks for and spares, and
  what the nightly push spares of transit ([tiers.py](../cost_model/tiers.py)); for a switch that an experiment says
  moves hours, fixed costs over those hours.
- **none**: nobody lives without it. What an experiment takes is told once a figure: members an arm, over as long a time
  as the lake's, to tell a change of 5 % with power .8.

No interval, no effect: a figure that did not vary between who was sampled says nothing. Margin moves with cost; what
members pay for an hour is held. Where the lake or the rates do not tell it, it is not modelled, and the reason stands
there. Beside each estimate stands the true effect, where the emulator ran both worlds on one seed; no estimate sees it.

## What an experiment's effect is the effect of

The truth beside an estimate is of the same quantity: the same days, the same members, the same weights, and the service
as the experiment ran it.

- A switch of **delivery** leaves what is watched as it is: every play of the experiment's days is played in both
  worlds.
- A switch of **discovery** changes what is watched. So every member's other arm is lived beside their own, with all
  draws the same, delivery too ([twins.py](../synthetic/twins.py)). Each arm's model learns from its own members' logs,
  as it does in the experiment; of a member who is not in the arm it knows what they did there, and learns no title.

So it is the effect *of the experiment as it ran*: on the average over its members, of the arm they are in, while the
rest stay in theirs. A switch turned for everyone leaves all logs to one model, where the experiment leaves each arm's
model its own share of them; how far that is from it stands below. A switch of discovery that no experiment turns has
its truth from a service of its own, of a few members, whose models learn from those: its sign and size, and no more.

{everyone}
## How often the intervals hold the truth

Written by `python -m benchmarks.decisions`. {worlds} services of {members} members and {days} days, each of its own
seed, with three experiments running in the telemetry of the last {within} days. An interval is right where it holds the
true effect.

"""
AFTER = """In brackets the 90 % interval of the share, as if cells were independent; those of one service hang together,
so it should be wider. The truth cannot tell retention of switches of delivery (both worlds have the same members).
"""


if __name__ == "__main__":
    main()
