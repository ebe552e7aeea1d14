"""The wheel, built, installed and run outside the checkout: what a user gets who never sees the source."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from playhead.cli import COMMANDS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and an empty folder to run in."""

    python: Path
    folder: Path

    def run(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ``argv`` in the folder, with nothing of the caller's that could lead back to the checkout."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PLAYHEAD"))}
        return subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    def output(self, *argv: str) -> str:
        """Standard output of the environment's Python; it must succeed."""
        done = self.run(self.python, *argv)
        assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @property
    def playhead(self) -> Path:
        """The installed command."""
        return self.python.parent / "playhead"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel alone in a new environment; its dependencies are borrowed from this one.

    They are borrowed by a path entry, which does not follow the editable install's own path entry back to the
    checkout.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    paths = {"base": str(home), "platbase": str(home)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=paths))
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n", "utf-8")
    install = ["uv", "pip", "install", "--quiet", "--offline", "--no-index", "--no-deps", "--no-config"]
    subprocess.run(
        [sys.executable, "-m", *install, "--python", str(python), str(wheel)], check=True, capture_output=True
    )
    return Installed(python, tmp_path_factory.mktemp("elsewhere"))


def test_the_wheel_carries_every_module_and_data_file_of_the_packages(wheel: Path) -> None:
    shipped = set(zipfile.ZipFile(wheel).namelist())
    kinds = {".py", ".toml", ".yaml", ".json", ".html", ".css", ".csv", ".j2", ".woff2", ".svg", ".png"}
    here = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in kinds and "__pycache__" not in path.parts
    }
    assert sorted(here - shipped) == []


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    version = PROJECT["project"]["version"]
    assert {name.split("/")[0] for name in names} == {*PACKAGES, f"playhead-{version}.dist-info"}
    assert [name for name in names if name.endswith("dist-info/licenses/LICENSE")]


def test_the_packages_resolve_to_the_wheel(installed: Installed) -> None:
    names = ", ".join(PACKAGES)
    files = installed.output(
        "-c", f"import {names}; print(*[m.__file__ for m in ({names})], sep='\\n')"
    ).splitlines()
    assert len(files) == len(PACKAGES)
    for file in files:
        assert Path(file).is_relative_to(installed.python.parent.parent)


def test_version_and_help(installed: Installed) -> None:
    version = installed.run(installed.playhead, "--version").stdout.strip()
    assert version == f"playhead, version {PROJECT['project']['version']}"
    shown = installed.run(installed.playhead, "--help").stdout
    assert [name for name in COMMANDS if name not in shown] == []
    assert installed.output("-m", "playhead", "--help") == shown


def test_every_command_loads(installed: Installed) -> None:
    """One process for all of them: a module or data file missing from the wheel fails its command."""
    installed.output(
        "-c",
        "from click.testing import CliRunner\n"
        "from playhead.cli import COMMANDS, _playhead\n"
        "for name in COMMANDS:\n"
        "    result = CliRunner().invoke(_playhead, [name, '--help'])\n"
        "    assert result.exit_code == 0 and result.output.startswith('Usage:'), (name, result)\n",
    )


def test_the_shipped_objectives_pass_their_own_check(installed: Installed) -> None:
    where = "import alerts, pathlib; print(pathlib.Path(alerts.__file__).parent / 'objectives')"
    files = sorted(Path(installed.output("-c", where).strip()).glob("*.yaml"))
    assert files
    done = installed.run(installed.playhead, "slo", "check", *files)
    assert done.returncode == 0, done.stderr


def test_a_missing_file_is_one_line_and_status_2(installed: Installed) -> None:
    done = installed.run(installed.playhead, "slo", "check", "absent.yaml")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "absent.yaml" in line
