"""Which cubes are kept of a table: what of the catalogue is added up, and by what.

By day and a few sets of dimensions, for pages that look at weeks. By the quarter of an hour and fewer, for whoever
looks at an incident. And by arm of each experiment over all of its time, for those that compare them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from metrics.arms import HEADLINE, comparable
from metrics.catalog import METRICS
from metrics.parts import ARMS, HOLDOUT, Part, dimensions_of, has_arms, is_weighted
from metrics.period import DAY_MS
from metrics.plan import SERVICE_FILTERS, Cut, PartKey, parts_by_key

__all__ = ["TABLES", "Kept", "kept_of", "kind_of"]

TABLES = (
    "playback_session",
    "membership",
    "minute_count",
    "delivery",
    "control_request",
    "visit",
    "search",
    "impression",
    "fill",
)
"""Tables that have cubes; a bill is small, and spread over any period."""

_QUARTER_HOUR_MS = 900_000
# The sets of dimensions; of each, those that the table tells. A sketch has a row a bucket, so of few.
_SUMS = (
    Cut(("region", "isp", "device", "codec", "cdn")),
    Cut(("region", "country", "site")),
    Cut(("region", "device", "os", "player_version", "surface")),
    Cut(("region", "tier", "miss_class", "service", "plan", "status")),
    Cut(("region", "device"), replicates=True),
)
_SKETCHES = (
    Cut(("region", "isp")),
    Cut(("region", "device")),
    Cut(("codec", "cdn")),
    Cut(("service",)),
    Cut(replicates=True),
)
_QUARTERS = (Cut(("region", "cdn")), Cut(("device", "cdn")))
# What is spread over titles has a row a title: of a slice without jackknife groups.
_TITLES = (Cut(("region", "device")), Cut(replicates=True))
_HOLDOUTS = (Cut(("region",), replicates=True),)
_ARMS = (
    Cut(("region", "device"), replicates=True),
    Cut(("isp",), replicates=True),
    Cut(("codec", "cdn"), replicates=True),
)
_ARMS_OF_SKETCHES = (Cut(("region",), replicates=True), Cut(("device",), replicates=True))


@dataclass(frozen=True)
class Kept:
    """Cubes of ``parts``, which have one ``key``: a cut each, all of the same rows; ``arms`` where those are by arm."""

    key: PartKey
    parts: tuple[Part, ...]
    cuts: tuple[Cut, ...]
    arms: bool = False


def kept_of(table: str) -> Iterator[Kept]:
    """The cubes of a table."""
    for key, parts in _wanted(table).items():
        cuts = _by_day(key)
        if not (key.sketch or key.groups or key.is_level or any(part.of.derived for part in parts)):
            cuts += tuple(replace(cut, grain_ms=_QUARTER_HOUR_MS) for cut in _QUARTERS)
        if cuts:
            yield Kept(key, tuple(parts), _told(table, cuts))
    if has_arms(table):
        headline = [METRICS[name] for name in HEADLINE if comparable(METRICS[name])]
        for key, parts in parts_by_key(headline, Cut()).items():
            if key.table == table and not key.groups:
                cuts = _ARMS_OF_SKETCHES if key.sketch else _ARMS
                by_arm = tuple(replace(cut, by=(*cut.by, *ARMS)) for cut in cuts)
                yield Kept(key, tuple(parts), _told(table, by_arm), arms=True)


def kind_of(key: PartKey) -> str:
    """What sort of cube tells parts of this key: of what the rows of one are beside dimensions and instant."""
    return key.sketch or "+".join(key.groups) or ("level" if key.is_level else "sum")


def _by_day(key: PartKey) -> tuple[Cut, ...]:
    sets = {(): _SKETCHES if key.sketch else _SUMS, ("content_id",): _TITLES, (HOLDOUT,): _HOLDOUTS}
    return tuple(replace(cut, grain_ms=DAY_MS) for cut in sets.get(key.groups, ()))


def _told(table: str, cuts: tuple[Cut, ...]) -> tuple[Cut, ...]:
    """The cuts by what the table tells of them, each once."""
    known = dimensions_of(table)
    return tuple(
        dict.fromkeys(
            replace(
                cut,
                by=tuple(name for name in (*SERVICE_FILTERS, *cut.by) if name in known),
                replicates=cut.replicates and is_weighted(table),
            )
            for cut in cuts
        )
    )


def _wanted(table: str) -> Mapping[PartKey, list[Part]]:
    """What metrics ask of ``table`` by day, on each clock; and by none, which is on the first."""
    by_day = parts_by_key(METRICS.values(), Cut(grain_ms=DAY_MS))
    by_none = parts_by_key((metric for metric in METRICS.values() if not metric.groups), Cut())
    wanted: dict[PartKey, list[Part]] = {}
    for key, parts in (*by_day.items(), *((key, parts) for key, parts in by_none.items() if not key.sketch)):
        if key.table == table:
            wanted.setdefault(replace(key, is_sliced=True), []).extend(parts)
    return wanted
