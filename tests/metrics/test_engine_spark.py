"""What a Spark cluster is handed and what it gives back, on a stand-in that runs here; refusals in one line."""

from __future__ import annotations

import pickle
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest

from metrics.engine.spark import SparkMapper, open_spark
from metrics.errors import InputError


class Shared:
    def __init__(self, value: object) -> None:
        self.value = pickle.loads(pickle.dumps(value))
        self.is_destroyed = False

    def destroy(self) -> None:
        self.is_destroyed = True


class Rows:
    def __init__(self, rows: list[Any]) -> None:
        self.rows = pickle.loads(pickle.dumps(rows))

    def map(self, function: Callable[[Any], Any]) -> Rows:
        return Rows([function(row) for row in self.rows])

    def collect(self) -> list[Any]:
        return self.rows  # type: ignore[no-any-return]


class Cluster:
    """The part of a Spark context that a mapper calls, with two cores and pickles in between."""

    defaultParallelism = 2  # noqa: N815

    def __init__(self) -> None:
        self.shared: list[Shared] = []
        self.jobs: list[int] = []

    def broadcast(self, value: object) -> Shared:
        self.shared.append(Shared(value))
        return self.shared[-1]

    def parallelize(self, rows: list[Any], slices: int) -> Rows:
        assert len(rows) == slices
        self.jobs.append(slices)
        return Rows(rows)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setitem(sys.modules, "pyspark", SimpleNamespace(cloudpickle=cloudpickle))
    return Cluster()


def mapper(cluster: Cluster) -> SparkMapper:
    return SparkMapper(SimpleNamespace(sparkContext=cluster))


def test_results_come_in_order_and_what_is_shared_is_sent_once(cluster: Cluster) -> None:
    day = 7
    results = mapper(cluster)(lambda n: day * n, range(9))
    assert list(results) == [0, 7, 14, 21, 28, 35, 42, 49, 56]
    assert cluster.jobs == [4, 4, 1]
    assert [shared.is_destroyed for shared in cluster.shared] == [True]


def test_a_slow_reader_bounds_what_is_asked_for(cluster: Cluster) -> None:
    drawn: list[int] = []

    def partitions() -> Iterator[int]:
        for n in range(100):
            drawn.append(n)
            yield n

    results = mapper(cluster)(lambda n: n, partitions())
    assert [next(results), next(results)] == [0, 1]
    assert drawn == [0, 1, 2, 3]
    results.close()  # type: ignore[attr-defined]
    assert cluster.shared[0].is_destroyed


def test_an_error_is_raised_where_its_result_is_due(cluster: Cluster) -> None:
    results = mapper(cluster)(lambda n: 6 // n, [3, 2, 0, 1])
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError) as caught:
        next(results)
    (note,) = caught.value.__notes__
    assert note.startswith("on a worker:")
    assert "6 // n" in note


def test_a_users_error_keeps_its_words(cluster: Cluster) -> None:
    def refuse(n: int) -> int:
        raise InputError("no rows", where="log.txt", mend="check the file")

    with pytest.raises(InputError) as caught:
        list(mapper(cluster)(refuse, [0]))
    assert str(caught.value) == "log.txt: no rows; check the file"
    assert caught.value.mend == "check the file"


def refusal(master: str) -> str:
    with pytest.raises(InputError) as caught, open_spark(master):
        pass
    return str(caught.value)


def test_a_master_that_is_not_there_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert refusal(f"spark://127.0.0.1:{port}").startswith(
        f"spark://127.0.0.1:{port}: no Spark master answers"
    )
    for master in ("spark://", "spark://127.0.0.1", "spark://127.0.0.1:seven", f"spark://127.0.0.1:{port},"):
        assert "not a Spark master; say spark://host:port" in refusal(master)


def test_a_missing_java_or_spark_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert "install Java 17 or newer" in refusal("local[2]")
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch(mode=0o755)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    assert "Spark is not installed here (no pyspark); install it: " in refusal("local[2]")
