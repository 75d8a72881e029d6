"""The arrows: tm -> commands -> engine, and the ranks inside the engine."""

import ast
from pathlib import Path

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
    ["nets", "photo"],
    ["faces"],
    ["data"],
    ["metrics"],
    ["banks", "experts", "evaluators"],
    ["miners"],
    ["losses"],
    ["inference"],
    ["video"],
    ["enhance", "prep", "relabel"],
    ["training"],
    ["trainings"],
    ["scoring"],
    ["landscapes"],
    ["page"],
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


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module} if node.module != "engine" else {"engine (whole)"}
    return names


def forbidden_imports(path: Path) -> list[str]:
    """Modules of ours that a file may not import: of a higher top-level package, or not below."""
    top, *rest = path.relative_to(ROOT).with_suffix("").parts
    ours = {name for name in imports(path) if name.split(".")[0] in MAY_IMPORT}
    wrong = [name for name in ours if name.split(".")[0] not in MAY_IMPORT[top]]
    if top != "engine" or len(rest) < 2:
        return wrong
    own = rest[0]
    packages = {name: name.split(".")[1] for name in ours if name.startswith("engine.")}
    return wrong + [
        name for name, package in packages.items() if package != own and RANK[package] >= RANK[own]
    ]


def swallowing_handlers(path: Path) -> list[int]:
    """Lines of handlers that catch everything and do nothing."""
    lines: list[int] = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ExceptHandler):
            empty = all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
            caught = node.type.id if isinstance(node.type, ast.Name) else None
            if empty and (node.type is None or caught in {"Exception", "BaseException"}):
                lines.append(node.lineno)
    return lines


def reads_anything(path: Path) -> list[int]:
    """Lines that read a path without `engine.core.regular`; what the package brings may be."""
    lines: list[int] = []
    for node in ast.walk(parsed(path)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        modes = [one.value for one in node.args[:1] if isinstance(one, ast.Constant)]
        reads = node.func.attr in {"read_text", "read_bytes"}
        reads |= node.func.attr == "open" and modes in (["r"], ["rb"])
        if reads and not ast.unparse(node.func.value).startswith("files("):
            lines.append(node.lineno)
    return lines


def test_imports_point_down():
    assert len(SOURCES) > 400
    wrong = {str(path): forbidden_imports(path) for path in SOURCES}
    assert not {path: names for path, names in wrong.items() if names}


def test_every_engine_package_has_a_rank():
    packages = {path.parent.name for path in (ROOT / "engine").glob("*/__init__.py")}
    assert packages <= set(RANK) | {"shipped"}


def test_the_engine_imports_no_terminal():
    engine = [path for path in SOURCES if path.relative_to(ROOT).parts[0] == "engine"]
    assert not [path for path in engine if TERMINAL & {n.split(".")[0] for n in imports(path)}]


def test_files_are_at_most_400_lines():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in EVERYTHING}
    assert not {path: length for path, length in lengths.items() if length > 400}


def test_file_names_say_what_the_files_hold():
    assert not [path for path in EVERYTHING if path.stem.strip("_") in VAGUE]


def test_nothing_swallows_an_exception():
    lines = {path: swallowing_handlers(path) for path in SOURCES}
    assert not {path: rows for path, rows in lines.items() if rows}


def test_files_of_users_are_opened_as_regular_files_alone():
    """A pipe would be waited for without end, and `/dev/zero` read until the memory is full."""
    assert not {path: rows for path in SOURCES if (rows := reads_anything(path))}
