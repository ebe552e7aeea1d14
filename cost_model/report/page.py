"""The report as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from cost_model.cdn import POLICIES
from cost_model.charges import DESCRIPTIONS
from cost_model.margin import INCLUDED
from cost_model.quarterly import Quarterly
from cost_model.received import ReceivedBill
from cost_model.report import charts, figures, numbers, tables
from cost_model.statement import Statement
from cost_model.uncertainty import Driver, Interval

__all__ = ["Quality", "cards", "checks", "pool_rows", "render"]

_SERIES = {"delivery": 1, "encoding": 2, "control_plane": 3}
_SWITCHES = {
    "own_cdn": "Own CDN instead of a third party",
    "av1_fgs": "AV1 with film grain instead of H.264 alone",
}
_MOST_BARS = 14
_MOST_ISPS = 12
_COSTS = ("billed_usd", "effective_usd", "list_usd")


@dataclass(frozen=True)
class Quality:
    """What the figures stand on: rows, quarantine, ledger residual (None where it was not computed)."""

    sessions: int
    sessions_weighted: int
    quarantined: int
    ledger_residual: int | None
    is_synthetic: bool


def render(q: Quarterly, quality: Quality, received: ReceivedBill | None = None) -> str:
    """The report as HTML; ``received`` is the bill of the quarter, shown beside what usage is modelled to cost."""
    statement = q.statement
    breakevens = [statement.breakevens[policy] for policy in POLICIES]
    third_party, own = statement.paybacks["third_party"], statement.paybacks["own"]
    page = _template().render(
        s=statement,
        q=quality,
        received=received,
        included=INCLUDED,
        total=statement.total,
        sheet=q,
        cards=cards(statement),
        bridges=[
            (name, found, Markup(figures.waterfall(found)), tables.bridge(found))
            for name, found in (("prior", q.prior), ("budget", q.budget))
            if found
        ],
        forecast_chart=Markup(figures.forecast_fan(q.forecast)),
        tornado_chart=Markup(figures.swings(q.tornado, numbers.usd)),
        tables={
            "forecast": tables.foreseen(q),
            "assets": tables.assets(q),
            "case": tables.case(q),
            "content": tables.with_content(q),
            "valued": tables.valued(q),
            "credits": tables.credited(q),
            "device": tables.slices(q.by["device"], "device"),
            "isp": tables.slices(q.by["isp"], "isp", most=_MOST_ISPS),
        },
        plotly=Markup(charts.plotly_source()),
        charts=Markup(charts.embedded(charts.figures(q))),
        tree=statement.tree,
        pool_chart=Markup(figures.share_bars(_pool_bars(statement))),
        pools=_pool_table(statement),
        slices={name: _slices(statement, name) for name in ("region", "codec", "cdn")},
        breakevens=breakevens,
        familiar=[(b.policy, price) for b in breakevens if (price := b.price_for(50e6))],
        curve=Markup(figures.breakeven_curve(breakevens, statement.members)),
        histogram=Markup(figures.breakeven_histogram(breakevens)),
        breakeven_drivers=_tornado(breakevens[0].drivers, breakevens[0].subscribers, numbers.count),
        switches=_switches(statement),
        at_list=statement.list_price_breakevens,
        third_party=third_party,
        own=own,
        payback_chart=Markup(figures.payback_fan(third_party.by_subscribers, statement.members)),
        payback_drivers=_tornado(third_party.drivers, third_party.at.months, numbers.months),
        basis={name: _basis(statement, name) for name in ("av1_saving_ratio", "av1_device_ratio")},
        rates=statement.rates.entries,
    )
    return page.rstrip() + "\n"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("cost_model", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "unit_usd": lambda v: numbers.unit_usd(_float(v)),
        "signed_usd": lambda v: f"{'+' if v > 0 else ''}{numbers.unit_usd(v)}",
        "usd": lambda v: numbers.usd(_float(v)),
        "count": lambda v: numbers.count(_float(v)),
        "size": lambda v: numbers.size(float(v)),
        "subscribers": lambda v: f"{numbers.count(v)} subscribers" if v < float("inf") else "no size",
        "months": numbers.months,
        "rate_name": numbers.rate_name,
        "share": numbers.ratio,
        "exact": lambda v: f"{v:,.2f}" if not v or abs(v) >= 0.1 else f"{v:.3g}",
        "fixed": lambda v, digits: "–" if v is None else f"{v:.{digits}f}",
        "span_count": lambda i: numbers.span(numbers.count(i.low), numbers.count(i.high)),
    }
    return environment.get_template("report.html.j2")


def cards(statement: Statement) -> list[dict[str, object]]:
    """The five figures of the summary, as text, each with its interval and how far to trust it."""
    found: list[dict[str, object]] = []
    for key, name, about in (
        ("usd_per_hour", "Cost per stream hour", "delivery, encoding and control plane"),
        ("usd_per_member_month", "Cost per subscriber-month", "the same costs per paying member"),
        (
            "contribution_usd_per_hour",
            "Contribution per stream hour",
            "revenue less those costs; content not in it",
        ),
    ):
        figure = statement.figures.get(key)
        if figure is None:
            found.append({"name": name, "value": "–", "about": "no hours or no members in this quarter"})
            continue
        i = figure.interval
        between = numbers.span(numbers.unit_usd(i.low), numbers.unit_usd(i.high))
        found.append(_card(name, numbers.unit_usd(figure.value), between, about, i, figure.value))
    i = statement.breakevens["lean"].subscribers
    between = numbers.span(numbers.count(i.low), numbers.count(i.high))
    about = "subscribers; lean footprint, delivery cost alone"
    found.append(
        _card(
            "Own CDN breaks even at",
            numbers.count(i.median).replace("never", "no size"),
            between,
            about,
            i,
            i.median,
        )
    )
    i = statement.paybacks["third_party"].at.months
    between = numbers.span(numbers.months(i.low), numbers.months(i.high))
    about = "at this size, bytes at third-party price"
    found.append(
        _card("AV1 + film grain pays back in", f"{numbers.months(i.median)} mo", between, about, i, i.median)
    )
    return found


def _card(name: str, value: str, between: str, about: str, i: Interval, at: float) -> dict[str, object]:
    return {
        "name": name,
        "value": value,
        "span": between,
        "about": about,
        "confidence": numbers.confidence(i.low, i.high),
        "bar": Markup(figures.interval_bar(i, at)),
    }


def pool_rows(statement: Statement) -> tables.Table:
    """Every charge of the bill by SKU: billed, effective, at list price, to the cent."""
    rows = [
        [str(row["name"]), str(row["pool"]), *(tables.cents(row[name]) for name in _COSTS)]
        for row in _pool_table(statement)
    ]
    sums = (statement.billed_usd, statement.cost_usd, statement.pools["list_usd"].sum())
    rows.append(["Sum", "", *(tables.cents(value) for value in sums)])
    return tables.Table(["Charge, USD", "Pool", "Billed", "Effective", "At list price"], rows, is_summed=True)


def checks(q: Quarterly, quality: Quality, received: ReceivedBill | None) -> list[str]:
    """What the figures stand on, a sentence each."""
    s, ledger = q.statement, quality.ledger_residual
    is_reconciled = "Reconciled" if s.residual_usd == 0 else "Not reconciled"
    months = ", ".join(f"{m:%B} {s.usage.coverage(m)[0]} of {s.usage.coverage(m)[1]}" for m in s.usage.months)
    lines = [
        f"{is_reconciled}: {s.charges.height:,} modelled charges sum to the {s.bill.height} lines of the modelled "
        f"bill; residual ${tables.cents(s.residual_usd)}.",
        "Session ledger: not computed for this report."
        if ledger is None
        else f"Session ledger {'open' if ledger else 'closed'}: sessions in less counted and excluded are {ledger}.",
        f"{quality.sessions:,} session rows stand for {numbers.count(quality.sessions_weighted)} sessions; "
        f"{quality.quarantined:,} rows in quarantine.",
        f"Days with usage: {months}. Monthly costs are charged for those days.",
    ]
    for name, (value, source) in {**s.given, **s.given_encoding}.items():
        lines.append(f"In place of a range: {numbers.rate_name(name)} {value:.3g} ({source}).")
    lines.append(
        f"No bill was received for {s.quarter}: every cost is modelled."
        if received is None
        else f"Bill received: {received.charges:,} charges, ${tables.cents(received.billed_usd)} billed, "
        f"${tables.cents(received.effective_usd)} effective."
    )
    return lines


def _pool_bars(statement: Statement) -> list[tuple[str, float, str, int]]:
    total = float(statement.cost_usd) or 1.0
    bars = []
    for row in statement.pools.iter_rows(named=True):
        cost = float(row["effective_usd"])
        if cost:
            words = f"{numbers.usd(cost)} · {numbers.ratio(cost / total)}"
            bars.append((_short(row["sku"], row["pool"]), cost, words, _SERIES[row["pool"]]))
    return bars[:_MOST_BARS]


def _pool_table(statement: Statement) -> list[dict[str, Any]]:
    return [
        {
            **row,
            "name": DESCRIPTIONS.get(row["sku"], _short(row["sku"], row["pool"])),
            "pool": tables.POOLS[row["pool"]],
        }
        for row in statement.pools.iter_rows(named=True)
    ]


def _short(sku: str, pool: str) -> str:
    if pool == "control_plane":
        return f"Requests: {sku}"
    codec = sku.removeprefix("encode_")
    if codec != sku:
        return f"Encoding, {tables.title('codec', codec)}"
    return sku.replace("_", " ").capitalize().replace("Isp", "ISP")


def _slices(statement: Statement, name: str) -> list[Mapping[str, object]]:
    frame = statement.by[name]
    dearest = max((float(v) for v in frame["usd_per_hour"].drop_nulls()), default=0.0) or 1.0
    return [
        {
            **row,
            "name": tables.title(name, row[name]),
            "bar": 0 if row["usd_per_hour"] is None else round(100 * float(row["usd_per_hour"]) / dearest, 1),
        }
        for row in frame.iter_rows(named=True)
    ]


def _switches(statement: Statement) -> list[dict[str, object]]:
    hours = float(statement.usage.total_hours())
    return [
        {"name": _SWITCHES[name], "effect": effect, "period": effect.median * hours}
        for name, effect in statement.switches.items()
    ]


def _tornado(found: Sequence[Driver], outcome: Interval, words: Callable[[float], str]) -> Markup:
    return Markup(figures.tornado(found, outcome.median, words))


def _basis(statement: Statement, name: str) -> str:
    if name in statement.given_encoding:
        value, source = statement.given_encoding[name]
        return f"{numbers.ratio(value)}, {source}"
    rate = statement.rates.at(name, statement.usage.months[0])
    return f"{rate.figure}, {rate.grade}"


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
