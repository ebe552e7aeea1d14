"""The world: everything that does not change over a run, and the switches of the worlds beside it."""

from __future__ import annotations

import copyreg
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Ints, Singles
from synthetic.codecs import Ladders, make_ladders
from synthetic.control_plane.catalogue import publish
from synthetic.control_plane.recommend import on_sale
from synthetic.control_plane.search import build_index, search_all
from synthetic.data_plane.appliances import Footprint, make_footprint
from synthetic.members import Members, make_members
from synthetic.places import Places, make_places
from synthetic.queries import queries
from synthetic.random import Stream, uniforms
from synthetic.scenario import Scenario
from synthetic.titles import Titles, make_titles, subscriber_taste
from synthetic.viewer import BrowseParameters

__all__ = ["FACTUAL", "Switches", "World", "make_world"]

RESULTS = 10  # titles that a search shows


@dataclass(frozen=True)
class Switches:
    """Which world: the system decisions that the decision table compares.

    ``pull``: clusters fill when they miss instead of by nightly push. ``has_edge``: appliances inside ISPs.
    """

    av1: bool = True
    own_cdn: bool = True
    pull: bool = False
    has_edge: bool = True


FACTUAL = Switches()


@dataclass(frozen=True)
class World:
    """Everything that does not change over the run."""

    scenario: Scenario
    places: Places
    footprint: Footprint
    members: Members
    titles: Titles
    subscriber: Ints
    taste: Singles
    ladders: Ladders
    params: BrowseParameters
    found: npt.NDArray[np.int32]
    """[kinds of query, titles, k] what the search service finds for each query, released or not."""

    def answers(self, day: int) -> npt.NDArray[np.int32]:
        """[kinds of query, titles, 10] what it answers on that day: released titles only."""
        kinds, count, k = self.found.shape
        shown = on_sale(self.found.reshape(-1, k), self.titles.release_day, day, RESULTS)
        return shown.reshape(kinds, count, RESULTS)


def make_world(scenario: Scenario) -> World:
    """Everything that does not change over the run."""
    places = make_places(scenario)
    members = make_members(scenario, places)
    shares = np.array([region.member_share for region in scenario.region.values()])
    titles = make_titles(scenario.titles, scenario.seed, shares.tolist())
    subscriber = np.arange(members.count)
    taste = subscriber_taste(subscriber, members.region, scenario.seed, shares.size)
    rank = np.empty(titles.count, np.int64)
    rank[np.argsort(-titles.share, kind="stable")] = np.arange(titles.count)
    grain = (
        uniforms(scenario.seed, np.arange(titles.count), 0, Stream.TITLE_GRAIN) < scenario.codecs.grain_ratio
    )
    is_av1 = rank < scenario.codecs.av1_titles
    index = build_index(publish(titles), seed=scenario.seed)
    asked = queries(titles)
    found = search_all(index, [query for kind in asked for query in kind], 2 * RESULTS)
    return World(
        scenario=scenario,
        places=places,
        footprint=make_footprint(scenario, places),
        members=members,
        titles=titles,
        subscriber=subscriber,
        taste=taste,
        ladders=make_ladders(
            scenario.codecs, titles.complexity, titles.runtime_ms * titles.episode_count, is_av1, grain
        ),
        params=BrowseParameters(),
        found=found.reshape(len(asked), titles.count, -1),
    )


@lru_cache(maxsize=1)
def _world_again(scenario: str) -> World:
    return make_world(Scenario.model_validate_json(scenario))


# A world travels as its scenario: whoever receives it builds the same one, and keeps it from day to day.
copyreg.pickle(World, lambda world: (_world_again, (world.scenario.model_dump_json(),)))
