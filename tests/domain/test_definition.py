"""The definition: what it reads, and what it says of what it cannot read."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from kaskad.domain.cascade import Anchor, Branch, Clock, Content, Money, Reentry, Span
from kaskad.domain.content import Wording
from kaskad.domain.definition import defined, json_schema, load, to_cascade
from kaskad.domain.definition.checks import longest
from kaskad.domain.definition.problem import MAX_PROBLEMS
from kaskad.domain.definition.schema import KEYS
from kaskad.domain.definition.source import MAX_NODES, MAX_SIZE
from kaskad.domain.errors import Invalid
from kaskad.domain.leaving import unsaid_by
from kaskad.domain.terms import Channel, MessageClass, Reaction
from support.examples import tries

HOUR = 3_600_000
DESIGN = """\
cascade: abandoned-cart            # slug, unique
title: Брошенная корзина
class: service
topic: cart-reminders
trigger: {event: cart_abandoned, key: cart_id, delay: 1h}
reentry: {after_finish: 7d}
goal: {event: purchase, match: {cart_id: trigger.cart_id}, within: 7d, value: amount}
stop_on: [reply]
exit_if: "trigger.total < 1000"
holdout: 10%
priority: 60
budget: {total: 50000 KZT, per_contact: 60 KZT}
max_lateness: 12h
steps:
  - id: letter
    channel: email
    template: cart-letter
    success: clicked
    wait:
      - {unless: opened, for: 24h}
      - {unless: clicked, for: 4h, from: opened}
  - id: chat
    channel: [telegram, whatsapp, vk]
    text: >
      {{ contact.name }}, {% if steps.letter.sent %}возможно, письмо в спаме. {% endif %}ваши товары ещё ждут
    buttons: [{text: Оформить, url: "{{ trigger.cart_url }}"}]
    wait: [{unless: reacted, for: 6h}]
  - {id: offer, channel: email, template: next-offer, only: branch}
  - id: sms
    channel: sms
    variants:
      - {id: a, weight: 50, text: "{{ contact.name }}: {{ link(trigger.cart_url) }}"}
      - {id: b, weight: 50, text: "…"}
    wait: 2h
    on_fail: retry
  - id: robot
    channel: robot_call
    if: "trigger.total >= 50000"
    say: "…"
    keys: {1: confirm, 2: agent, 9: opt_out}
    holdout: 0.5%
branches:
  - {when: letter.clicked, unless_goal_in: 1d, go: offer}
"""
MINIMAL = """\
cascade: c
class: service
trigger: {event: e}
goal: {event: g}
steps:
  - {id: one, channel: sms, text: hello}
"""


def messages(text, severity="error"):
    return [problem.message for problem in load(text, name="x").problems if problem.severity == severity]


def only_error(text):
    errors = load(text, name="x").errors
    assert len(errors) == 1, [problem.text("x") for problem in errors]
    return errors[0]


def step(**more):
    """Return a minimal definition whose first step is changed."""
    words = {"id": "one", "channel": "sms", "text": "hello", **more}
    kept = {key: value for key, value in words.items() if value is not None}
    return MINIMAL.replace("{id: one, channel: sms, text: hello}", json.dumps(kept, ensure_ascii=False))


def top(**more):
    return MINIMAL + "".join(f"{key}: {json.dumps(value)}\n" for key, value in more.items())


def replaced(old, new):
    assert old in MINIMAL
    return MINIMAL.replace(old, new)


def test_the_definition_of_the_design_is_read_whole():
    cascade = to_cascade(DESIGN, name="design")
    assert (cascade.id, cascade.title) == ("abandoned-cart", "Брошенная корзина")
    assert cascade.message_class is MessageClass.SERVICE
    assert cascade.trigger.event == "cart_abandoned"
    assert cascade.trigger.delay == Span(ms=HOUR)
    assert cascade.goal is not None
    assert cascade.goal.match == {"cart_id": "trigger.cart_id"}
    assert cascade.stop_on == (Reaction.REPLIED,)
    assert cascade.reentry == Reentry("after_finish", Span(days=7))
    assert (cascade.holdout, cascade.priority) == (1_000, 60)
    assert cascade.budget.total == Money(5_000_000, "KZT")
    assert cascade.exit_if is not None
    assert cascade.branches == (Branch(0, Reaction.CLICKED, 2, Span(days=1)),)
    letter, chat, offer, sms, robot = cascade.steps
    assert letter.wait == (
        Clock(Reaction.OPENED, Span(ms=24 * HOUR)),
        Clock(Reaction.CLICKED, Span(ms=4 * HOUR), Reaction.OPENED),
    )
    assert chat.channels == (Channel.TELEGRAM, Channel.WHATSAPP, Channel.VK)
    assert offer.only_branch
    assert sms.wait == (Clock(Reaction.NONE, Span(ms=2 * HOUR)),)
    assert [variant.weight for variant in sms.variants] == [50, 50]
    assert sms.on_fail == "retry"
    assert robot.keys == {"1": "confirm", "2": "agent", "9": "opt_out"}
    assert robot.holdout == 50


def test_silence_never_leads_to_a_step_that_only_a_branch_enters():
    cascade = to_cascade(DESIGN, name="design")
    assert [one.next for one in cascade.steps] == [1, 3, 3, 4, None]


def test_json_says_the_same_as_yaml():
    data = YAML(typ="safe").load(DESIGN)
    compact, indented = json.dumps(data), json.dumps(data, indent="\t", ensure_ascii=False)
    assert to_cascade(compact, name="x") == to_cascade(indented, name="x") == to_cascade(DESIGN, name="x")


def test_json_may_write_a_character_in_two_halves():
    text = json.dumps({**YAML(typ="safe").load(MINIMAL), "title": "😀 / \\"}).replace("/", "\\/")
    assert to_cascade(text, name="x").title == "😀 / \\"


def test_all_errors_are_found_at_once_with_their_places():
    text = """\
cascade: Bad Name
class: promo
trigger: {event: e, date: d}
steps:
  - id: letter
    chanel: email
    wait: [{unless: opened, for: 24}]
  - id: sms
    channel: sms
    text: hi
    success: read
branches:
  - {when: sms.clicked, go: letter}
"""
    found = {(problem.line, problem.column): problem for problem in load(text, name="x").errors}
    assert set(found) == {(1, 10), (2, 8), (3, 10), (5, 5), (6, 5), (7, 34), (11, 14), (13, 29)}
    assert found[(6, 5)].remedy == "did you mean `channel`?"
    assert found[(7, 34)].message.endswith("write 24h, 24m or 24d")
    assert found[(11, 14)].path == "steps[1].success"


def test_problems_come_in_the_order_of_the_text():
    problems = load(DESIGN.replace("email", "emial").replace("10%", "10"), name="x").problems
    assert list(problems) == sorted(problems, key=lambda problem: (problem.line, problem.column))


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (step(txt="x"), "`txt` is not known", "`text`"),
        (step(timeout="2h"), "`timeout` is not known", "`wait`"),
        (step(channel="tg"), "`tg` is not known", "`telegram`"),
        (step(channel=["sms", "sms"]), "stands twice", "keep one"),
        (step(channel=[]), "is empty", "name something"),
        (step(channel=None), "has no `channel`", "channel: email"),
        (step(id=None), "has no `id`", "id: letter"),
        (step(id="Письмо"), "small Latin letters", "spring-sale"),
        (step(id="contact"), "word of the language", "another id"),
        (step(text=None), "nothing to say", "`text`"),
        (step(subject="x"), "sms has no `subject`", "`text`"),
        (step(buttons=[{"text": "a", "url": "https://example.org"}]), "sms has no `buttons`", "`text`"),
        (step(template="t"), "stand together", "keep the template"),
        (step(channel="email"), "no `subject`", "add one"),
        (step(channel="email", subject="s", text=None), "no body", "`html`"),
        (step(channel="robot_call", text=None), "nothing to say", "`say`"),
        (step(channel="agent_call", text=None), "nothing to say", "`script`"),
        (step(text="{{ contact.name"), "}}", "close the braces"),
        (step(text="{{ name }}"), "`name` is not known in texts", "contact.name"),
        (step(text="{{ steps.tow.sent }}"), "no step `tow`", ""),
        (step(text="{{ steps.one.sent }}"), "comes no earlier", "earlier step"),
        (step(**{"if": "contact.a ="}), "not used here", "`==`"),
        (step(**{"if": "steps.two.sent"}), "no step `two`", ""),
        (step(**{"if": "steps.one.sent"}), "comes no earlier", "earlier step"),
        (step(wait="0s"), "no time at all", "longer"),
        (step(wait="soon"), "not a duration", ""),
        (step(wait={"unless": "clicked", "for": "2h"}), "a duration or a list", "wait: 2h"),
        (step(wait=["2h"]), "is a mapping", "wait: 2h"),
        (step(wait=[{"for": "2h"}]), "has no `unless`", "unless: opened"),
        (step(wait=[{"unless": "clicked"}]), "has no `for`", "for: 24h"),
        (step(wait=[{"unless": "click", "for": "2h"}]), "`click` is not known", "`clicked`"),
        (step(wait=[{"unless": "opened", "for": "2h"}]), "sms cannot tell `opened`", "`clicked`"),
        (
            step(wait=[{"unless": "clicked", "for": "2h", "from": "read"}]),
            "sms cannot tell `read`",
            "reacted",
        ),
        (step(success="read"), "sms cannot tell `read`", "clicked"),
        (step(channel=["whatsapp", "telegram"], success="read"), "telegram cannot tell `read`", "`reacted`"),
        (step(channel="push", success="replied"), "push cannot tell", "clicked"),
        (step(keys={"1": "confirm"}), "only robot_call has `keys`", "remove"),
        (step(channel="robot_call", text=None, say="x", keys={"12": "confirm"}), "`12` is not known", ""),
        (step(channel="robot_call", text=None, say="x", keys={"2": "operator"}), "not known", "`agent`"),
        (step(on_fail="abort"), "`abort` is not known", "retry"),
        (step(only="branch"), "no branch leads to `one`", "branches"),
        (step(holdout="100%"), "under 100%", "10%"),
        (step(holdout=10), "under 100%", "10%"),
        (step(urgent="yes"), "true or false", "without"),
        (step(at={"by": "2h"}), "exactly one of", "before"),
        (step(at={"before": "trigger.x"}), "has no `by`", "24h"),
        (step(at={"before": "x", "by": "2h"}), "no instant", "trigger.…"),
        (step(at={"on": "day 0"}), "names a day", "day 3"),
        (step(at={"on": "day 3", "by": "2h"}), "does not go with", "remove"),
        (step(text=None, variants=[{"id": "a", "text": "x"}]), "compares nothing", "another"),
        (step(text=None, variants=[{"id": "a", "text": "x"}] * 2), "named `a`", "own id"),
        (step(variants=[{"id": "a", "weight": 0, "text": "x"}, {"id": "b"}]), "from 1 to 1000", ""),
        (step(channel="vk", buttons=[{"text": "a"}]), "either `url` or `reply`", ""),
        (
            replaced("text: hello", "text: hello, and more"),
            "`and more` is not known",
            "comma in quotation marks",
        ),
        (top(foo=1), "`foo` is not known", "known here"),
        (top(name="x"), "`name` is not known", "`title`"),
        (top(holdout="x"), "under 100%", "10%"),
        (top(priority=101), "from 0 to 100", ""),
        (top(budget={"total": "5 XXZ"}), "XXZ is not a currency", ""),
        (top(budget={"total": "5 KZT", "per_contact": "1 RUB"}), "RUB and KZT", "one currency"),
        (top(budget="5 KZT"), "must be a mapping", ""),
        (top(stop_on=["opt_out"]), "always stops", "remove"),
        (step(channel="email", subject="s", media=[None]), "is an address", "https://example.org/cart.png"),
        (top(stop_on=["clicked"]), "only where a step asks", "success: clicked"),
        (top(exit_if="steps.two.sent"), "no step `two`", ""),
        (top(reentry="never"), "`never` is not known", "once_ever"),
        (top(reentry="parallel_by_key"), "needs a key", "`key`"),
        (top(reentry={}), "has no `after_finish`", "7d"),
        (top(branches=[{"when": "one", "go": "one"}]), "names no reaction", "one.clicked"),
        (top(branches=[{"when": "one.clicked", "go": "one"}]), "forward only", "later step"),
        (top(branches=[{"when": "one.click", "go": "two"}]), "`click` is no reaction", "`clicked`"),
        (top(branches=[{"when": "one.opened", "go": "one"}]), "sms cannot tell `opened`", "clicked"),
        (top(max_lateness="late"), "not a duration", ""),
        (replaced("{event: e}", "{event: e, broadcast: b}"), "exactly one of", "broadcast"),
        (replaced("{event: e}", "{event: e, pace: 10/h}"), "`pace` goes with `broadcast`", "remove"),
        (replaced("{event: e}", "{broadcast: b, pace: fast}"), "not a pace", "1000/h"),
        (replaced("{event: e}", "{broadcast: b, key: k}"), "`key` goes with `event`", "remove"),
        (replaced("{event: e}", "{event: e, if: steps.one.sent}"), "not there before the run", "trigger.…"),
        (
            replaced("{event: g}", "{event: g, match: {id: cart_id}}"),
            "no value of the run",
            "trigger.cart_id",
        ),
        (replaced("{event: g}", "{}"), "has no `event`", ""),
        (replaced("class: service", "class: marketing"), "not known", "`advertising`"),
        (replaced("class: service", "class: advertising\nurgent: true\ntopic: t"), "never urgent", "remove"),
        (replaced("cascade: c\n", ""), "has no `cascade`", "unique name"),
        (replaced("class: service", "class: service\nclass: service"), "stands twice", "keep one"),
    ],
)
def test_each_mistake_is_named_with_its_remedy(text, message, remedy):
    errors = load(text, name="x").errors
    assert any(message in problem.message and remedy in problem.remedy for problem in errors), errors


def test_a_branch_back_is_a_cycle_and_refused():
    two = "  - {id: one, channel: sms, text: a}\n  - {id: two, channel: sms, text: b}\n"
    text = MINIMAL.replace("  - {id: one, channel: sms, text: hello}\n", two)
    forward = text + "branches: [{when: one.clicked, go: two}]\n"
    back = text + "branches: [{when: two.clicked, go: one}]\n"
    assert load(forward, name="x").errors == ()
    assert "forward only" in only_error(back).message
    assert only_error(back).path == "branches[0].go"


def test_a_key_that_asks_for_a_person_leads_to_a_step_that_only_a_branch_enters():
    robot = "  - {id: one, channel: robot_call, say: a, keys: {2: agent}}\n"
    agent = "  - {id: two, channel: agent_call, script: b, only: branch}\n"
    text = MINIMAL.replace("  - {id: one, channel: sms, text: hello}\n", robot + agent)
    assert load(text, name="x").errors == ()
    assert "no branch leads to `two`" in only_error(text.replace("2: agent", "2: confirm")).message


def test_a_branch_that_waits_for_the_goal_needs_a_goal():
    text = DESIGN.replace(
        "goal: {event: purchase, match: {cart_id: trigger.cart_id}, within: 7d, value: amount}\n", ""
    )
    assert only_error(text).message == "the cascade has no goal to wait for"


def test_an_error_in_a_condition_points_into_its_text():
    text = (
        step(**{"if": "trigger.total = 5"}).replace('"if": "trigger', "if: 'trigger").replace('= 5"', "= 5'")
    )
    problem = only_error(text)
    assert text.splitlines()[problem.line - 1][problem.column - 1 :].startswith("= 5")


@pytest.mark.parametrize(
    ("written", "anchor"),
    [
        ("{before: trigger.starts_at, by: 24h}", Anchor("trigger.starts_at", True, Span(ms=24 * HOUR))),
        ("{after: contact.ends_at, by: 1d}", Anchor("contact.ends_at", False, Span(days=1))),
        ("{after: trigger.starts_at}", Anchor("trigger.starts_at", False, Span())),
        ("{on: day 3}", Anchor(day=3)),
        ("{on: 3}", Anchor(day=3)),
        (
            "{before: trigger.at, by: 30m, earliest_ok: 1h}",
            Anchor("trigger.at", True, Span(ms=HOUR // 2), 0, Span(ms=HOUR)),
        ),
    ],
)
def test_a_step_can_be_anchored(written, anchor):
    text = replaced("text: hello", f"text: hello, at: {written}")
    assert to_cascade(text, name="x").steps[0].at == anchor


@pytest.mark.parametrize(
    ("pace", "an_hour"),
    [("1000/h", 1_000), ("20/m", 1_200), ("5/s", 18_000), ("240/d", 10), ("1000 / h", 1_000)],
)
def test_pace_is_counted_by_the_hour(pace, an_hour):
    text = replaced("{event: e}", f"{{broadcast: all, pace: {pace}}}")
    assert to_cascade(text, name="x").trigger.pace_per_hour == an_hour


@pytest.mark.parametrize(
    ("written", "reentry"),
    [
        ("once_ever", Reentry("once_ever")),
        ("restart", Reentry("restart")),
        ("parallel_by_key", Reentry("parallel_by_key")),
        ("{after_finish: 30d}", Reentry("after_finish", Span(days=30))),
    ],
)
def test_reentry_has_four_rules(written, reentry):
    text = replaced("{event: e}", "{event: e, key: k}") + f"reentry: {written}\n"
    assert to_cascade(text, name="x").reentry == reentry


def test_a_variant_says_its_own_words_and_else_those_of_its_step():
    text = step(
        channel="email", subject="shared", text="old", variants=[{"id": "a"}, {"id": "b", "text": "new"}]
    )
    first, second = to_cascade(text, name="x").steps[0].variants
    assert (first.content.subject, first.content.text) == ("shared", "old")
    assert (second.content.subject, second.content.text) == ("shared", "new")


def test_no_yaml_word_is_read_as_something_else():
    text = replaced("text: hello", "text: no") + "title: on\n"
    cascade = to_cascade(text, name="x")
    assert (cascade.title, cascade.steps[0].content.text) == ("on", "no")


WARNED = [
    (MINIMAL.replace("goal: {event: g}\n", ""), "no `goal`"),
    (MINIMAL.replace("class: service", "class: advertising"), "without a `topic`"),
    (MINIMAL + "".join(f"  - {{id: s{i}, channel: sms, text: a}}\n" for i in range(4)), "5 steps"),
    (MINIMAL + "  - {id: two, channel: email, subject: s, text: t}\n", "sms is dearer than email"),
    (
        replaced("text: hello", "text: hello, wait: 59m") + "  - {id: b, channel: sms, text: b}\n",
        "less than an hour",
    ),
    (step(text="я" * 71), "2 parts"),
    (step(text="{{ contact.name }}" + "я" * 41), "2 parts"),
    (
        step(channel="robot_call", text=None, say="x").replace(
            "class: service", "class: advertising\ntopic: t"
        ),
        "no key to refuse",
    ),
]


@pytest.mark.parametrize(("text", "message"), WARNED)
def test_what_mostly_goes_wrong_is_warned_of_and_still_runs(text, message):
    loaded = load(text, name="x")
    assert loaded.cascade is not None
    assert [problem for problem in loaded.warnings if message in problem.message], loaded.problems
    assert all(problem.remedy for problem in loaded.warnings)


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL,
        MINIMAL.replace("class: service", "class: transactional").replace("goal: {event: g}\n", ""),
        step(text="я" * 70),
        step(text="{{ contact.name }}" + "я" * 40),
        step(text="{% if contact.a %}" + "я" * 60 + "{% else %}" + "б" * 60 + "{% endif %}"),
        replaced("text: hello", "text: hello, wait: 59m"),
    ],
)
def test_what_is_fine_is_not_warned_of(text):
    assert load(text, name="x").problems == ()


LEAVE = '<a href="{{ unsubscribe_url }}">x</a>'


def test_advertising_that_does_not_tell_how_to_leave_is_warned_of_at_its_place():
    def warned(**told):
        text = step(**told).replace("class: service", "class: advertising\ntopic: t")
        return [(one.path, one.message) for one in load(text, name="x").warnings if "leave" in one.message]

    mail = {"channel": "email", "subject": "s"}
    assert warned(text="hello") == [("steps[0].text", "the advertising SMS does not tell how to leave")]
    (letter,) = warned(**mail, text=None, html="<p>hi</p>")
    assert letter[0] == "steps[0].html" and "spam" in letter[1]
    (part,) = warned(**mail, html=f"<p>{LEAVE}</p>", text="hi")
    assert part == ("steps[0].text", "its text part shows no way to leave")
    (plain,) = [one for one in load(
        step(**mail, text="hi").replace("class: service", "class: advertising\ntopic: t"), name="x"
    ).warnings if "leave" in one.message]  # fmt: skip
    assert plain.path == "steps[0].text" and "<a" not in plain.remedy  # a text has no marks of HTML
    both = [{"id": "a", "text": "x STOP"}, {"id": "b", "text": "x"}]
    assert [path for path, _ in warned(text=None, variants=both)] == ["steps[0].variants[1].text"]
    mjml = f"<mjml><mj-body><mj-raw>{LEAVE}</mj-raw></mj-body></mjml>"
    quiet = [
        {**mail, "text": None, "html": LEAVE},
        {**mail, "text": None, "mjml": mjml},
        {"text": "Скидка. Отказ: СТОП"},
        {"channel": "viber", "text": "x", "buttons": [{"text": "No", "reply": "стоп"}]},
        {"channel": "telegram", "text": "{{ preferences_url }}"},
        {"channel": "push", "subject": "s", "text": "x"},
    ]
    assert [warned(**told) for told in quiet] == [[]] * len(quiet)
    assert "leave" not in "".join(messages(step(text="hello"), "warning")), "only advertising must tell it"

    text = step(channel="email", text=None, template="news").replace("class: service", "class: advertising")
    cascade = to_cascade(text, name="x")
    wordings = [
        Wording("news", Channel.EMAIL.code, language, True, Content(subject="s", html=html))
        for language, html in (("en", "<p>hi</p>"), ("ru", LEAVE))
    ]
    ((path, message, _),) = unsaid_by(cascade, wordings)
    assert path == "steps[0].template" and message.startswith("news (en), html: the advertising letter")


def test_the_longest_text_takes_the_longest_choice_and_a_long_name():
    assert longest("{% if contact.a %}ab{% elsif contact.b %}abcd{% else %}c{% endif %}!") == "abcd!"
    assert longest("{{ contact.first_name }}я") == "я" * 31


def test_to_cascade_raises_every_error_with_its_place():
    with pytest.raises(Invalid) as caught:
        to_cascade("cascade: A\nclass: b\n", name="my.yaml")
    assert len(caught.value.problems) == 4
    assert caught.value.problems[0].startswith("my.yaml:1:1: error: ")


def bomb():
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("# nothing\n", "empty"),
        ("just a text", "must be a mapping"),
        ("- a\n- b", "must be a mapping"),
        ("a: [1,\n", "expected the node content"),
        ("a: b: c", "not allowed here"),
        ("a:\n\t- x", "cannot start any token"),
        ('a: "b', "unexpected end"),
        ("a: \x00", "character"),
        ("a: \ud83d", "character"),
        ('a: "\\0"', "character"),
        ('{"a": "\\u0000"}', "character"),
        ('a: "\\UFFFFFFFF"', "character"),
        ("a: &b {c: *b}", "holds itself"),
        ("a: *b", "nothing before is named"),
        ("? [a]\n: b", "a key must be a text"),
        ("a: !!python/object:os.system x", "the tag"),
        ("a: 1\n---\nb: 2", "second document"),
        ("[" * 500, "nested deeper"),
        ("{a: " * 500, "nested deeper"),
        (bomb(), f"more than {MAX_NODES}"),
        ("a: " + "x" * MAX_SIZE, "characters, more than"),
        ("%YAML 9.9\n---\na: 1", "incompatible"),
        ("<<: {cascade: c}", "`<<` is not known"),
        ("steps: " + json.dumps([{"id": "s", "channel": "sms", "text": "t"}] * 51), "51 items"),
    ],
)
def test_hostile_and_broken_files_get_a_clear_error(text, message):
    errors = load(text, name="x").errors
    assert any(message in problem.message for problem in errors), errors


@pytest.mark.parametrize(
    ("text", "column", "remedy"),
    [
        ("{{ contact.name }}", 8, "put the text in quotation marks"),
        (r'"\d"', 9, "write a backslash twice between double quotation marks"),
        (r'"\x4"', 10, "write a backslash twice between double quotation marks"),
        (r'"a\0"', 7, "remove it"),
        (r'"a\U00110000"', 9, "remove it"),
        ("& co", 8, "put the text in quotation marks"),
        ("|x", 8, "put the text in quotation marks"),
        ("|0", 8, "put the text in quotation marks"),
        ("- x", 7, "write each item after `- `, or [a, b]"),
        ("[" * 500, 26, "make it smaller"),
    ],
)  # fmt: skip
def test_what_yaml_does_not_take_has_its_place_and_a_remedy(text, column, remedy):
    problem = only_error(f"class: service\ntext: {text}\n")
    assert (problem.line, problem.column, problem.remedy) == (2, column, remedy)


def test_a_first_line_that_stands_deeper_than_the_next_has_a_remedy():
    problem = only_error("  cascade: c\nclass: service\n")
    assert (problem.line, problem.remedy) == (
        2, "check the indentation: things of one level begin in one column",
    )  # fmt: skip


def test_an_alias_may_share_a_few_lines():
    text = MINIMAL.replace("text: hello", "text: hello, wait: &w [{unless: clicked, for: 2h}]")
    text += "  - {id: two, channel: sms, text: b, wait: *w}\n"
    first, second = to_cascade(text, name="x").steps
    assert first.wait == second.wait


def test_the_number_of_problems_is_bounded():
    text = MINIMAL + "".join(f"unknown{i}: 1\n" for i in range(5_000))
    assert len(load(text, name="x").problems) == MAX_PROBLEMS


def test_an_error_counts_however_many_warnings_there_are():
    letter = '{id: s%d, channel: email, subject: s, html: "<html><img src=a.png></html>"}'
    text = MINIMAL.partition("  - ")[0] + "".join(f"  - {letter % number}\n" for number in range(50))
    assert len(load(text, name="x").warnings) == MAX_PROBLEMS
    assert messages(f"{text}exit_if: steps.nobody.sent\n") == ["there is no step `nobody`"]
    assert to_cascade(text, name="x").steps[49].id == "s49"


@given(st.text(max_size=200))
def test_no_text_shows_a_stack_trace(text):
    loaded = load(text, name="x")
    assert loaded.cascade is not None or loaded.errors


places = st.integers(0, len(DESIGN) - 1)
DAMAGE = [
    *":{}[]\"'\n\t|>#%!яـ\u2028",
    "",
    "- ",
    "&a ",
    "*a",
    "  ",
    "0",
    "null",
    "{{",
    "{%",
    "9" * 30,
    "on: ",
]
edits = st.lists(st.tuples(places, st.integers(0, 12), st.sampled_from(DAMAGE)), min_size=1, max_size=4)


@given(edits)
@settings(max_examples=tries(60))
def test_no_damage_to_a_good_definition_shows_a_stack_trace(changes):
    text = DESIGN
    for place, length, new in changes:
        text = text[:place] + new + text[place + length :]
    loaded = load(text, name="x")
    assert loaded.cascade is not None or loaded.errors
    lines = len(re.split(r"\r\n|[\n\r\u2028\u2029\x85]", text))
    assert all(1 <= problem.line <= lines + 1 and problem.column >= 1 for problem in loaded.problems)


keys = st.sampled_from([*json_schema()["properties"], "id", "channel", "for", "unless", "before", "text"])
trees = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.sampled_from(["24h", "email", "", "one.clicked"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(keys, trees, max_size=6))
@settings(max_examples=tries(60))
def test_values_of_any_kind_at_any_key_are_only_problems(changes):
    data = {**YAML(typ="safe").load(DESIGN), **changes}
    text = json.dumps(data, ensure_ascii=False)
    loaded = load(text, name="x")
    assert loaded.cascade is not None or loaded.errors


step_keys = st.sampled_from(sorted(json_schema()["$defs"]["step"]["properties"]))


@given(st.dictionaries(step_keys, trees, max_size=4), st.integers(0, 4))
@settings(max_examples=tries(60))
def test_values_of_any_kind_in_a_step_are_only_problems(changes, number):
    data = YAML(typ="safe").load(DESIGN)
    data["steps"][number].update(changes)
    loaded = load(json.dumps(data, ensure_ascii=False), name="x")
    assert loaded.cascade is not None or loaded.errors


PLACES = {
    "cascade": (),
    "trigger": ("trigger",),
    "reentry": ("reentry",),
    "goal": ("goal",),
    "returned": ("goal", "returned"),
    "budget": ("budget",),
    "guard": ("guard",),
    "step": ("steps", 0),
    "choose": ("steps", 0, "choose"),
    "winner": ("steps", 0, "winner"),
    "clock": ("steps", 0, "wait", 0),
    "at": ("steps", 0, "at"),
    "variant": ("steps", 0, "variants", 0),
    "button": ("steps", 0, "buttons", 0),
    "branch": ("branches", 0),
    "approved": ("steps", 0, "approved"),
    "attached": ("steps", 0, "attach", 0),
    "utm": ("utm",),
    "calendar": ("steps", 0, "calendar"),
}
EVERY_KEY = [(name, key) for name, keys in KEYS.items() for key in keys]


@pytest.mark.parametrize(("name", "key"), EVERY_KEY)
def test_every_key_of_the_schema_is_read(name, key):
    data = YAML(typ="safe").load(MINIMAL)
    data["steps"][0].update(
        channel="vk",
        choose={"explore": "10%"},
        winner={"after": 500},
        wait=[{"unless": "read", "for": "2h"}],
        buttons=[{"text": "a", "url": "https://example.org"}],
        approved={"name": "hello", "language": "ru"},
        attach=[{"file": "prices"}],
        calendar={"title": "a", "starts": "trigger.at"},
    )
    data.update(
        utm={"source": "a"},
        goal={"event": "g", "value": "v", "returned": {"event": "r"}},
        reentry={"after_finish": "7d"},
        budget={"total": "5 KZT"},
        guard={"bounces": "2%"},
        branches=[{"when": "one.read", "go": "one"}],
    )
    if name == "variant":
        data["steps"][0]["variants"] = [{"id": "a", "text": "a"}, {"id": "b", "text": "b"}]
    if name == "at":
        data["steps"][0]["at"] = (
            {} if key in ("before", "after", "on") else {"before": "trigger.x", "by": "1h"}
        )
    place = data
    for part in PLACES[name]:
        place = place[part]
    place[key] = {"no such key": [[]]}
    path = re.sub(
        r"\.(?=\[)", "", ".".join(f"[{part}]" if isinstance(part, int) else part for part in PLACES[name])
    )
    path = f"{path}.{key}" if path else key
    assert [problem for problem in load(json.dumps(data), name="x").errors if problem.path.startswith(path)]


def test_a_place_is_known_for_every_part_of_the_schema():
    assert set(PLACES) == set(KEYS)


def test_the_text_of_a_version_is_read_once(monkeypatch):
    text = MINIMAL + "# of a version\n"
    told = defined(text, name="version 1")
    assert told == to_cascade(text, name="x")
    monkeypatch.setattr("kaskad.domain.definition.load", None)
    assert defined(text, name="version 1") is told


def test_a_text_that_is_wrong_is_told_by_its_own_name():
    for name in ("version 1", "version 2"):
        with pytest.raises(Invalid, match=name):
            defined("cascade: [", name=name)
