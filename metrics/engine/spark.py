"""A Spark cluster behind the seam: one session, and a pure function mapped over partitions on its workers.

The only place that imports PySpark, which is an optional extra and needs Java.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Timer
from traceback import format_exc
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from warnings import catch_warnings, filterwarnings

from polars import CompatLevel

from metrics.errors import InputError

if TYPE_CHECKING:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import DataFrame, SparkSession

    from metrics.lake import Lake

__all__ = ["SparkMapper", "open_spark", "scan"]

P = TypeVar("P")
R = TypeVar("R")


@contextmanager
def open_spark(master: str = "local[*]") -> Iterator[SparkSession]:
    """A session on ``master`` that is known to work, stopped at the end.

    ``master`` is a Spark URL: ``spark://host:port`` (several hosts by commas), or ``local[n]`` for n processes
    of this machine. On loopback, workers run this very Python and nothing listens beyond loopback; elsewhere
    ``PYSPARK_PYTHON``, ``SPARK_LOCAL_IP`` and Spark's own configuration say. Raises
    :class:`~metrics.errors.InputError` within two minutes if Spark, Java, the master, its workers or their
    Python is not there or does not fit, and later, where work is handed over, if Spark gives up.
    """
    places = _places(master)
    _check_that_one_answers(master, places)
    is_here = master.startswith("local") or (bool(places) and {host for host, _ in places} <= _LOOPBACK)
    settings = {"spark.app.name": "playhead", "spark.master": master, "spark.ui.enabled": "false",
                "spark.ui.showConsoleProgress": "false"}  # fmt: skip
    environment: dict[str, str] = {}
    if is_here:
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        settings["spark.sql.shuffle.partitions"] = (
            "8"  # the 200 of a large cluster are 200 tasks a query here
        )
        environment = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    log = Path(tempfile.mkstemp(prefix="playhead-spark-", suffix=".log")[1])
    with _in_one_line(master, log):
        with _environment(environment):
            session = _start(settings, log)
        try:
            _probe(session.sparkContext, master)
            yield session
        finally:
            # A Java that died has said so already, in the error that brings us here.
            with suppress(Exception):
                session.stop()


@dataclass(frozen=True)
class SparkMapper:
    """:class:`Mapper` on the cluster of an open session.

    The function, with all that it holds, is broadcast once a call: a worker process unpacks it once, whatever
    the number of its partitions. Results come in waves of two a core, each collected before the next is
    asked for, so that a slow reader bounds memory. An error of the function is raised where its result is
    due, with the worker's traceback as a note; a worker that is lost is Spark's to replace.
    """

    session: SparkSession

    @property
    def cores(self) -> int:
        """Cores of the workers that are there now: the least number of partitions that keeps them busy."""
        return int(self.session.sparkContext.defaultParallelism)

    def __call__(self, function: Callable[[P], R], partitions: Iterable[P], /) -> Iterator[R]:
        from pyspark import cloudpickle

        context = self.session.sparkContext
        shared = context.broadcast(_ByValue(function))
        waiting = iter(partitions)
        try:
            while wave := list(islice(waiting, 2 * self.cores)):
                for packed in context.parallelize(wave, len(wave)).map(_Attempt(shared)).collect():
                    result, error = cloudpickle.loads(packed)
                    if error is not None:
                        raise error
                    yield result
        finally:
            with suppress(Exception):
                shared.destroy()


def scan(session: SparkSession, lake: Lake, table: str) -> DataFrame:
    """A table of the lake as :meth:`~metrics.lake.Lake.scan` gives it, read by the cluster.

    By the list of the Parquet files of its snapshot, with no connector; workers must see the same folder.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    empty = lake.scan(table).clear().collect()
    schema = from_arrow_schema(empty.to_arrow(compat_level=CompatLevel.oldest()).schema)
    # A path as it is, but for what Hadoop would take for a pattern.
    files = ["file://" + re.sub(r"([][{}*?\\])", r"\\\1", file) for file in lake.snapshot(table).files]
    return session.read.schema(schema).parquet(*files) if files else session.createDataFrame([], schema)


class _ByValue:
    """Unpickles as the object itself: ``pickle`` alone would refuse a closure."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        from pyspark import cloudpickle

        return cloudpickle.loads, (cloudpickle.dumps(self.value),)


class _Attempt:
    """A partition's result and error, packed. Spark tries again what fails; a function's error is an answer."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, partition: Any) -> bytes:
        from pyspark import cloudpickle

        function = self.function.value  # not here for want of a package: Spark's error, not the function's
        try:
            packed: bytes = cloudpickle.dumps((function(partition), None))
        except Exception as error:
            error.add_note("on a worker:\n" + format_exc())
            packed = cloudpickle.dumps((None, error))
        return packed


_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_CONNECT_S = 5.0
_WORKERS_S = 120.0
_INSTALL = f"install it: {sys.executable} -m pip install 'pyspark>=4.0'"
_JAVA = "install Java 17 or newer (Debian: apt-get install default-jre-headless), or set JAVA_HOME"
_NO_MASTER = ("not a Spark master", "say spark://host:port or local[2]")
_JAVA_DIED = ("Spark's Java stopped while at work", "run the command again to go on")
# What Spark says somewhere in a page of stack trace, and what that means.
_KNOWN = {
    "PYTHON_VERSION_MISMATCH": (
        f"a worker runs another Python than this one, which is {sys.version_info[0]}.{sys.version_info[1]}",
        "set PYSPARK_PYTHON to the workers' Python of that version",
    ),
    "Cannot run program": (
        "a worker does not find its Python",
        "set PYSPARK_PYTHON to a Python that the workers have, with playhead installed",
    ),
    "No module named": (
        "a worker's Python lacks playhead or one of its packages",
        "install the same playhead there, or set PYSPARK_PYTHON to a Python that has it",
    ),
    "Could not parse Master URL": _NO_MASTER,
    "Master must either be": _NO_MASTER,
    "maxResultSize": ("the results of one wave are too large", "use more --partitions"),
    "OutOfMemoryError": (
        "Spark's Java ran out of memory",
        "use more --partitions, or set spark.driver.memory",
    ),
    "All masters are unresponsive": (
        "what answers there does not take us in",
        "check that it is a Spark master of the same version as pyspark here",
    ),
    "Error while sending or receiving": _JAVA_DIED,
    "[Errno ": _JAVA_DIED,  # how Python, and not Java, says that nobody answers
    "JAVA_GATEWAY_EXITED": ("Spark's Java did not start", _JAVA),
}


def _places(master: str) -> list[tuple[str, int]]:
    """Host and port of each master of a standalone cluster; none for this machine and for other managers."""
    if not master.startswith("spark://"):
        return []
    places = []
    for place in master.removeprefix("spark://").split(","):
        url = urlsplit(f"//{place}")
        with suppress(ValueError):
            if url.hostname and url.port:
                places.append((url.hostname, url.port))
                continue
        raise InputError(_NO_MASTER[0], where=master, mend=_NO_MASTER[1])
    return places


def _check_that_one_answers(master: str, places: list[tuple[str, int]]) -> None:
    """Refuse a standalone master that is not there: Spark itself would try for a minute."""
    found = ""
    for place in places:
        try:
            with socket.create_connection(place, timeout=_CONNECT_S):
                return
        except OSError as error:
            found = error.strerror or str(error)
    if places:
        raise InputError(
            f"no Spark master answers ({found})", where=master, mend="start it, or name another with --master"
        )


@contextmanager
def _environment(defaults: dict[str, str]) -> Iterator[None]:
    """Variables that Spark reads when it starts; what the caller has set stands."""
    missing = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


def _start(settings: dict[str, str], log: Path) -> SparkSession:
    """Start Java if none runs yet, with what it prints going to ``log``, and register with the master."""
    home = os.environ.get("JAVA_HOME")
    if not shutil.which(f"{home}/bin/java" if home else "java"):
        raise InputError("Spark needs Java, which is not there", where=home or "", mend=_JAVA)
    try:
        from pyspark import SparkConf, SparkContext
        from pyspark.java_gateway import launch_gateway
        from pyspark.sql import SparkSession
    except ModuleNotFoundError as error:
        raise InputError(f"Spark is not installed here (no {error.name})", mend=_INSTALL) from None
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # what it has to say is in the error raised
    conf: SparkConf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    with log.open("wb") as said, catch_warnings():
        # Said of frames that Spark would make for pandas; nothing here asks for one.
        filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        java = SparkContext._gateway or launch_gateway(conf, {"stdout": said, "stderr": said})
        return SparkSession(SparkContext(conf=conf, gateway=java))


def _probe(context: SparkContext, master: str) -> None:
    """Refuse workers that do not come in time, and a playhead on them that is not this one."""

    # A local function travels by value: it runs where playhead is not installed.
    def installed(_: int) -> str | None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("playhead")
        except PackageNotFoundError:
            return None

    here = installed(0)
    cores = context.defaultParallelism
    patience = Timer(_WORKERS_S, context.cancelAllJobs)
    patience.start()
    try:
        found = set(context.parallelize(range(2 * cores), 2 * cores).map(installed).collect())
    except Exception:
        if patience.finished.is_set():
            raise InputError(
                f"no worker took a task within {_WORKERS_S:.0f} s",
                where=master,
                mend="start one, free its cores, or see in its log why it starts no Java or no Python",
            ) from None
        raise
    finally:
        patience.cancel()
    for there in found - {here}:
        what = f"playhead {there}, here is {here}" if there else "no playhead"
        raise InputError(f"a worker's Python has {what}", where=master, mend=_KNOWN["No module named"][1])


@contextmanager
def _in_one_line(master: str, log: Path) -> Iterator[None]:
    """Turn Spark's own errors into ours; its log stays only if one of them happened."""
    keep = False
    try:
        yield
    except Exception as error:
        is_spark = type(error).__module__.split(".")[0] in {"py4j", "pyspark"}
        if not is_spark and not isinstance(error, ConnectionError):
            raise
        keep = True
        said = str(error) + log.read_text("utf-8", "replace")
        for words, (what, mend) in _KNOWN.items():
            if words in said:
                raise InputError(what, where=master, mend=f"{mend} (Spark's log: {log})") from error
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"Spark gave up: {first}", where=master, mend=f"see its log: {log}") from error
    finally:
        if not keep:
            log.unlink()
