"""The arrows: tm -> commands -> engine, and the ranks inside the engine."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "tm": {"tm", "commands", "engine"},
    "commands": {"commands", "engine"},
    "engine": {"engine"},
}
RANKS = [
    ["core"],
    ["geometry", "ops", "worlds"],
    ["runtime", "schedules", "images", "weights"],
    ["config"],
    ["nets", "faces"],
    ["data"],
    ["metrics"],
    ["banks", "experts", "evaluators"],
    ["miners"],
    ["losses"],
    ["inference"],
    ["enhance", "prep", "relabel"],
    ["training"],
    ["trainings"],
    ["scoring"],
    ["landscapes"],
    ["app"],
]
RANK = {package: rank for rank, packages in enumerate(RANKS) for package in packages}
SOURCES = sorted(path for top in MAY_IMPORT for path in (ROOT / top).rglob("*.py"))
EVERYTHING = [
    *SOURCES,
    *sorted((ROOT / "tests").rglob("*.py")),
    *(ROOT / "benchmarks").rglob("*.py"),
]
VAGUE = {"utils", "helpers", "common", "misc", "manager"}
TERMINAL = {"typer", "rich"}


def named(path):
    return str(path.relative_to(ROOT))


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module} if node.module != "engine" else {"engine (whole)"}
    return names


def test_there_is_something_to_look_at():
    assert len(SOURCES) > 40


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_imports_point_down(path):
    top, *rest = path.relative_to(ROOT).with_suffix("").parts
    ours = {name for name in imports(path) if name.split(".")[0] in MAY_IMPORT}
    assert {name.split(".")[0] for name in ours} <= MAY_IMPORT[top]
    if top != "engine" or len(rest) < 2:
        return
    own = rest[0]
    for name in ours:
        package = name.split(".")[1]
        assert package == own or RANK[package] < RANK[own], f"{own} may not import {name}"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_the_engine_knows_no_terminal(path):
    if path.relative_to(ROOT).parts[0] == "engine":
        assert not TERMINAL & {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", EVERYTHING, ids=named)
def test_files_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", EVERYTHING, ids=named)
def test_files_are_named_for_what_they_hold(path):
    assert path.stem.strip("_") not in VAGUE


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_nothing_swallows_an_exception(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            empty = all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
            assert not (empty and node.type is None), f"line {node.lineno} swallows everything"
            broad = isinstance(node.type, ast.Name) and node.type.id in {
                "Exception",
                "BaseException",
            }
            assert not (empty and broad), f"line {node.lineno} swallows everything"


def test_every_engine_package_has_a_rank():
    packages = {path.parent.name for path in (ROOT / "engine").glob("*/__init__.py")}
    assert packages <= set(RANK) | {"shipped"}
