"""JSON that commands keep beside a lake and pages read: whole and as this version writes it, or as good as none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["read"]

# What pages rely on, by file. A page that finds none says which command writes it, which mends what is damaged, too.
_NEEDED: Mapping[str, Mapping[str, type]] = {
    "decision.json": {"decisions": list},
    "economics.json": {
        "quarter": str, "given": dict, "given_encoding": dict, "figures": dict, "unit_cost_tree": dict, "pools": list,
        "by_region": list,
    },
    "experiments.json": {"lifts": list},
    "quality.json": {"lake_version": str, "expectations": int, "failed": int, "rows_checked": int, "tables": list},
    "scorecard.json": {"lake_version": str, "scores": list, "said": str},
}  # fmt: skip


def read(file: Path) -> dict[str, Any] | None:
    """The document; null where there is none, where it was cut short, or where what pages need is not in it."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    needed = _NEEDED.get(file.name, {})
    return found if all(isinstance(found.get(name), kind) for name, kind in needed.items()) else None
