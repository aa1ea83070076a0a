"""Edits of a definition's text: they mean what was asked for, and leave all else as it was written."""

import json
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from kaskad.domain.definition import edit, load
from kaskad.domain.definition.edit import EditError, insert, move, put, remove, repeat, same, tree_of
from support.examples import tries

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
CASCADES = [path.read_text("utf-8") for path in EXAMPLES if path.name not in ("accounts.yaml",)]
CASCADES = [text for text in CASCADES if "steps:" in text]
COMMENTED = """\
# whose it is
cascade: cart  # the name
class: service
trigger: {event: cart_abandoned, delay: 1h}  # after an hour
goal:
  event: purchase   # paid
  within: 7d
steps:
  # cheap
  - id: letter      # first
    channel: email
    subject: 'It "waits"'
    text: |
      Hello,
      # not a comment
      goodbye

  # dearer
  - id: sms
    channel: sms
    text: Hi   # short
    wait:
      - {unless: clicked, for: 2h}   # two hours
    # of the SMS

  - {id: robot, channel: robot_call, say: Hello, keys: {1: confirm}}
# the end
"""
TEXTS = (*CASCADES, COMMENTED, json.dumps(tree_of(COMMENTED), indent=1), json.dumps(tree_of(COMMENTED)))
words = st.one_of(
    st.text(max_size=40), st.sampled_from(
        ["", "yes", "12", "1e3", "~", "a: b", "a #b", "- x", "{{ x }}",
         "10%", "24h", "null", "&a", "*a", "!x",
         "two\nlines", "end\n", " lead", "trail ", "\n",
         "a\n\nb", "'", '"', "'\"", "a\tb", "привет", "[a", "a,b"],
    )
)  # fmt: skip
scalars = st.one_of(words, st.integers(-5, 10**9), st.booleans())
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)


def comments(text: str) -> list[str]:
    """Return the comments of a text, sorted; JSON has none, and all of it may stand in the line of a `# `."""
    found, yaml = [], YAML(typ="rt")
    yaml.load(StringIO(text))
    for token in _tokens(text):
        found.append(token)
    return sorted(found)


def _tokens(text: str) -> list[str]:
    if text.startswith("{"):
        return []
    return [line.partition("# ")[2] for line in text.splitlines() if "# " in line]


def test_each_edit_leaves_all_else_as_it_was_written():
    moved = move(COMMENTED, "steps", 0, 1)
    assert moved.index("# dearer") < moved.index("# cheap") < moved.index("- id: letter")
    assert moved.index("# of the SMS") < moved.index("# cheap")
    assert sorted(moved.splitlines()) == sorted(COMMENTED.splitlines())
    changed = put(COMMENTED, "steps[1].wait[0].for", "3h")
    assert changed == COMMENTED.replace("for: 2h", "for: 3h")
    assert put(COMMENTED, "goal.within", "5d") == COMMENTED.replace("7d", "5d")
    assert put(COMMENTED, "trigger.delay", "2h") == COMMENTED.replace("delay: 1h", "delay: 2h")
    assert put(COMMENTED, "cascade", "cart") == COMMENTED
    gone = remove(COMMENTED, "steps[1]")
    assert "dearer" not in gone and "# cheap" in gone and "# the end" in gone
    twice = repeat(COMMENTED, "steps", 0)
    assert twice.count("# cheap") == 1 and twice.count("# not a comment") == 2
    added = put(COMMENTED, "steps[0].if", 'contact.city = "Алматы"')
    assert """    if: 'contact.city = "Алматы"'\n""" in added
    titled = put(COMMENTED, "title", "Корзина")
    assert titled == COMMENTED.replace("# the name\n", "# the name\ntitle: Корзина\n")
    there = insert(COMMENTED, "steps", 1, {"id": "chat", "channel": "telegram", "text": "a\nb\n"})
    assert "  - id: chat\n    channel: telegram\n    text: |\n      a\n      b\n" in there
    assert there.index("id: chat") < there.index("# dearer")
    assert "  within" not in remove(COMMENTED, "goal.within")
    assert tree_of(remove(COMMENTED, "steps[0].id"))["steps"][0]["channel"] == "email"


def test_a_text_that_cannot_be_edited_so_is_refused():
    shared = "a: &x {for: 1h}\nb: *x\nc: 1\n"
    with pytest.raises(EditError):
        remove(shared, "nothing")
    with pytest.raises(EditError):
        move(COMMENTED, "steps", 0, 9)
    assert tree_of(put(shared, "c", 2)) == {"a": {"for": "1h"}, "b": {"for": "1h"}, "c": 2}


@settings(max_examples=tries(40), suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_edit_means_what_was_asked_for_and_loses_no_comment(data):
    text = data.draw(st.sampled_from(TEXTS))
    before = tree_of(text)
    count = len(before["steps"])
    kind = data.draw(st.sampled_from(["put", "insert", "move", "repeat", "remove"]))
    at = data.draw(st.integers(0, count - 1))
    if kind == "put":
        key = data.draw(st.sampled_from(["text", "if", "wait", "id", "variants", "subject", "new"]))
        value = data.draw(trees)
        new = put(text, f"steps[{at}].{key}", value)
        assert same(tree_of(new)["steps"][at][key], value)
        assert same({**before["steps"][at], key: value}, tree_of(new)["steps"][at])
        again = put(new, f"steps[{at}].{key}", "x")
        assert tree_of(again)["steps"][at][key] == "x"
    elif kind == "insert":
        value = {"id": "new", "channel": data.draw(words), "more": data.draw(trees)}
        new = insert(text, "steps", at, value)
        assert same(tree_of(new)["steps"], [*before["steps"][:at], value, *before["steps"][at:]])
        assert comments(text) == [c for c in comments(new) if c in comments(text)][: len(comments(text))]
    elif kind == "move":
        to = data.draw(st.integers(0, count - 1))
        new = move(text, "steps", at, to)
        assert tree_of(new)["steps"][to] == before["steps"][at]
        assert comments(new) == comments(text)
        assert move(new, "steps", to, at).splitlines() == text.splitlines()
    elif kind == "repeat":
        new = repeat(text, "steps", at)
        assert tree_of(new)["steps"][at] == tree_of(new)["steps"][at + 1] == before["steps"][at]
    else:
        new = remove(text, f"steps[{at}]")
        assert tree_of(new)["steps"] == [*before["steps"][:at], *before["steps"][at + 1 :]]
    assert {k: v for k, v in tree_of(new).items() if k != "steps"} == {
        k: v for k, v in before.items() if k != "steps"
    }


def test_a_cascade_is_drawn_from_nothing():
    text = "cascade: drawn\nclass: service\ntrigger: {event: cart}\nsteps: []\n"
    text = insert(text, "steps", 0, {"id": "sms", "channel": "sms", "text": "{{ contact.name }}: hi"})
    text = insert(text, "steps", 0, {"id": "letter", "channel": "email", "subject": "A", "text": "B"})
    text = put(text, "steps[0].wait", [{"unless": "opened", "for": "24h"}])
    text = put(text, "goal", {"event": "purchase", "match": {"id": "trigger.id"}, "within": "7d"})
    loaded = load(text, name="drawn")
    assert loaded.errors == () and [step.id for step in loaded.cascade.steps] == ["letter", "sms"], text
    assert edit.remove(edit.remove(text, "steps[0]"), "steps[0]").count("steps: []") == 1
