"""Three questions to begin with, each leading to the page that answers it, with the filters it needs."""

from __future__ import annotations

import streamlit as st

__all__ = ["QUESTIONS", "tour"]

QUESTIONS = (
    ("Is the promise kept?", "objectives", {"period": "30d"}),
    ("Where does p99 degrade?", "explore", {"period": "30d", "metric": "Time to play, p99", "by": "region"}),
    ("What would AV1 everywhere do to margin?", "economics", {"ask": "av1"}),
)


def tour(*, sees_finance: bool = True) -> None:
    """The questions, as links in a row."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        st.caption("Three questions to begin with", width="content")
        for question, page, query in QUESTIONS:
            if page != "economics" or sees_finance:
                st.page_link(
                    f"views/{page}.py", label=question, icon=":material/arrow_forward:", query_params=query
                )
