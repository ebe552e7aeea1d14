"""The dashboard's server: on loopback alone, on a free port, gone when asked to go."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from metrics.errors import InputError, LakeError
from metrics.lake import Lake
from playhead.serving import free_port, serve, server_command

ROOT = Path(__file__).parents[2]


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port(port) <= port + 20


def test_no_port_left_is_one_line() -> None:
    with pytest.raises(InputError, match="all taken"):
        free_port(65_536)


def test_what_protects_the_reader_is_on_the_command_line() -> None:
    command = server_command(8501)
    for setting in (
        "--server.address=127.0.0.1", "--server.enableXsrfProtection=true", "--server.enableCORS=true",
        "--browser.gatherUsageStats=false", "--client.showErrorDetails=none", "--server.headless=true",
    ):  # fmt: skip
        assert setting in command


def test_what_is_no_lake_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(LakeError):
        serve(tmp_path / "nowhere")


def test_the_dashboard_serves_and_stops(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    command = [sys.executable, "-m", "playhead", "dashboard", "--lake", str(lake.path), "--port", "8731"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            line = next(line for line in server.stderr if "Playhead is at" in line)
            (url,) = re.findall(r"http://127\.0\.0\.1:\d+", line)
            with urllib.request.urlopen(url, timeout=10) as answer:
                assert answer.status == 200
            server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0
        finally:
            server.kill()
    port = int(url.rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
