"""The glossary: what every figure is in Markdown, from the catalogue and the terms beside it, and nothing else."""

from __future__ import annotations

from metrics.catalog import METRICS, Metric
from metrics.parts import Part
from metrics.terms import TERMS, Term

__all__ = ["glossary"]

_CLOCKS = {
    "start": "when the session starts",
    "end": "when the session ends",
    "delivery": "when it is delivered",
    "day": "on the member's UTC day",
    "event": "in the minute it happens",
}
_HEAD = """# Glossary

Generated from the catalogue by `playhead glossary`; do not edit. A metric is a numerator over a denominator,
both sums that add up over any slices and periods; it is divided last, and null where there is nothing to
divide by. Sessions that the ledger excludes never count, nor do those that do not tell what a metric needs (by a
flag such as `bytes_unknown`). Every metric has one clock, which says when it counts.
"""
_BESIDE = """
# Beside the metrics

What pages and reports show that is worked out from metrics, rates or objectives.
"""


def glossary() -> str:
    """All metrics, in the catalogue's order, then all terms."""
    metrics, terms = map(_entry, METRICS.values()), map(_term, TERMS.values())
    return "".join((_HEAD, *metrics, _BESIDE, *terms))


def _term(term: Term) -> str:
    source = f"- **Source** {term.source}\n" if term.source else ""
    return f"\n## {term.title}\n\n`{term.name}`. {term.about}\n\n- **Unit** {term.unit}\n{source}"


def _entry(metric: Metric) -> str:
    lines = [
        f"**Computed as** {_formula(metric)}",
        f"**Unit** {metric.unit}; {metric.better} is better; counted {_CLOCKS[metric.clock]}"
        + (f"; limit {metric.show(metric.limit)}" if metric.limit is not None else ""),
    ]
    if metric.needs:
        lines.append(
            f"**Left out** sessions that do not tell {', '.join(f'`{name}`' for name in metric.needs)}"
        )
    for edge, said in (("identity", "Made up of"), ("influence", "Influenced by (an estimate, not a sum)")):
        names = [f"`{driver.metric}`" for driver in metric.drivers if driver.edge == edge]
        if names:
            lines.append(f"**{said}** {', '.join(names)}")
    if metric.source:
        lines.append(f"**Source** {metric.source}")
    bullets = "".join(f"- {line}\n" for line in lines)
    return f"\n## {metric.title}\n\n`{metric.name}`. {metric.about}\n\n{bullets}"


def _formula(metric: Metric) -> str:
    top = _part(metric.numerator)
    if metric.quantile is not None:
        of = f"the time to {top}, by Kaplan and Meier" if metric.kind == "survival" else top
        return f"the {float(metric.quantile):.0%} quantile of {of}, from merged buckets (error at most 1 %)"
    if metric.kind == "spread":
        each = f", of each `{metric.within}` and on average" if metric.within else ""
        return f"the effective number of `{metric.across}` that {top} is spread over{each}"
    if metric.denominator is not None and metric.kind == "incremental":
        return f"1 − ({top} ÷ {_part(metric.denominator)} in the holdout) ÷ (the same outside of it)"
    return top if metric.denominator is None else f"{top} ÷ {_part(metric.denominator)}"


def _part(part: Part) -> str:
    averaged = ", averaged over days" if part.is_level else ""
    whole = ", not sliced" if part.is_whole else ""
    return f"`{part.label}` ({part.unit}, from `{part.table}`{averaged}{whole})"
