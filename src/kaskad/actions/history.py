"""Why: every decision about one run and all that was known, read from rows into words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.actions.names import Names, step_name
from kaskad.domain.terms import Channel, Kind, Outcome
from kaskad.store.db import Row, Transaction

PHASES = {0: "waits for its hour", 1: "queued", 2: "handed over", 3: "sent", 4: "waits for the goal"}


class Skip(Struct, frozen=True):
    """A step that was passed over without a message."""

    step: str
    channel: str
    reason: str
    detail: str


class Sending(Struct, frozen=True):
    """What a decision sent."""

    channel: str
    account: str
    variant: int | None


ALWAYS = 2**62
VERDICTS = 1_000  # of one contact, the latest


class Decided(Struct, frozen=True):
    """One decision: what became of the run, and why. `inputs` is what was asked of the database for it."""

    at: int
    seq: int
    reason: str
    step: str | None
    phase: str
    outcome: str | None
    skips: tuple[Skip, ...]
    send: Sending | None
    detail: str
    inputs: Mapping[str, Any]


class Fact(Struct, frozen=True):
    """What a provider reported, a person did, or the business saw; step None: about the run itself."""

    at: int
    step: str | None
    kind: str
    event: str
    value: Mapping[str, Any]


def decisions(tx: Transaction, names: Names, contact_id: int, run_id: int, version_id: int) -> list[Decided]:
    """Return every decision about a run, the oldest first."""
    steps = names.steps(version_id)
    rows = tx.all("decisions_of_run", contact_id=contact_id, run_id=run_id)
    return [decided(at, seq, detail, steps, names) for seq, at, detail in rows]


def facts(
    tx: Transaction, names: Names, contact_id: int, run_id: int, version_id: int, step: int | None = None
) -> list[Fact]:
    """Return the facts of a run, or of its message at `step`, the oldest first."""
    steps = names.steps(version_id)
    rows = tx.all("facts_of_run", contact_id=contact_id, run_id=run_id)
    known = verdicts(tx, contact_id=contact_id, until=ALWAYS, limit=VERDICTS)
    return [
        _fact(row, steps, known.get((run_id, row[0], row[2])))
        for row in rows
        if step is None or row[0] == step
    ]


def verdicts(
    tx: Transaction, *, contact_id: int, until: int, limit: int
) -> dict[tuple[int, int, str], dict[str, Any]]:
    """Return who opened and clicked, as it was judged and by what, by run, step and the fact's event."""
    found: dict[tuple[int, int, str], dict[str, Any]] = {}
    rows = tx.all("timeline_verdicts", contact_id=contact_id, until=until, limit=limit)
    for hit_id, at, run_id, step, link, actor, reasons in rows:
        told = {"actor": actor, "reasons": reasons.replace(" ", ", ")}
        found[run_id, step, f"hit:{hit_id}"] = found[run_id, step, f"hit:{at}:{link}"] = told
    return found


def decided(at: int, seq: int, detail: str, steps: list[str], names: Names) -> Decided:
    """Return a decision from its row."""
    told: dict[str, Any] = msgspec.json.decode(detail)
    to, send = told.get("to", {}), told.get("send")
    sending = None
    if send is not None:
        account = names.accounts.get(send["account"], str(send["account"]))
        sending = Sending(Channel.of(send["channel"]).value, account, send.get("variant"))
    return Decided(
        at=at,
        seq=seq,
        reason=told["reason"],
        step=step_name(steps, to.get("step")),
        phase=PHASES.get(to.get("phase"), ""),
        outcome=Outcome.of(to["outcome"]).value if to.get("outcome") else None,
        skips=tuple(_skip(skip, steps) for skip in told.get("skips", ())),
        send=sending,
        detail=told.get("detail", ""),
        inputs=told.get("answers", {}) | _drawn(send or {}),
    )


def _drawn(send: Mapping[str, Any]) -> dict[str, Any]:
    """Return by which chance the channel was drawn, and from which; nothing where it was not."""
    if "chance" not in send:
        return {}
    arms = [channel.value for channel in Channel if send["arms"] >> channel.code & 1]
    told = {"chance": f"{send['chance'] / 100:g}%", "from": arms}
    return {"drawn": told | ({"group": send["group"]} if send["group"] else {})}


def _skip(told: dict[str, Any], steps: list[str]) -> Skip:
    step, channel = step_name(steps, told["step"]) or "", Channel.of(told["channel"]).value
    return Skip(step, channel, told["reason"], told.get("detail", ""))


def _fact(row: Row, steps: list[str], verdict: dict[str, Any] | None) -> Fact:
    step, kind, event, at, value = row
    told = verdict or (msgspec.json.decode(value, type=dict[str, Any]) if value else {})
    return Fact(at, step_name(steps, step), Kind(kind).name.lower(), event, told)
