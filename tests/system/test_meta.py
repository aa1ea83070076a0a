"""A silent mail, then WhatsApp or Messenger: the real engine and adapters against the sandbox."""

import pytest

from kaskad.sandbox.person import Person
from support.command import Played, play, writes_once_mailed

CASCADE = """
cascade: order
title: An order
class: service
topic: orders
trigger: {event: ready, key: order_id}
goal: {event: fetched}
steps:
  - id: letter
    channel: email
    subject: "{{ contact.name }}, ваш заказ готов"
    html: '<p><a href="{{ link(trigger.url) }}">Заказ</a> готов.</p>'
    wait: 4h
  - id: chat
    channel: CHANNEL
    text: "{{ contact.name }}, вы спрашивали: заказ готов"
APPROVED
    wait: 6h
  - {id: again, channel: email, subject: "Ещё раз", html: "<p>Ещё раз</p>", wait: 2h}
"""
APPROVED = """    approved:
      name: order_ready
      language: ru
      parameters: ["{{ contact.name }}", "{{ trigger.total }}"]
      buttons: ["{{ link(trigger.url) }}"]"""
PROFILE = """  # nobody opens a mail, everybody reads a chat
mail: {open: {median: 1}, click: {median: 1}}
chat: {react: {median: 900, spread: 0.2, least: 75}, reads: 1.0}
sms: {deliver: {median: 1}, react: {median: 1}}
call: {pick_up: {median: 1}, think: {median: 1}}
"""
PEOPLE = [
    Person(
        f"p{n}", f"Имя{n}", f"p{n}@example.org", f"+7701000000{n}", language="ru",
        ids={"facebook_messenger": f"{1000 + n}"},
    )
    for n in range(1, 6)
]  # fmt: skip
WRITER, *OTHERS = PEOPLE  # the first writes before the message of the chat would come
COLUMNS = {
    "id": lambda person: person.key,
    "name": lambda person: person.name,
    "email": lambda person: person.email,
    "language": lambda person: "ru",
    "consent": lambda person: "yes",
    "trigger.order_id": lambda person: f"k{person.key}",
    "trigger.total": lambda person: "12 000 ₸",
    "trigger.url": lambda person: f"https://shop.example.org/{person.key}",
}


def played(folder, channel, server, approved):
    cascade = CASCADE.replace("CHANNEL", channel).replace("APPROVED\n", f"{approved}\n" if approved else "")
    columns = {**COLUMNS, channel: lambda person: person.address(channel)}
    writing = writes_once_mailed(WRITER, channel, "Когда будет готов мой заказ?")
    return play(folder, cascade, PEOPLE, columns, ["smtp", server], PROFILE, writing)


@pytest.fixture(scope="module")
def whatsapp(tmp_path_factory) -> Played:
    return played(tmp_path_factory.mktemp("whatsapp"), "whatsapp", "whatsapp", APPROVED)


@pytest.fixture(scope="module")
def messenger(tmp_path_factory) -> Played:
    return played(tmp_path_factory.mktemp("messenger"), "facebook_messenger", "messenger", "")


@pytest.mark.parametrize("person", OTHERS, ids=lambda person: person.key)
def test_who_was_silent_gets_the_approved_text_and_reading_it_ends_the_run(whatsapp, person):
    (bubble,) = whatsapp.got(person, "whatsapp")
    assert bubble.text == f"{person.name}, ваш заказ на 12 000 ₸ готов."
    assert whatsapp.end(person) == ("responded", "chat") and len(whatsapp.phone(person).mails) == 1


def test_the_button_of_the_approved_text_leads_over_kaskad(whatsapp):
    (bubble,) = whatsapp.got(OTHERS[0], "whatsapp")
    (button,) = bubble.buttons[0]
    assert button.url.startswith("http://127.0.0.1:") and button.url.count("/l/") == 1


@pytest.mark.parametrize("channel", ["whatsapp", "facebook_messenger"])
def test_who_has_written_gets_a_free_text_and_reading_it_ends_the_run(channel, request):
    told = request.getfixturevalue(channel.removeprefix("facebook_"))
    (bubble,) = told.got(WRITER, channel)
    assert bubble.text == "Имя1, вы спрашивали: заказ готов"
    assert told.end(WRITER) == ("responded", "chat")


def test_what_the_answer_within_the_window_cost_was_nothing(whatsapp):
    assert whatsapp.line("chat")["cost"] == {"KZT": 4 * 1500}


@pytest.mark.parametrize("person", OTHERS, ids=lambda person: person.key)
def test_who_has_not_written_gets_nothing_in_messenger_and_the_next_step_at_once(messenger, person):
    assert messenger.got(person, "facebook_messenger") == []
    assert messenger.end(person)[0] == "exhausted" and len(messenger.phone(person).mails) == 2
