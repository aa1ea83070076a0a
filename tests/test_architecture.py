"""The shape of the code: where imports point, how long a function and a file may be."""

import ast
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from kaskad.providers import PROVIDERS

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "kaskad").rglob("*.py"))
PURE_LIBRARIES = {
    "babel",
    "cryptography",
    "email_validator",
    "holidays",
    "css_inline",
    "inscriptis",
    "kaskad",
    "liquid",
    "mrml",
    "msgspec",
    "phonenumbers",
    "ruamel",
}


def functions(path: Path) -> list[tuple[str, int]]:
    """Return the name and the number of lines of every function in a file."""
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def imports(path: Path) -> set[str]:
    """Return the top-level packages that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_imports_point_downwards() -> None:
    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == 0, "run `make check` to see which import points the wrong way"


def test_the_domain_imports_only_the_standard_library_and_pure_libraries() -> None:
    allowed = PURE_LIBRARIES | set(sys.stdlib_module_names)
    strangers = {
        f"{path.name}: {name}"
        for path in SOURCES
        if path.parent.name == "domain"
        for name in imports(path) - allowed
    }
    assert not strangers


@pytest.mark.parametrize("process", ["kaskad.engine.sender", "kaskad.web.porter.lodge"])
def test_a_process_beside_the_server_begins_without_what_most_installations_do_not_need(process: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", f"import sys, {process}; print(*sys.modules)"], capture_output=True, text=True
    )
    read = set(said.stdout.split())
    assert process in read, said.stderr
    libraries = {"aiosmtplib", "websockets", "apprise", "phonenumbers", "cryptography", "fastapi"}
    assert not libraries & read
    assert not {f"kaskad.providers.{name}" for name in PROVIDERS} & read


def test_a_server_begins_without_the_libraries_of_forecasts() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, kaskad.web.app; print(*sys.modules)"],
        capture_output=True,
        text=True,
    )
    read = set(said.stdout.split())
    assert "kaskad.web.app" in read, said.stderr
    assert not {"scipy.special", "scipy.stats", "scipy.optimize", "holidays"} & read


def test_no_function_is_longer_than_sixty_lines() -> None:
    assert [name for path in SOURCES for name, lines in functions(path) if lines > 60] == []


PLACES = {  # of the house plan, where each names its files: from here to there
    "domain": ("Inside `domain/`", "Inside `engine/`"), "engine": ("Inside `engine/`", "## Data"),
    "analytics": ("# The house plan", "## Promises"), "planning": ("# The house plan", "## Promises"),
}  # fmt: skip


@pytest.mark.parametrize("room", PLACES)
def test_the_house_plan_names_every_file_of(room: str) -> None:
    begins, ends = PLACES[room]
    plan = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+\*?)(?:\.py)?`", plan.partition(begins)[2].partition(ends)[0]))
    files = {path.stem for path in (ROOT / "src" / "kaskad" / room).glob("*.py")} - {"__init__"}
    assert not [name for name in files if not any(fnmatch(name, each) for each in named)]
    assert room != "engine" or named == files


def test_the_house_plan_names_files_and_tests_that_are_there() -> None:
    plan = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+\.(?:py|sql|md))`", plan))
    ours = [path for room in ("src", "tests", "docs", "frontend") for path in (ROOT / room).rglob("*.*")]
    there = "\n".join(f"/{path.relative_to(ROOT)}\n" for path in ours)
    assert not [name for name in named if f"/{name}\n" not in there and "NAME" not in name]


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in SOURCES}
    assert not {name: lines for name, lines in lengths.items() if lines > 500}


def test_the_lock_file_pins_every_direct_dependency_and_names_no_host() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert " @ " not in lock
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lock.splitlines() if "==" in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = {re.split(r"[\[<>=!~ ;]", line)[0].lower().replace("_", "-") for line in wanted}
    assert names <= pinned, f"run `make lock`: {sorted(names - pinned)}"
