"""Scenario 24: Meta's limit of advertising (131049) for a third, against the sandbox."""

import pytest

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Person
from support.command import play

CASCADE = """
cascade: cart
title: A cart
class: service
topic: carts
trigger: {event: left, key: cart}
steps:
  - id: chat  # the first step: the texts are asked for before anybody enters
    channel: whatsapp
    text: "{{ contact.name }}, в корзине осталось: чайник"
    approved: {name: cart_reminder, language: ru, parameters: ["{{ contact.name }}", чайник]}
    wait: 6h
  - {id: sms, channel: sms, text: "Корзина ждёт", wait: 2h}
"""
PROFILE = """  # everybody reads a chat at once, an SMS is delivered and that is all
mail: {open: {median: 1}, click: {median: 1}}
chat: {react: {median: 900, spread: 0.2, least: 75}, reads: 1.0}
sms: {deliver: {median: 1}, react: {median: 1}, reacts: 0.0}
call: {pick_up: {median: 1}, think: {median: 1}}
"""
PEOPLE = [Person(f"p{n}", f"Имя{n}", f"p{n}@example.org", f"+7701000010{n}", language="ru") for n in range(6)]
COLUMNS = {
    "id": lambda person: person.key,
    "name": lambda person: person.name,
    "email": lambda person: person.email,
    "phone": lambda person: person.phone,
    "whatsapp": lambda person: person.address("whatsapp"),
    "consent": lambda person: "yes",
    "trigger.cart": lambda person: f"k{person.key}",
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    def limit(sandbox):
        sandbox.set_faults(Fault("whatsapp", "reject", left=2))

    return play(
        tmp_path_factory.mktemp("limit"),
        CASCADE,
        PEOPLE,
        COLUMNS,
        ["smtp", "whatsapp", "smsc"],
        PROFILE,
        limit,
    )


@pytest.mark.long
def test_whom_meta_spares_gets_the_next_channel_at_once_and_no_second_try(limited):
    spared = [person for person in PEOPLE if not limited.got(person, "whatsapp")]
    assert len(spared) == 2
    for person in PEOPLE:
        assert len(limited.phone(person).texts) == (person in spared)
    line = limited.line("chat")
    assert (line["sent"], line["failed"], line["seen"]) == (6, 2, 4)
    words = limited.told["report"]["failure_words"]["chat"]["window"]
    assert words == {"131049": 2}
