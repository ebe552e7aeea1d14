"""Answers that pages share: each metric of a cut is asked for once, and what is kept is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from dashboards.answers import Answers


class Asked:
    """Answers two rows a metric, and remembers what it was asked."""

    def __init__(self) -> None:
        self.names: list[tuple[str, ...]] = []

    def __call__(self, names: Sequence[str]) -> pl.DataFrame:
        self.names.append(tuple(names))
        return pl.DataFrame({"metric": [n for n in names for _ in (1, 2)], "value": [1.0, 2.0] * len(names)})


def test_what_is_known_is_not_asked_again_and_stands_in_the_order_of_the_question() -> None:
    answers, ask = Answers(10_000), Asked()
    answers.of("cut", ["a", "b"], ask)
    found = answers.of("cut", ["c", "b", "c"], ask)
    assert ask.names == [("a", "b"), ("c",)]
    assert found.equals(Asked()(["c", "b"]))
    answers.of("another", ["b"], ask)
    assert ask.names[-1] == ("b",)


def test_those_who_ask_alike_at_once_ask_once() -> None:
    answers, ask = Answers(10_000), Asked()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: answers.of("cut", ["a", "b"], ask), range(40)))
    assert ask.names == [("a", "b")]
    assert all(frame.equals(found[0]) for frame in found)
    assert not answers._turns


def test_the_least_lately_asked_is_given_up() -> None:
    answers, ask = Answers(100), Asked()
    for name in "abcdefgh":
        answers.of("cut", [name], ask)
        assert answers._bytes == sum(frame.estimated_size() for frame in answers._frames.values()) <= 100
    asked = len(ask.names)
    answers.of("cut", ["h"], ask)
    assert len(ask.names) == asked
    answers.of("cut", ["a"], ask)
    assert len(ask.names) == asked + 1
