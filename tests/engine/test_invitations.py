"""`{{ opt_in("telegram") }}` in a text: the person's own link, made when and only when it is asked for."""

import re

import pytest

from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.opt_in import TTL_MS, Visit
from kaskad.engine.receive import Delivery
from kaskad.engine.world import Options
from kaskad.providers.base import Inbound
from kaskad.store import opt_ins
from support.stage import NOON, Stage, accepted, refused

HEAD = """
cascade: welcome
title: Welcome
class: service
trigger: {event: told, key: number}
reentry: parallel_by_key
steps:
"""
MAIL = (
    HEAD
    + """
  - id: mail
    channel: email
    subject: Hello
    html: '<p><a href="{{ opt_in("telegram") }}">Telegram</a> or {{ opt_in("viber") }}</p>'
    text: 'Telegram: {{ opt_in("telegram") }} or again {{ opt_in("telegram") }}'
    wait: 1h
"""
)
SMS = HEAD + """  - {id: sms, channel: sms, text: 'Chat: {{ opt_in("vk") }}', wait: 1h}\n"""
LINK = re.compile(r"https://t\.me/shop_bot\?start=([A-Za-z0-9_-]{32})")


class World:
    """A stage with a bot of Telegram and one of Viber, and a person who is told something at each event."""

    def __init__(self, db, cascade=MAIL, **options):
        self.stage = Stage(db, options=Options(**options) if options else None)
        bot = {"settings": {"bot": "shop_bot"}, "secrets": {"token": "1:t"}}
        number = self.stage.account(Channel.TELEGRAM, "chat", provider="telegram", **bot)
        self.account = self.stage.world.accounts[number]
        viber = {"settings": {"sender": "Shop", "uri": "shop"}, "secrets": {"token": "t"}}
        self.stage.account(Channel.VIBER, "viber", provider="viber", **viber)
        self.stage.cascade(cascade)
        self.ann = self.stage.person("ann", [Channel.EMAIL, Channel.SMS])
        self.number = 0

    def told(self):
        """Tell it once more; return the message."""
        self.number += 1
        self.stage.event(self.ann, "told", number=self.number)
        return self.stage.parcels[-1].outgoing

    def kept(self, token):
        """Return the link of a token, or None."""
        with self.stage.db.write() as tx:
            return opt_ins.find(tx, token)

    def starts(self, token, chat="100200"):
        told = Inbound(
            channel=Channel.TELEGRAM, address=chat, kind=Kind.STARTED, text=token, event=f"s{token}"
        )
        visit = Visit(self.account, told, self.stage.clock.now(), self.stage.world.hash_key)
        self.stage.engine.deliver(Delivery(None, acts=[visit]))
        self.stage.works()
        said = visit.say(self.stage.clock.now())
        return said.text if said else ""


@pytest.fixture
def world(either):
    return World(either)


def test_a_mail_has_one_link_a_channel_however_often_it_names_it(world):
    mail = world.told()
    (token,) = set(LINK.findall(mail.text + mail.html))
    assert len(LINK.findall(mail.text)) == 2
    assert "viber://pa?chatURI=shop&amp;context=" in mail.html
    viber = re.search(r"context=([A-Za-z0-9_-]{32})", mail.html)[1]
    assert [world.kept(each).contact_id for each in (token, viber)] == [world.ann, world.ann]
    assert token != viber


def test_the_link_binds_the_chat_of_the_person_who_got_it(world):
    token = LINK.search(world.told().text)[1]
    assert "digits" in world.starts(token)  # a phone is known: whoever has got the mail forwarded is asked
    with world.stage.db.write() as tx:
        phone = next(row[2] for row in tx.among("look_addresses", [world.ann]) if row[1] == Channel.SMS.code)
    told = Inbound(channel=Channel.TELEGRAM, address="100200", kind=Kind.REPLIED, text=phone[-4:], event="d")
    visit = Visit(world.account, told, world.stage.clock.now(), world.stage.world.hash_key)
    world.stage.engine.deliver(Delivery(None, acts=[visit]))
    world.stage.works()
    with world.stage.db.write() as tx:
        chats = {row[2] for row in tx.among("look_addresses", [world.ann]) if row[1] == Channel.TELEGRAM.code}
    assert "100200" in chats


def test_another_message_has_another_link(world):
    first, second = (LINK.search(world.told().text)[1] for _ in range(2))
    assert first != second


def test_a_message_that_is_sent_again_says_the_same(world):
    stage = world.stage
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.TRANSIENT)
    first = world.told()
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("10m")
    again = stage.parcels[-1]
    assert again.attempt > 1 and again.outgoing.text == first.text
    assert world.kept(LINK.search(first.text)[1]).expires_at == NOON + TTL_MS


def test_a_text_that_does_not_ask_makes_none(db):
    world = World(db, HEAD + "  - {id: sms, channel: sms, text: Hello, wait: 1h}\n")
    world.told()
    assert list(db._writer.execute("SELECT count(*) FROM opt_ins")) == [(0,)]


def test_without_an_account_of_the_channel_the_step_is_skipped_and_says_why(either):
    world = World(either, SMS)
    world.stage.event(world.ann, "told", number=1)
    assert world.stage.states(world.ann) == {"sms": "no_template"}
    assert not world.stage.parcels


def test_where_links_are_tracked_the_chat_is_behind_a_tracked_one(either):
    world = World(either, base_url="https://k.example.org")
    mail = world.told()
    assert 'href="https://k.example.org/l/' in mail.html and LINK.search(mail.html) is None
    assert LINK.search(mail.text)  # as it is written


def test_a_link_lives_for_thirty_days(world):
    token = LINK.search(world.told().text)[1]
    world.stage.passes(f"{TTL_MS // 86_400_000 + 1}d")
    assert "too old" in world.starts(token) or "know" in world.starts(token)
