"""A person's "no": the withdrawal is kept, and every run that it concerns ends in the same transaction.

A "START" takes it back, for the channel that it came by and no other, and ends or begins nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kaskad.domain import keywords
from kaskad.domain.consent import Effect, OptOut, Scope, effect_of_opt_out, renewal, withdrawal
from kaskad.domain.figures import WINDOW_MS
from kaskad.domain.run import Run
from kaskad.domain.terms import Channel, Kind, Outcome
from kaskad.engine.arrival import Arrival
from kaskad.engine.changes import Changes
from kaskad.engine.world import World
from kaskad.store import contacts, stops
from kaskad.store import runs as run_store
from kaskad.store.db import Transaction
from kaskad.store.runs import RunKey

LOOK = "free text: a person should look at it"  # what a stop that is more than the bare word is marked with
_LONGEST_TEXT = 500  # of what a person wrote, kept as proof

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Refusals:
    """The opt-outs and complaints of one tick."""

    def __init__(self, world: World, now: int) -> None:
        self._world, self._now = world, now
        self._added: dict[tuple[object, ...], tuple[Arrival, int | None, Scope]] = {}
        self._renewed: list[tuple[Arrival, Channel]] = []
        self._followed: dict[RunKey, list[tuple[Arrival, int]]] = {}

    @property
    def contacts(self) -> list[int]:
        """Return who has refused something."""
        return sorted({arrival.contact_id for arrival, *_ in self._added.values()})

    def add(self, arrival: Arrival, channel: int | None, scope: Scope | None = None) -> None:
        """Note a refusal; `channel` None: that of the arrival's value, or of its message."""
        if scope is None:
            wanted = _told(arrival).get("scope", "")
            scope = Scope(wanted) if wanted in set(Scope) else Scope.TOPIC
            scope = Scope.COMPLAINT if arrival.kind == Kind.COMPLAINED else scope
        told = (arrival.event, arrival.at, arrival.value)  # of several at once each may be told again
        key = (arrival.contact_id, arrival.run_id, scope, channel, told)
        self._added[key] = (arrival, channel, scope)

    def renew(self, arrival: Arrival, channel: int) -> None:
        """Note that the person has agreed again, on that channel (code)."""
        self._renewed.append((arrival, Channel.of(channel)))

    def apply(self, tx: Transaction, changes: Changes) -> set[RunKey]:
        """Write the withdrawals, mark the runs that end; return these."""
        self._renew(tx)
        if not self._added:
            return set()
        touched: set[RunKey] = set()
        found = run_store.of_contacts(tx, self.contacts)
        refused: list[tuple[int, contacts.Consent]] = []
        new: list[tuple[Arrival, Scope]] = []
        for arrival, channel, scope in self._added.values():
            runs = found.get(arrival.contact_id, [])
            opt_out = self._opt_out(arrival, channel, scope, {run.id: run.version_id for run in runs})
            row = withdrawal(opt_out, arrival.at)
            proof = _proof(arrival, scope)
            told = {"contact_id": arrival.contact_id, "at": arrival.at, "detail": proof}
            if tx.one("refusal_by_proof", **told) is not None:
                continue  # it is told again, and the person may have agreed since
            new.append((arrival, scope))
            refused.append((arrival.contact_id, contacts.Consent(
                granted=False, at=row.at, purpose=row.purpose, channels=row.channels, topic=row.topic,
                proof=proof, brand=row.brand,
            )))  # fmt: skip
            for run in runs:
                version = self._world.versions.of(run)
                if version is None:
                    continue
                effect = effect_of_opt_out(
                    opt_out, version.cascade.message_class, version.cascade.topic,
                    channel_stop_ends_advertising=version.policy.channel_stop_ends_advertising,
                    brand=version.cascade.brand,
                )  # fmt: skip
                if effect.outcome is None or run.outcome is not None:
                    self._note_after(run, arrival, effect)
                    continue
                kind = Kind.COMPLAINED if effect.outcome is Outcome.COMPLAINED else Kind.UNSUBSCRIBED
                changes.facts.append(
                    (run.contact_id, run.id, -1, kind.value, arrival.event, arrival.at, None)
                )
                changes.marks.append((run.contact_id, run.id, kind.bit, None))
                touched.add((run.contact_id, run.id))
            if arrival.kind == Kind.REPLIED and not keywords.is_bare_stop(_text(arrival)):
                stops.put(tx, arrival.contact_id, arrival.at, row.channels, _text(arrival))
        contacts.add_consents(tx, refused)
        self._after(tx, changes)
        if self._world.outbox is not None:
            self._world.outbox.opted_out(tx, [
                (told.contact_id, told.run_id, told.step, scope.value, told.event, told.at)
                for told, scope in new
            ])  # fmt: skip
        return touched

    def _note_after(self, run: Run, arrival: Arrival, effect: Effect) -> None:
        """Note a refusal that concerns a run and does not end it, so that figures find what it followed."""
        concerns = effect.outcome is Outcome.OPTED_OUT or effect.channels
        recent = run.finished_at is None or run.finished_at >= arrival.at - WINDOW_MS
        by_message = arrival.kind == Kind.UNSUBSCRIBED and arrival.step >= 0 and arrival.run_id == run.id
        if concerns and recent and not by_message:
            self._followed.setdefault((run.contact_id, run.id), []).append((arrival, effect.channels))

    def _after(self, tx: Transaction, changes: Changes) -> None:
        """Keep opt-outs that end no run as facts of the last message that had arrived before, if any had."""
        came: dict[RunKey, list[tuple[int, int, int]]] = {}
        for contact_id, run_id, step, channel, at in (
            tx.many("arrived_of_runs", sorted(self._followed)) if self._followed else ()
        ):
            came.setdefault((contact_id, run_id), []).append((at, step, channel))
        for key, refusals in self._followed.items():
            for arrival, channels in refusals:
                before = [one for one in came.get(key, ()) if one[0] <= arrival.at <= one[0] + WINDOW_MS]
                if before and (not channels or channels >> max(before)[2] & 1):
                    place = (*key, max(before)[1])
                    changes.facts.append((*place, Kind.UNSUBSCRIBED.value, arrival.event, arrival.at, None))
                    changes.left_by.append(place)

    def _renew(self, tx: Transaction) -> None:
        """Keep the new consents; a START that is told again, after a later stop, is not a new one."""
        told = []
        for arrival, channel in self._renewed:
            row = renewal(channel, arrival.at)
            proof = contacts.proof_text(
                {"act": "START", "channel": channel.value, "event": arrival.event, "text": _text(arrival)}
            )
            known = tx.one("consent_by_proof", contact_id=arrival.contact_id, detail=proof)
            if known is None:
                told.append((arrival.contact_id, contacts.Consent(
                    granted=True, at=row.at, purpose=row.purpose, channels=row.channels, proof=proof,
                )))  # fmt: skip
        contacts.add_consents(tx, told)

    def _opt_out(
        self, arrival: Arrival, channel: int | None, scope: Scope, versions: dict[int, int]
    ) -> OptOut:
        version = self._world.versions.get(versions.get(arrival.run_id, 0))
        if channel is None and version is not None and arrival.step >= 0:
            channel = version.cascade.steps[arrival.step].channels[0].code
        if channel is None:
            channel = int(_told(arrival).get("channel", 0)) or None
        told = _told(arrival)
        topic = version.cascade.topic if version is not None else told.get("topic", "")
        on = Channel.of(channel) if channel else Channel.EMAIL
        return OptOut(scope, on, topic, str(told.get("brand", "")))


def _told(arrival: Arrival) -> dict[str, Any]:
    """Return what came with a refusal: `scope`, `channel` (code), `topic`, `brand`, `proof`."""
    return _decode(arrival.value) if arrival.value else {}


def _proof(arrival: Arrival, scope: Scope) -> str:
    """Return what is kept to show the refusal, as JSON: what its sender gave, else the event itself."""
    given = _told(arrival).get("proof") or {"event": arrival.event}
    if arrival.kind == Kind.REPLIED:
        text = _text(arrival)
        given = {**given, "text": text, **({} if keywords.is_bare_stop(text) else {"look": LOOK})}
    return msgspec.json.encode({"act": scope.value, **given}).decode()


def _text(arrival: Arrival) -> str:
    """Return what the person wrote."""
    return str(_told(arrival).get("text", ""))[:_LONGEST_TEXT]
