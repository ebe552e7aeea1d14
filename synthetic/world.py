"""The world: everything that does not change over a run."""

from __future__ import annotations

import copyreg
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Ints, Singles
from synthetic.browsing import People
from synthetic.codecs import Ladders, make_ladders
from synthetic.control_plane.catalogue import Catalogue, publish
from synthetic.control_plane.search import build_index, search_all
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

_FOUND = 64  # what a search finds, from which it shows some


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
    """[2, kinds of query, titles, 64] what the search service finds for each query, released or not; by keyword alone
    in second place."""
    relevance: Singles
    """[2, kinds of query, titles, 64] how well each answers, less the best: 0 or less."""
    is_name: npt.NDArray[np.bool_]
    """[kinds of query, titles] whether what stands first bears the very name asked for."""
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
    asked = queries(titles)
    flat = [query for kind in asked for query in kind]
    index = build_index(catalogue, seed=scenario.seed)
    found = [search_all(index, flat, _FOUND, keyword=by_word) for by_word in (False, True)]
    shape = (len(found), len(asked), titles.count, -1)
    answers = np.stack([titles_found for titles_found, _ in found]).reshape(shape)
    relevance = np.stack([score - score[:, :1] for _, score in found]).reshape(shape)
    names = np.array([name.casefold() for name in titles.name])
    wanted = np.array([[query.casefold() for query in kind] for kind in asked])
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
        found=answers,
        relevance=relevance,
        is_name=(answers[0, :, :, 0] >= 0) & (names[answers[0, :, :, 0]] == wanted),
        catalogue=catalogue,
        people=people_of(subscriber, members.region, taste, titles),
    )


@lru_cache(maxsize=1)
def _world_again(scenario: str) -> World:
    return make_world(Scenario.model_validate_json(scenario))


# A world travels as its scenario: whoever receives it builds the same one, and keeps it from day to day.
copyreg.pickle(World, lambda world: (_world_again, (world.scenario.model_dump_json(),)))
