"""The FinOps Foundation's validator, run from its own environment on a file of charges."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Verdict", "find", "parse", "validate"]

_RULES = "1.2.0.1"
_TOTAL = re.compile(r"^Total: (\d+) \| Pass: (\d+) \| Fail: (\d+) \| Skipped: (\d+)$", re.MULTILINE)
_FAILED = re.compile(r"^❌ (\S+): FAIL\s+\((.*)\)$", re.MULTILINE)
_CHILDREN = re.compile(r"failed child rules: \[(.*?)\]")


@dataclass(frozen=True)
class Verdict:
    """How many rules passed and failed, and each failed rule with the failed rules it is made of."""

    passed: int
    failed: dict[str, tuple[str, ...]]

    def unexplained(self, allowed: set[str]) -> set[str]:
        """Failed rules that are neither allowed nor made of allowed failures alone."""

        def is_explained(rule: str) -> bool:
            children = self.failed.get(rule, ())
            return rule in allowed or (bool(children) and all(map(is_explained, children)))

        return {rule for rule in self.failed if not is_explained(rule)}


def find() -> Path | None:
    """The validator's executable, in the environment ``make integration`` gives it."""
    path = Path(os.environ.get("FOCUS_VALIDATOR", ".venv/focus/bin/focus-validator"))
    return path.resolve() if path.exists() else None


def parse(output: str) -> Verdict:
    """Read the total line and the failures; the validator's exit status says nothing (0 on failure)."""
    total = _TOTAL.search(output)
    if total is None:
        raise AssertionError(f"no total line in the validator's output:\n{output[-2000:]}")
    failed = {
        rule: tuple(c for found in _CHILDREN.findall(how) for c in found.split(", "))
        for rule, how in _FAILED.findall(output)
    }
    assert len(failed) == int(total[3]), "failures counted and failures listed differ"
    return Verdict(int(total[2]), failed)


def validate(program: Path, file: Path) -> Verdict:
    """Every rule the version has, whatever the file says it supports."""
    # It reads a list of currencies by a path relative to where packages are.
    (packages,) = (program.parent.parent / "lib").glob("python3*/site-packages")
    run = subprocess.run(
        [
            program, "--data-file", file, "--validate-version", _RULES, "--block-download", "--focus-dataset",
            "CostAndUsage", "--applicability-criteria", "ALL",
        ],
        cwd=packages, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return parse(run.stdout)
