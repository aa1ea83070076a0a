"""The glossary's values are those of the code."""

import re
from enum import Enum
from pathlib import Path

import pytest

from kaskad.domain import terms

PAGE = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")
CODED = [cls for cls in vars(terms).values() if isinstance(cls, type) and issubclass(cls, terms.Coded)]


def values(name: str) -> list[tuple[str, int]]:
    """Return the values and numbers that the glossary's section of this name lists."""
    section = re.search(rf"^### `{name}`:.*?(?=^### |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert section, f"docs/glossary.md has no section ### `{name}`: …"
    return [(v, int(n)) for v, n in re.findall(r"^\| `(\w+)` \| (\d+) \|", section[0], re.MULTILINE)]


@pytest.mark.parametrize("cls", [c for c in CODED if c is not terms.Coded], ids=lambda cls: cls.__name__)
def test_the_values_of_a_field_are_those_of_the_code(cls: type[terms.Coded]) -> None:
    assert values(cls.__name__) == [(member.value, member.code) for member in cls]


def test_the_kinds_of_facts_are_those_of_the_code() -> None:
    assert values("Kind") == [(kind.name.lower(), kind.value) for kind in terms.Kind]


def test_every_section_of_values_stands_for_an_enumeration() -> None:
    names = re.findall(r"^### `(\w+)`:", PAGE, re.MULTILINE)
    assert all(issubclass(getattr(terms, name), Enum) for name in names)


def test_every_concept_has_an_english_and_a_russian_name() -> None:
    concepts = PAGE.partition("## Values")[0]
    rows = re.findall(r"^\| (`.+?) \| (.+?) \| (.+?) \| (.+?) \|$", concepts, re.MULTILINE)
    assert len(rows) >= 30
    assert all(re.search("[A-Z]", english) for _, english, _, _ in rows)
    assert all(re.search("[А-Я]", russian) for _, _, russian, _ in rows)
