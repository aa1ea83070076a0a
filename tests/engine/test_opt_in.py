"""Opt-in links: the first start binds the chat with its consent, and nothing else does."""

import itertools
import re

import pytest
from msgspec.structs import replace

from kaskad.domain.consent import ANY, ConsentRow, may
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.terms import Channel, Kind, MessageClass, SkipReason
from kaskad.engine.opt_in import TTL_MS, WORDS, Visit, make_link
from kaskad.engine.receive import Delivery
from kaskad.providers.base import Account, Inbound
from kaskad.store.contacts import Consent, add_consents
from kaskad.store.db import Database
from kaskad.store.suppressions import suppress
from support.stage import Stage

CHAT, OTHER = "100200", "100300"
PHONE = {Channel.SMS: "+77010001234"}


class Bot:
    """A stage with one telegram account, and people who do things in its chat."""

    def __init__(self, db: Database) -> None:
        self.stage = Stage(db)
        self.account = self.made("chat")
        self._numbers = itertools.count(1)

    def made(self, name: str, **settings: str) -> Account:
        secrets = {"token": "1:t"}
        own = {"bot": "shop_bot", **settings}
        number = self.stage.account(
            Channel.TELEGRAM, name, provider="telegram", settings=own, secrets=secrets
        )
        return self.stage.world.accounts[number]

    def link(self, contact_id: int, account: Account | None = None, **options) -> str:
        with self.stage.db.write() as tx:
            return make_link(tx, account or self.account, contact_id, self.stage.clock.now(), **options)

    def token(self, contact_id: int, **options) -> str:
        return self.link(contact_id, **options).partition("?start=")[2]

    def does(self, chat: str, kind: Kind, text: str = "", language: str = "", account=None) -> str:
        """A person acts; return what they are answered."""
        told = Inbound(channel=Channel.TELEGRAM, address=chat, kind=kind, text=text, language=language,
                       event=f"update {next(self._numbers)}")  # fmt: skip
        now = self.stage.clock.now()
        visit = Visit(account or self.account, told, now, self.stage.world.hash_key)
        self.stage.engine.deliver(Delivery(None, acts=[visit]))
        self.stage.works()
        said = visit.say(now)
        assert said is None or (said.to, said.channel) == (chat, Channel.TELEGRAM)
        return said.text if said else ""

    def starts(self, chat: str, token: str = "", **more) -> str:
        return self.does(chat, Kind.STARTED, token, **more)

    def address(self, contact_id: int) -> dict[str, int]:
        """Return the contact's chats with their health."""
        with self.stage.db.write() as tx:
            rows = tx.among("look_addresses", [contact_id])
        return {row[2]: row[3] for row in rows if row[1] == Channel.TELEGRAM.code}

    def may(self, contact_id: int, topic: str = "") -> SkipReason | None:
        """Say whether advertising may be sent to the contact's chat."""
        with self.stage.db.write() as tx:
            rows = [ConsentRow(bool(row[1]), *row[2:7], bool(row[7]))
                    for row in tx.among("look_consents", [contact_id])]  # fmt: skip
        return may(rows, Channel.TELEGRAM, MessageClass.ADVERTISING, topic, self.stage.clock.now())


def words(name: str, russian: bool = False) -> str:
    return WORDS[name][russian]


@pytest.fixture
def bot(either: Database) -> Bot:
    return Bot(either)


def lead(bot: Bot, name: str = "ann") -> int:
    return bot.stage.person(name, [Channel.EMAIL], consented=False)


def test_the_first_start_binds_the_chat_and_keeps_the_consent(bot: Bot) -> None:
    ann = lead(bot)
    assert bot.may(ann) is SkipReason.NO_CONSENT
    link = bot.link(ann, topic="news", consent="I agree to get news in Telegram")
    assert re.fullmatch(r"https://t\.me/shop_bot\?start=[A-Za-z0-9_-]{20,64}", link)
    assert bot.starts(CHAT, link.partition("=")[2]) == words("done")
    assert bot.address(ann) == {CHAT: 0}
    assert bot.may(ann, "news") is None
    assert bot.may(ann, "other") is SkipReason.NO_CONSENT


def test_a_message_then_goes_to_the_chat(bot: Bot) -> None:
    bot.stage.cascade("cascade: hi\ntitle: Hi\nclass: advertising\ntopic: news\ntrigger: {event: joined}\n"
                      "steps:\n  - {id: chat, channel: telegram, text: Hello, account: chat}\n")  # fmt: skip
    ann = lead(bot)
    bot.starts(CHAT, bot.token(ann, topic="news"))
    bot.stage.event(ann, "joined")
    assert [parcel.outgoing.to for parcel in bot.stage.parcels] == [CHAT]


def test_the_same_start_again_changes_nothing_and_is_answered(bot: Bot) -> None:
    ann = lead(bot)
    token = bot.token(ann)
    bot.starts(CHAT, token)
    assert bot.starts(CHAT, token) == words("again")
    assert bot.address(ann) == {CHAT: 0}


def test_a_forwarded_link_binds_nobody_after_its_use(bot: Bot) -> None:
    ann = lead(bot)
    token = bot.token(ann)
    bot.starts(CHAT, token)
    assert bot.starts(OTHER, token) == words("used")
    assert bot.address(ann) == {CHAT: 0}


def test_a_chat_of_somebody_else_is_never_bound_and_the_link_stays_good(bot: Bot) -> None:
    ann, bob = lead(bot), lead(bot, "bob")
    bot.starts(OTHER, bot.token(bob))
    token = bot.token(ann)
    assert bot.starts(OTHER, token) == words("used")
    assert bot.address(ann) == {}
    assert bot.starts(CHAT, token) == words("done")
    assert bot.address(ann) == {CHAT: 0}


def test_a_link_that_is_too_old_binds_nothing(bot: Bot) -> None:
    ann = lead(bot)
    token = bot.token(ann)
    bot.stage.clock.at += TTL_MS
    assert bot.starts(CHAT, token, language="ru-RU") == words("expired", russian=True)
    assert bot.address(ann) == {}


@pytest.mark.parametrize("token", ["x" * 32, "1", "ё", "a" * 4000])
def test_a_forged_link_binds_nothing(bot: Bot, token: str) -> None:
    ann = lead(bot)
    bot.link(ann)
    assert bot.starts(CHAT, token) == words("unknown")
    assert bot.address(ann) == {}


def test_a_link_works_with_its_own_bot_only(bot: Bot) -> None:
    ann, second = lead(bot), bot.made("second")
    token = bot.token(ann)
    assert bot.starts(CHAT, token, account=second) == words("unknown")
    assert bot.starts(CHAT, token) == words("done")


def test_who_has_a_phone_shows_that_it_is_theirs(bot: Bot) -> None:
    ann = bot.stage.person("ann", [], addresses=PHONE, consented=False)
    token = bot.token(ann)
    assert bot.starts(CHAT, token, language="ru") == words("digits", russian=True)
    assert bot.address(ann) == {} and bot.may(ann) is SkipReason.NO_CONSENT
    assert bot.does(CHAT, Kind.REPLIED, "9999") == words("wrong")
    assert bot.does(CHAT, Kind.REPLIED, " 1234 ") == words("done")
    assert bot.address(ann) == {CHAT: 0} and bot.may(ann) is None
    assert bot.does(CHAT, Kind.REPLIED, "1234") == ""


def test_a_stranger_with_a_forwarded_link_guesses_three_times(bot: Bot) -> None:
    ann = bot.stage.person("ann", [], addresses=PHONE, consented=False)
    token = bot.token(ann)
    bot.starts(OTHER, token)
    said = [bot.does(OTHER, Kind.REPLIED, guess) for guess in ("0001", "0002", "0003", "1234")]
    assert said == [words("wrong"), words("wrong"), words("burnt"), ""]
    assert bot.starts(CHAT, token) == words("used")
    assert bot.address(ann) == {} and bot.may(ann) is SkipReason.NO_CONSENT


def test_a_stranger_who_was_first_does_not_keep_the_person_out(bot: Bot) -> None:
    ann = bot.stage.person("ann", [], addresses=PHONE, consented=False)
    token = bot.token(ann)
    bot.starts(OTHER, token)
    bot.starts(CHAT, token)
    assert bot.does(OTHER, Kind.REPLIED, "1234") == ""
    assert bot.does(CHAT, Kind.REPLIED, "1234") == words("done")
    assert bot.address(ann) == {CHAT: 0}


def test_digits_need_not_be_asked_for(bot: Bot) -> None:
    ann = bot.stage.person("ann", [], addresses=PHONE, consented=False)
    assert bot.starts(CHAT, bot.token(ann, confirm=False)) == words("done")


def test_a_start_without_a_link_is_answered(bot: Bot) -> None:
    assert bot.starts(CHAT) == words("stranger")
    assert bot.starts(CHAT, language="kk") == words("stranger", russian=True)


def test_a_start_takes_back_the_stop_of_that_channel(bot: Bot) -> None:
    ann = lead(bot)
    bot.starts(CHAT, bot.token(ann))
    bot.stage.passes("1h")
    bot.stage.says(Channel.TELEGRAM, CHAT, "/stop")
    assert bot.may(ann) is SkipReason.NO_CONSENT
    bot.stage.passes("1h")
    assert bot.starts(CHAT) == words("again")
    assert bot.may(ann) is None


@pytest.mark.parametrize("scope", ["advertising", "all", "topic"])
def test_a_start_does_not_take_back_more_than_that(bot: Bot, scope: str) -> None:
    ann = lead(bot)
    bot.starts(CHAT, bot.token(ann))
    bot.stage.passes("1h")
    refused = Consent(granted=False, at=bot.stage.clock.now(), topic="news" if scope == "topic" else "",
                      purpose=MessageClass.ADVERTISING.code if scope == "advertising" else ANY)  # fmt: skip
    with bot.stage.db.write() as tx:
        add_consents(tx, [(ann, refused)])
    bot.stage.passes("1h")
    bot.starts(CHAT)
    assert bot.may(ann, "news") is SkipReason.NO_CONSENT


def test_a_start_allows_nothing_to_who_has_never_allowed_it(bot: Bot) -> None:
    ann = bot.stage.person("ann", [], addresses={Channel.TELEGRAM: CHAT}, consented=False)
    bot.starts(CHAT)
    assert bot.may(ann) is SkipReason.NO_CONSENT


def test_a_block_makes_the_address_invalid_and_its_end_makes_it_good(bot: Bot) -> None:
    ann = lead(bot)
    bot.starts(CHAT, bot.token(ann))
    assert bot.does(CHAT, Kind.BLOCKED) == ""
    assert bot.address(ann) == {CHAT: 1}
    assert bot.does(CHAT, Kind.UNBLOCKED) == ""
    assert bot.address(ann) == {CHAT: 0}


def test_a_suppressed_chat_stays_so(bot: Bot) -> None:
    ann = lead(bot)
    with bot.stage.db.write() as tx:
        suppress(tx, bot.stage.world.hash_key, [(Channel.TELEGRAM, CHAT)], "asked", 1)
    bot.starts(CHAT, bot.token(ann))
    assert bot.address(ann) == {CHAT: 2}
    bot.does(CHAT, Kind.BLOCKED)
    bot.does(CHAT, Kind.UNBLOCKED)
    assert bot.address(ann) == {CHAT: 2}


def test_a_link_needs_a_contact_and_a_bot(bot: Bot) -> None:
    with pytest.raises(NotFound):
        bot.link(10**9)
    with pytest.raises(Invalid, match="does not say its bot"):
        bot.link(lead(bot), account=replace(bot.account, settings={}))
    with pytest.raises(Invalid, match="no opt-in links"):
        bot.link(lead(bot), account=replace(bot.account, provider="smtp"))


@pytest.mark.parametrize(("number", "said"), [("+77010001234", "done"), ("+77010009999", "digits")])
def test_where_chats_are_numbers_the_known_one_needs_no_digits(bot: Bot, number: str, said: str) -> None:
    own = {"phone": "+15550783881", "phone_number_id": "106540352242922"}
    account_id = bot.stage.account(Channel.WHATSAPP, "wa", provider="whatsapp", settings=own)
    account = bot.stage.world.accounts[account_id]
    ann = bot.stage.person("ann", [], addresses=PHONE, consented=False)
    token = bot.link(ann, account).rpartition("%20")[2]
    told = Inbound(channel=Channel.WHATSAPP, address=number, kind=Kind.STARTED, text=token, event="e1")
    visit = Visit(account, told, bot.stage.clock.now(), bot.stage.world.hash_key)
    bot.stage.engine.deliver(Delivery(None, acts=[visit]))
    bot.stage.works()
    answer = visit.say(bot.stage.clock.now())
    assert answer is not None and answer.text == words(said)
