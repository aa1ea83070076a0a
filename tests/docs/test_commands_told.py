"""Commands that texts tell people to give: each is there, with its options, and does something by itself."""

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from kaskad.cli.root import build_app

ROOT = Path(__file__).parents[2]
SOURCES = [
    *(ROOT / "docs").rglob("*.md"), ROOT / "README.md",
    *(path for ending in ("py", "html", "po") for path in (ROOT / "src" / "kaskad").rglob(f"*.{ending}")),
]  # fmt: skip
_TOLD = re.compile(r"`kaskad ([^`]*)`")
_LINES = re.compile(
    r"(?m)^(?:    |\$ )?kaskad +(?!unix )([a-z][^#\n]*)(.*)$"
)  # in examples; `unix`: a line of Postfix
_BROKEN = re.compile(r'"\s*\n\s*f?"')  # a text in several lines of code
ANY = ("…", "COMMAND", "--help")  # stands for whatever there is


@pytest.fixture(scope="module")
def root():
    return typer.main.get_command(build_app())


def wrong(root, told):
    """Return what is wrong with a command as it is told; "": nothing, "group": it shows only help."""
    words, command = told.split(), root
    while words and isinstance(command, TyperGroup) and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    options = {word.partition("=")[0].rstrip(".,;:)") for word in words if re.match("--[a-z]", word)}
    if missing := options - known - {"--help"}:
        return f"no option {', '.join(sorted(missing))}"
    if isinstance(command, TyperGroup) and not command.invoke_without_command:
        return "group" if not words else "" if words[0] in ANY else f"no command {words[0]}"
    return ""


def test_every_command_that_is_told_exists_with_its_options(root):
    found = {}
    for path in SOURCES:
        text = _BROKEN.sub("", path.read_text(encoding="utf-8"))
        may_name_groups = path.suffix != ".py" or path.parent.name == "cli"  # as what a file is of
        for told in _TOLD.findall(text):
            problem = wrong(root, told.replace("|", " ").replace("\n", " "))
            if problem and not (problem == "group" and may_name_groups):
                found[f"{path.relative_to(ROOT)}: {told}"] = problem
        if path.suffix == ".md":
            for told, why in _LINES.findall(text.replace("\\\n", " ")):
                problem = wrong(root, told.replace("|", " "))
                if problem and not (problem == "group" and why):  # whose commands are named beside it
                    found[f"{path.relative_to(ROOT)}: {told}"] = problem
    assert not found
    assert wrong(root, "trial start --shares 20%") and wrong(root, "hits range") and wrong(root, "rates")
