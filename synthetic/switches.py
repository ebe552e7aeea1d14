"""The decisions of the system that can be turned, each by a name: for worlds beside the one that runs, and in tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

__all__ = ["DELIVERY", "FACTUAL", "SWITCHES", "Switches"]


@dataclass(frozen=True)
class Switches:
    """Which world: the system decisions that the decision table compares.

    ``pull``: clusters fill when they miss instead of by nightly push. ``has_edge``: appliances inside ISPs.
    ``abr``: the player's rule, one of ``player.abr.BOLA_FROM_MS``. ``recommender``: one of
    ``control_plane.model.RECOMMENDERS``. ``first_week_diversity``: a new member's pages hold genres in proportion.
    ``personal_artwork``: the picture is chosen for the member. ``semantic_search``: search finds by company of words
    too, not by words alone.
    """

    av1: bool = True
    own_cdn: bool = True
    pull: bool = False
    has_edge: bool = True
    abr: str = "dynamic"
    recommender: str = "unified"
    first_week_diversity: bool = True
    personal_artwork: bool = True
    semantic_search: bool = True


FACTUAL = Switches()

SWITCHES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "h264_only": {"av1": False},
        "third_party_cdn": {"own_cdn": False},
        "pull_on_miss": {"pull": True},
        "no_edge_tier": {"has_edge": False},
        "throughput_abr": {"abr": "throughput"},
        "siloed": {"recommender": "siloed"},
        "factors": {"recommender": "factors"},
        "popularity": {"recommender": "popularity"},
        "no_first_week_diversity": {"first_week_diversity": False},
        "default_artwork": {"personal_artwork": False},
        "keyword_search": {"semantic_search": False},
    }
)
"""What each name changes of :data:`FACTUAL`."""

DELIVERY = frozenset({"h264_only", "third_party_cdn", "pull_on_miss", "no_edge_tier", "throughput_abr"})
"""Those that change how bytes come and not what is watched: their worlds play the factual one's requests."""
