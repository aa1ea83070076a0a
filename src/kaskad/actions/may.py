"""Why a contact may or may not be sent each step of a cascade now, also before it has entered.

What is asked is what the last look asks; nothing is decided here a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs

from kaskad.actions.contacts import find
from kaskad.actions.law import today
from kaskad.actions.office import Office
from kaskad.domain import consent, entering, law, timing
from kaskad.domain.cascade import Step
from kaskad.domain.consent import ConsentRow
from kaskad.domain.content import TextBook
from kaskad.domain.definition import to_cascade
from kaskad.domain.errors import Conflict
from kaskad.domain.hours import Zones, zones_known
from kaskad.domain.policy import Policy
from kaskad.domain.run import Answers, Run, Send
from kaskad.domain.terms import Channel, MessageClass, SkipReason
from kaskad.domain.timing import When
from kaskad.domain.version import Version, prepare
from kaskad.domain.worded import worded
from kaskad.engine import wording
from kaskad.engine.catalog import POLICY, read_version
from kaskad.engine.enrol import would_enter
from kaskad.engine.look import Desk, look
from kaskad.store import cards, learning, settings, trials
from kaskad.store import cascades as cascade_store
from kaskad.store.cards import KnownAddress, KnownConsent
from kaskad.store.cascades import CascadeRow
from kaskad.store.db import Transaction

_ADVERTISING = MessageClass.ADVERTISING


class Held(Struct, frozen=True):
    """What holds a message back: until when (None: for good), and why."""

    until: int | None
    why: str


class ChannelAnswer(Struct, frozen=True):
    """One channel of a step: `refused` is why not, None where it may; then what was looked at."""

    channel: Channel
    refused: SkipReason | None
    address: str | None
    health: str
    health_why: str  # where it is undeliverable
    consent: KnownConsent | None  # by which it may be sent, or by which it is refused
    note: str  # about the consent, in words
    law: tuple[str, ...]  # articles that speak about it, each with its verdict
    window: Held | None
    cap: Held | None


class StepAnswer(Struct, frozen=True):
    """What would come of a step now: `verdict` is send, wait or skip."""

    step: str
    verdict: str
    channel: Channel | None
    at: int | None
    why: str
    channels: tuple[ChannelAnswer, ...]


class Answer(Struct, frozen=True):
    """All steps; `entry` says what keeps the contact from entering, "" where nothing does."""

    contact_id: int
    cascade: str
    version: int | None  # None: its draft, where none has been active yet
    message_class: MessageClass
    topic: str
    country: str
    zones: Zones
    entry: str
    steps: tuple[StepAnswer, ...]


def may(office: Office, who: str, slug: str, trigger: Mapping[str, Any] | None = None) -> Answer:
    """Return what of a cascade may be sent to a contact now; `trigger` is what an event would tell.

    The version in force is asked about, else the draft. Raises NotFound for contact and cascade, Invalid for
    a draft that does not read, Conflict where there is nothing to ask about.
    """
    now = office.now()
    with office.read() as tx:
        contact_id = find(tx, who)
        row = cascade_store.by_slug(tx, slug)
        number, version = _version(tx, row, contact_id)
        run, refusal = would_enter(tx, version, contact_id, dict(trigger or {}), now)
        answers = _answers(office, tx, version, run, dict(trigger or {}), now)
        known, card = cards.consents(tx, contact_id), cards.card(tx, contact_id)
        places = {(each.channel, each.value): each for each in cards.addresses(tx, contact_id)}
    phone = answers.addresses.get(Channel.SMS.code)
    zones = zones_known(
        card.zone if card else None, card.zone_source if card else None, phone.value if phone else "",
        version.policy.zone,
    )  # fmt: skip
    asked = _Asked(version, run, answers, known, places, now)
    entry = _entry(row.state, refusal, run)
    return Answer(
        contact_id, slug, number, version.cascade.message_class, version.cascade.topic, answers.country,
        zones, entry, tuple(asked.step(step) for step in version.cascade.steps),
    )  # fmt: skip


def _version(tx: Transaction, row: CascadeRow, contact_id: int) -> tuple[int | None, Version]:
    """Return the version that the contact would enter with its number, else the draft made ready."""
    policy = settings.get(tx, POLICY, Policy) or Policy()
    if row.version_id is not None:
        trial = trials.under_way(tx, row.id)
        theirs = row.version_id if trial is None else trial.trial.version_of(contact_id)
        kept = cascade_store.version(tx, theirs)
        learnt = learning.chances(tx).get(theirs, {})
        return kept.number, structs.replace(read_version(tx, kept, policy), chances=learnt)
    draft = cascade_store.draft(tx, row.id)
    if draft is None:
        raise Conflict(
            worded("Cascade %(slug)r has no active version: activate it, then ask again.", slug=row.slug)
        )
    cascade = to_cascade(draft.source, name=row.slug)
    return None, prepare(0, row.id, cascade, policy, TextBook(wording.look_up(tx, cascade)[0]))


def _answers(
    office: Office, tx: Transaction, version: Version, run: Run, trigger: dict[str, Any], now: int
) -> Answers:
    """Return what the last look would read about the contact now."""
    world = office.engine.world
    seen = look(tx, [(version, run)], now, world.accounts)
    desk = Desk(tx, world, now)
    desk.see(structs.replace(seen, properties={(run.contact_id, run.id): trigger}))
    return desk.answers(version, run, {})


def _entry(state: str, refusal: str | None, run: Run) -> str:
    if state == cascade_store.DRAFT:
        return worded("it is a draft: nobody enters before it is activated")
    if state != cascade_store.ACTIVE:
        paused = state == cascade_store.PAUSED
        return (
            worded("the cascade is paused: nobody enters")
            if paused
            else worded("the cascade is stopped: nobody enters")
        )
    if refusal is not None:
        return refusal
    return worded("would be held out as the control group: nothing is sent") if run.holdout else ""


class _Asked(Struct, frozen=True):
    """One contact and one version, asked about at one instant."""

    version: Version
    run: Run
    answers: Answers
    known: list[KnownConsent]
    places: dict[tuple[Channel, str], KnownAddress]
    now: int

    def step(self, step: Step) -> StepAnswer:
        """Return what would come of a step, and of each of its channels."""
        found = entering.asked(self.version, self.run, step, self.answers, self.now)
        channels = tuple(self._channel(step, channel) for channel in step.channels)
        if isinstance(found, Send):
            return StepAnswer(step.id, "send", Channel.of(found.channel), self.now, "", channels)
        if isinstance(found, When):
            verdict = "skip" if found.at is None else "wait"
            return StepAnswer(step.id, verdict, None, found.at, _words(found.why, found.detail), channels)
        _, channel, reason, detail = found
        return StepAnswer(step.id, "skip", Channel.of(channel), None, _words(reason, detail), channels)

    def _channel(self, step: Step, channel: Channel) -> ChannelAnswer:
        refused, address = entering.refused_on(self.version, step, channel, self.answers, self.now)
        window, cap = timing.held_on(self.version, self.run, step, channel, self.answers, self.now)
        row, note = self._consent(channel)
        place = self.places.get((channel, address.value)) if address else None
        return ChannelAnswer(
            channel, refused, address.value if address else None, place.condition if place else "good",
            place.reason if place else "", row, note, self._law(channel), _held(window), _held(cap),
        )  # fmt: skip

    def _consent(self, channel: Channel) -> tuple[KnownConsent | None, str]:
        """Return the row that decides, and what it says."""
        cascade = self.version.cascade
        kind, topic, brand = cascade.message_class, cascade.topic, cascade.brand
        rows = [
            ConsentRow(
                k.granted, k.purpose, k.channels, k.topic, k.at, k.expires_at, k.proof is not None, k.brand
            )
            for k in self.known
        ]
        refusal = consent.may(rows, channel, kind, topic, self.now, brand=brand)
        proven = [row for row in rows if row.proven] if refusal is None and kind is _ADVERTISING else rows
        place = consent.granting(proven, channel, kind, topic, self.now, brand)
        granted = None if place is None else rows.index(proven[place])
        refused = consent.refusing(rows, channel, kind, topic, self.now, brand)
        if kind is MessageClass.EMERGENCY:
            return None, worded("an emergency message asks for no consent")
        if refusal is None:
            if granted is not None:
                return self.known[granted], "agreed"
            return None, worded("a %(kind)s message needs none, and nobody has refused it", kind=kind)
        if refused is not None and (granted is None or rows[granted].at <= rows[refused].at):
            paused = self.known[refused].expires_at is not None
            return self.known[refused], worded("refused for a while") if paused else "refused"
        if granted is not None:
            return self.known[granted], worded("agreed, but without a proof: that is none for advertising")
        return None, worded("no consent is known")

    def _law(self, channel: Channel) -> tuple[str, ...]:
        cascade = self.version.cascade
        answer = law.ask(
            self.version.policy, self.answers.country, channel, cascade.message_class, today(self.now)
        )
        return tuple(
            worded(
                "%(verdict)s: %(article)s (%(rule)s)",
                verdict=rule.verdict,
                article=rule.article,
                rule=rule.id,
            )
            for rule in answer.rules
        )


def _held(when: When | None) -> Held | None:
    return None if when is None else Held(when.at, str(when.why))


def _words(why: object, detail: str) -> str:
    text = (why.value if isinstance(why, SkipReason) else str(why)).replace("_", " ")
    return worded("%(text)s: %(detail)s", text=text, detail=detail) if detail and text else text or detail
