"""The plan of docs/architecture.md, held by reading the sources (`ast` only, nothing is imported)."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "facecli"
MAX_LINES = 600
MOST_MODULES = 158

# Who may import what, from the ground up: a package or a module, within its own package freely.
ALLOWED = {
    "core": set(),
    "models": {"core"},
    "detect": {"core", "models.checkpoint", "models.litert", "models.terms", "models.weights_registry"},
    "infer": {"core", "detect"} | {"models.checkpoint", "models.litert", "models.readout"},
    "live": {"core", "detect", "infer"},
    "draw": {"core"},
    "sources": {"core"},
    "schema": {"core"},
    "sinks": {"core", "schema", "sources", "models.checkpoint"},
    "pipeline": {"core", "schema", "infer", "live", "draw", "sources", "sinks"},
    "window": {"core", "draw", "sinks", "pipeline"},
    "results": {"core", "draw", "schema", "sources", "sinks"},
    "analyzer": {"core", "detect", "infer", "live", "sources", "pipeline", "results"}
    | {"models.checkpoint", "models.litert"},
    "web": {"core", "detect", "infer", "live", "draw", "sources", "sinks", "pipeline"}
    | {"models.checkpoint", "models.litert", "models.readout", "models.registry", "models.terms"},
    "crowd": {"core", "sinks", "models.checkpoint"},
    "measure": {"core", "infer", "draw", "sources", "sinks", "pipeline"},
    "data": {"core", "detect", "sources.files", "sources.web", "sources.cloud"},
    "training": {"core", "models", "data", "detect"},
    "explain": {"core", "models"},
    "cli": {"core", "models", "detect", "infer", "live", "draw", "sources", "sinks", "pipeline", "window"}
    | {"schema", "web", "crowd", "measure", "data", "training", "explain"},
    "distributed": {"core", "schema", "sources", "analyzer"},
    "__main__": {"cli"},
    "__init__": {"analyzer", "results", "core"},
}
RUN_LANE = ("core", "schema", "detect", "infer", "live", "draw")
RUN_LANE += ("sources", "sinks", "pipeline", "window", "web")
DOOR = ("cli", "__main__")
TRAIN_ONLY = {"tensorflow", "keras", "pandas", "sklearn", "scipy", "matplotlib"}
# What neither `facecli --help` nor a wrong argument may wait for.
SLOW = TRAIN_ONLY | {"cv2", "lap", "torch", "ai_edge_litert", "pyarrow", "pillow_heif", "daft", "ray"}
SLOW |= {"fastapi", "starlette", "uvicorn", "pydantic", "jinja2", "prometheus_client"}


class Import(NamedTuple):
    """One imported name as written: `module` absolute, `top` when outside every function."""

    module: str
    line: int
    top: bool


def module_name(path: Path) -> str:
    """Dotted name within the package: "vision.detect", "cli"; "data" for data/__init__.py."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


@cache
def imports(name: str) -> tuple[Import, ...]:
    return tuple(_imports(parsed(name), name, top=True))


def _imports(node: ast.AST, name: str, top: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if _is_type_checking(child):
            continue
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, top) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (Import(found, child.lineno, top) for found in _from_names(child, name))
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, name, top and not function)


def _from_names(node: ast.ImportFrom, name: str) -> Iterator[str]:
    """Names of `from X import Y`: X.Y where that is a module of the package, else X."""
    base = node.module or ""
    if node.level:
        package = f"facecli.{name}".split(".")
        is_package = MODULES[name].name == "__init__.py"
        package = package[: len(package) - node.level + is_package]
        base = ".".join([*package, base] if base else package)
    for alias in node.names:
        inner = f"{base}.{alias.name}"
        yield inner if inner.removeprefix("facecli.") in MODULES and inner != base else base


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def inner_imports(name: str, top_only: bool = False) -> dict[str, int]:
    """Modules of the package that `name` imports, with the line; packages count as themselves."""
    found = {}
    for imported in imports(name):
        inner = imported.module.removeprefix("facecli.")
        if imported.module.startswith("facecli.") and inner in MODULES and (imported.top or not top_only):
            found.setdefault(inner, imported.line)
    return found


def outer_imports(name: str, top_only: bool = False) -> set[str]:
    """Top names of the imported packages that are not facecli."""
    return {
        found.module.partition(".")[0]
        for found in imports(name)
        if not found.module.startswith("facecli") and (found.top or not top_only)
    }


def room(name: str) -> str:
    return name.partition(".")[0]


def reachable(start: set[str], top_only: bool = False) -> set[str]:
    """Modules that importing `start` brings, itself included."""
    seen, todo = set(), list(start)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += inner_imports(name, top_only)
    return seen


def in_rooms(rooms: tuple[str, ...]) -> set[str]:
    return {name for name in MODULES if room(name) in rooms}


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_only_along_the_allowed_arrows(name):
    allowed = ALLOWED[room(name)]
    wrong = [
        f"{name} line {line} imports {inner}"
        for inner, line in inner_imports(name).items()
        if room(inner) != room(name) and not {inner, room(inner)} & allowed
    ]
    assert wrong == []


def test_no_import_cycle_not_even_through_function_bodies():
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' -> '.join([*trail, name])}"
        if name not in done:
            for inner in inner_imports(name):
                visit(inner, (*trail, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


def test_run_lane_never_reaches_a_train_lane_library():
    lane = reachable(in_rooms(RUN_LANE))
    assert {name: found for name in lane if (found := outer_imports(name) & TRAIN_ONLY)} == {}


def test_checkpoints_are_read_with_the_standard_library_only():
    if "models.checkpoint" not in MODULES:
        pytest.skip("models/checkpoint.py is not written yet")
    brought = reachable({"models.checkpoint"}) - {"core.paths"}
    assert {name: found for name in brought if (found := outer_imports(name) & {*SLOW, "numpy"})} == {}


def test_door_imports_nothing_slow_before_a_command_runs():
    door = reachable(in_rooms(DOOR), top_only=True)
    assert {name: found for name in door if (found := outer_imports(name, top_only=True) & SLOW)} == {}
    # What detectors there are: names, without any of them.
    light = {"detect", "detect.registry", "models", "models.terms"}
    assert {name for name in door if room(name) not in {"core", *DOOR}} <= light


def test_rooms_are_few():
    rooms = [name for name, path in MODULES.items() if path.name != "__init__.py"]
    assert len(rooms) <= MOST_MODULES, "put what is one concept into one module"


@pytest.mark.parametrize("name", MODULES)
def test_module_is_short(name):
    lines = len(MODULES[name].read_text(encoding="utf-8").splitlines())
    assert lines < MAX_LINES, f"{name} has {lines} lines; split it by concept"


@pytest.mark.parametrize("name", MODULES)
def test_library_code_neither_prints_nor_hides_errors(name):
    wrong = []
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "pprint.pprint"}:
            wrong.append(f"line {node.lineno}: print; use logging, or click.echo in commands")
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"click.echo", "click.secho"}:
            if room(name) not in DOOR:
                wrong.append(f"line {node.lineno}: click.echo outside commands")
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            wrong.append(f"line {node.lineno}: bare except")
    assert wrong == []


LIBRARY = (
    "analyzer",
    "distributed",
    "results",
    "schema",
    "core",
    "models",
    "detect",
    "infer",
    "live",
    "draw",
    "sources",
    "sinks",
    "pipeline",
)
"""What is used from Python and by the server, too; `core.recipes` are requests of the command line."""


@pytest.mark.parametrize("name", [name for name in sorted(MODULES) if name.split(".")[0] in LIBRARY])
def test_errors_of_the_library_name_no_options_of_the_command_line(name):
    """Those belong to the hint, which is the second argument. A whole command may be named."""
    named = [text for text in _messages(parsed(name)) if re.search(r"(?<!\w)--[a-z]", text)]
    assert name == "core.recipes" or [text for text in named if "'facecli " not in text] == []


def _messages(module: ast.Module) -> Iterator[str]:
    """Literal texts that errors are raised with, first arguments only."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
            parts = [part for argument in node.args[:1] for part in ast.walk(argument)]
            yield "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))


def test_every_room_is_in_the_table():
    assert {room(name) for name in MODULES} <= set(ALLOWED)
