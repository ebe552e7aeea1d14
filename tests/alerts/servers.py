"""Prometheus and Alertmanager as Debian packages them, on loopback, stopped by their process when a test is over."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

PROMETHEUS = shutil.which("prometheus")
ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
HOST = "127.0.0.1"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as one:
        return int(one.getsockname()[1])


@dataclass
class Webhook:
    """What Alertmanager has delivered: each notification with when it came."""

    port: int
    received: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def alerts(self, status: str, name: str, severity: str) -> list[tuple[float, dict[str, Any]]]:
        return [
            (at, alert)
            for at, body in self.received
            for alert in body["alerts"]
            if alert["status"] == status
            and alert["labels"]["alertname"] == name
            and alert["labels"]["severity"] == severity
        ]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A receiver of notifications."""
    hook = Webhook(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.received.append((time.time(), json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        hook.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def alertmanager(folder: Path, hook: Webhook) -> Iterator[str]:
    """An Alertmanager that tells the webhook at once; its address."""
    config = {
        "route": {
            "receiver": "test",
            "group_by": ["alertname", "severity"],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        },
        "receivers": [
            {
                "name": "test",
                "webhook_configs": [{"url": f"http://{HOST}:{hook.port}/", "send_resolved": True}],
            }
        ],
    }
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_port()
    assert ALERTMANAGER is not None
    command = [
        ALERTMANAGER,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={HOST}:{port}",
        "--cluster.listen-address=",
    ]
    with _running(command, f"http://{HOST}:{port}/-/ready"):
        yield f"{HOST}:{port}"


@contextmanager
def prometheus(config: Path) -> Iterator[str]:
    """A Prometheus of that configuration, its data beside it; its address."""
    port = free_port()
    assert PROMETHEUS is not None
    command = [
        PROMETHEUS,
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'data'}",
        f"--web.listen-address={HOST}:{port}",
    ]
    with _running(command, f"http://{HOST}:{port}/-/ready"):
        yield f"http://{HOST}:{port}"


def query_range(url: str, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
    """Series of an expression: labels and ``[time, text]`` pairs."""
    parameters = urllib.parse.urlencode({"query": expr, "start": start, "end": end, "step": step})
    with urllib.request.urlopen(f"{url}/api/v1/query_range?{parameters}", timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def samples(url: str, selector: str, window: str) -> list[tuple[dict[str, str], list[float]]]:
    """Labels of each series, and the times of its samples as they were stored."""
    parameters = urllib.parse.urlencode({"query": f"{selector}[{window}]"})
    with urllib.request.urlopen(f"{url}/api/v1/query?{parameters}", timeout=30) as answer:
        found = json.load(answer)["data"]["result"]
    return [(series["metric"], [float(at) for at, _ in series["values"]]) for series in found]


@contextmanager
def _running(command: list[str], ready: str) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(process, ready)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _await(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(600):
        assert process.poll() is None, "it has stopped"
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} is not ready")
