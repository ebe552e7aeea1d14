"""The search service of the emulated catalogue, asked from a page: titles with the reasons why each was found."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from synthetic.control_plane.catalogue import publish
from synthetic.control_plane.search import SearchIndex, build_index, search
from synthetic.scenario import load_scenario
from synthetic.titles import make_titles

__all__ = ["Found", "found_titles"]


@dataclass(frozen=True)
class Found:
    """A title and why: words of the query in its text, themes it is strong in with what shows them, facts named."""

    title: str
    genres: str
    score: float
    why: str


@st.cache_data(show_spinner=False, max_entries=200)
def found_titles(query: str, *, keyword: bool = False, most: int = 8) -> list[Found]:
    """The titles that answer ``query`` best. Raises :class:`~metrics.errors.InputError` for one without a word."""
    index = _index()
    rows = []
    for hit in search(index, query, most, keyword=keyword):
        why = [f"words {', '.join(hit.why)}"] if hit.why else []
        why += [
            f"{theme} ({', '.join(signs[:3])})" if signs else theme for theme, signs in hit.themes.items()
        ]
        why += hit.facts
        genres = ", ".join(index.facts.genres[hit.title])
        rows.append(
            Found(
                index.facts.name[hit.title],
                genres,
                hit.score,
                "; ".join(why) or "keeps the company of such titles",
            )
        )
    return rows


@st.cache_resource(show_spinner="The search index is built, once")
def _index() -> SearchIndex:
    scenario = load_scenario(None)
    shares = [region.member_share for region in scenario.region.values()]
    return build_index(publish(make_titles(scenario.titles, scenario.seed, shares)), seed=scenario.seed)
