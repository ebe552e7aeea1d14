"""The north-star tree as text: identities joined by ``=``, influences by ``~``."""

from __future__ import annotations

from io import StringIO

from metrics.lake import Lake

__all__ = ["tree_text"]

ROOT = "watch_hours_per_subscriber"
BESIDE = (
    "time_to_play_p50_ms", "time_to_play_p99_ms", "rebuffer_rate", "rec_driven_hours_ratio", "home_latency_p99_ms",
    "edge_offload_ratio", "cost_per_stream_hour_usd",
)  # fmt: skip
_DEPTH = 3


def tree_text(lake: Lake) -> str:
    """Every metric of the tree with its value over the whole lake, and the contract's limit where it has one."""
    from rich.console import Console
    from rich.tree import Tree

    from metrics.catalog import METRICS, get_metric
    from metrics.query import measure

    reached: dict[str, None] = {}

    def reach(name: str, depth: int) -> None:
        reached.setdefault(name)
        for driver in get_metric(name).drivers if depth < _DEPTH else ():
            reach(driver.metric, depth + 1)

    reach(ROOT, 0)
    beside = [name for name in BESIDE if name in METRICS]
    names = [*reached, *(name for name in beside if name not in reached)]
    value = {row["metric"]: row["value"] for row in measure(lake, names).iter_rows(named=True)}

    def label(name: str, sign: str) -> str:
        metric = get_metric(name)
        shown = "no data" if value[name] is None else metric.format.format(value[name])
        kept = metric.keeps(value[name])
        mark = "" if kept is None else "  kept" if kept else "  BROKEN"
        limit = "" if metric.limit is None else f"  (limit {metric.format.format(metric.limit)})"
        return f"{sign}{metric.title}: {shown}{limit}{mark}"

    def grow(tree: Tree, name: str, depth: int) -> None:
        for driver in get_metric(name).drivers if depth < _DEPTH else ():
            branch = tree.add(
                label(driver.metric, "= " if driver.edge == "identity" else "~ "), highlight=False
            )
            grow(branch, driver.metric, depth + 1)

    root = Tree(label(ROOT, ""), highlight=False)
    grow(root, ROOT, 0)
    contract = Tree("The contract, and what it costs", highlight=False)
    for name in beside:
        contract.add(label(name, ""), highlight=False)
    out = StringIO()
    console = Console(file=out, width=110, color_system=None, markup=False)
    console.print(root)
    console.print(contract)
    return out.getvalue().rstrip()
