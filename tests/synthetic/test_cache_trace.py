"""Traces of object ids from files, and ``playhead cache`` over them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from playhead.cli import main
from synthetic.data_plane.cache import POLICIES, misses, numbered, read_trace

REQUESTS = np.array([5, -3, 5, 2**62, -3, 5, 7, 2**62])


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path | int) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["cache", *map(str, arguments)])
    printed = capsys.readouterr()
    return int(str(stop.value.code)), printed.out, printed.err


def saved(path: Path, values: npt.NDArray[Any]) -> Path:
    np.save(path, values)
    return path


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def numbers(path: Path, column: str | None = None) -> list[int]:
    """The requests, each object by the order in which it first comes."""
    order: dict[int, int] = {}
    return [order.setdefault(item, len(order)) for item in read_trace(path, column).requests.tolist()]


def test_a_row_for_each_trace_policy_and_capacity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [saved(tmp_path / "a.npy", REQUESTS), written(tmp_path / "b.csv", "object_id\nx\ny\nx\n")]
    options = [*(f"--policy={policy}" for policy in POLICIES), "--capacity=1", "--capacity=2"]
    status, out, err = run(capsys, *paths, *options, "--json")
    assert (status, err) == (0, "")
    rows = json.loads(out)
    assert [(row["trace"], row["policy"], row["capacity"]) for row in rows] == [
        (name, policy, capacity) for name in ("a.npy", "b.csv") for policy in POLICIES for capacity in (1, 2)
    ]
    for row in rows:
        trace = read_trace(tmp_path / row["trace"])
        assert row["misses"] == misses(trace, row["policy"], row["capacity"])
        assert row["miss_ratio"] == row["misses"] / row["requests"]
        assert (row["requests"], row["objects"]) == ((8, 4) if row["trace"] == "a.npy" else (3, 2))
        assert row["requests_per_s"] > 0


def test_the_table_shows_every_digit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "a.npy", np.array([1, 1, 1, 1, 2, 3, 2]))
    status, out, _ = run(capsys, path, "--policy", "lru", "--capacity", "2")
    assert status == 0
    header, row = out.splitlines()
    assert header.split()[:3] == ["trace", "policy", "capacity"]
    assert row.split()[:7] == ["a.npy", "lru", "2", "7", "3", "3", "0.42857142857142855"]


@pytest.mark.parametrize("dtype", ["<i8", ">i8", "<i4", "|i1", "<u2", "<u8", ">u8"])
def test_integers_of_any_width_and_byte_order(dtype: str, tmp_path: Path) -> None:
    kind = np.iinfo(dtype)
    values = np.array([kind.max, kind.min, 3, kind.max, 3], dtype)
    assert numbers(saved(tmp_path / "a.npy", values)) == [0, 1, 2, 0, 2]
    assert read_trace(tmp_path / "a.npy").distinct == 3


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("object_id\n7\n8\n7\n", None, [0, 1, 0]),
        ("time,Obj-ID,size\n1,a,9\n2,b,9\n3,a,9\n", None, [0, 1, 0]),
        ("id,object_id\n1,7\n2,7\n", None, [0, 0]),  # the surest name wins
        ("time, id\n1, 7\n2, 7\n", None, [0, 0]),
        ("title,n\nx,1\ny,1\nx,1\n", "title", [0, 1, 0]),
        ("title,n\nx,1\ny,1\nx,1\n", "n", [0, 0, 0]),
        ("7\n8\n7\n", None, [0, 1, 0]),  # no header
        ("a\nb\na\n", None, [0, 1, 0]),
        ("title\n7\n8\n", None, [0, 1]),  # a text over nothing but numbers is a header
        ("a\n7\nb\n", None, [0, 1, 2]),
        ("id\n007\n7\n", None, [0, 1]),  # two names
        ("id\n-5\n99999999999999999999999\n-5\n", None, [0, 1, 0]),
        ("\ufeffid\r\n1\r\n1\r\n", None, [0, 0]),
        ('id\n"a,b"\n"a,b"', None, [0, 0]),
        ("id,size\n1,2\n3,", None, [0, 1]),  # an empty cell is a cell
    ],
)
def test_the_ids_of_a_csv_file(text: str, column: str | None, expected: list[int], tmp_path: Path) -> None:
    assert numbers(written(tmp_path / "a.csv", text), column) == expected


def test_a_csv_of_integers_is_the_trace_of_those_integers(tmp_path: Path) -> None:
    """The sketch of W-TinyLFU hashes ids, so that they must be the same ids."""
    ids = np.random.Generator(np.random.Philox(3)).integers(-500, 500, 20_000) ** 3
    text = "\n".join(["id", *map(str, ids.tolist())])
    trace = read_trace(written(tmp_path / "a.csv", text))
    assert trace.keys[trace.requests].view(np.int64).tolist() == ids.tolist()
    assert misses(trace, "wtinylfu", 200) == misses(numbered(ids), "wtinylfu", 200)


def damaged(path: Path, old: bytes, new: bytes) -> Path:
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


def cut(path: Path, end: int) -> Path:
    path.write_bytes(path.read_bytes()[:end])
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path / "nowhere.npy", "no such file"),
        (lambda path: path, "is a directory"),
        (lambda path: written(path / "a.npy", ""), "an empty trace"),
        (lambda path: written(path / "a.npy", "hello"), "no .npy file"),
        (lambda path: saved(path / "a.npy", np.array([], np.int64)), "an empty trace"),
        (lambda path: saved(path / "a.npy", np.zeros((2, 2), np.int64)), "2 dimensions"),
        (lambda path: saved(path / "a.npy", np.array(1)), "0 dimensions"),
        (lambda path: saved(path / "a.npy", np.array([1.0, 2.0])), "float64, which are no integers"),
        (lambda path: saved(path / "a.npy", np.array([1.0, np.nan])), "float64, which are no integers"),
        (lambda path: saved(path / "a.npy", np.array([True])), "bool, which are no integers"),
        (lambda path: saved(path / "a.npy", np.array(["a"])), "no integers"),
        (lambda path: saved(path / "a.npy", np.zeros(2, [("id", np.int64)])), "no integers"),
        (lambda path: saved(path / "a.npy", np.array([1, "a"], object)), "pickled objects"),
        (lambda path: cut(saved(path / "a.npy", REQUESTS), -3), "cut off: 7 of 8 ids"),
        (lambda path: cut(saved(path / "a.npy", REQUESTS), 60), "cut off in its header"),
        (lambda path: damaged(saved(path / "a.npy", REQUESTS), b"<i8", b",i8"), "no .npy file"),
        (lambda path: damaged(saved(path / "a.npy", REQUESTS), b"}  ", b"}'('"), "no .npy file"),
        (lambda path: damaged(saved(path / "a.npy", REQUESTS), b"(8,), ", b"(-8,),"), "an empty trace"),
        (lambda path: written(path / "a.csv", ""), "an empty trace"),
        (lambda path: written(path / "a.csv", "object_id\n"), "an empty trace"),
        (
            lambda path: written(path / "a.csv", "time,size\n1,2\n"),
            "no column of object ids among time, size",
        ),
        (lambda path: written(path / "a.csv", "time,id\n1,4\n2,\n"), "request 2 has no id (blank)"),
        (lambda path: written(path / "a.csv", "id\n1\nNaN\n"), "request 2 has no id (NaN)"),
        (lambda path: written(path / "a.csv", "7\nnan\n"), "request 2 has no id (nan)"),
        (lambda path: written(path / "a.csv", "t,id,size\n1,2,3\n4,5"), "the last line has 2 of 3 columns"),
        (lambda path: written(path / "a.csv", 'id\n"abc\n1\n'), "no CSV"),
    ],
)
def test_a_bad_trace_is_one_line_and_nothing_else(
    make: Callable[[Path], Path], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = saved(tmp_path / "good.npy", REQUESTS)
    status, out, err = run(capsys, good, make(tmp_path), "--policy=lru", "--capacity=2", "--json")
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert says in line


@pytest.mark.parametrize("name", ["a.npy", "a.csv"])
@pytest.mark.parametrize(
    "data", [pickle.dumps([1, 2]), bytes(range(256)) * 10, b"id\n" + b"1\n" * 50 + b"\xff\xfe\n"]
)
def test_other_bytes_are_refused(
    name: str, data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(data)
    status, out, err = run(capsys, tmp_path / name, "--policy=lru", "--capacity=2")
    assert (status, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--policy=lru", "--capacity=0"], "a cache of 0 objects"),
        (["--policy=lru", "--capacity=-1"], "a cache of -1 objects"),
        (["--policy=lru", "--capacity=many"], "not a valid integer"),
        (["--policy=lru", "--capacity=2", "--capacity=0"], "a cache of 0 objects"),
        (["--policy=lur", "--capacity=2"], "did you mean lru"),
        (["--policy=lru"], "--capacity"),
        (["--capacity=2"], "--policy"),
        (["--policy=lru", "--capacity=2", "--column=titel"], "did you mean title"),
    ],
)
def test_a_bad_option_is_one_line(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "a.csv", "title,n\nx,1\n")
    status, out, err = run(capsys, path, *options)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert says in line
