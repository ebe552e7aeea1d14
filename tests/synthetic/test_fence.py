"""The recommender never sees the truth: by what it imports, by what it is handed, and by what it does without it."""

from __future__ import annotations

import ast
import inspect
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

import synthetic.control_plane
from synthetic.control_plane.catalogue import Catalogue
from synthetic.control_plane.in_session import Ranking
from synthetic.control_plane.play_log import LookLog, PlayLog, ResultLog
from synthetic.discovery import Discovery, logged_looks, logged_results, logged_starts
from synthetic.scenario import load_scenario
from synthetic.viewer import Browse
from synthetic.warmup import settle_in
from synthetic.world import World, make_world

PLANE = sorted(Path(synthetic.control_plane.__path__[0]).rglob("*.py"))
# What the control plane may import of ours: tools, itself, and the title's metadata where it is published.
ALLOWED = (
    "synthetic.control_plane", "synthetic.jit", "synthetic.random", "synthetic.arrays", "synthetic.products", "metrics",
)  # fmt: skip
PUBLISHED = ("catalogue.py", {"GENRES", "Titles"})
HIDDEN = (
    "taste_offset",
    "liking",
    "mood",
    "joy",
    "satisfaction",
    "worth",
    "bait",
    "pull",
    "quality",
    "wanted",
    "people",
    "shelf",
)


@pytest.mark.parametrize("path", PLANE, ids=lambda path: path.name)
def test_the_control_plane_imports_no_truth(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("synthetic", "metrics"):
            names = {alias.name for alias in node.names}
            if path.name == PUBLISHED[0] and node.module == "synthetic.titles":
                assert names <= PUBLISHED[1]
            elif node.module == "synthetic":
                assert names <= {"random"}
            else:
                assert (node.module or "").startswith(ALLOWED), node.module


@pytest.mark.parametrize("path", PLANE, ids=lambda path: path.name)
def test_the_control_plane_is_handed_no_truth(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            every = [*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs]
            assert not {argument.arg for argument in every} & set(HIDDEN), node.name


def test_nothing_that_reaches_the_service_names_the_truth() -> None:
    for kind in (PlayLog, LookLog, ResultLog, Catalogue):
        assert not {field.name for field in fields(kind)} & set(HIDDEN)
    assert not set(Ranking._fields) & set(HIDDEN)
    for function in (logged_starts, logged_looks, logged_results, Discovery.enter, Discovery.learn):
        source = inspect.getsource(function)
        for word in ("joy", "people", ".taste[", "worth", "bait"):
            assert f".{word}" not in source.replace("week.taste", ""), (function.__name__, word)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(load_scenario(None, panel=200, days=7, titles=2_000))


def test_the_same_logs_teach_the_same_whatever_the_truth_is(world: World) -> None:
    """Hidden taste, worth and joy are exchanged under a trained service: it learns and ranks the same bits."""
    settled = settle_in(world)
    names = ("share", "start_share", "taste", "taste_offset", "quality", "bait", "pull", "worth", "affinity")
    hidden: dict[str, Any] = {name: getattr(world.titles, name)[::-1].copy() for name in names}
    lied = replace(world, taste=world.taste[::-1].copy(), titles=replace(world.titles, **hidden))
    models = []
    for each in (world, lied):
        old = settled.discovery
        service = old.copied(world=each)
        service.learn(0)
        models.append(service.week)
    assert models[0].candidate.tobytes() == models[1].candidate.tobytes()
    assert models[0].score.tobytes() == models[1].score.tobytes()
    assert models[0].taste.tobytes() == models[1].taste.tobytes()
    assert {f.name for f in fields(Browse)} & set(HIDDEN) == {"joy"}
