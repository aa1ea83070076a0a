"""The reference of the definition says what the code does."""

import re
from pathlib import Path

import pytest

from kaskad.domain.channels import CHANNELS
from kaskad.domain.condition import MAX_DEPTH, MAX_LENGTH, STEP_FIELDS, parse
from kaskad.domain.definition import load
from kaskad.domain.definition.schema import KEYS
from kaskad.domain.span import format_span

PAGE = (Path(__file__).parents[2] / "docs" / "definition.md").read_text("utf-8")
TOP = {
    "cascade": "cascade: sample",
    "class": "class: service",
    "trigger": "trigger: {event: e}",
    "goal": "goal: {event: g}",
}
FIRST = "  - {id: first, channel: email, subject: s, text: t}\n"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def whole(sample):
    """Return the sample with what a definition needs around it."""
    if sample.startswith("- "):
        sample = "steps:\n" + FIRST + re.sub(r"^", "  ", sample, flags=re.MULTILINE).rstrip() + "\n"
    elif "steps:" not in sample:
        sample += "steps:\n" + FIRST
    given = set(re.findall(r"^(\w+):", sample, re.MULTILINE))
    return "".join(f"{line}\n" for key, line in TOP.items() if key not in given) + sample


@pytest.mark.parametrize("sample", blocks("yaml"))
def test_every_sample_of_the_page_is_a_good_definition(sample):
    loaded = load(whole(sample), name="page")
    assert [problem.text("page") for problem in loaded.errors] == []


@pytest.mark.parametrize("line", [line for block in blocks("text") for line in block.splitlines()])
def test_every_condition_of_the_page_is_one(line):
    assert parse(line).text == line


@pytest.mark.parametrize("name", KEYS)
def test_every_key_stands_in_its_table(name):
    rows = [f"| `{key}`{' (required)' * one.required} | {one.about} |" for key, one in KEYS[name].items()]
    assert "| key | meaning |\n|---|---|\n" + "\n".join(rows) + "\n\n" in PAGE


def test_the_table_of_channels_is_that_of_the_code():
    for channel, traits in CHANNELS.items():
        told = ", ".join(f"`{reaction}`" for reaction in sorted(traits.tells))
        row = f"| `{channel}` | {told} | `{traits.default_success}` | {format_span(traits.default_timeout)} |"
        assert row in PAGE


def test_limits_and_fields_of_conditions_are_those_of_the_code():
    assert f"At most {MAX_LENGTH} characters, {MAX_DEPTH} levels" in PAGE
    assert all(f"`{field}`" in PAGE for field in STEP_FIELDS)
