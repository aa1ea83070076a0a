"""What had to be sent, told from the journal alone; this file knows nothing of the engine and its tables.

The rules of CASCADE-4: the first step is due to everybody who enters. The next one is due at once where the
one before failed, and after the time-out where it was accepted, unless intake had by then confirmed that the
person reacted to any step. Nothing is due twice, out of order, or before its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from kaskad.bench.journal import STEPS, Entry, What

_SHOWN = 10  # examples kept of each kind of difference


class Difference(Struct):
    """One kind of wrong sends: how many, and a few of them as (contact, step)."""

    count: int = 0
    examples: list[tuple[int, int]] = field(default_factory=list)

    def add(self, contact_id: int, step: int) -> None:
        self.count += 1
        if len(self.examples) < _SHOWN:
            self.examples.append((contact_id, step))


class Verdict(Struct):
    """What was due against what was made. `lags` are milliseconds from each timer to the send it caused.

    `late` are reactions that intake confirmed only after the next step had gone: no fault of the timers, but
    where it is not the people who are slow, intake is.
    """

    sends_due: int = 0
    sends_made: int = 0
    twice: Difference = field(default_factory=Difference)
    lost: Difference = field(default_factory=Difference)  # due, not made
    after_reaction: Difference = field(
        default_factory=Difference
    )  # made although intake had confirmed a reaction
    out_of_order: Difference = field(
        default_factory=Difference
    )  # the step before was not sent, or its end was not known
    too_early: Difference = field(default_factory=Difference)  # before the time-out
    lags: list[int] = field(default_factory=list)
    late: int = 0

    @property
    def right(self) -> bool:
        return self.sends_due == self.sends_made and not any(one.count for _, one in self.differences())

    def differences(self) -> list[tuple[str, Difference]]:
        """Return every kind of difference with its name."""
        return [
            ("sent twice", self.twice),
            ("lost", self.lost),
            ("sent after a confirmed reaction", self.after_reaction),
            ("sent out of order", self.out_of_order),
            ("sent before its time-out", self.too_early),
        ]


class _Person(Struct):
    """How far one contact has come."""

    next_step: int = 0  # the first step that was not sent yet
    accepted_at: int | None = None  # of the last step sent
    ended: bool = True  # whether the end of the last step sent is known
    reacted: bool = False


def check(entries: Sequence[Entry], entered: Iterable[int], timeout_ms: int) -> Verdict:
    """Return what was due to the contacts that `entered`, and how the sends differ from that."""
    people = {contact_id: _Person() for contact_id in entered}
    verdict = Verdict()
    for entry in entries:
        for contact_id, step in entry.messages():
            person = people.setdefault(contact_id, _Person(reacted=True))  # to strangers nothing is due
            match entry.what:
                case What.SENT:
                    _sent(verdict, person, contact_id, step, entry.at, timeout_ms)
                case What.REACTED:
                    verdict.late += not person.reacted and step < person.next_step - 1
                    person.reacted = True
                case _ if step == person.next_step - 1:
                    _ended(verdict, person, entry)
    _lost(verdict, people)
    return verdict


def _sent(verdict: Verdict, person: _Person, contact_id: int, step: int, at: int, timeout_ms: int) -> None:
    verdict.sends_made += 1
    if step < person.next_step:
        verdict.twice.add(contact_id, step)
        return
    if person.reacted:
        verdict.after_reaction.add(contact_id, step)
    elif step > person.next_step or not person.ended:
        verdict.out_of_order.add(contact_id, step)
    elif person.accepted_at is not None and at < person.accepted_at + timeout_ms:
        verdict.too_early.add(contact_id, step)
    else:
        verdict.sends_due += 1
        if person.accepted_at is not None:
            verdict.lags.append(at - person.accepted_at - timeout_ms)
    person.next_step, person.ended, person.accepted_at = step + 1, False, None


def _ended(verdict: Verdict, person: _Person, entry: Entry) -> None:
    """Note how the last send of a person ended; one that came back does not count as made."""
    person.ended = True
    person.accepted_at = entry.at if entry.what is What.ACCEPTED else None
    if entry.what is What.RETURNED:
        person.next_step -= 1
        verdict.sends_made -= 1
        verdict.sends_due -= 1


def _lost(verdict: Verdict, people: dict[int, _Person]) -> None:
    """Count what is still due at the end, when everything has come to rest."""
    for contact_id, person in people.items():
        if not person.reacted:
            for step in range(person.next_step, STEPS):
                verdict.lost.add(contact_id, step)
                verdict.sends_due += 1
