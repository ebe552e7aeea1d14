"""Pages are run as scripts in this process, and must leave it as it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _main_module() -> Iterator[None]:
    """A page becomes ``__main__``, which processes that a later test spawns would run again."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
