"""Who comes back, who stays and who leaves: what a member has lived through, as hazards.

A member carries an average of what they have seen (*satisfaction*: joy a title, with a loss for a visit that found
nothing), of what the playing was like (*strain*: failures, late starts, stalls) and of their hours. Tomorrow's visits
and this month's churn hang on these; so does whether a trial turns into a membership. Levels are anchored to the
scenario's published figures (:meth:`Standing.anchored`); effects are the constants here, every one an assumption but
where a source is named. No public causal figure exists of what quality of experience does to churn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Bools, Floats, Ints
from synthetic.jit import compiled
from synthetic.random import Stream, exponentials, uniforms

__all__ = ["DAYS_A_MONTH", "NEVER", "Standing", "strain_of"]

NEVER = 1 << 30  # a day that does not come
DAYS_A_MONTH = 30.4375

MEMORY = 0.08  # what the newest title counts for in satisfaction, and the newest play in strain: a dozen are remembered
NOTHING_FOUND_JOY = -1.0
HOURS_MEMORY = 1 / 14  # a fortnight's hours
RETURN_SATISFACTION = 0.15  # log visits a day, a sd of joy
RETURN_STRAIN = (
    0.29  # C: a failed visit makes a return within the week 2.3 % less likely (Krishnan & Sitaraman 2012)
)
CHURN_SATISFACTION = -0.8  # log hazard, a sd of joy
CHURN_HOURS = -0.3  # log hazard, a log of hours a day
CHURN_STRAIN = 1.0
CHURN_PRICE = 1.0  # log hazard, a log of price over what members have been used to
TRIAL_SATISFACTION = 0.8  # log odds that a trial is paid for, a sd of joy
_HOURS_FLOOR = 0.2


@dataclass(frozen=True)
class Standing:
    """How ``m`` members stand; arrays [m], changed in place at the daily barrier.

    ``leave_day``: first day no longer a member; ``is_churn``: left as a paying member (false: a trial that did not
    convert, or still here). ``churn_level``: the day's hazard where the log hazard is 0.
    """

    satisfaction: Floats
    strain: Floats
    hours: Floats
    cumulated: Floats
    paying_day: Ints
    leave_day: Ints
    is_churn: Bools
    churn_level: float

    @staticmethod
    def of_joined(join_day: Ints, trial_days: int) -> Standing:
        """As members begin; whose trial was over by day 0 has been a member throughout."""
        m = join_day.size
        on_trial = join_day + trial_days > 0
        return Standing(
            np.zeros(m), np.zeros(m), np.full(m, 1.0), np.zeros(m),
            np.where(on_trial, NEVER, join_day), np.full(m, NEVER), np.zeros(m, np.bool_), 0.0,
        )  # fmt: skip

    def eagerness(self) -> Floats:
        """[m] visits a day, relative."""
        return np.asarray(np.exp(RETURN_SATISFACTION * self.satisfaction - RETURN_STRAIN * self.strain))

    def log_hazard(self) -> Floats:
        """[m] log of the hazard of leaving, at the price members are used to, up to a constant."""
        return np.asarray(
            CHURN_SATISFACTION * self.satisfaction
            + CHURN_HOURS * np.log(self.hours + _HOURS_FLOOR)
            + CHURN_STRAIN * self.strain
        )

    def anchored(self, monthly_churn_ratio: float, weight: Ints, is_here: Bools) -> Standing:
        """With the level at which these members, as they stand, leave at the ratio a month."""
        hazard = (
            np.average(np.exp(self.log_hazard()[is_here]), weights=weight[is_here]) if is_here.any() else 1.0
        )
        return replace(self, churn_level=float(monthly_churn_ratio / DAYS_A_MONTH / hazard))

    def enter(
        self, day: int, member: Ints, is_played: Bools, is_new: Bools, joy: npt.NDArray[np.float32], watched_ms: Ints,
        strain: Floats,
    ) -> None:  # fmt: skip
        """A day's visits, [n], in order of time for each member."""
        _enter(member, is_played, is_new, joy, strain, self.satisfaction, self.strain)
        played = np.bincount(member, watched_ms / 3_600_000, minlength=self.hours.size)
        self.hours[:] += HOURS_MEMORY * (played - self.hours)

    def close(
        self,
        seed: int,
        day: int,
        join_day: Ints,
        *,
        trial_days: int,
        trial_paid_ratio: float,
        price_ratio: float,
    ) -> None:
        """Who leaves, and whose trial turns into a membership, from tomorrow on.

        A member leaves when the hazard lived through exceeds a threshold of their own, drawn once: two worlds on one
        seed differ by what was lived through alone.
        """
        tomorrow = day + 1
        member = np.arange(join_day.size)
        paying = (self.paying_day <= day) & (self.leave_day > tomorrow)
        hazard = self.churn_level * np.exp(self.log_hazard()) * price_ratio**CHURN_PRICE
        self.cumulated[paying] += hazard[paying]
        leaves = paying & (self.cumulated >= exponentials(seed, member, 0, Stream.MEMBER_CHURN))
        self.leave_day[leaves] = tomorrow
        self.is_churn[leaves] = True
        ends = (join_day + trial_days == tomorrow) & (self.paying_day == NEVER)
        odds = (
            trial_paid_ratio
            / max(1.0 - trial_paid_ratio, 1e-12)
            * np.exp(TRIAL_SATISFACTION * self.satisfaction)
        )
        stays = uniforms(seed, member, 0, Stream.MEMBER_TRIAL) < odds / (1.0 + odds)
        self.paying_day[ends & stays] = tomorrow
        self.leave_day[ends & ~stays] = tomorrow


def strain_of(startup_ms: Floats, stall_ms: Floats, watched_ms: Floats, is_failed: Bools) -> Floats:
    """0..1, how ill a play went: all of it where it failed or stalled for 5 % of the time, half where it came late."""
    stalled = np.minimum(20.0 * stall_ms / np.maximum(watched_ms, 1.0), 1.0)
    late = 0.5 * (startup_ms >= 2_000)
    return np.asarray(np.where(is_failed, 1.0, np.minimum(stalled + late, 1.0)))


@compiled()
def _enter(member, is_played, is_new, joy, strain, satisfaction, strains):  # type: ignore[no-untyped-def]
    for i in range(member.size):
        m = member[i]
        if is_played[i]:
            strains[m] += MEMORY * (strain[i] - strains[m])
            if is_new[i]:
                satisfaction[m] += MEMORY * (joy[i] - satisfaction[m])
        else:
            satisfaction[m] += MEMORY * (NOTHING_FOUND_JOY - satisfaction[m])
