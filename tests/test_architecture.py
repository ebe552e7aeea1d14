"""The shape of the code, as rules a machine can check: who may import whom, what a package shows, what
starting costs, what no committed file may say."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

# Imported only where a cluster has it.
OPTIONAL = {"pyspark"}
# Polars takes time zones from the first where the machine has none, Streamlit signs readers in with the others.
USED_BY_OTHERS = {"tzdata", "authlib", "httpx"}

# One import that each contract must refuse, and the contract's name.
VIOLATIONS = {
    "metrics/errors.py": ("import synthetic", "imports point downward only"),
    "synthetic/control_plane/__init__.py": ("import synthetic.data_plane", "do not talk to each other"),
    "alerts/__init__.py": ("import streamlit", "streamlit only"),
    "cost_model/__init__.py": ("import great_expectations", "great expectations only"),
    "synthetic/__init__.py": ("import pyspark", "pyspark only"),
    "dashboards/__init__.py": ("import prometheus_api_client", "prometheus_api_client only"),
    "metrics/ingest/__init__.py": ("import metrics.truth", "the truth is read only"),
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_import_contracts_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_import_contract_refuses_a_violation(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, (line, _) in VIOLATIONS.items():
        with (tmp_path / file).open("a", encoding="utf-8") as module:
            module.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = [row for row in done.stdout.splitlines() if " BROKEN" in row]
    for _, contract in VIOLATIONS.values():
        assert any(contract in row for row in broken), f"{contract!r} let its violation pass:\n{done.stdout}"
    assert len(PROJECT["tool"]["importlinter"]["contracts"]) == len(VIOLATIONS)


def test_help_loads_nothing_heavy() -> None:
    """``playhead --help`` starts at once because it loads click and the standard library alone."""
    program = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from playhead.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit as stop:\n"
        "    assert stop.code == 0\n"
        "tops = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print('LOADED', *sorted(tops - sys.stdlib_module_names))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split()) - {"LOADED"}
    assert loaded - set(PACKAGES) == {"click"}


@pytest.mark.parametrize("package", [p for p in MODULES if p.name == "__init__.py"], ids=str)
def test_a_package_says_what_it_knows(package: Path) -> None:
    assert ast.get_docstring(ast.parse(package.read_text("utf-8"))), f"{package}: no docstring"


def test_every_public_module_declares_a_face_that_exists() -> None:
    faults = []
    for path in MODULES:
        # Pages and the app are scripts that Streamlit runs; a command's face is its `command`.
        if path.name.startswith("_") or path.parent.name == "views" or path.name == "app.py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        defined = _top_level_names(tree)
        where = path.relative_to(ROOT).as_posix()
        if path.parent.name == "commands":
            if "command" not in defined:
                faults.append(f"{where}: offers no `command`")
            continue
        face = _declared_face(tree)
        if face is None:
            faults.append(f"{where}: no __all__")
            continue
        faults += [f"{where}: __all__ names {name!r}, which is not there" for name in face - defined]
    assert faults == []


def _declared_face(tree: ast.Module) -> set[str] | None:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            assert isinstance(node, (ast.Assign, ast.AnnAssign))
            assert node.value is not None
            names: list[str] = ast.literal_eval(node.value)
            return set(names)
    return None


def _top_level_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        else:
            names |= {
                n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
    return names


def test_no_page_shadows_a_package() -> None:
    """Streamlit puts the app's folder first on the path, where ``dashboards/metrics.py`` would hide ours."""
    names = {p.stem for p in (ROOT / "dashboards").iterdir()} & set(PACKAGES)
    assert names == set()


def _pins(lock: str) -> set[str]:
    text = (ROOT / lock).read_text("utf-8")
    return {line.split()[0] for line in text.splitlines() if re.match(r"[a-z0-9]", line)}


def test_the_locks_agree_and_cover_the_project() -> None:
    runtime, development = _pins("requirements.lock"), _pins("requirements-dev.lock")
    assert runtime <= development
    groups = PROJECT["dependency-groups"]
    for asked, pins in (
        (PROJECT["project"]["dependencies"] + groups["build"], runtime),
        (groups["dev"], development),
        (groups["spark"], _pins("requirements-spark.lock")),
    ):
        names = {re.split(r"[<>=!~;\[ ]", line)[0].lower() for line in asked}
        assert names <= {pin.split("==")[0] for pin in pins}
    assert groups["spark"] == PROJECT["project"]["optional-dependencies"]["spark"]


def test_every_pin_has_a_hash() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock", "requirements-spark.lock"):
        blocks = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text("utf-8"))[1:]
        assert blocks
        assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


# Written in parts, so that this file does not name what it forbids.
INDEX_HOSTS = [
    ".".join(parts)
    for parts in (("pypi", "org"), ("npmjs", "org"), ("debian", "org"), ("python" + "hosted", ""))
]
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|root|Users|work|opt)/\w")


def test_no_committed_file_names_an_index_or_a_machine() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    faults = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        faults += [f"{name}: {host}" for host in INDEX_HOSTS if host in text]
        faults += [f"{name}: {match.group()}" for match in MACHINE_PATH.finditer(text)]
    assert faults == []


def test_what_is_imported_is_declared_and_what_is_declared_is_used() -> None:
    dists = {name: {d.lower().replace("_", "-") for d in of} for name, of in packages_distributions().items()}
    imported: set[str] = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    third_party = imported - sys.stdlib_module_names - set(PACKAGES) - OPTIONAL
    declared = {re.split(r"[<>=!~;\[ ]", line)[0].lower() for line in PROJECT["project"]["dependencies"]}
    assert {name for name in third_party if not dists.get(name, set()) & declared} == set()
    assert declared - set().union(*(dists.get(name, set()) for name in third_party)) == USED_BY_OTHERS
