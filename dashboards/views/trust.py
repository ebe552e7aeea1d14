"""Trust: what the figures stand on. The ledger, quality checks, freshness, and every definition."""

from __future__ import annotations

import polars as pl
import streamlit as st

from cost_model.report.numbers import count
from dashboards.components import card, footer, missing, view
from dashboards.formats import day, instant, written
from dashboards.freshness import last_days
from dashboards.listing import Column, listing
from dashboards.scorecards import card_frame, card_rows
from metrics.catalog import METRICS
from metrics.metric import Metric
from metrics.scorecard import ESTIMATORS
from metrics.telemetry import TABLES
from metrics.terms import TERMS, Term


def whole(number: int) -> str:
    return f"{number:,}"


source, filters = view()
span = st.session_state["_span"]
ledger = source.ledger()
quality = source.artefact("quality.json")

st.header(
    "Every session is accounted for."
    if ledger.residual == 0 and ledger.lines_residual == 0
    else f"{abs(ledger.residual):,} sessions are unaccounted for."
    if ledger.residual
    else f"{abs(ledger.lines_residual):,} lines of logs are unaccounted for.",
    anchor=False,
)
st.caption("sessions in = counted + excluded or quarantined by reason; the residual must be 0.")

cells = st.columns(4)
cells[0].metric(
    "Sessions in",
    f"{ledger.sessions_in:,}",
    border=True,
    help="Sessions written to the lake, quarantined ones included; lines that never became one are not.",
)
cells[1].metric("Counted", f"{ledger.counted:,}", border=True)
cells[2].metric("Excluded", f"{sum(ledger.excluded.values()):,}", border=True)
cells[3].metric("Residual", f"{ledger.residual:,}", border=True, help="In less counted less excluded.")

halves = st.grid(2, min_column_width=400)
with halves, card("Excluded, by reason"):
    if not ledger.excluded:
        st.caption("Nothing was excluded.")
    else:
        listing(
            pl.DataFrame({"reason": list(ledger.excluded), "rows": list(ledger.excluded.values())}),
            key="excluded", alt="Excluded sessions by reason", columns={"rows": Column("rows", whole)},
        )  # fmt: skip
    st.caption(
        f"Weighted: {count(ledger.weight_in)} real sessions in, {count(ledger.weight_counted)} counted."
    )
    if ledger.lines_quarantined:
        whys = " · ".join(f"{n:,} × {why}" for why, n in list(ledger.lines_quarantined.items())[:3])
        st.caption(f"Beside them, {sum(ledger.lines_quarantined.values()):,} lines quarantined: {whys}")
    if ledger.lines_in:
        st.caption(
            f"Of logs, {ledger.lines_in:,} lines in: {ledger.lines_used:,} used, "
            f"{sum(ledger.lines_ignored.values()):,} ignored; residual {ledger.lines_residual:,}."
        )
    if ledger.unknown:
        untold = " · ".join(f"{measure} {n:,}" for measure, n in ledger.unknown.items())
        st.caption(
            f"Of those counted, left out of metrics that need what their source does not tell: {untold}"
        )
with halves, card("Quality checks", "every table against its contract"):
    if not quality or "tables" not in quality:
        missing("No verdict for this lake yet.", "`playhead quality` gives one.")
    else:
        passed = quality["expectations"] - quality["failed"]
        stale = (
            ""
            if quality["lake_version"] == source.version
            else " :orange[The lake has changed since: `playhead quality`.]"
        )
        st.markdown(
            f"**{passed} of {quality['expectations']}** expectations hold on {quality['rows_checked']:,} rows.{stale}"
        )
        listing(
            pl.DataFrame(
                [
                    {"table": t["table"], "expectations": t["expectations"], "failed": t["failed"],
                     "rows checked": t["rows_checked"], "sample": t["sample"]}
                    for t in quality["tables"]
                ]
            ),
            key="quality", alt="Quality checks by table", height=250,
            columns={"rows checked": Column("rows checked", whole)},
        )  # fmt: skip

findings = quality.get("findings", []) if quality else []
if findings:
    alarms = [f for f in findings if f["holds"] is False]
    told = f"{len(alarms)} of {sum(f['holds'] is not None for f in findings)} checks fail"
    with card("Completeness and drift", told if alarms else "nothing is missing, late or changed"):
        listing(
            pl.DataFrame(
                [
                    {"table": f["table"], "check": f["check"], "found": f["about"],
                     "verdict": {True: "holds", False: "fails", None: "told"}[f["holds"]]}
                    for f in sorted(findings, key=lambda f: {False: 0, True: 1, None: 2}[f["holds"]])
                ]
            ),
            key="findings", alt="Completeness and drift by table", height=250,
            columns={"found": Column("found", is_wide=True)},
        )  # fmt: skip
        if source.file("quality/index.html").is_file():
            st.caption(
                "As pages, every expectation of every column: `artefacts/quality/index.html` of the lake."
            )

with card("Tables", f"last session ended {instant(span.last_ts_ms)} UTC"):
    rows, reached = source.rows(), last_days(source)
    listing(
        pl.DataFrame(
            [
                {
                    "table": name, "rows": rows.get(name, 0), "what it holds": table.about,
                    "last day": day(reached[name]) if name in reached else "–",
                }
                for name, table in TABLES.items()
                if not name.startswith("truth_")
            ],
            schema={"table": pl.String, "rows": pl.Int64, "last day": pl.String, "what it holds": pl.String},
        ),
        key="tables", alt="Rows of each table, and the last day it has",
        columns={
            "rows": Column("rows", whole), "last day": Column("last day, UTC"),
            "what it holds": Column("what it holds", is_wide=True),
        },
    )  # fmt: skip
    st.caption(
        "By its day, the last that a table has. One with 0 rows was never written: figures that need it say so."
    )

kept = source.artefact("scorecard.json")
scores = card_frame(kept)
is_own = isinstance(kept, dict) and bool(kept.get("scores"))
with card("Scorecard", "how often each estimator is right" + ("" if is_own else ", on made cases")):
    scored = scores["estimator"].unique(maintain_order=True).to_list()
    estimator = st.selectbox(
        "Estimator", ["", *scored], key="estimator", bind="query-params", label_visibility="collapsed", width=520,
        format_func=lambda name: f"{name}: {ESTIMATORS.get(name, '')}" if name else "All estimators",
    )  # fmt: skip
    lines = card_rows(scores, estimator or None)
    listing(pl.DataFrame(lines), key="scorecard", alt="Scorecard of the estimators", height=360)
    if isinstance(kept, dict) and is_own:
        stale = " The lake has changed since: `playhead scorecard`." * (
            kept["lake_version"] != source.version
        )
        st.caption(f"This lake's truth and made cases, beside peers on the same cases. {kept['said']}{stale}")
    else:
        missing(
            "Made cases alone, beside peers on the same.", "`playhead scorecard` adds what this lake tells."
        )

st.subheader("Definitions", anchor="definitions")
wanted = st.text_input("Find a figure", key="find", bind="query-params", placeholder="rebuffer, hours, usd …")
words = (wanted or "").lower().split()


def entry(of: Metric | Term) -> dict[str, str]:
    """A row of the glossary: a metric's, or that of a term, which nothing promises and no clock counts."""
    row = {"figure": of.title, "definition": of.about, "unit": of.unit, "name": of.name, "source": of.source}
    if isinstance(of, Metric):
        row |= {
            "promise": written(of, of.limit) if of.limit is not None else "",
            "better": of.better,
            "clock": of.clock,
        }
    return row


entries = [*map(entry, METRICS.values()), *map(entry, TERMS.values())]
searched = ("name", "figure", "definition", "unit")
matching = [row for row in entries if all(w in " ".join(row[c] for c in searched).lower() for w in words)]
matching.sort(key=lambda row: row["name"] != wanted)  # a link names one
columns = ("figure", "definition", "unit", "promise", "better", "clock", "name", "source")
listing(
    pl.DataFrame(matching, schema=dict.fromkeys(columns, pl.String)),
    key="glossary", alt="Glossary of figures", columns={"definition": Column("definition", is_wide=True)},
)  # fmt: skip
st.caption(
    f"{len(matching)} of {len(entries)} figures, from the catalogue. A click on a row shows all of it."
)

footer(source, filters, span)
