"""Segments as YAML: what is written is read as the same condition; what is wrong is told by its line."""

import pytest

from kaskad.domain.condition import parse
from kaskad.domain.errors import Invalid
from kaskad.domain.segment_yaml import as_yaml, condition_of, file_of, segments_of

TEXTS = (
    "contact.vip",
    'contact.vip and event("purchase").count(90d) >= 2 and not (in_list("staff") or rfm.r < 2)',
    'not (contact.city in ["Алматы", "Astana: new"] or contact.note == "a # b")',
    'contact["odd: name"] exists or (contact.a == 1 and (contact.b == -2.5 or segment("x y")))',
    'not event("visit").count(30d)',
    'contact.paid or not consent("advertising", "any", "news")',
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_condition_goes_to_yaml_and_back(text):
    tree = parse(text).tree
    assert parse(condition_of(as_yaml(tree))).tree == tree
    assert condition_of(text if ": " not in text and " #" not in text else as_yaml(tree))


def test_a_file_of_segments_goes_both_ways():
    trees = {f"segment {n}: x": parse(text).tree for n, text in enumerate(TEXTS)}
    told = segments_of(file_of(trees))
    assert list(told) == list(trees) and {name: parse(text).tree for name, text in told.items()} == trees


def test_what_yaml_takes_escaped_only_is_escaped():
    tree = parse('contact["\x80 \u2028"] == "\x9f"').tree
    assert parse(condition_of(as_yaml(tree))).tree == tree


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("segments:\n  a: contact.vip and\n  b:\n    some: [x]\n", ["Line 2", "Line 4"]),
        ("segments:\n  a: contact.vip\n  a: contact.vip\n", ["Line 3"]),
        ("a: contact.vip\n", ["Begin with"]),
        ("segments: {a: {all: []}}\n", ["Line 1"]),
        ("segments:\n  a: [x\n", ["Line "]),
    ],
)
def test_what_is_wrong_is_told_by_its_line(text, said):
    with pytest.raises(Invalid) as wrong:
        segments_of(text)
    assert len(wrong.value.problems) == len(said)
    assert all(one.startswith(begin) for one, begin in zip(wrong.value.problems, said, strict=True))
