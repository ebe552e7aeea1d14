"""Effects of experiments, estimated from units: any table of one's own will do.

It knows what was measured of each unit and which arm the unit is in; nothing of lakes or of what Playhead measures
(:mod:`metrics.experiment` reads those). ``effects`` takes a table; the other functions take arrays.
"""

from metrics.effects.design import adjusted_p, sample_ratio_p, units_per_arm
from metrics.effects.difference import difference, regression
from metrics.effects.estimate import Estimate
from metrics.effects.interleaving import preference, sensitivity_gain, team_draft
from metrics.effects.moments import Moments
from metrics.effects.quantile import quantile_difference
from metrics.effects.report import effects

__all__ = [
    "Estimate", "Moments", "adjusted_p", "difference", "effects", "preference", "quantile_difference", "regression",
    "sample_ratio_p", "sensitivity_gain", "team_draft", "units_per_arm",
]  # fmt: skip
