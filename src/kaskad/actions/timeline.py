"""Everything that happened to one person, the newest first, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from kaskad.actions import history
from kaskad.actions.contacts import find
from kaskad.actions.history import Decided
from kaskad.actions.names import Names, step_name
from kaskad.actions.office import Office
from kaskad.domain.consent import ALL_CHANNELS, purpose_of
from kaskad.domain.ids import run_text
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome
from kaskad.store import cards
from kaskad.store.cards import KnownConsent
from kaskad.store.db import Transaction

What = Literal["reaction", "receipt", "message", "decision", "run", "consent", "event"]
# Of what has the same instant, causes come after what they led to, as they do in all the rest.
ORDER: tuple[What, ...] = ("reaction", "receipt", "message", "decision", "run", "consent", "event")

_RECEIPTS = frozenset({
    Kind.SENT, Kind.DELIVERED, Kind.REJECTED, Kind.FAILED, Kind.BOUNCED, Kind.SOFT_BOUNCED, Kind.EXPIRED,
    Kind.UNKNOWN, Kind.IN_DOUBT, Kind.NO_ANSWER,
})  # fmt: skip
_TOLD = ("reason", "code", "detail", "key", "disposition", "reasons")  # of what stands beside a fact
_OF_RUNS = 32  # kinds from here on are of the run itself
_object = msgspec.json.Decoder(dict[str, Any]).decode


class Entry(Struct, frozen=True):
    """One thing that happened."""

    at: int
    what: What
    text: str
    run: str | None = None
    cascade: str | None = None
    step: str | None = None
    channel: str | None = None
    details: Mapping[str, Any] = {}
    kind: str = ""  # of a fact, such as "opened"
    told: Mapping[str, Any] = {}  # what `text` says, for who says it otherwise


class _Run(Struct, frozen=True):
    """Where what happened in a run is named from."""

    text: str
    cascade: str
    steps: list[str]
    version_id: int


def timeline(office: Office, who: str, *, until: int, limit: int) -> list[Entry]:
    """Return what happened to a contact at `until` or before, the newest first; raises NotFound."""
    with office.read() as tx:
        return entries_of(tx, Names(office, tx), find(tx, who), until=until, limit=limit)


def entries_of(tx: Transaction, names: Names, contact_id: int, *, until: int, limit: int) -> list[Entry]:
    """Return the same of a contact by its number."""
    runs, entries = _runs(tx, names, contact_id)
    part = {"contact_id": contact_id, "until": until, "limit": limit}
    entries += _messages(tx, names, runs, part)
    entries += _facts(tx, runs, part)
    entries += _decisions(tx, names, runs, part)
    entries += [_consent(each) for each in cards.consents(tx, contact_id)]
    for event in cards.events(tx, contact_id, until=until, limit=limit):
        entries.append(Entry(event.at, "event", event.name, details=event.properties))
    rank = {what: place for place, what in enumerate(ORDER)}
    found = [entry for entry in entries if entry.at <= until]
    return sorted(found, key=lambda entry: (-entry.at, rank[entry.what]))[:limit]


def _runs(tx: Transaction, names: Names, contact_id: int) -> tuple[dict[int, _Run], list[Entry]]:
    """Return the runs of a contact, and when they began and ended."""
    runs: dict[int, _Run] = {}
    entries = []
    for run_id, version_id, entered_at, holdout, outcome, outcome_step, late, finished_at in tx.all(
        "timeline_runs", contact_id=contact_id
    ):
        run = _Run(
            run_text(contact_id, run_id), names.cascade(version_id), names.steps(version_id), version_id
        )
        runs[run_id] = run
        held = ", held out as the control group" if holdout else ""
        entries.append(
            Entry(entered_at, "run", f"entered {run.cascade}, version {names.number(version_id)}{held}",
                  run.text, run.cascade, kind="entered",
                  told={"version": names.number(version_id), "holdout": bool(holdout)})
        )  # fmt: skip
        if outcome and finished_at is not None:
            step = names.step(version_id, outcome_step)
            words = Outcome.of(outcome).value.replace("_", " ")
            said = f"{run.cascade} ended: {words}{f' at {step}' if step else ''}{', late' if late else ''}"
            told = {"outcome": Outcome.of(outcome).value, "late": bool(late)}
            entries.append(
                Entry(finished_at, "run", said, run.text, run.cascade, step, kind="ended", told=told)
            )
    return runs, entries


def _messages(
    tx: Transaction, names: Names, runs: Mapping[int, _Run], part: Mapping[str, int]
) -> Iterator[Entry]:
    for at, run_id, step, channel, account_id, state, price, cost in tx.all("timeline_messages", **part):
        run = runs[run_id]
        name, by = names.step(run.version_id, step), names.accounts.get(account_id, "")
        state_words, channel_name = MessageState.of(state).value, Channel.of(channel).value
        yield Entry(
            at, "message", f"{name}: {channel_name} by {by}, {state_words}", run.text, run.cascade, name,
            channel_name,
            {"account": by, "state": state_words, "price": names.price(account_id, price), "cost": cost,
             "currency": names.currencies.get(account_id, "")},
        )  # fmt: skip


def _facts(tx: Transaction, runs: Mapping[int, _Run], part: Mapping[str, int]) -> Iterator[Entry]:
    known = history.verdicts(tx, **part)
    for at, run_id, step, code, value, event in tx.all("timeline_facts", **part):
        run, kind = runs[run_id], Kind(code)
        name = step_name(run.steps, step)
        told = known.get((run_id, step, event)) or (_object(value) if value else {})
        more = ", ".join(str(told[key]) for key in _TOLD if told.get(key))
        words = kind.name.lower().replace("_", " ")
        said = f"{f'{name}: ' if name else ''}{words}{f' ({more})' if more else ''}"
        what: What = "run" if code >= _OF_RUNS else "receipt" if kind in _RECEIPTS else "reaction"
        yield Entry(
            at, what, said, run.text, run.cascade, name, details=told, kind=kind.name.lower()
        )  # fmt: skip


def _decisions(
    tx: Transaction, names: Names, runs: Mapping[int, _Run], part: Mapping[str, int]
) -> Iterator[Entry]:
    for at, run_id, seq, detail in tx.all("timeline_decisions", **part):
        run = runs[run_id]
        decided = history.decided(at, seq, detail, run.steps, names)
        channel = decided.send.channel if decided.send else None
        said = "; ".join(_words(decided))
        yield Entry(
            at, "decision", said, run.text, run.cascade, decided.step, channel,
            told=msgspec.to_builtins(decided),
        )  # fmt: skip


def _words(decided: Decided) -> Iterator[str]:
    """Yield what was decided, and why."""
    for skip in decided.skips:
        detail = f" ({skip.detail})" if skip.detail else ""
        yield f"{skip.step} ({skip.channel}) skipped: {skip.reason.replace('_', ' ')}{detail}"
    if decided.outcome:
        yield f"ended, {decided.outcome.replace('_', ' ')}: {decided.reason}"
        return
    by = f" ({decided.send.channel} by {decided.send.account})" if decided.send else ""
    why = [reason for reason in (decided.reason, decided.detail) if reason and reason not in decided.phase]
    yield f"{decided.step or 'before the first step'}{by} {': '.join([decided.phase, *why])}"


def _consent(consent: KnownConsent) -> Entry:
    what = purpose_of(consent.purpose) or ("all" if consent.granted else "all but transactional")
    bits = consent.channels
    channels = [] if bits == ALL_CHANNELS else [each.value for each in Channel if bits & 1 << each.code]
    where = f" by {', '.join(channels)}" if channels else ""
    topic = f" on {consent.topic}" if consent.topic else ""
    topic += f" of {consent.brand}" if consent.brand else ""
    said = f"{'agreed to' if consent.granted else 'refused'} {what}{where}{topic}"
    told = {"purpose": purpose_of(consent.purpose) or "", "channels": channels, "topic": consent.topic,
            "brand": consent.brand}  # fmt: skip
    return Entry(consent.at, "consent", said, details=consent.proof or {},
                 kind="agreed" if consent.granted else "refused", told=told)  # fmt: skip
