"""How often the causes of an incident are found, on held-out labelled tables, beside published methods."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from benchmarks.harness import Row
from benchmarks.incident_tables import AT, HELD_OUT, IncidentTable, incident_table, incident_tables
from metrics.localise import METHODS, Explanation, Leaves, leaves_at

__all__ = ["ScoreCard", "leaves", "rows", "score"]

TABLES = 200
ROUNDS_AT_SIZE = 20
SIZE = 10_000


@dataclass(frozen=True)
class ScoreCard:
    """Micro-averaged over exact elements, on tables with a fault; ``external_f1`` on all of them."""

    f1: float
    exact: float
    recall_at_3: float
    external_f1: float
    p95_s: float

    def __str__(self) -> str:
        return (
            f"F1 {self.f1:.3f}, exact {self.exact:.3f}, recall@3 {self.recall_at_3:.3f}, "
            f"external F1 {self.external_f1:.3f}"
        )


def rows() -> list[Row]:
    """The card over held-out seeds, and the time on tables of ten thousand leaves."""
    held_out = list(incident_tables(TABLES, HELD_OUT))
    cards = {name: score(held_out, method) for name, method in METHODS.items()}
    ours = cards.pop("scan")
    found = [
        Row(f"causes found, {TABLES} labelled incident tables", str(ours), name, str(card))
        for name, card in cards.items()
    ]
    tables = [leaves(incident_table(HELD_OUT + seed, SIZE)) for seed in range(ROUNDS_AT_SIZE)]
    times = {name: _p95(method, tables) for name, method in METHODS.items()}
    mine = times.pop("scan")
    return found + [
        Row(
            f"a table of up to {SIZE:,} leaves searched, p95",
            f"{mine:.2f} s",
            name,
            f"{other:.2f} s",
            other / mine,
        )
        for name, other in times.items()
    ]


def score(tables: Iterable[IncidentTable], method: Callable[[Leaves], list[Explanation]]) -> ScoreCard:
    """The card of ``method``; its time is the search's, with the table read and its baseline made."""
    hit = wrong = missed = exact = near = faults = 0
    right = claimed = external = 0
    seconds = []
    for table in tables:
        start = time.perf_counter()
        answers = [_plain(one) for one in method(leaves(table))]
        seconds.append(time.perf_counter() - start)
        truth, first = {frozenset(element.items()) for element in table.elements}, answers[0]
        external, claimed, right = (
            external + (not truth),
            claimed + (not first),
            right + (not truth and not first),
        )
        if truth:
            faults += 1
            hit, wrong, missed = (
                hit + len(truth & first),
                wrong + len(first - truth),
                missed + len(truth - first),
            )
            exact, near = exact + (truth == first), near + (truth in answers[:3])
    return ScoreCard(
        _share(2 * hit, 2 * hit + wrong + missed),
        _share(exact, faults),
        _share(near, faults),
        _share(2 * right, claimed + external),
        float(np.quantile(seconds, 0.95)),
    )


def leaves(table: IncidentTable) -> Leaves:
    """The table as the search takes it."""
    frame = table.frame if table.is_ratio else table.frame.drop("cnt")
    return leaves_at(frame, value="value", count="cnt" if table.is_ratio else None, time="min", at=AT)


def _plain(answer: Explanation) -> set[frozenset[tuple[str, str | None]]]:
    return {frozenset(element.items()) for element in answer.elements}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _p95(method: Callable[[Leaves], list[Explanation]], tables: list[Leaves]) -> float:
    seconds = []
    for table in tables:
        start = time.process_time()
        method(table)
        seconds.append(time.process_time() - start)
    return float(np.quantile(seconds, 0.95))
