"""Alert policies: when a budget burns fast enough to wake somebody, as data.

An alert fires when the budget burns faster than ``factor`` over a long window (enough of it is gone to
matter) and over a short one (it is still going)::

    factor = budget share spent in the long window × period ÷ long window

(Site Reliability Workbook, chapter 5). It can fire at all only if factor × budget < 1: a share of bad
events cannot exceed one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alerts.source import Document, read_documents
from metrics.errors import InputError

__all__ = [
    "BaselinePolicy",
    "BurnPolicy",
    "Pair",
    "Policy",
    "Usual",
    "duration_text",
    "load_policies",
    "parse_duration",
]

SHIPPED = Path(__file__).parent / "windows"
MINUTE_MS = 60_000
_UNIT_MS = {"m": MINUTE_MS, "h": 60 * MINUTE_MS, "d": 1440 * MINUTE_MS, "w": 7 * 1440 * MINUTE_MS}


def parse_duration(text: object) -> int:
    """Milliseconds of a duration in OpenSLO's shorthand: minutes, hours, days or weeks.

    >>> parse_duration("6h")
    21600000
    """
    match = re.fullmatch(r"([1-9]\d{0,5})([mhdw])", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 5m, 6h, 30d or 4w")
    return int(match[1]) * _UNIT_MS[match[2]]


def duration_text(duration_ms: int) -> str:
    """The shortest way Prometheus writes a duration of whole minutes.

    >>> duration_text(2_592_000_000), duration_text(5_400_000)
    ('30d', '90m')
    """
    unit = next(u for u in ("d", "h", "m") if duration_ms % _UNIT_MS[u] == 0)
    return f"{duration_ms // _UNIT_MS[unit]}{unit}"


Duration = Annotated[int, BeforeValidator(parse_duration)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pair(_Frozen):
    """A long and a short window, and the share of the period's budget whose loss in the long one counts.

    ``long_nats`` and ``short_nats``: the evidence each window must show that its share of bad events is above
    the budget's, or the usual one (:mod:`alerts.evidence`); 0 asks for none.
    """

    long_ms: Duration = Field(alias="long")
    short_ms: Duration = Field(alias="short")
    budget_share_ratio: Decimal = Field(gt=0, le=1)
    long_nats: float = Field(default=0, ge=0, le=1000)
    short_nats: float = Field(default=0, ge=0, le=1000)

    @property
    def text(self) -> str:
        return f"{duration_text(self.long_ms)}/{duration_text(self.short_ms)}"

    @model_validator(mode="after")
    def _short_is_shorter(self) -> Pair:
        if self.short_ms >= self.long_ms:
            raise ValueError("the short window is not shorter than the long one")
        return self

    @property
    def evidence(self) -> dict[int, float]:
        """Nats asked for by window length in ms, where any are."""
        asked = {self.long_ms: self.long_nats, self.short_ms: self.short_nats}
        return {window_ms: nats for window_ms, nats in asked.items() if nats > 0}

    def factor(self, period_ms: int) -> float:
        """Burn rate at which this pair fires.

        >>> Pair(long="1h", short="5m", budget_share_ratio=Decimal("0.02")).factor(30 * 86_400_000)
        14.4
        """
        return float(Fraction(self.budget_share_ratio) * period_ms / self.long_ms)


class Usual(_Frozen):
    """The share of bad events that is usual: the least of those over some windows past.

    The least, because an incident soon fills the shorter ones and long stays in the longer ones. It is at least
    the budget, and at most ``burn_maximum`` times the budget: what is burnt faster is never usual.
    """

    over_ms: tuple[Duration, ...] = Field(alias="over", min_length=1)
    burn_maximum: Decimal = Field(ge=1)


class _Policy(_Frozen):
    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    about: str
    source: str
    grade: Literal["measured", "cited", "derived", "assumed"]


class BurnPolicy(_Policy):
    """Multi-window multi-burn-rate alerting for budgets of one period.

    ``bad_events_minimum`` is the low-traffic guard: no pair fires on fewer bad events, counted in
    effective (unweighted) events of its long window. Evidence, where pairs ask for it, is against the budget's share,
    or against the ``usual`` one.
    """

    kind: Literal["burn_rate"]
    period_ms: Duration = Field(alias="period")
    bad_events_minimum: int = Field(ge=1)
    usual: Usual | None = None
    for_ms: Duration | None = Field(default=None, alias="for")
    keep_firing_ms: Duration | None = Field(default=None, alias="keep_firing_for")
    page: tuple[Pair, ...] = ()
    ticket: tuple[Pair, ...] = ()

    @model_validator(mode="after")
    def _windows_fit(self) -> BurnPolicy:
        if not self.severities:
            raise ValueError("no pair of windows, so it could never fire")
        for pair in (*self.page, *self.ticket):
            if pair.long_ms > self.period_ms:
                raise ValueError(f"window {pair.text} is longer than the period")
            # Evidence tells that a share is not the budget's, and the factor that it is above it.
            if pair.evidence and pair.factor(self.period_ms) < 1:
                raise ValueError(f"pair {pair.text} fires below the burn rate of 1 that evidence is against")
        if self.usual is not None and max(self.usual.over_ms) > self.period_ms:
            raise ValueError("what is usual is told from more than the period")
        return self

    @property
    def severities(self) -> Mapping[str, tuple[Pair, ...]]:
        """Pairs by severity; a severity without pairs is left out."""
        both = {"page": self.page, "ticket": self.ticket}
        return {severity: pairs for severity, pairs in both.items() if pairs}

    def pending_ms(self, severity: str) -> int:
        """For how long an alert of that severity must hold before it fires."""
        return self.for_ms or 0


class BaselinePolicy(_Policy):
    """An alert on leaving the seasonal pattern, for a share that no burn rate can watch.

    A bucket counts only with ``cohort_minimum`` effective events; the alert fires at the
    ``persistence``-th anomalous bucket in a row.
    """

    kind: Literal["seasonal_baseline"]
    grain: Literal["1h"]
    persistence: int = Field(ge=1)
    cohort_minimum: int = Field(ge=1)
    severity: Literal["page", "ticket"]


Policy = BurnPolicy | BaselinePolicy


def load_policies(paths: Iterable[Path] = ()) -> dict[str, Policy]:
    """The shipped policies and those of ``paths``, by name.

    Raises :class:`~metrics.errors.InputError` with ``file:line`` for a policy that cannot be read or whose
    name is taken.
    """
    policies: dict[str, Policy] = {}
    for path in (*sorted(SHIPPED.glob("*.yaml")), *paths):
        for document in read_documents(path):
            policy = _policy(document)
            if policy.name in policies:
                raise InputError(
                    f"a policy named {policy.name!r} exists already",
                    where=document.where("name"),
                    mend="rename it",
                )
            policies[policy.name] = policy
    return policies


def _policy(document: Document) -> Policy:
    kind = document.value.get("kind") if isinstance(document.value, dict) else None
    if kind == "burn_rate":
        return document.parse(BurnPolicy)
    if kind == "seasonal_baseline":
        return document.parse(BaselinePolicy)
    raise InputError(
        f"kind {kind!r} is no alert policy",
        where=document.where("kind"),
        mend="burn_rate or seasonal_baseline",
    )
