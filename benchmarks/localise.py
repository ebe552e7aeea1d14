"""How often the causes of an incident are found, on held-out labelled tables, beside published methods."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl

from benchmarks.harness import Row
from benchmarks.incident_tables import AT, HELD_OUT, SETTINGS, IncidentTable, incident_table, incident_tables
from metrics.localise import METHODS, Explanation, Leaves, leaves_at

__all__ = ["Case", "ScoreCard", "card", "judged", "leaves", "rows", "score", "score_rows"]

TABLES, TABLES_A_SETTING = 200, 60
ROUNDS_AT_SIZE, RESAMPLES = 20, 500
SIZE = 10_000


Slices: TypeAlias = frozenset[frozenset[tuple[str, str | None]]]


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
    whole: list[Case] = []
    for setting in SETTINGS:
        if setting == "usual":
            continue
        cases = judged(incident_tables(TABLES_A_SETTING, HELD_OUT, setting), METHODS["scan"])
        whole += cases
        found.append(
            Row(f"causes found, {TABLES_A_SETTING} tables, {setting.replace('_', ' ')}", str(card(cases)))
        )
    found.append(Row(f"causes found, {len(whole)} tables of {len(SETTINGS) - 1} settings", str(card(whole))))
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


@dataclass(frozen=True)
class Case:
    """One table judged: the true slices, those named first, whether the truth is among the first three; seconds."""

    truth: Slices
    named: Slices
    is_near: bool
    seconds: float


def score(tables: Iterable[IncidentTable], method: Callable[[Leaves], list[Explanation]]) -> ScoreCard:
    """The card of ``method``; its time is the search's, with the table read and its baseline made."""
    return card(judged(tables, method))


def judged(tables: Iterable[IncidentTable], method: Callable[[Leaves], list[Explanation]]) -> list[Case]:
    """Each table with what ``method`` says of it."""
    cases = []
    for table in tables:
        start = time.perf_counter()
        answers = [_plain(one) for one in method(leaves(table))]
        seconds = time.perf_counter() - start
        truth = frozenset(frozenset(element.items()) for element in table.elements)
        cases.append(Case(truth, answers[0], truth in answers[:3], seconds))
    return cases


def card(cases: Sequence[Case]) -> ScoreCard:
    """Counts of cases as shares."""
    faults = [case for case in cases if case.truth]
    hit, named, true = (
        sum(len(slices) for slices in each)
        for each in (
            [case.truth & case.named for case in faults],
            [case.named for case in faults],
            [case.truth for case in faults],
        )
    )
    right = sum(not case.truth and not case.named for case in cases)
    claimed, external = (
        sum(not slices for slices in each) for each in zip(*((c.named, c.truth) for c in cases), strict=True)
    )
    return ScoreCard(
        _share(2 * hit, named + true),
        _share(sum(case.truth == case.named for case in faults), len(faults)),
        _share(sum(case.is_near for case in faults), len(faults)),
        _share(2 * right, claimed + external),
        float(np.quantile([case.seconds for case in cases], 0.95)),
    )


def score_rows(cases: Sequence[Case], case_set: str, estimator: str = "localise") -> pl.DataFrame:
    """The card as rows of the table ``score``, with 90 % intervals bootstrapped over tables."""
    draw = np.random.Generator(np.random.Philox(HELD_OUT))
    again = [card([cases[i] for i in draw.integers(0, len(cases), len(cases))]) for _ in range(RESAMPLES)]
    rows = []
    for measure in ("f1", "exact", "recall_at_3", "external_f1"):
        low, high = np.quantile([getattr(one, measure) for one in again], [0.05, 0.95])
        counted = len(cases) if measure == "external_f1" else sum(bool(case.truth) for case in cases)
        rows.append((measure, getattr(card(cases), measure), float(low), float(high), counted))
    frame = pl.DataFrame(rows, ["measure", "value", "low", "high", "cases_count"], orient="row")
    return frame.select(
        pl.lit(estimator).alias("estimator"),
        pl.lit(case_set).alias("case_set"),
        pl.all(),
        pl.lit("ratio").alias("unit"),
    )


def leaves(table: IncidentTable) -> Leaves:
    """The table as the search takes it."""
    frame = table.frame if table.is_ratio else table.frame.drop("cnt")
    return leaves_at(frame, value="value", count="cnt" if table.is_ratio else None, time="min", at=AT)


def _plain(answer: Explanation) -> Slices:
    return frozenset(frozenset(element.items()) for element in answer.elements)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _p95(method: Callable[[Leaves], list[Explanation]], tables: list[Leaves]) -> float:
    seconds = []
    for table in tables:
        start = time.process_time()
        method(table)
        seconds.append(time.process_time() - start)
    return float(np.quantile(seconds, 0.95))
