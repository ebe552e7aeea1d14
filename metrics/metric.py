"""What a metric is: a frozen declaration that tooltips, formats, glossary, tree and queries derive from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from metrics.parts import HOLDOUT, Clock, Part

__all__ = ["Driver", "Metric", "Spread"]

Spread = Literal["hill_1", "hill_2", "rank"]


@dataclass(frozen=True)
class Driver:
    """An edge of the north-star tree: an *identity* is arithmetic, an *influence* an estimate. Never mixed."""

    metric: str
    edge: Literal["identity", "influence"]


@dataclass(frozen=True)
class Metric:
    """A metric: its parts, its one clock, and what people need to read it.

    ``numerator / denominator`` where there is a denominator, the sum itself where there is none; where
    ``quantile`` is given, that quantile of ``numerator.value`` over the numerator's rows, and of the time to an
    event (``numerator.after``) by Kaplan and Meier. ``spread`` says how the numerator is spread over the values
    of the column ``across`` (:mod:`metrics.spread`); with ``within``, of each value of that one, and on average.
    Where it ``is_incremental``, the value is what the ratio is lower by in a holdout, as a share of what it is
    outside of it; a metric ``is_signed`` that may fall below 0. ``format`` is a Python format string of the value;
    ``limit`` is the contract's bound (kept when the value lies on the ``better`` side of it); ``source`` says where
    the definition comes from.
    """

    name: str
    title: str
    about: str
    unit: str
    format: str
    clock: Clock
    numerator: Part
    denominator: Part | None = None
    quantile: Fraction | None = None
    spread: Spread | None = None
    across: str = ""
    within: str = ""
    is_incremental: bool = False
    is_signed: bool = False
    better: Literal["higher", "lower"] = "higher"
    limit: float | None = None
    drivers: tuple[Driver, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        """Hold both sides to the same rows: what one side needs to be told, the other needs too."""
        top, bottom = self.numerator, self.denominator
        if bottom is not None and bottom.table == top.table:
            object.__setattr__(self, "numerator", top.telling(*bottom.of.needs))
            object.__setattr__(self, "denominator", bottom.telling(*top.of.needs))

    @property
    def kind(self) -> Literal["ratio", "total", "quantile", "survival", "spread", "incremental"]:
        """How parts become the value."""
        if self.is_incremental:
            return "incremental"
        if self.quantile is not None:
            return "quantile" if self.numerator.after is None else "survival"
        if self.spread is not None:
            return "spread"
        return "total" if self.denominator is None else "ratio"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The additive parts it needs; a quantile's is its sketch, a spread's is what is spread."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns its part is added up by beside the dimensions asked for."""
        if self.is_incremental:
            return (HOLDOUT,)
        return tuple(name for name in (self.within, self.across) if name)

    @property
    def needs(self) -> tuple[str, ...]:
        """The measures (:mod:`metrics.unknown`) that a session must tell, or it is left out."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.of.needs))

    def show(self, value: float | None) -> str:
        """The value as people read it: the one place that formats figures."""
        if value is None:
            return "no data"
        text = self.format.format(value)
        # What rounds to nothing has no sign.
        return text if any(digit in text for digit in "123456789") else text.replace("-", "", 1)

    def keeps(self, value: float | None) -> bool | None:
        """Whether ``value`` keeps the limit; null without a limit or a value."""
        if value is None or self.limit is None:
            return None
        return value < self.limit if self.better == "lower" else value >= self.limit
