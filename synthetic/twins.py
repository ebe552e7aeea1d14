"""The other arm of every member of an experiment on discovery, lived beside the one they are in.

What an experiment does to a member is how their two lives differ. Both are of one service: models learned from the logs
of each arm's own members, the same nights, appliances, incidents and draws. Of a member in the other arm its model
knows what they did there; titles are not learned from it, so nothing of the experiment hangs on twins. Sums over the
two lives of all members make the worlds of ``truth_discovery``, and of ``truth_counterfactual`` what delivery shows.

This is the effect that the experiment measures. Turned for everyone, a switch would leave all logs to one model; how
far that is from it is told by :mod:`synthetic.paired`, where every member of a service lives in one world.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from metrics.telemetry import get_table
from synthetic.arrays import Bools, Singles
from synthetic.counterfactual import Counterfactuals
from synthetic.day import DayState, Request
from synthetic.discovery import Discovery
from synthetic.experiments import ARMS, treated
from synthetic.living import close_day, per_visit
from synthetic.paired import KEYS, added_up, sums_of_day
from synthetic.playing import Delivered
from synthetic.scenario import ExperimentSpec
from synthetic.sessions import Felt, feel
from synthetic.staying import Standing
from synthetic.viewer import MemberState
from synthetic.world import World

__all__ = ["Twin"]

_FOLD = 64  # frames of sums that are held before they are added up


@dataclass
class Twin:
    """Every member's life in the other arm of one experiment, and the sums over both lives so far."""

    spec: ExperimentSpec
    is_treated: Bools
    """[members] the arm they are in."""
    service: Discovery
    state: MemberState
    delivered: Counterfactuals
    sums: list[pl.DataFrame] = field(default_factory=list)

    @classmethod
    def begun(cls, world: World, spec: ExperimentSpec, service: Discovery, state: MemberState) -> Twin:
        """On the experiment's first morning, when there is one life still."""
        worlds = Counterfactuals(("factual", spec.switch))
        return cls(spec, treated(world, spec), service.copied(), deepcopy(state), worlds)

    def morning(self, state: DayState) -> DayState:
        """The day as the twins find it: what is not theirs is as in ``state``."""
        self.service.open_day(state.day)
        return replace(
            state, week=self.service.week, preference=self.service.preference, member_state=self.state
        )

    def evening(
        self, world: World, day: int, request: Request, delivered: Delivered, preference: Singles
    ) -> None:
        """The day as the twins lived it: move them on, and count it. Visits stand by member, in order of time."""
        felt = feel(world, request, delivered)
        close_day(world, day, self.service, self.state, request, delivered.rows, felt, preference)
        self._count(world, day, ~self.is_treated, request, delivered, felt, self.state.standing)

    def beside(
        self, world: World, day: int, request: Request, delivered: Delivered, felt: Felt, standing: Standing
    ) -> None:
        """The same day as the members themselves lived it, once it is closed: count it."""
        self._count(world, day, self.is_treated, request, delivered, felt, standing)

    def discovered(self, world: World) -> pl.DataFrame:
        """Rows of ``truth_discovery``."""
        regions = dict(enumerate(world.places.regions))
        return (
            added_up(self.sums, ["world", *KEYS])
            .with_columns(
                experiment=pl.lit(self.spec.name),
                world=pl.col("world").replace_strict(dict(enumerate(ARMS.values())), return_dtype=pl.String),
                region=pl.col("region_index").replace_strict(regions, return_dtype=pl.String),
            )
            .select(get_table("truth_discovery").schema.names())
        )

    def _count(
        self, world: World, day: int, lived_in: Bools, request: Request, delivered: Delivered, felt: Felt,
        standing: Standing,
    ) -> None:  # fmt: skip
        rows = delivered.rows
        watched = per_visit(request, rows, felt.playing_ms)
        number = lived_in.astype(np.int8)
        self.delivered.add(world, number, request, delivered)
        self.delivered.sum_up()
        self.delivered.add_members(world, number, standing, day)
        self.sums += sums_of_day(
            world, day, request.visits, request.browse, watched, standing, {"world": number}
        )
        if len(self.sums) > _FOLD:
            self.sums = [added_up(self.sums, ["world", *KEYS])]
            self.delivered.fold()
