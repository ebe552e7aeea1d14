"""Rules for a service that is played faster than it happened: the same alerts, in less time.

At a speed of 60 a minute of the service takes a second of the server, so every range and interval is a sixtieth and
every clock runs sixty times as fast. Names keep the length of the service's own time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from metrics.errors import InputError

__all__ = ["at_speed"]

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = r"(?:\d+(?:ms|[smhdw]))+"


def at_speed(rules: Mapping[str, Any], speed: float) -> dict[str, Any]:
    """The rule file for a service that runs ``speed`` times as fast; 1 changes nothing.

    Raises :class:`~metrics.errors.InputError` for a speed at which a minute is shorter than Prometheus can tell.
    """
    if not 0 < speed <= 600:
        raise InputError(f"a speed of {speed:g}", mend="give one above 0 and up to 600")
    return {
        "groups": [
            {
                **group,
                "interval": shortened(group["interval"], speed),
                "rules": [_rule(rule, speed) for rule in group["rules"]],
            }
            for group in rules["groups"]
        ]
    }


def shortened(duration: str, speed: float) -> str:
    """A duration divided by the speed, in whole milliseconds.

    >>> shortened("1m", 60), shortened("4m59s", 60), shortened("30d", 1)
    ('1s', '4983ms', '30d')
    """
    if speed == 1:
        return duration
    parts = re.findall(r"(\d+)(ms|[smhdw])", duration)
    whole_ms = round(sum(int(count) * _UNIT_MS[unit] for count, unit in parts) / speed)
    return f"{whole_ms // 1000}s" if whole_ms % 1000 == 0 else f"{whole_ms}ms"


def _rule(rule: Mapping[str, Any], speed: float) -> dict[str, Any]:
    if speed == 1:
        return dict(rule)
    expr = re.sub(rf"\[({_DURATION})\]", lambda m: f"[{shortened(m[1], speed)}]", rule["expr"])
    expr = expr.replace("time()", f"time() * {speed:g}")
    expr = re.sub(r"timestamp\((.*?\})\)", rf"(timestamp(\1) * {speed:g})", expr)
    waits = {key: shortened(rule[key], speed) for key in ("for", "keep_firing_for") if key in rule}
    return {**rule, "expr": expr, **waits}
