"""The world: everything that does not change over a run."""

from __future__ import annotations

import copyreg
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from synthetic.arrays import Ints, Singles
from synthetic.browsing import People
from synthetic.codecs import Ladders, make_ladders
from synthetic.control_plane.answers import Answers
from synthetic.control_plane.catalogue import Catalogue, publish
from synthetic.data_plane.appliances import Footprint, make_footprint
from synthetic.members import Members, make_members
from synthetic.places import Places, make_places
from synthetic.queries import queries
from synthetic.random import Stream, uniforms
from synthetic.scenario import Scenario
from synthetic.switches import FACTUAL, Switches
from synthetic.titles import Titles, make_titles, subscriber_taste
from synthetic.viewer import BrowseParameters, people_of

__all__ = ["FACTUAL", "Switches", "World", "make_world"]


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
    answers: Answers
    catalogue: Catalogue
    people: People


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
    catalogue = publish(titles)
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
        answers=Answers(catalogue, queries(titles), seed=scenario.seed),
        catalogue=catalogue,
        people=people_of(subscriber, members.region, taste, titles),
    )


@lru_cache(maxsize=1)
def _world_again(scenario: str) -> World:
    return make_world(Scenario.model_validate_json(scenario))


# A world travels as its scenario: whoever receives it builds the same one, and keeps it from day to day.
copyreg.pickle(World, lambda world: (_world_again, (world.scenario.model_dump_json(),)))
