"""Over what each step would reach a contact now, and of which contacts that is the same."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from msgspec import Struct

from kaskad.domain import entering
from kaskad.domain.cascade import Step
from kaskad.domain.consent import ConsentRow
from kaskad.domain.run import Answers, Run, Send
from kaskad.domain.terms import Channel, SkipReason
from kaskad.domain.timing import When
from kaskad.domain.version import Version


class Way(Struct, frozen=True):
    """A channel and an account; `by_name`: an approved text goes, as the person has not written lately."""

    channel: Channel
    account_id: int
    by_name: bool


def way(version: Version, run: Run, step: Step, answers: Answers, now: int) -> Way | SkipReason:
    """Return over what a step goes to one contact, now or when its hour comes, or why it is passed over."""
    found = entering.asked(version, run, step, answers, now)
    if isinstance(found, Send):
        return Way(Channel.of(found.channel), found.account_id, found.by_name)
    if not isinstance(found, When):
        return found[2]
    if found.at is None:
        return found.why if isinstance(found.why, SkipReason) else SkipReason.TOO_LATE
    for channel in step.channels:  # it waits for its hour; that of its channels which nothing refuses
        refused, address = entering.refused_on(version, step, channel, answers, now)
        if refused is None and address is not None:
            account_id = entering.account_of(step, channel.code, answers)
            return Way(channel, account_id, unheard(answers, account_id, now))
    return SkipReason.NO_ADDRESS


def address_of(found: Way, answers: Answers) -> str:
    """Return where a step goes that goes this way."""
    address = entering.address_by(found.account_id, found.channel.code, answers)
    return "" if address is None else address.value


def unheard(answers: Answers, account_id: int, now: int) -> bool:
    """Say whether the contact would get the approved text of the account, not having written lately."""
    dialogue = answers.dialogues.get(account_id)
    return dialogue is not None and dialogue.open_until <= now


def standing(version: Version, run: Run, answers: Answers, now: int) -> Hashable | None:
    """Return what all contacts have in common of whom `way` says the same at every step; None: it is to be
    asked of this one alone.

    Their steps have no time, holdout or past of their own: nothing was sent. Of instants only their order
    matters, and of conditions whether they hold.
    """
    steps = version.cascade.steps
    by_lot = any(step.choose is not None or (step.variants and answers.dialogues) for step in steps)
    if answers.touches or by_lot or version.best_hours:
        return None
    conditions = [step.condition for step in steps if step.condition is not None]
    fitting = [(number, address and (address.health, address.shared))
               for number, address in answers.fitting.items()]  # fmt: skip
    return (
        answers.zones, answers.country, answers.preferred, answers.touched,
        tuple(sorted([(code, each.health, each.shared) for code, each in answers.addresses.items()])),
        tuple(answers.accounts.items()), tuple(fitting),
        tuple([(number, each.open_until > now) for number, each in answers.dialogues.items()]),
        _in_order(answers.consents, now),
        version.control is not None and version.control.holds(run.contact_id, now),
        tuple([each.test(answers.scope or {}, now).value for each in conditions]),
    )  # fmt: skip


def _in_order(rows: Sequence[ConsentRow], now: int) -> Hashable:
    """Return consents with their instants as places in the order of all of them and of `now`."""
    instants = {
        now,
        *[row.at for row in rows],
        *[now if row.expires_at is None else row.expires_at for row in rows],
    }
    place = {at: n for n, at in enumerate(sorted(instants))}
    return place[now], tuple([
        (row.granted, row.purpose, row.channels, row.topic, row.proven, row.brand, place[row.at],
         None if row.expires_at is None else place[row.expires_at])
        for row in rows
    ])  # fmt: skip
