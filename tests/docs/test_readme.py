"""What the README names exists: commands, targets, files, settings."""

import re
from pathlib import Path

import pytest
import typer

from kaskad.cli.root import build_app
from kaskad.config import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]


def shell_lines(text: str) -> list[str]:
    """Return the command lines of a page's shell examples, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_kaskad_command_of_a_page_exists(page: Path) -> None:
    commands = set(typer.main.get_command(build_app()).commands)  # type: ignore[attr-defined]
    lines = shell_lines(page.read_text(encoding="utf-8"))
    named = {line.split()[1] for line in lines if line.startswith("kaskad ")}
    assert {name for name in named if not name.startswith("-")} <= commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_of_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    lines = shell_lines(page.read_text(encoding="utf-8"))
    assert {line.split()[1] for line in lines if line.startswith("make ")} <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_every_file_and_folder_of_the_readme_exists() -> None:
    named = set(re.findall(r"(?:examples|src|docs)/[\w./-]+", README))
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_settings_of_the_readme_are_those_of_the_code_with_their_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", README, re.MULTILINE)
    defaults = Settings()
    assert dict(rows) == {name: getattr(defaults, name) for name in Settings.__struct_fields__}
