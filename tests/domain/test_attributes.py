"""Declared attributes: what fits, what does not and why, and what a cascade compares that can never be."""

import pytest

from kaskad.domain.attributes import Attribute, Type, Unfit, doubts, fit, problems_of
from kaskad.domain.cascade import Content
from kaskad.domain.content import Wording
from kaskad.domain.definition import to_cascade
from kaskad.domain.shown import misfits
from kaskad.domain.terms import Channel

TIER = Attribute(type=Type.CHOICE, choices=("Gold", "Tin"))
DECLARED = {
    "age": Attribute(type=Type.NUMBER),
    "born": Attribute(type=Type.DATE),
    "tier": TIER,
    "vip": Attribute(type=Type.YES_NO),
    "tags": Attribute(type=Type.LIST),
    "city": Attribute(type=Type.TEXT),
    "debt": Attribute(type=Type.MONEY, currency="KZT"),
}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("age", "41", 41),
        ("age", "1 234,5", 1234.5),
        ("age", 7, 7),
        ("debt", "12000", 12000),
        ("born", "14.02.1990", "1990-02-14"),
        ("born", "1990-02-14T10:00:00+05:00", "1990-02-14T10:00:00+05:00"),
        ("tier", "gold", "Gold"),
        ("vip", "да", True),
        ("vip", "no", False),
        ("vip", 1, True),
        ("tags", "a; b,c", ["a", "b", "c"]),
        ("tags", ["a"], ["a"]),
        ("city", 7, "7"),
        ("city", None, None),
    ],
)
def test_what_fits_is_kept_in_one_form(name, value, kept):
    found = fit(name, DECLARED[name], value)
    assert found == kept and type(found) is type(kept)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("age", "many", 'age: "many" is not a number'),
        ("age", True, 'age: "True" is not a number'),
        ("born", "31.02.1990", 'born: "31.02.1990" is not a date'),
        ("born", 5, 'born: "5" is not a date'),
        ("tier", "silver", 'tier: "silver" is not one of Gold, Tin'),
        ("vip", "perhaps", 'vip: "perhaps" is not yes or no'),
        ("tags", {"a": 1}, "is not a list of texts"),
        ("city", ["x"], "is not a text"),
        ("debt", "a" * 99, "an amount in KZT"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(name, value, why):
    with pytest.raises(Unfit) as refused:
        fit(name, DECLARED[name], value)
    assert why in str(refused.value) and len(str(refused.value)) < 100


def test_a_declaration_is_checked():
    assert problems_of(TIER) == []
    assert len(problems_of(Attribute(type=Type.CHOICE, currency="KZT", labels={"de": "x"}))) == 3
    assert "'XXQ' is no currency known here" in problems_of(Attribute(type=Type.MONEY, currency="XXQ"))[0]


def comparing(condition: str) -> list[str]:
    text = f"""
cascade: c
class: service
trigger: {{event: left}}
steps:
  - {{id: sms, channel: sms, text: t, if: '{condition}'}}
"""
    return [said for _, said in doubts(DECLARED, to_cascade(text, name="c"))]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ('contact.born < "soon"', 'contact.born is a date, and "soon" is compared with it'),
        ("contact.born == 5", "is a date"),
        ("contact.age > now - 30d", "contact.age is a number, and is compared with a date"),
        ('contact.tier == "Silver"', '"Silver" is compared with it'),
        ('contact.tier in ["Gold", "Silver"]', '"Silver"'),
        ('contact.tier > "Gold"', "never more or less"),
        ('contact.tags == "a"', "`contains`"),
        ('not contact.vip == "perhaps"', '"perhaps"'),
    ],
)
def test_a_comparison_that_can_never_hold_is_doubted(condition, said):
    (found,) = comparing(condition)
    assert said in found


@pytest.mark.parametrize(
    "condition",
    [
        'contact.born < "2026-01-01" and contact.born > now - 30d',
        'contact.tier == "gold" or contact.tier in ["Tin"]',
        'contact.tags contains "a" and contact.vip == true and contact.age >= 18',
        'exists contact.age and contact.free == "anything" and contact.city > "A"',
    ],
)
def test_a_comparison_that_may_hold_is_not(condition):
    assert comparing(condition) == []


def test_a_text_that_shows_an_attribute_as_what_it_is_not_is_told_at_its_place():
    cascade = to_cascade(
        """cascade: c
class: transactional
trigger: {event: e}
steps:
  - {id: one, channel: sms, text: "{{ contact.city | money: 'KZT' }} {{ contact.age | number }}"}
  - id: two
    channel: sms
    variants:
      - {id: a, weight: 1, text: "{{ contact.debt | money: 'KZT' }} {{ contact.born | date: 'd MMMM' }}"}
      - {id: b, weight: 1, text: "{% assign x = contact.debt | default: 0 | say_money: 'usd' %}{{ x }}"}
  - {id: three, channel: [sms, viber], template: t}
""",
        name="x",
    )
    texts = [
        Wording("t", Channel.SMS.code, "ru", True, Content(text="{{ contact.age | say_date }}")),
        Wording("t", Channel.VIBER.code, "ru", True, Content(text="{{ contact.free | money: 'KZT' }}")),
    ]
    assert [(path, message) for path, message, _ in misfits(DECLARED, cascade, texts)] == [
        ("steps[0].text", "contact.city is a text, and `money` takes a number"),
        ("steps[1].variants[1].text", "contact.debt is an amount in KZT, and is shown in USD"),
        ("steps[2].template", "t (ru), text: contact.age is a number, and `say_date` takes a date"),
    ]
    assert list(misfits({}, cascade, texts)) == []
