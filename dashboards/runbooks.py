"""Sections of the runbooks, by the name of the alert that links to them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

__all__ = ["runbook"]

# Beside this file in a wheel; in a checkout, among the documents.
_PLACES = (Path(__file__).with_name("runbooks.md"), Path(__file__).parent.parent / "docs" / "runbooks.md")


def runbook(name: str) -> str | None:
    """The section of that name as Markdown, without its heading; null where there is none."""
    return _sections().get(name)


@cache
def _sections() -> dict[str, str]:
    file = next((place for place in _PLACES if place.is_file()), None)
    if file is None:
        return {}
    parts = re.split(r"^## (\S+)\s*$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
