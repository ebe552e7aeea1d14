"""Rates: every price and quantity as data, with its unit, dates, region, source and grade.

A file is validated once, when it is loaded; what is refused is refused in one line that names the file and
the entry. Figures stay exact decimals: they are read from the text of the file, never through a float.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from metrics.errors import InputError, did_you_mean

__all__ = ["GLOBAL", "Rate", "Rates", "Tier", "load"]

GLOBAL = "global"
_SHIPPED = Path(__file__).with_name("rates.toml")
_EXACT = Context(prec=28)
_MONEY = re.compile(r"^(?P<currency>[A-Z]{3})(/|$)")

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_Positive = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class Tier(BaseModel):
    """A price for the volume above a threshold, in the quantity of the rate's unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    above: Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
    price: _Positive


class Rate(BaseModel):
    """One entry: a value, a 90 % range or volume tiers, with the ground it stands on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Text
    about: _Text
    value: _Positive | None = None
    range_90: tuple[_Positive, _Positive] | None = None
    tiers: tuple[Tier, ...] | None = None
    unit: _Text
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] | None = None
    effective_from: date
    effective_to: date | None = None
    region: _Text
    source: _Text
    grade: Literal["measured", "cited", "derived", "assumed"]

    @model_validator(mode="after")
    def _holds_together(self) -> Rate:
        if sum(x is not None for x in (self.value, self.range_90, self.tiers)) != 1:
            raise ValueError("give exactly one of value, range_90 or tiers")
        money = _MONEY.match(self.unit)
        if money and self.currency is None:
            raise ValueError(f'currency is missing (unit {self.unit}); add currency = "{money["currency"]}"')
        if self.currency and (money is None or money["currency"] != self.currency):
            raise ValueError(f"currency {self.currency} does not fit unit {self.unit}")
        if self.range_90 and self.range_90[0] >= self.range_90[1]:
            raise ValueError("range_90 is not [low, high]")
        if self.unit == "ratio" and max(self.range_90 or (self.value or Decimal(0),)) >= 1:
            raise ValueError("a ratio lies between 0 and 1")
        if self.tiers is not None:
            above = [tier.above for tier in self.tiers]
            if not above or above[0] != 0 or any(a >= b for a, b in pairwise(above)):
                raise ValueError("tiers do not start at 0 and rise")
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            raise ValueError("effective_to is not after effective_from")
        return self

    @property
    def figure(self) -> str:
        """The entry's value as text, for people.

        >>> load().at("transit_price", date(2026, 4, 1)).figure
        '0.07–0.20'
        """
        if self.value is not None:
            return f"{self.value:,}"
        if self.range_90 is not None:
            return "–".join(f"{x:,}" for x in self.range_90)
        return " → ".join(f"{tier.price:,}" for tier in ((self.tiers or ())[0], (self.tiers or ())[-1]))

    def point(self) -> Decimal:
        """The one figure used where one is needed: the value, or the median of the range.

        The median is that of the distribution drawn from: sqrt(low · high) for a log-normal; for a ratio the
        same of the odds. A price in tiers gives its last tier, the one that matters at volume.
        """
        if self.value is not None:
            return self.value
        if self.tiers is not None:
            return self.tiers[-1].price
        low, high = self.range_90 or (Decimal(1), Decimal(1))
        if self.unit == "ratio":
            odds = (low / (1 - low) * high / (1 - high)).sqrt(_EXACT)
            return _significant(odds / (1 + odds))
        return _significant((low * high).sqrt(_EXACT))

    def is_effective(self, day: date) -> bool:
        """Whether ``day`` lies in the entry's effective period."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)


@dataclass(frozen=True)
class Rates:
    """Validated entries. ``overridden`` names those that a user's file replaced."""

    entries: tuple[Rate, ...]
    file: str
    overridden: frozenset[str] = frozenset()

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[Rate, ...]]:
        found: dict[str, list[Rate]] = {}
        for rate in self.entries:
            found.setdefault(rate.name, []).append(rate)
        return {name: tuple(rates) for name, rates in found.items()}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the entries, in the file's order."""
        return tuple(dict.fromkeys(rate.name for rate in self.entries))

    def at(self, name: str, day: date, region: str = GLOBAL) -> Rate:
        """The entry in force on ``day`` in ``region``; the global one where the region has none.

        Raises :class:`~metrics.errors.InputError` where the name is unknown or nothing is in force.
        """
        if name not in self._by_name:
            raise InputError(f"no rate {name!r}", where=self.file, mend=did_you_mean(name, self.names))
        for place in dict.fromkeys((region, GLOBAL)):
            for rate in self._by_name[name]:
                if rate.region == place and rate.is_effective(day):
                    return rate
        raise InputError(
            f"entry {name}: no price in force on {day} in {region}",
            where=self.file,
            mend="add an entry whose effective period covers it",
        )

    def usd(self, name: str, day: date, region: str = GLOBAL) -> Decimal:
        """The entry's point, money converted to USD at ``usd_per_<currency>`` of the day."""
        rate = self.at(name, day, region)
        return rate.point() * self.usd_per(rate.currency, day)

    def usd_per(self, currency: str | None, day: date) -> Decimal:
        """Exchange rate to USD; 1 for USD and for what is not money."""
        if currency in (None, "USD"):
            return Decimal(1)
        return self.at(f"usd_per_{str(currency).lower()}", day).point()

    def differences(self, other: Rates) -> list[dict[str, str]]:
        """What ``self`` has otherwise than ``other``: a row a rate and region, with both figures."""
        mine, theirs = self._by_place(), other._by_place()
        rows = []
        for name, region in sorted(mine.keys() | theirs.keys()):
            ours, others = mine.get((name, region), ()), theirs.get((name, region), ())
            if ours != others:
                rows.append(
                    {
                        "rate": name,
                        "region": region,
                        "figure": _periods(ours),
                        "instead_of": _periods(others),
                        "unit": (ours or others)[0].unit,
                        "source": ours[0].source if ours else "",
                    }
                )
        return rows

    def _by_place(self) -> dict[tuple[str, str], tuple[Rate, ...]]:
        places: dict[tuple[str, str], tuple[Rate, ...]] = {}
        for rate in sorted(self.entries, key=lambda r: r.effective_from):
            place = rate.name, rate.region
            places[place] = (*places.get(place, ()), rate)
        return places


def load(path: Path | Sequence[Path] | None = None) -> Rates:
    """The shipped rates, with the entries of ``path`` in place of those of the same name; of several, the last.

    Raises :class:`~metrics.errors.InputError`, one line with file and entry, for anything that is not a
    well-formed entry with unit and source, for a unit other than the shipped entry's, for overlapping
    effective periods and for names that no identity of the model uses.
    """
    shipped = Rates(_read(_SHIPPED), "rates.toml")
    paths = [path] if isinstance(path, Path) else list(path or ())
    rates = shipped
    for one in paths:
        rates = _replaced(rates, one, {rate.name: rate.unit for rate in shipped.entries})
    return rates


def _replaced(rates: Rates, path: Path, units: Mapping[str, str]) -> Rates:
    own = _read(path)
    for rate in own:
        if rate.name.startswith("usd_per_"):
            continue
        if rate.name not in units:
            raise InputError(
                f"entry {rate.name}: unknown", where=str(path), mend=did_you_mean(rate.name, units)
            )
        if _without_currency(rate.unit) != _without_currency(units[rate.name]):
            raise InputError(
                f"entry {rate.name}: unit is {rate.unit}",
                where=str(path),
                mend=f"give it in {units[rate.name]}",
            )
    replaced = frozenset(rate.name for rate in own)
    kept = tuple(rate for rate in rates.entries if rate.name not in replaced)
    file = f"{rates.file}, {path}" if rates.overridden else str(path)
    merged = Rates(kept + own, file, rates.overridden | replaced)
    for rate in own:
        merged.usd_per(rate.currency, rate.effective_from)
    return merged


def _read(path: Path) -> tuple[Rate, ...]:
    where = path.name if path == _SHIPPED else str(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", where=where, mend="check the path to the rates file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"not TOML: {error}", where=where, mend="see the shipped rates.toml for the form"
        ) from error
    rates: list[Rate] = []
    for name, entries in document.items():
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, dict):
                raise InputError(f"entry {name}: not a table", where=where, mend=f"write it as [{name}]")
            rates.append(_rate(name, entry, where))
    _refuse_overlaps(rates, where)
    return tuple(rates)


def _rate(name: str, entry: Mapping[str, Any], where: str) -> Rate:
    known = set(Rate.model_fields) - {"name"}
    for key in entry:
        if key not in known:
            raise InputError(f"entry {name}: unknown key {key!r}", where=where, mend=did_you_mean(key, known))
    try:
        return Rate.model_validate({"name": name, **entry})
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"] if part != "name")
        if fault["type"] == "missing":
            what, mend = f"{key} is missing", f"add {key} = …"
        elif fault["type"] == "greater_than":
            what, mend = (
                f"{key} is {fault['input']}",
                "a price or quantity is above 0; leave the entry out if unused",
            )
        else:
            text = fault["msg"].removeprefix("Value error, ")
            what, mend = (f"{key}: {text}" if key else text), ""
        raise InputError(f"entry {name}: {what}", where=where, mend=mend) from error


def _refuse_overlaps(rates: list[Rate], where: str) -> None:
    ordered = sorted(rates, key=lambda r: (r.name, r.region, r.effective_from))
    for before, after in pairwise(ordered):
        if (before.name, before.region) == (after.name, after.region) and before.is_effective(
            after.effective_from
        ):
            raise InputError(
                f"entry {after.name}: periods overlap from {after.effective_from} in {after.region}",
                where=where,
                mend="give the earlier one an effective_to",
            )


def _periods(entries: tuple[Rate, ...]) -> str:
    if len(entries) < 2:
        return entries[0].figure if entries else "–"
    return ", ".join(f"{rate.figure} from {rate.effective_from}" for rate in entries)


def _without_currency(unit: str) -> str:
    return _MONEY.sub("money/", unit)


def _significant(number: Decimal) -> Decimal:
    return Context(prec=12).create_decimal(number)
