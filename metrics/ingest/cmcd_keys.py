"""The reserved keys of Common Media Client Data, versions 1 and 2, as data.

Source: CTA-5004-B (14 April 2026), Table 1; version 1 is CTA-5004 (September 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = [
    "AGGREGATES",
    "EVENTS",
    "HEADERS",
    "KEYS",
    "NEWEST_VERSION",
    "OBJECT_TYPES",
    "RESPONSE_KEYS",
    "Key",
    "Kind",
]

NEWEST_VERSION = 2
_UNBOUNDED = 10**15
HEADERS = ("CMCD-Object", "CMCD-Request", "CMCD-Session", "CMCD-Status")
OBJECT_TYPES = ("m", "a", "v", "av", "i", "c", "tt", "k", "o")
EVENTS = (
    "abs", "abe", "ae", "as", "b", "bc", "c", "ce", "e", "h", "m", "pc", "pe", "pr", "ps", "rr", "sk", "t",
    "um",
)  # fmt: skip
STATES = ("s", "p", "k", "r", "a", "w", "e", "f", "q", "d")
# Only an event of type rr (response received) may carry these.
RESPONSE_KEYS = ("cmsdd", "cmsds", "rc", "smrt", "ttfb", "ttfbb", "ttlb")

# An aggregate must not be sent where the rate it stands in for is known.
AGGREGATES = MappingProxyType({"ab": "br", "lab": "lb", "tab": "tb"})

# `integers` and `strings` are inner lists; the integers of one may be told apart by object type.
Kind = Literal["boolean", "integer", "decimal", "string", "token", "integers", "strings"]


@dataclass(frozen=True)
class Key:
    """One reserved key: its kind in each version it exists in, and what its value may be.

    ``max_chars`` is by version where it changed; ``rounded`` is the multiple a value is to be rounded to;
    ``least`` the smallest number that its unit allows; ``object_types`` those it may be sent with, if not any.
    """

    name: str
    v2: Kind | None
    v1: Kind | None = None
    header: str = ""
    v1_header: str = ""
    event_only: bool = False
    tokens: tuple[str, ...] = ()
    v1_tokens: tuple[str, ...] = ()
    max_chars: int | None = None
    v1_max_chars: int | None = None
    rounded: int = 1
    least: int = 0
    object_types: tuple[str, ...] = ()

    @property
    def is_advised(self) -> bool:
        """Whether the text asks more of a value than that it be of its kind."""
        return self.rounded > 1 or self.name in ("nor", "nrr", "pr", "v")

    def kind(self, version: int) -> Kind | None:
        """The kind of value in that version; None where the version does not know the key."""
        return self.v1 if version == 1 else self.v2


def _object(name: str, v2: Kind | None, v1: Kind | None = None, **more: object) -> Key:
    return Key(name, v2, v1, header="CMCD-Object", **more)  # type: ignore[arg-type]


def _request(name: str, v2: Kind | None, v1: Kind | None = None, **more: object) -> Key:
    return Key(name, v2, v1, header="CMCD-Request", **more)  # type: ignore[arg-type]


def _session(name: str, v2: Kind | None, v1: Kind | None = None, **more: object) -> Key:
    return Key(name, v2, v1, header="CMCD-Session", **more)  # type: ignore[arg-type]


def _status(name: str, v2: Kind | None, v1: Kind | None = None, **more: object) -> Key:
    return Key(name, v2, v1, header="CMCD-Status", **more)  # type: ignore[arg-type]


def _event(name: str, v2: Kind, **more: object) -> Key:
    return Key(name, v2, event_only=True, **more)  # type: ignore[arg-type]


KEYS: Mapping[str, Key] = MappingProxyType(
    {
        key.name: key
        for key in (
            _object("ab", "integers"),
            _object("br", "integers", "integer"),
            _object("d", "integer", "integer", object_types=("a", "v", "av", "tt", "c", "o")),
            _object("lab", "integers"),
            _object("lb", "integers"),
            _object("ot", "token", "token", tokens=OBJECT_TYPES),
            _object("tab", "integers"),
            _object("tb", "integers", "integer"),
            _object("tpb", "integers", object_types=("a", "v", "av", "c")),
            _request("bl", "integers", "integer", rounded=100),
            _request("cs", "string"),
            _request("dfa", "integer"),
            _request("dl", "integer", "integer", rounded=100),
            _request("ltc", "integer", least=-_UNBOUNDED),
            _request("mtp", "integers", "integer", rounded=100),
            _request("nor", "strings", "string"),
            _request("nrr", None, "string"),
            _request("pb", "integers"),
            _request("sn", "integer"),
            _request("sta", "token", tokens=STATES),
            _request("su", "boolean", "boolean"),
            _request("tbl", "integers", rounded=100),
            _session("cid", "string", "string", max_chars=128, v1_max_chars=64),
            _session("msd", "integer"),
            _session(
                "sf", "token", "token", tokens=("d", "h", "e", "s", "o"), v1_tokens=("d", "h", "s", "o")
            ),
            _session("sid", "string", "string", max_chars=64, v1_max_chars=64),
            _session("st", "token", "token", tokens=("v", "l", "ll"), v1_tokens=("v", "l")),
            _session("v", "integer", "integer", least=1),
            _status("bg", "boolean"),
            _status("bs", "boolean", "boolean"),
            _status("bsa", "integers"),
            _status("bsd", "integers"),
            _status("bsda", "integers"),
            _status("ec", "strings"),
            _status("nr", "boolean"),
            _status("pr", "decimal", "decimal", v1_header="CMCD-Session", least=-_UNBOUNDED),
            _status("pt", "integer"),
            _status("rtp", "integer", "integer", rounded=100),
            _event("cen", "string", max_chars=64),
            _event("cmsdd", "string"),
            _event("cmsds", "string"),
            _event("e", "token", tokens=EVENTS),
            _event("h", "string", max_chars=128),
            _event("rc", "integer"),
            _event("smrt", "string"),
            _event("ts", "integer"),
            _event("ttfb", "integer"),
            _event("ttfbb", "integer"),
            _event("ttlb", "integer"),
            _event("url", "string"),
        )
    }
)
