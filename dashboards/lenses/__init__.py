"""Explore's ways to look at one metric: over time, by value, as a distribution, on the map, session by session.

Each lens draws itself for a :class:`Question`; what it computes comes from pure functions beside this package. A
lens knows Streamlit and the address, and no other lens.
"""

from dashboards.lenses.distribution import distribution
from dashboards.lenses.places import places
from dashboards.lenses.question import Question
from dashboards.lenses.sessions import sessions
from dashboards.lenses.trend import over_time
from dashboards.lenses.values import by_value

__all__ = ["Question", "by_value", "distribution", "over_time", "places", "sessions"]
