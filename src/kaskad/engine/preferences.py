"""What a person wants of us: read for the page behind the unsubscribe link, and kept as that page tells it.

The page shows what may be sent, by topic and by channel. What is switched off goes the way of every refusal;
what is switched on is a consent for that topic on that channel, so that nothing comes back with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.consent import (
    ALL_CHANNELS,
    ANY,
    TRACKING,
    ConsentRow,
    Scope,
    channels_of,
    may,
    paused_until,
)
from kaskad.domain.ids import run_text
from kaskad.domain.policy import DAY
from kaskad.domain.terms import Channel, Kind, MessageClass
from kaskad.domain.version import Version
from kaskad.engine.arrival import Arrival
from kaskad.engine.world import World
from kaskad.store import cards, contacts, merges
from kaskad.store.db import Transaction

RESTS = (7, 30, 90)  # days that a person may ask to be left alone
LANGUAGES = ("ru", "kk", "en")
PHONE = "phone"  # stands for SMS and calls: a stop to one is a stop to all
_PHONES = (Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL)
_BY_PHONE = 1 << Channel.SMS.code | channels_of(Channel.AGENT_CALL)
_SAID_BY = "preferences page"
_MOST = 30  # topics


class Topic(Struct, frozen=True):
    """A topic that can be left; `titles` are its names by language, {} where the policy names it nowhere."""

    name: str
    titles: Mapping[str, str]
    on: bool


class Preferences(Struct, frozen=True):
    """What is so now. `address` is masked; `channels` are by word, `phone` for SMS and calls."""

    address: str
    language: str
    own_topic: str  # of the message whose link was followed
    topics: tuple[Topic, ...]
    channels: Mapping[str, bool]
    rest_until: int | None
    tracking: bool


class Choice(Struct, frozen=True):
    """What was chosen: which topics and channels are on; `rest_days` 0 ends a rest, None keeps it."""

    topics: frozenset[str]
    channels: frozenset[str]
    rest_days: int | None
    language: str
    tracking: bool


class _Known(Struct, frozen=True):
    """What is read of a contact to answer or to change anything."""

    rows: list[ConsentRow]  # without rests, which stop all alike
    rest_until: int | None
    classes: Mapping[str, MessageClass]  # by topic
    titles: Mapping[str, Mapping[str, str]]
    channels: Mapping[str, Channel]  # by word: the one that its state is told by
    language: str
    tracking: bool
    brand: str
    own_topic: str
    addresses: list[cards.KnownAddress]

    def is_on(self, topic: str, word: str, now: int) -> bool:
        """Say whether a message about the topic may be sent there, apart from a rest."""
        channel, message_class = self.channels[word], self.classes[topic]
        return may(self.rows, channel, message_class, topic, now, brand=self.brand) is None


def read(tx: Transaction, world: World, message: tuple[int, int, int], now: int) -> Preferences | None:
    """Return what the person wants now; None: nobody is known by that message's contact any more."""
    message = _where_now(tx, message)
    known = _known(tx, world, message, now)
    if known is None:
        return None
    topics = tuple(
        Topic(name, known.titles.get(name, {}), any(known.is_on(name, word, now) for word in known.channels))
        for name in known.classes
    )
    channels = {word: any(known.is_on(name, word, now) for name in known.classes) for word in known.channels}
    return Preferences(
        _masked(tx, message, known.addresses), known.language, known.own_topic, topics, channels,
        known.rest_until, known.tracking,
    )  # fmt: skip


class Saving:
    """Keeps a choice, within the tick's transaction; doing it again changes nothing."""

    def __init__(
        self, world: World, message: tuple[int, int, int], choice: Choice, evidence: Mapping[str, str],
        at: int,
    ) -> None:  # fmt: skip
        self._world, self._message, self._choice, self._at = world, message, choice, at
        run = run_text(*message[:2]) if message[1] else ""
        told = {**evidence, "source": _SAID_BY, **({"run": run} if run else {})}
        self._proof = {name: value for name, value in told.items() if value}

    def __call__(self, tx: Transaction) -> Sequence[Arrival]:
        self._message = _where_now(tx, self._message)
        known = _known(tx, self._world, self._message, self._at)
        if known is None:
            return []
        self._agree(tx, known)
        contact_id = self._message[0]
        if self._choice.language in LANGUAGES and self._choice.language != known.language:
            told = contacts.Contact(id=contact_id, language=self._choice.language)
            contacts.save(tx, self._world.hash_key, [told], self._at, "the person")
        return [self._refusal(told) for told in self._left(known)]

    def _left(self, known: _Known) -> Iterable[dict[str, object]]:
        """Yield what was on and is off now, as the intake of refusals reads it."""
        for topic in known.classes:
            on = any(known.is_on(topic, word, self._at) for word in known.channels)
            if on and topic not in self._choice.topics:
                yield {"scope": Scope.TOPIC.value, "topic": topic}
        for word, channel in known.channels.items():
            on = any(known.is_on(topic, word, self._at) for topic in known.classes)
            if on and word not in self._choice.channels:
                told = Channel.AGENT_CALL if word == PHONE else channel
                yield {"scope": Scope.CHANNEL.value, "channel": told.code}

    def _agree(self, tx: Transaction, known: _Known) -> None:
        """Keep what the person agrees to anew, a rest, and the consent to tracking where it has changed."""
        given = [
            self._row(granted=True, act="chose", topic=topic, channels=bits)
            for topic, bits in self._wanted(known).items()
        ]
        rest, choice = known.rest_until, self._choice
        if choice.rest_days:
            until = self._at + choice.rest_days * DAY
            given.append(self._row(granted=False, act=f"rest of {choice.rest_days} days", expires_at=until))
        elif choice.rest_days == 0 and rest is not None:
            given.append(self._row(granted=False, act="rest ended", expires_at=self._at))
        if choice.tracking != known.tracking:
            act = "agreed to tracking" if choice.tracking else "refused tracking"
            given.append(self._row(granted=choice.tracking, act=act, purpose=TRACKING))
        contacts.add_consents(tx, [(self._message[0], row) for row in given])

    def _wanted(self, known: _Known) -> dict[str, int]:
        """Return by topic the channels (bits) that were off and were switched on, there or as a topic."""
        was_on = {
            topic: {w for w in known.channels if known.is_on(topic, w, self._at)} for topic in known.classes
        }
        any_on = set().union(*was_on.values())
        found: dict[str, int] = {}
        for topic in sorted(self._choice.topics & known.classes.keys()):
            for word in sorted(self._choice.channels & known.channels.keys()):
                switched = not was_on[topic] or word not in any_on
                if switched and word not in was_on[topic]:
                    bits = _BY_PHONE if word == PHONE else 1 << known.channels[word].code
                    found[topic] = found.get(topic, 0) | bits
        return found

    def _row(
        self, *, granted: bool, act: str, topic: str = "", channels: int = ALL_CHANNELS, purpose: int = ANY,
        expires_at: int | None = None,
    ) -> contacts.Consent:  # fmt: skip
        proof = contacts.proof_text({"act": act, **self._proof})
        return contacts.Consent(
            granted=granted, at=self._at, purpose=purpose, channels=channels, topic=topic,
            expires_at=expires_at, proof=proof,
        )  # fmt: skip

    def _refusal(self, told: dict[str, object]) -> Arrival:
        """Return a refusal as it arrives; of no run, since it is about what it names and nothing else."""
        what = f"{told['scope']} {told.get('topic') or told.get('channel')}"
        value = msgspec.json.encode({**told, "proof": self._proof}).decode()
        return Arrival(
            self._message[0], 0, -1, Kind.UNSUBSCRIBED.value, f"preferences {what}", self._at, value
        )


def _where_now(tx: Transaction, message: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the message as it is numbered since its contact was merged with another."""
    contact_id, run_id = merges.kept_run(tx, message[:2])
    return merges.kept(tx, contact_id), run_id, message[2]


def _known(tx: Transaction, world: World, message: tuple[int, int, int], now: int) -> _Known | None:
    contact_id, run_id, _ = message
    card = cards.card(tx, contact_id)
    if card is None:
        return None
    version = _version_of(tx, world, contact_id, run_id)
    rows = [
        ConsentRow(
            k.granted, k.purpose, k.channels, k.topic, k.at, k.expires_at, k.proof is not None, k.brand
        )
        for k in cards.consents(tx, contact_id)
    ]
    own, brand = (version.cascade.topic, version.cascade.brand) if version else ("", "")
    addresses = cards.addresses(tx, contact_id)
    return _Known(
        [row for row in rows if row.granted or row.expires_at is None], paused_until(rows, now),
        _classes(world, brand, version), _titles(world), _channels(addresses), card.language or "",
        card.tracking, brand, own, addresses,
    )  # fmt: skip


def _version_of(tx: Transaction, world: World, contact_id: int, run_id: int) -> Version | None:
    row = tx.one("version_of_run", contact_id=contact_id, run_id=run_id)
    return None if row is None else world.versions.get(row[0])


def _classes(world: World, brand: str, own: Version | None) -> dict[str, MessageClass]:
    """Return the topics that a person can choose from: those that the policy names, else of what is sent.

    A topic that advertises somewhere asks for the consent that advertising needs.
    """
    current = {state.version_id for state in list(world.cascades.values()) if state.version_id is not None}
    sent = [version for number in current if (version := world.versions.get(number)) is not None]
    found: dict[str, MessageClass] = {}
    for version in sorted([*sent, *([own] if own else [])], key=lambda each: each.cascade.id):
        cascade = version.cascade
        chosen = cascade.message_class in (MessageClass.ADVERTISING, MessageClass.SERVICE)
        if cascade.topic and chosen and cascade.brand in ("", brand):
            advertises = MessageClass.ADVERTISING in (cascade.message_class, found.get(cascade.topic))
            found[cascade.topic] = MessageClass.ADVERTISING if advertises else MessageClass.SERVICE
    named = [topic.name for topic in world.policy.topics]
    order = [*named, *([] if named else found)]
    if own and own.cascade.topic in found and own.cascade.topic not in order:
        order.append(own.cascade.topic)
    return {name: found.get(name, MessageClass.ADVERTISING) for name in order[:_MOST]}


def _titles(world: World) -> dict[str, dict[str, str]]:
    return {topic.name: {one.language: one.text for one in topic.titles} for topic in world.policy.topics}


def _channels(addresses: Iterable[cards.KnownAddress]) -> dict[str, Channel]:
    """Return the channels on which the person can be reached at all, by the word of the page."""
    found = {each.channel for each in addresses if not each.health}
    words = {PHONE if each in _PHONES else each.value: each for each in Channel if each in found}
    return {word: Channel.SMS if word == PHONE else channel for word, channel in words.items()}


def _masked(tx: Transaction, message: tuple[int, int, int], addresses: Sequence[cards.KnownAddress]) -> str:
    """Return where the message went, as far as its owner knows it again: a•••@example.org, •••• 01 23."""
    row = tx.one("channel_of_message", contact_id=message[0], run_id=message[1], step=message[2])
    channel = Channel.of(row[0]) if row else None
    channel = Channel.SMS if channel in _PHONES else channel
    own = [each for each in addresses if each.channel is channel] or list(addresses)
    return next((text for each in own if (text := mask(each.channel, each.value))), "")


def mask(channel: Channel, value: str) -> str:
    """Return an address with most of it hidden; "" for one that says nothing to a person (a token)."""
    if channel is Channel.EMAIL:
        name, _, domain = value.partition("@")
        return f"{name[:1]}•••@{domain}"
    digits = value.removeprefix("+")
    return f"•••• {digits[-4:-2]} {digits[-2:]}" if value.startswith("+") and digits.isdigit() else ""
