"""The report as PDF: the page's figures and tables set by Typst, with its own fonts and no clock: the same bytes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cost_model.cdn import POLICIES
from cost_model.margin import INCLUDED
from cost_model.quarterly import Quarterly
from cost_model.received import ReceivedBill
from cost_model.report import figures, numbers, tables
from cost_model.report.page import Quality, cards, checks, pool_rows
from cost_model.report.tables import Table

__all__ = ["as_pdf"]

_OF_CARDS = ("name", "value", "span", "about", "confidence")
_OF_RATES = ("about", "figure", "unit", "region", "grade", "source")
_BAND = "Median and 90 % band."
_ONE_AT_A_TIME = "One price at a time at the low (pale) and high (full) end of its 90 % range."
_TEMPLATE = Path(__file__).with_name("report.typ")
# The page's colours, in the one form that Typst's SVG reader takes: classes, without variables.
_SERIES = {"s1": "#2f5fd0", "s2": "#c8701d", "s3": "#3c8a6e", "up": "#b3382c", "down": "#2b7a5d"}
_STYLE = (
    "text{font-family:'Libertinus Serif';font-size:14px;fill:#5d6670}"
    ".name,.key{font-size:14px;fill:#1c2127}.muted{fill:#5d6670}"
    ".grid{stroke:#eeebe4}.axis{stroke:#d9d5cb}.line{fill:none;stroke:#5d6670;stroke-width:2}"
    ".dash{stroke-dasharray:3 4;stroke-width:1.2}.familiar{fill:#3c8a6e;fill-opacity:.15}.hover{fill-opacity:0}"
    + "".join(
        f".{name}.fill{{fill:{colour}}}.{name}.pale{{fill:{colour};fill-opacity:.35}}"
        f".{name}.band{{fill:{colour};fill-opacity:.13}}.{name}.line{{stroke:{colour}}}"
        f".{name}.area{{fill:{colour};fill-opacity:.12;stroke:{colour};stroke-width:1.5}}"
        f".{name}.hollow{{fill:#fff;stroke:{colour};stroke-width:1.6}}.{name}.key{{fill:{colour}}}"
        for name, colour in _SERIES.items()
    )
)


def as_pdf(q: Quarterly, quality: Quality, received: ReceivedBill | None = None) -> bytes:
    """The report, A4, its first page the summary."""
    import typst

    document = typst.compile(
        _TEMPLATE.read_bytes(),
        ignore_system_fonts=True,
        timestamp=0,
        sys_inputs={"report": json.dumps(_content(q, quality, received), ensure_ascii=False, sort_keys=True)},
    )
    return bytes(document)


def _content(q: Quarterly, quality: Quality, received: ReceivedBill | None) -> dict[str, Any]:
    s = q.statement
    earned = s.total["revenue_usd_per_hour"]
    cost_of_hour = s.total["usd_per_hour"]
    title = f"{numbers.usd(float(s.cost_usd))} to deliver {numbers.size(float(s.usage.total_bytes()))}"
    if cost_of_hour is not None:
        title = f"An hour of streaming cost {numbers.unit_usd(float(cost_of_hour))}"
        if earned is not None:
            title += f" and earned {numbers.unit_usd(float(earned))}"
    emulated = " · emulated service" if quality.is_synthetic else ""
    return {
        "eyebrow": f"Quarterly cost report · {s.quarter}{emulated}",
        "title": title,
        "lead": f"{numbers.usd(float(s.cost_usd))} for {numbers.count(float(s.usage.total_hours()))} hours, "
        f"{numbers.size(float(s.usage.total_bytes()))} and {numbers.count(s.members)} paying members over "
        f"{s.usage.days['days'].sum()} days. Cost is amortised, and covers {INCLUDED}.",
        "cards": [{k: str(card.get(k, "")) for k in _OF_CARDS} for card in cards(s)],
        "confidence_note": "Intervals are 90 %, over the price ranges in the appendix. Confidence is high where the "
        "interval spans less than a factor of 1.5, moderate under 4, low beyond.",
        "findings": _findings(q),
        "summary_panels": _summary_panels(q),
        "sections": _sections(q, quality, received),
        "rates_lead": f"From {s.rates.file}. A range is a 90 % interval; an assumption is marked as one.",
        "rates": [{name: str(getattr(rate, name)) for name in _OF_RATES} for rate in s.rates.entries],
        "footer": f"Playhead · {s.quarter} · 1 GB = 10⁹ bytes",
    }


def _findings(q: Quarterly) -> list[dict[str, str]]:
    """The summary in sentences, each from a figure below."""
    s, found = q.statement, []
    for about, bridge in (
        (f"Against {q.prior.before.quarter}" if q.prior else "", q.prior),
        ("Against budget", q.budget),
    ):
        if bridge:
            effects = ", ".join(f"{name} {_signed(float(v))}" for name, v in bridge.effects_usd.items())
            change = float(bridge.levels_usd[-1] - bridge.levels_usd[0])
            found.append({"about": about, "says": f"{_signed(change)}: {effects}. ({bridge.before.origin})"})
    if q.forecast.ahead:
        first = q.forecast.ahead[0]
        between = (
            f"{numbers.usd(first.interval.low)} to {numbers.usd(first.interval.high)}"
            if first.interval
            else ""
        )
        found.append({"about": str(first.quarter), "says": f"{numbers.usd(first.usd)} foreseen ({between})."})
    by_policy = "; ".join(
        f"{policy} footprint {numbers.count(s.breakevens[policy].subscribers.median)} subscribers"
        for policy in POLICIES
    )
    found.append({"about": "Own CDN breaks even", "says": f"{by_policy}, on delivery cost alone."})
    if q.case:
        worth = f"net present value {numbers.usd(q.case.npv_usd.median)} over {q.case.years} years"
        ends = f"{numbers.usd(q.case.npv_usd.low)} to {numbers.usd(q.case.npv_usd.high)}"
        found.append({"about": "At this size", "says": f"{worth} ({ends}) against buying the bytes."})
    if q.credit_usd is not None:
        found.append({"about": "Service credits", "says": f"${tables.cents(q.credit_usd)} owed."})
    return found


def _summary_panels(q: Quarterly) -> list[dict[str, str]]:
    panels = []
    if q.prior:
        before = q.prior.before
        panels.append(
            _panel(
                f"Why cost moved since {before.quarter}",
                figures.waterfall(q.prior),
                f"{before.quarter}: {before.origin}.",
            )
        )
    elif q.budget:
        panels.append(
            _panel("Why cost differs from budget", figures.waterfall(q.budget), f"{q.budget.before.origin}.")
        )
    if q.forecast.ahead:
        panels.append(
            _panel(
                "The next four quarters",
                figures.forecast_fan(q.forecast),
                "Filled: measured; hollow: not. Band: 90 %.",
            )
        )
    s = q.statement
    breakevens = [s.breakevens[policy] for policy in POLICIES]
    words = "Median and 90 % band, by footprint."
    panels.append(
        _panel("What the quarter's cost hangs on", figures.swings(q.tornado[:7], numbers.usd), _ONE_AT_A_TIME)
    )
    panels.append(_panel("Own CDN breaks even", figures.breakeven_curve(breakevens, s.members), words))
    return [p for p in panels if p["svg"]]


def _sections(q: Quarterly, quality: Quality, received: ReceivedBill | None) -> list[dict[str, Any]]:
    s = q.statement
    breakevens = [s.breakevens[policy] for policy in POLICIES]
    third = s.paybacks["third_party"]
    moved = [
        part
        for name, bridge in (("Against the quarter before", q.prior), ("Against budget", q.budget))
        if bridge
        for part in ([_table(tables.bridge(bridge), f"{name}, {bridge.before.origin}")])
    ]
    tree = s.tree
    return [
        _section(
            "Why cost moved",
            "Volume is hours, mix is where and how they were delivered, efficiency is GB an hour, price is what a GB "
            "cost."
            if moved
            else "No earlier quarter and no budget are known, so there is nothing to compare with.",
            *moved,
        ),
        *([_section("The next four quarters", "", _table(tables.foreseen(q)))] if q.forecast.ahead else []),
        _section(
            "Where the money goes",
            f"A subscriber-month: {numbers.unit_usd(tree['usd_per_gb'])} a GB "
            f"× {_fixed(tree['gb_per_hour'], 2)} GB an hour "
            f"× {_fixed(tree['hours_per_member_month'], 1)} hours = {numbers.unit_usd(tree['usd_per_member_month'])}.",
            _table(pool_rows(s)),
            _panels(
                _panel(
                    "What the quarter's cost hangs on", figures.swings(q.tornado, numbers.usd), _ONE_AT_A_TIME
                )
            ),
        ),
        _section(
            "Unit costs and contribution",
            "Contribution is revenue less the costs above. Content, the largest cost of a service, is not in it.",
            *(_table(tables.slices(s.by[name], name)) for name in ("region", "codec", "cdn")),
            _table(tables.slices(q.by["device"], "device")),
            _table(tables.slices(q.by["isp"], "isp", most=10)),
        ),
        _section(
            "Beside the margin",
            "Content is charged in a pool of its own. What systems are worth through members they keep says what it "
            "stands on. Neither is in a figure above.",
            *([_table(content)] if (content := tables.with_content(q)) else []),
            _table(tables.valued(q)),
            *([_table(credited, "Service credits owed")] if (credited := tables.credited(q)) else []),
        ),
        _section(
            "Own CDN or third party",
            "The negotiated price, which nobody publishes, decides most of it.",
            _panels(
                _panel(
                    "Break-even by negotiated price", figures.breakeven_curve(breakevens, s.members), _BAND
                ),
                _panel(
                    "Over the whole range of prices",
                    figures.breakeven_histogram(breakevens),
                    "Dashed: medians.",
                ),
            ),
            *([_table(case)] if (case := tables.case(q)) else []),
        ),
        _section(
            "AV1 with film grain",
            f"Payback {numbers.months(third.at.months.median)} months at third-party prices "
            f"({numbers.months(third.at.months.low)} to {numbers.months(third.at.months.high)}), "
            f"{numbers.months(s.paybacks['own'].at.months.median)} on the own CDN.",
            _panels(
                _panel(
                    "Payback by size, at third-party prices",
                    figures.payback_fan(third.by_subscribers, s.members),
                    _BAND,
                ),
                _panel(
                    "What it hangs on",
                    figures.tornado(third.drivers, third.at.months.median, numbers.months),
                    "Share of rank variance at the right.",
                ),
            ),
        ),
        _section(
            "What is owned",
            "Capex counts when it is bought; depreciation is what the quarter was charged.",
            _table(tables.assets(q)),
        ),
        _section("Data and reconciliation", "", {"kind": "lines", "lines": checks(q, quality, received)}),
    ]


def _section(title: str, lead: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "lead": lead, "parts": [part for part in parts if part.get("panels", True)]}


def _table(table: Table, title: str = "") -> dict[str, Any]:
    return {"kind": "table", "title": title, "table": asdict(table)}


def _panels(*panels: dict[str, str]) -> dict[str, Any]:
    return {"kind": "panels", "panels": [panel for panel in panels if panel["svg"]]}


def _panel(title: str, svg: str, caption: str) -> dict[str, str]:
    # Typst cuts what stands out of the view box, the page does not.
    svg = svg.replace('viewBox="0 0 520 ', 'viewBox="0 0 534 ', 1)
    styled = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
        ">", f"><style>{_STYLE}</style>", 1
    )
    return {"title": title, "svg": styled if svg else "", "caption": caption}


def _fixed(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _signed(value: float) -> str:
    return f"+{numbers.usd(value)}" if value > 0 else numbers.usd(value)
