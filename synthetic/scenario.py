"""A scenario: the figures that describe a service and what happens to it, read from TOML, checked, frozen."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from metrics.errors import InputError, did_you_mean
from metrics.telemetry import DEVICES
from synthetic.incident_kinds import KINDS
from synthetic.switches import DELIVERY, SWITCHES

__all__ = ["CODEC_NAMES", "ExperimentSpec", "IncidentSpec", "Scenario", "load_scenario", "scenario_text"]

CODEC_NAMES = ("h264", "av1", "av1_fgs")
MOST_AT_A_TIME = 3
"""Experiments on one day."""

Ratio = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Shares = dict[str, Ratio]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Demand(_Frozen):
    hours_per_member_day: Positive
    activity_log_sd: Ratio
    diurnal: tuple[Positive, ...] = Field(min_length=24, max_length=24)
    weekly: tuple[Positive, ...] = Field(min_length=7, max_length=7)


class Membership(_Frozen):
    monthly_churn_ratio: Ratio
    monthly_join_ratio: Ratio
    trial_days: int = Field(ge=0)
    trial_paid_ratio: Ratio
    mean_tenure_days: Positive
    price_ratio: Positive = 1.0


class Latency(_Frozen):
    """Log-normal: median in ms and standard deviation of the logarithm."""

    median_ms: Positive
    log_sd: Positive


class Control(_Frozen):
    """``network`` is what hops and queues between services add to the latencies measured on them; ``auth``, ``home``
    and ``search`` are latencies in place of both."""

    network: Latency | None = None
    auth: Latency | None = None
    home: Latency | None = None
    search: Latency | None = None
    authorise: Latency
    steer: Latency
    licence: Latency
    degraded_home_median_ms: Positive
    auth_failure_ratio: Ratio
    business_failure_ratio: Ratio
    playback_failure_per_hour: Ratio

    @model_validator(mode="after")
    def _fits(self) -> Control:
        if self.network is None and None in (self.auth, self.home, self.search):
            raise ValueError("give network, or auth, home and search")
        return self


class Player(_Frozen):
    chunk_ms: int = Field(gt=0)
    buffer_ms: int = Field(gt=0)
    patience_ms: int = Field(ge=0)
    abandon_per_s: Ratio
    stall_loss_factor: float = Field(ge=0)
    seeks_per_hour: float = Field(ge=0)
    pauses_per_hour: float = Field(ge=0)
    pause_median_ms: Positive
    versions: Shares


class Delivery(_Frozen):
    edge_gbps: Positive
    storage_gbps: Positive
    edge_disk_tb: Positive
    storage_disk_tb: Positive
    edge_fill_gbps: Positive
    storage_fill_gbps: Positive
    edge_headroom_ratio: Positive
    storage_headroom_ratio: Positive
    peering_headroom_ratio: Positive
    off_edge_ratio: Annotated[float, Field(gt=0, le=1)]
    private_peering_ratio: Ratio
    fill_window_start_hour: int = Field(ge=0, le=23)
    fill_window_hours: int = Field(ge=1, le=24)
    release_lead_days: int = Field(ge=1)
    release_forecast_ratio: Positive
    appliance_away_ratio: Annotated[float, Field(gt=0, lt=1)]
    steering_load_ratio: Annotated[float, Field(gt=0, le=1)]
    mean_session_minutes: Positive
    mean_stream_kbps: Positive
    edge_rtt_ms: Positive
    private_peering_rtt_ms: Positive
    public_peering_rtt_ms: Positive
    third_party_rtt_ms: Positive
    third_party_miss_ratio: Ratio
    third_party_miss_ms: Positive
    third_party_log_throughput: float
    origin_first_byte_ms: Positive


class Codecs(_Frozen):
    bitrate_ratio: dict[str, Positive]
    ladder_kbps: tuple[Positive, ...] = Field(min_length=10, max_length=10)
    av1_titles: int = Field(ge=0)
    grain_ratio: Ratio

    @model_validator(mode="after")
    def _fits(self) -> Codecs:
        if not all(low < high for low, high in pairwise(self.ladder_kbps)):
            raise ValueError("ladder_kbps must rise from rung to rung")
        return self


class Telemetry(_Frozen):
    event_sample_ratio: float = Field(gt=0, le=1)
    request_sample_ratio: float = Field(gt=0, le=1)
    first_week_sample_ratio: float = Field(default=1.0, gt=0, le=1)


class Device(_Frozen):
    share: Ratio
    max_rung: int = Field(ge=0, le=9)
    av1_ratio: Ratio
    os: Shares


class Region(_Frozen):
    member_share: Ratio
    sites: int = Field(gt=0)
    isps: int = Field(gt=0)
    exchanges: int = Field(gt=0)
    access_rtt_ms: Positive
    cloud_rtt_ms: Positive
    countries: dict[str, tuple[Ratio, float]]
    access: Shares
    fixed_log_shift: float
    evening_log_loss: float
    mobile_tilt: Positive

    @model_validator(mode="after")
    def _fits(self) -> Region:
        if self.isps > self.sites:
            raise ValueError(f"isps = {self.isps} needs at least as many sites, not {self.sites}")
        _sums_to_one("countries", {name: share for name, (share, _) in self.countries.items()})
        _sums_to_one("access", self.access)
        return self


class IncidentSpec(_Frozen):
    """What goes wrong: ``kind`` is one of :data:`~synthetic.incident_kinds.KINDS`, ``scope`` an attribute combination.

    Names in the scope are those of the scenario and its places; ``@n`` is the n-th largest place, by members,
    within the rest of the scope. :func:`~synthetic.incidents.resolve_incidents` checks that they exist.
    """

    id: str = Field(min_length=1)
    kind: str
    start: datetime
    minutes: int = Field(gt=0, le=3660 * 1440)
    ramp_minutes: int = Field(ge=0)
    severity: Ratio
    scope: dict[str, str]

    @model_validator(mode="after")
    def _fits(self) -> IncidentSpec:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise ValueError(f"{self.id}: no kind {self.kind!r}; {did_you_mean(self.kind, KINDS)}")
        for key in self.scope:
            if key not in kind.scope:
                raise ValueError(
                    f"{self.id}: {self.kind} cannot name {key!r}; {did_you_mean(key, kind.scope)}"
                )
        for key in kind.needs:
            if key not in self.scope:
                raise ValueError(f"{self.id}: {self.kind} needs its {key} in the scope")
        if self.ramp_minutes > self.minutes:
            raise ValueError(
                f"{self.id}: ramp_minutes = {self.ramp_minutes} is longer than minutes = {self.minutes}"
            )
        return self

    @property
    def start_ts_ms(self) -> int:
        """Start, UTC epoch ms; a time without a zone counts as UTC."""
        start = self.start if self.start.tzinfo else self.start.replace(tzinfo=UTC)
        return int(start.timestamp() * 1000)


class ExperimentSpec(_Frozen):
    """An A/B test: ``share`` of the members have ``switch``, one of :data:`~synthetic.switches.SWITCHES`, turned.

    From ``from_day`` on, before ``to_day``; both on the first day of a week, when models are trained.
    """

    name: str = Field(min_length=1)
    switch: str
    share: Annotated[float, Field(gt=0, lt=1)]
    from_day: int = Field(ge=0, multiple_of=7)
    to_day: int = Field(gt=0, multiple_of=7)

    @model_validator(mode="after")
    def _fits(self) -> ExperimentSpec:
        if self.switch not in SWITCHES:
            raise ValueError(f"{self.name}: no switch {self.switch!r}; {did_you_mean(self.switch, SWITCHES)}")
        if self.from_day >= self.to_day:
            raise ValueError(f"{self.name}: from_day = {self.from_day} is not before to_day = {self.to_day}")
        return self


class Scenario(_Frozen):
    """Everything the emulator needs to know; see ``synthetic/scenarios/quarter.toml`` for each figure's source."""

    name: str
    start: date
    days: int = Field(gt=0, le=3660)
    seed: int = Field(ge=0, lt=2**62)
    panel: int = Field(ge=64, description="simulated subscribers; at least 64, two a jackknife group")
    members: int = Field(gt=0)
    titles: int = Field(ge=1000)
    demand: Demand
    membership: Membership
    control: Control
    player: Player
    delivery: Delivery
    codecs: Codecs
    telemetry: Telemetry
    device: dict[str, Device]
    region: dict[str, Region]
    incident: tuple[IncidentSpec, ...] = ()
    experiment: tuple[ExperimentSpec, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Scenario:
        _sums_to_one("region.*.member_share", {n: r.member_share for n, r in self.region.items()})
        _sums_to_one("device.*.share", {n: d.share for n, d in self.device.items()})
        _sums_to_one("player.versions", self.player.versions)
        _same_names("device", self.device, DEVICES)
        _same_names("codecs.bitrate_ratio", self.codecs.bitrate_ratio, CODEC_NAMES)
        _only_once("experiment.name", [spec.name for spec in self.experiment])
        _one_at_a_time([spec for spec in self.experiment if spec.switch in DELIVERY])
        _few_at_a_time(self.experiment)
        _only_once("incident.id", [incident.id for incident in self.incident])
        _only_once(
            "region.*.countries", [name for region in self.region.values() for name in region.countries]
        )
        return self

    @property
    def start_ts_ms(self) -> int:
        """Midnight UTC of the first day, epoch ms."""
        return int(datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC).timestamp() * 1000)


def load_scenario(path: Path | None = None, **changes: int | None) -> Scenario:
    """The scenario in ``path`` (the shipped quarter when None) with non-null ``changes`` laid over it.

    Raises :class:`~metrics.errors.InputError` naming the file, the key and the mend.
    """
    # Names in a scope are looked up among the places, which are made from a scenario.
    from synthetic.incidents import resolve_incidents
    from synthetic.places import make_places

    text, where = scenario_text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML: {error}", where=where, mend="mend the line named") from None
    data |= {key: value for key, value in changes.items() if value is not None}
    try:
        scenario = Scenario.model_validate(data)
        resolve_incidents(scenario, make_places(scenario))
    except InputError as error:
        raise InputError(error.what, where=f"{where}: {error.where}", mend=error.mend) from None
    except ValidationError as error:
        first, *rest = error.errors()
        key = ".".join(map(str, first["loc"])) or "scenario"
        message = first["msg"].removeprefix("Value error, ")
        more = f" (and {len(rest)} more)" if rest else ""
        if first["type"] == "extra_forbidden":
            message = "unknown key"
        raise InputError(
            f"{key}: {message}{more}", where=where, mend="see docs/scenarios.md for every key"
        ) from None
    return scenario


def scenario_text(path: Path | None = None) -> tuple[str, str]:
    """The text of a scenario file (the shipped quarter when None) and what to call it."""
    if path is None:
        return files("synthetic").joinpath("scenarios/quarter.toml").read_text("utf-8"), "quarter.toml"
    try:
        return path.read_text("utf-8"), str(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(
            f"cannot be read ({reason})",
            where=str(path),
            mend="give a scenario in TOML, or none for the shipped one",
        ) from None


def _same_names(name: str, given: Iterable[str], known: Sequence[str]) -> None:
    if set(given) != set(known):
        raise ValueError(f"{name} must name exactly {', '.join(known)}")


def _only_once(name: str, values: Sequence[str]) -> None:
    twice = next((value for at, value in enumerate(values) if value in values[:at]), None)
    if twice is not None:
        raise ValueError(f"{name}: {twice!r} stands twice")


def _one_at_a_time(specs: Sequence[ExperimentSpec]) -> None:
    """A play is delivered in one world: who is in two experiments on delivery would have to be in both."""
    for before, after in pairwise(sorted(specs, key=lambda spec: spec.from_day)):
        if after.from_day < before.to_day:
            raise ValueError(
                f"{before.name} and {after.name} both switch delivery; let one end before the other"
            )


def _few_at_a_time(specs: Sequence[ExperimentSpec]) -> None:
    """Of n at a time every combination of arms has models of its own, 2^n of them."""
    for spec in specs:
        running = [other.name for other in specs if other.from_day <= spec.from_day < other.to_day]
        if len(running) > MOST_AT_A_TIME:
            raise ValueError(
                f"{', '.join(running)} run at a time, where {MOST_AT_A_TIME} can; let one end before the other"
            )


def _sums_to_one(name: str, shares: dict[str, float]) -> None:
    total = sum(shares.values())
    if not abs(total - 1) < 1e-6:
        raise ValueError(f"{name} sums to {total:.4f}, not 1")
