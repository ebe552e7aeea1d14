"""Serve the dashboard on loopback: a Streamlit server as a child process that goes when we go."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from metrics.errors import InputError, PlayheadError
from metrics.lake import Lake
from playhead.progress import say

__all__ = ["free_port", "prepare", "serve", "server_command"]

HOST = "127.0.0.1"
_TRIES = 20
_START_S, _STOP_S = 60.0, 5.0


def serve(lake_path: Path, port: int = 8501) -> None:
    """Serve the dashboard of a lake until interrupted, and say where.

    A port that is taken is passed over for the next free one. Raises
    :class:`~metrics.errors.LakeError` for what is no lake, and :class:`~metrics.errors.InputError` where no
    port is free.
    """
    lake = Lake.open(lake_path)
    prepare(lake)
    free = free_port(port)
    if free != port:
        say(f"port {port} is taken; using {free}")
    # From the first moment on: Ctrl-C stops a server that is still starting as well.
    with suppress(KeyboardInterrupt), _cubes(lake.path), _child(lake.path, free) as child:
        _await(child, free)
        say(f"Playhead is at http://{HOST}:{free} (Ctrl-C stops it)")
        child.wait()
        raise PlayheadError(
            f"the dashboard's server stopped with status {child.returncode}", mend="run the command again"
        )
    say("stopped")


def free_port(port: int) -> int:
    """``port``, or the next one on loopback that nobody listens on."""
    for candidate in range(port, min(port + _TRIES, 65_536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((HOST, candidate))
                return candidate
    raise InputError(f"ports {port} to {port + _TRIES - 1} are all taken", mend="give another with --port")


def server_command(port: int) -> list[str]:
    """The server's command line. What protects the reader is said here, whatever settings lie about."""
    import dashboards

    app = Path(dashboards.__file__).with_name("serving.py")
    settings = {
        "server.address": HOST,
        "server.port": str(port),
        "server.headless": "true",
        "server.enableXsrfProtection": "true",
        "server.enableCORS": "true",
        "server.fileWatcherType": "none",
        # A full collection after every run of a page costs more than the page: Python's own, by need, is enough.
        "runner.postScriptGC": "false",
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "logger.level": "warning",
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    return [sys.executable, "-m", "streamlit", "run", str(app), *flags, "--", "--warm"]


def prepare(lake: Lake) -> None:
    """What pages read ready-made: the decision table and experiments' true effects, which only the truth can tell."""
    from playhead import decision, experiments

    try:
        decision.publish(lake)
        experiments.publish(lake)
    except OSError as error:
        say(f"decision table not kept: {lake.path} cannot be written ({error.strerror})")


@contextmanager
def _cubes(lake_path: Path) -> Iterator[None]:
    """Meanwhile, and behind whatever else runs: the parts by day that pages add up, where the lake has moved on.

    Pages read the rows until they are there.
    """
    command = [sys.executable, "-m", "playhead", "lake", "cube", "--lake", str(lake_path.resolve())]
    child = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, child.pid, 10)
    try:
        yield
    finally:
        child.terminate()
        child.wait()


@contextmanager
def _child(lake_path: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    root = str(Path(__file__).parent.parent)
    environment = os.environ | {
        "PLAYHEAD_LAKE": str(lake_path.resolve()),
        # The server must find the very packages that started it, installed or not.
        "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
    }
    # In its own session, so that Ctrl-C reaches it once and from us.
    child = subprocess.Popen(
        server_command(port), env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    # Both stop us, also where a shell has started us with interrupts ignored.
    before = {number: signal.signal(number, _as_interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield child
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        child.terminate()
        try:
            child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _await(child: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        if child.poll() is not None:
            raise PlayheadError(
                f"the dashboard's server did not start (status {child.returncode})",
                mend="see the lines above",
            )
        with (
            suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(f"http://{HOST}:{port}/_stcore/health", timeout=1),
        ):
            return
        time.sleep(0.1)
    raise PlayheadError(
        f"the dashboard's server said nothing for {_START_S:.0f} s", mend="run the command again"
    )
