"""The pages of the providers say what their classes say; `--update-pages` writes them anew."""

import json
import re
from pathlib import Path

import pytest

from kaskad.providers import PROVIDERS, evidence
from kaskad.providers.reference import BEGIN, page, table

ROOT = Path(__file__).parents[2]
OVERVIEW, PAGES = ROOT / "docs/providers.md", ROOT / "docs/providers"
EVIDENCE = ROOT / "src/kaskad/providers/evidence.json"
CASES = ROOT / "tests/providers/cases"
SPECS = sorted((ROOT / "tests/providers").glob("test_specs*.py"))


def counted():
    """Return what the tests hold of each provider, a line each."""
    specified = "".join(path.read_text() for path in SPECS)
    lines = {}
    for name in sorted(PROVIDERS):
        cases = [json.loads(path.read_text()) for path in sorted((CASES / name).glob("*.json"))]
        lines[name] = {
            "cases": len(cases),
            "payloads": sum("payload" in case for case in cases),
            "specification": re.search(rf"\b{name}\b", specified) is not None,
        }
    return "{\n" + ",\n".join(f'"{name}": {json.dumps(told)}' for name, told in lines.items()) + "\n}\n"


@pytest.fixture(scope="module", autouse=True)
def written(request):
    """Write the files first, where that is asked for."""
    if not request.config.getoption("--update-pages", default=False):
        return
    EVIDENCE.write_text(counted(), "utf-8")
    evidence._all.cache_clear()
    head, found, _ = OVERVIEW.read_text("utf-8").partition(BEGIN + "\n\n")
    OVERVIEW.write_text(head + found + table(PROVIDERS), "utf-8")
    PAGES.mkdir(exist_ok=True)
    for name, provider in PROVIDERS.items():
        (PAGES / f"{name}.md").write_text(page(provider), "utf-8")


def test_the_evidence_is_that_of_the_tests():
    assert EVIDENCE.read_text("utf-8") == counted(), "run pytest tests/docs --update-pages"


def test_the_table_is_that_of_the_code():
    _, found, rest = OVERVIEW.read_text("utf-8").partition(BEGIN + "\n\n")
    assert found, f"docs/providers.md has no line {BEGIN}"
    assert rest == table(PROVIDERS), "run pytest tests/docs --update-pages, and read the difference"


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_page_is_that_of_the_class(name):
    path = PAGES / f"{name}.md"
    assert path.exists() and path.read_text("utf-8") == page(PROVIDERS[name]), "run --update-pages"


def test_no_page_is_left_over():
    assert {path.stem for path in PAGES.glob("*.md")} == set(PROVIDERS)


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_says_how_it_is_connected(name):
    assert PROVIDERS[name].connect, f"{name} has no `connect`: say in steps how an account is set up"


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_judge_is_used_by_a_test(name):
    """A judge is named as the tests name it: a module in small letters, anything else by its name."""
    texts = [path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    for judge in PROVIDERS[name].judges:
        used = rf"(?m)^ *(import|from) {judge}\b" if judge.islower() else re.escape(judge)
        assert any(re.search(used, text) for text in texts), judge


def test_pages_show_addresses_as_they_are_written_and_no_names_of_the_code():
    for path in PAGES.glob("*.md"):
        text = path.read_text("utf-8")
        assert not re.search(r"`<https?://|https?://[^\s`>]*`>", text), path.name
        assert not re.search(r"\| +\|? *(words|reasons) \|.*\n.*\n\| `(\w+)` \| \2 \|", text), path.name
        assert "LISTENED_S" not in text, path.name
