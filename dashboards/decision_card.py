"""The decision table as a card of a page."""

from __future__ import annotations

import streamlit as st

from dashboards.components import card, missing, table, taken
from dashboards.decisions import (
    decision_frame,
    decision_regions,
    decision_rows,
    grounds,
    is_current,
    is_silent,
    planned,
    region_name,
)
from dashboards.queries import Source

__all__ = ["decision_card"]


def decision_card(source: Source) -> None:
    """Each switch, estimated and true, of the whole service or a region; and what each estimate stands on."""
    artefact = source.artefact("decision.json")
    with card(
        "Decision table",
        "what each system decision does: from telemetry, and in truth",
        of=("switch_effect",),
    ):
        if artefact is not None and not is_current(artefact):
            missing("The decision table on file is of another version.", "`playhead decide` takes it anew.")
            return
        regions = [] if is_silent(artefact) else decision_regions(artefact)
        region = None
        if regions:
            chosen = st.selectbox(
                "Region of the decision table", ["", *regions], format_func=lambda name: region_name(name or None),
                key="decided", bind="query-params", label_visibility="collapsed", width=260,
            )  # fmt: skip
            region = chosen or None
        rows = decision_rows(artefact, region)
        if not rows:
            missing("No decision table was taken of this lake.", "`playhead decide` prints it.")
            return
        if is_silent(artefact):
            missing(
                "Nothing in this lake tells what a switch does.",
                "The arms of an experiment (the table `assignment`) or charges estimate it; an emulated lake knows the "
                "truth, too.",
            )
            return
        table(rows, alt="Effect of each system decision")
        taken(
            "What runs today over the alternative, over the whole lake, ± half of a 90 % interval; :green[**better**] "
            "and :red[*worse*] only where the interval excludes no effect. Estimated from telemetry alone, by "
            "ᵉ experiment, ᶜ a comparison of like sessions, ᵐ the rates' ranges. True: both worlds run on one seed, "
            "which no estimate sees. Margin moves with cost; what members pay for an hour is held.",
            decision_frame(artefact, region),
            key="decision-table",
        )
        if takes := planned(artefact, region):
            st.caption(
                f"Members an arm, for an experiment over as long a time to tell a change of 5 %: {takes}."
            )
        with st.expander("What each estimate stands on"):
            table(grounds(artefact), alt="Grounds of the estimates")
