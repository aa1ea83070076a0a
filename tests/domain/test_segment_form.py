"""A condition, its text and its form are the same thing: whatever is written comes back."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaskad.domain.attributes import Attribute, Type
from kaskad.domain.condition import (
    All,
    Any,
    Compare,
    Date,
    Duration,
    Event,
    Exists,
    Items,
    Kept,
    Literal,
    Name,
    Not,
    Now,
    Segment,
    Sum,
    parse,
)  # fmt: skip
from kaskad.domain.condition_written import write
from kaskad.domain.segment import READY
from kaskad.domain.segment_form import MISSING, NO_DATE, NO_NUMBER, Rule, form_of, written

DECLARED = {"total": Attribute(type=Type.MONEY, currency="RUB"), "born": Attribute(type=Type.DATE),
            "city": Attribute(type=Type.CHOICE, choices=("Omsk", "Tula"))}  # fmt: skip
words = st.sampled_from(["Omsk", "5", "007", "true", 'a "b", c', "\\", "7d", "", " x", "first name"])
names = st.sampled_from(["city", "total", "born", "vip", "first name", "3d", "or"])
spans = st.sampled_from([(60_000, "1m"), (86_400_000, "1d"), (604_800_000, "1w"), (5_000, "5s")])
within = st.none() | spans.map(lambda pair: pair[0])
literals = st.builds(Literal, words | st.integers(-50, 50) | st.sampled_from([0.5, -2.25]) | st.booleans())
plain = (
    st.builds(lambda name: Name(("contact", name)), names)
    | st.builds(Name, st.sampled_from([("rfm", "r"), ("contact", "a", "b")]))
    | st.builds(Event, words, st.sampled_from(["count", "first", "last"]), st.just(""), within)
    | st.builds(Event, words, st.just("sum"), names, within)
    | st.builds(lambda name, span: Kept("cascade", (name,), "sent", span), words, within)
    | st.builds(lambda topic: Kept("consent", ("advertising", "email", *topic)), st.lists(words, max_size=1))
    | st.builds(lambda name: Kept("in_list", (name,)), words) | st.builds(Segment, words)
    | st.just(Kept("reachable", ("any",)))
)  # fmt: skip
beside = (
    literals | st.builds(lambda all: Items(tuple(all)), st.lists(literals, min_size=1, max_size=3))
    | st.sampled_from([Date(1_767_225_600_000), Date(1_767_225_601_500)])
    | spans.map(lambda pair: Sum(Now(), True, Duration(*pair)))
)  # fmt: skip
signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "contains"])
asked = plain | plain.map(Exists) | st.builds(Compare, signs, plain, beside)
several = st.lists(asked, min_size=2, max_size=3).map(tuple)
trees = st.recursive(
    asked | st.builds(Sum, plain, st.booleans(), plain),
    lambda below: st.lists(below, min_size=2, max_size=3).map(tuple).flatmap(
        lambda nodes: st.sampled_from([All(nodes), Any(nodes)])) | below.map(Not)
    | st.builds(Compare, st.just("=="), below, literals),
    max_leaves=6,
)  # fmt: skip


@given(trees)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_every_condition_comes_back_from_its_text_and_its_form(tree):
    assert parse(write(tree)).tree == tree
    for declared in ({}, DECLARED):
        again = written(form_of(tree, declared), declared)
        assert not again.unfinished
        assert parse(again.text).tree == tree


def kinds(rule):
    return [rule.kind, *(kind for each in rule.rules for kind in kinds(each))]


def test_what_people_ask_is_rows_and_not_text():
    asked = [*READY.values(), 'contact.city in ["Omsk", "Tula"] and contact.total >= 5000.5',
             'not (event("visit").last < now - 30d or contact.born >= date("2000-01-31"))',
             'contact.mail not contains "@" and not contact.x exists',
             'event("purchase").sum("amount", 1d) > 5 or contact.note contains "5"',
             'consent("advertising", "any", "news") and not cascade("sale").clicked(12h)']  # fmt: skip
    for text in asked:
        for declared in ({}, DECLARED):
            assert "text" not in kinds(form_of(parse(text).tree, declared)), text
    assert "text" in kinds(form_of(parse("contact.a + 1 > 2").tree, {}))


def test_rows_that_are_not_finished_are_left_out_and_say_why():
    def row(kind, **told):
        return Rule(kind, told=told)

    form = Rule("all", rules=(
        row("attribute", name="city", op="==", value="Omsk"), row("attribute", name="total", value="many"),
        row("attribute", name="born", op="since", value="some day"), Rule("any", True, rules=(row("list"),)),
        row("event", name="purchase", aggregate="count", value="2", span="90"), row("text", text="contact."),
        Rule("any"),
    ))  # fmt: skip
    found = written(form, DECLARED)
    assert found.text == 'contact.city == "Omsk" and event("purchase").count(90d) >= 2'
    told = dict(found.unfinished)
    assert "a name is expected" in told.pop("5")
    assert told == {"1": NO_NUMBER, "2": NO_DATE, "3.0": MISSING, "6": MISSING}
