"""One message to one person, written by hand: an ordinary run of a cascade with one step.

There is one such cascade for each class and channel, made when it is first needed; everything that holds for
cascades (consent, law, windows, caps, the report, "why") holds for these messages too.
"""

from __future__ import annotations

import secrets
from concurrent.futures import Future

from kaskad.actions import cascades, contacts
from kaskad.actions.contacts import Whole
from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.worded import worded
from kaskad.engine.receive import Delivery
from kaskad.store import cascades as cascade_store

SLUG = "single"
LONGEST = 4_000
LONGEST_SUBJECT = 200
WITHIN_S = 30.0
CALLS = (Channel.ROBOT_CALL, Channel.AGENT_CALL)
CLASSES = (MessageClass.SERVICE, MessageClass.TRANSACTIONAL, MessageClass.ADVERTISING)


def send(
    office: Office, who: str, channel: Channel, text: str, *, subject: str = "",
    message_class: MessageClass = MessageClass.SERVICE, by: str = "", key: str = "",
) -> str:  # fmt: skip
    """Let a message go to a person, and return the name of its cascade. The same `key` sends once.

    The last look decides whether it is sent: card and report tell. Raises NotFound, Invalid.
    """
    said = text.strip()
    with office.read() as tx:
        contact_id = contacts.find_one(tx, who)
    problems = _problems(channel, said, subject.strip(), message_class)
    if problems:
        raise Invalid([told for told, _ in problems], [where for _, where in problems])
    slug = _stand_ready(office, channel, message_class)
    name = f"{SLUG} {key or secrets.token_hex(8)}"
    event = EventIn(
        name, _event_of(channel, message_class), ContactRef(id=contact_id), office.now(),
        {"message": name, "text": said, "subject": subject.strip(), "by": by},
    )  # fmt: skip
    kept: Future[list[str | None]] = Future()
    (refused,) = office.engine.deliver(Delivery(kept, events=[event])).result(WITHIN_S)
    if refused is not None:
        raise Invalid([refused])
    return slug


def channels_of(person: Whole) -> list[Channel]:
    """Return the channels on which a message by hand can reach somebody, in the channels' order."""
    known = {each.channel for each in person.addresses if not each.health}
    return [each for each in Channel if each in known and each not in CALLS]


def _problems(
    channel: Channel, text: str, subject: str, message_class: MessageClass
) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if channel in CALLS:
        found.append((worded("Calls are no texts: choose another channel."), "/channel"))
    if not 1 <= len(text) <= LONGEST:
        found.append((worded("A message has 1 to %(longest)s characters.", longest=LONGEST), "/text"))
    if channel is Channel.EMAIL and not 1 <= len(subject) <= LONGEST_SUBJECT:
        found.append(
            (
                worded(
                    "A letter needs a subject of at most %(longest_subject)s characters.",
                    longest_subject=LONGEST_SUBJECT,
                ),
                "/subject",
            )
        )
    if message_class not in CLASSES:
        found.append((worded("An emergency is told to many: make a cascade for it."), "/class"))
    return found


def _stand_ready(office: Office, channel: Channel, message_class: MessageClass) -> str:
    """Make and activate the cascade that carries such messages; raises Invalid where it cannot be."""
    slug = f"{SLUG}-{message_class.value}-{channel.value.replace('_', '-')}"
    with office.read() as tx:
        try:
            if cascade_store.by_slug(tx, slug).state == cascade_store.ACTIVE:
                return slug
        except NotFound:
            pass
    cascades.put(office, slug, _definition(slug, channel, message_class))
    cascades.activate(office, slug)
    office.reload()
    return slug


def _event_of(channel: Channel, message_class: MessageClass) -> str:
    return f"{SLUG}_{message_class.value}_{channel.value}"


def _definition(slug: str, channel: Channel, message_class: MessageClass) -> str:
    subject = '\n    subject: "{{ trigger.subject }}"' if channel in (Channel.EMAIL, Channel.PUSH) else ""
    return f"""cascade: {slug}
title: "By hand: {message_class.value}, {channel.value}"
class: {message_class.value}
trigger: {{event: {_event_of(channel, message_class)}, key: message}}
reentry: parallel_by_key
holdout: 0%
steps:
  - id: message
    channel: {channel.value}{subject}
    text: "{{{{ trigger.text }}}}"
    success: none
    wait: 1h
"""
