"""Who has opened and clicked: hits are judged with their neighbours, and again when what is known changes.

A verdict that changes corrects what was kept: the fact goes, the message's mask follows, and a run that has
ended is said to have ended as the facts that are left say. Nothing that was sent is undone, no run reopens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from kaskad.domain.decide import ending
from kaskad.domain.machine import CROWD_MS, Actor, Hit, Span, Verdict, classify, crowds
from kaskad.domain.run import NOTHING, Run, state_of
from kaskad.domain.terms import Kind, MessageState, Outcome
from kaskad.domain.tokens import BEACON, FORM, HONEYPOT, PIXEL
from kaskad.engine.arrival import Arrival
from kaskad.engine.receive import JUDGE_AFTER_MS
from kaskad.engine.world import World
from kaskad.store import courses as course_store
from kaskad.store import runs as run_store
from kaskad.store.db import Transaction
from kaskad.store.runs import MessageKey

_BATCH = 1_000
_CROWD_ROWS = 500  # of one IP looked at; so many within two minutes are a crowd in any case
_CLICKS = {Actor.HUMAN: Kind.CLICKED, Actor.MACHINE: Kind.MACHINE_CLICKED}
_OPENS = {
    Actor.HUMAN: Kind.OPENED,
    Actor.MACHINE: Kind.MACHINE_OPENED,
    Actor.SUSPECTED_MACHINE: Kind.MACHINE_OPENED,
}
_OF_HITS = Kind.OPENED.bit | Kind.CLICKED.bit | Kind.MACHINE_OPENED.bit | Kind.MACHINE_CLICKED.bit
_ARRIVED = (MessageState.DELIVERED.code, MessageState.READ.code)

Crowds = Mapping[str, Sequence[Span]]


class Kept(Struct):
    """One hit as its row tells it."""

    id: int
    hit: Hit
    actor: str  # "": not judged yet
    judge_at: int | None
    reasons: str


class Rejudged(Struct):
    """What judging again has changed, or would change."""

    messages: int = 0
    hits: int = 0
    changed: dict[str, int] = field(default_factory=dict)  # "human -> machine" -> how many hits
    facts: int = 0  # that were taken back or added
    outcomes: dict[str, int] = field(default_factory=dict)  # "responded -> exhausted" -> how many runs

    def add(self, other: Rejudged) -> None:
        """Count what another piece has found as well."""
        self.messages += other.messages
        self.hits += other.hits
        self.facts += other.facts
        self.changed = dict(Counter(self.changed) + Counter(other.changed))
        self.outcomes = dict(Counter(self.outcomes) + Counter(other.outcomes))


def unjudged(tx: Transaction, now: int) -> list[MessageKey]:
    """Return the messages with hits whose time has come, as many as are judged in one tick."""
    return [(row[0], row[1], row[2]) for row in tx.all("unjudged_messages", now=now, limit=_BATCH)]


def judge_hits(
    tx: Transaction, world: World, now: int, among: Sequence[MessageKey] | None = None
) -> list[Arrival]:
    """Judge the hits whose time has come (of these messages), each with all others of its message; return
    what people did."""
    keys = unjudged(tx, now) if among is None else among
    if not keys:
        return []
    kept = {key: _hits_of(tx, key) for key in keys}
    crowded = _crowded(tx, kept.values())
    found: list[Arrival] = []
    told = Rejudged()
    for key, hits in kept.items():
        ripe = [one for one in hits if _is_ripe(one, hits, now)]
        verdicts = _verdicts(tx, world, key, hits, crowded)
        found += _keep(tx, world, key, [(one, verdicts[one.id]) for one in ripe], told)
    _doubt_crowds(tx, crowded, now)
    return found


def judge_again(
    tx: Transaction, world: World, keys: Sequence[MessageKey], *, change: bool
) -> tuple[Rejudged, list[Arrival]]:
    """Judge all hits of these messages by what is known now; return what that changes, and what is new.

    With `change` False nothing is written.
    """
    told = Rejudged(messages=len(keys))
    kept = {key: _hits_of(tx, key) for key in keys}
    crowded = _crowded(tx, kept.values())
    found: list[Arrival] = []
    for key, hits in kept.items():
        judged = [one for one in hits if one.judge_at is None]
        verdicts = _verdicts(tx, world, key, hits, crowded)
        told.hits += len(judged)
        pairs = [(one, verdicts[one.id]) for one in judged]
        if change:
            found += _keep(tx, world, key, pairs, told)
        else:
            _count(pairs, told)
    return told, found


def _hits_of(tx: Transaction, key: MessageKey) -> list[Kept]:
    rows = tx.all("hits_of_message", contact_id=key[0], run_id=key[1], step=key[2])
    return [Kept(row[0], Hit(*row[1:6]), *row[6:]) for row in rows]


def _is_ripe(one: Kept, hits: Sequence[Kept], now: int) -> bool:
    """Return whether it is time to judge a hit; a page that has told of itself is waited for no longer."""
    if one.judge_at is None or one.judge_at <= now:
        return True
    shown = any(other.hit.link in (BEACON, FORM) for other in hits)
    return shown and one.hit.at + JUDGE_AFTER_MS <= now


def _verdicts(
    tx: Transaction, world: World, key: MessageKey, hits: Sequence[Kept], crowded: Crowds
) -> dict[int, Verdict]:
    """Return the verdict on each hit of a message, by its id."""
    ids = {"contact_id": key[0], "run_id": key[1], "step": key[2]}
    sent = tx.one("sent_at_of", **ids)
    body = tx.one("body_of", **ids)
    links = msgspec.json.decode(body[0]).get("links", ()) if body else ()
    hosts = world.site_hosts
    told = [n for n, link in enumerate(links) if hosts and urlsplit(str(link)).netloc.lower() in hosts]
    verdicts = classify(
        [one.hit for one in hits], sent_at=(sent[0] or sent[1]) if sent else None, links=len(links),
        ranges=world.ranges, crowded=crowded, beaconed=told,
    )  # fmt: skip
    return {one.id: verdict for one, verdict in zip(hits, verdicts, strict=True)}


def _crowded(tx: Transaction, messages: Iterable[Sequence[Kept]]) -> dict[str, list[Span]]:
    """Return by IP when it clicked for many recipients within a minute, around these clicks."""
    asked: dict[str, tuple[int, int]] = {}
    for hits in messages:
        for one in hits:
            if one.hit.link >= 0 and one.hit.ip:
                low, high = asked.get(one.hit.ip, (one.hit.at, one.hit.at))
                asked[one.hit.ip] = min(low, one.hit.at), max(high, one.hit.at)
    if not asked:
        return {}
    rows = tx.many(
        "clicks_of_ips",
        [(ip, low - CROWD_MS, high + CROWD_MS, _CROWD_ROWS) for ip, (low, high) in sorted(asked.items())],
    )
    clicks: dict[str, list[tuple[int, int]]] = {}
    for ip, at, contact_id in rows:
        clicks.setdefault(ip, []).append((at, contact_id))
    return {ip: spans for ip, found in clicks.items() if (spans := _spans(found, asked[ip]))}


def _spans(clicks: Sequence[tuple[int, int]], asked: Span) -> list[Span]:
    if len(clicks) >= _CROWD_ROWS:
        return [(asked[0] - CROWD_MS, asked[1] + CROWD_MS)]
    return crowds(clicks)


def _doubt_crowds(tx: Transaction, crowded: Crowds, now: int) -> None:
    """Let those clicks of a crowd be judged again that were judged before it was one."""
    for ip, spans in crowded.items():
        for since, until in spans:
            tx.run("doubt_crowd", ip=ip, since=since, until=until, now=now)


def _count(pairs: Iterable[tuple[Kept, Verdict]], told: Rejudged) -> None:
    for one, verdict in pairs:
        if one.actor != verdict.actor:
            change = f"{one.actor} -> {verdict.actor.value}"
            told.changed[change] = told.changed.get(change, 0) + 1


def _keep(
    tx: Transaction, world: World, key: MessageKey, pairs: Sequence[tuple[Kept, Verdict]], told: Rejudged
) -> list[Arrival]:
    """Write verdicts, take back what no longer holds, and return what is new."""
    found: list[Arrival] = []
    wrong = 0
    for one, verdict in pairs:
        reasons = " ".join(verdict.reasons)
        if one.judge_at is None and (one.actor, one.reasons) == (verdict.actor.value, reasons):
            continue
        tx.run("judge_hit", id=one.id, actor=verdict.actor, reasons=reasons)
        if one.actor == verdict.actor:
            continue
        kind = _kind(one.hit.link, verdict.actor)
        before = _kind(one.hit.link, Actor(one.actor)) if one.actor else None
        if before is kind:
            continue
        if before is not None:
            ids = {"contact_id": key[0], "run_id": key[1], "step": key[2]}
            wrong += tx.run("drop_fact", **ids, kind=before.value, event=f"hit:{one.id}")
        if kind is not None:
            found.append(Arrival(*key, kind.value, f"hit:{one.id}", one.hit.at))
    _count([pair for pair in pairs if pair[0].actor], told)
    told.facts += wrong + len(found)
    if wrong:
        _correct(tx, world, key, told)
    return found


def _kind(link: int, actor: Actor) -> Kind | None:
    """Return what a judged hit is as a fact of its message; None for what tells nothing by itself."""
    if link == PIXEL:
        return _OPENS[actor]
    if link == HONEYPOT:
        return Kind.MACHINE_CLICKED
    if link == FORM:
        return Kind.CLICKED
    return None if link == BEACON else _CLICKS.get(actor)


def _correct(tx: Transaction, world: World, key: MessageKey, told: Rejudged) -> None:
    """Let the message's mask be what its facts say now, and its run be what follows from that."""
    ids = {"contact_id": key[0], "run_id": key[1], "step": key[2]}
    row = tx.one("mask_of", **ids)
    if row is None:
        return
    mask = row[0] & ~_OF_HITS
    for (kind,) in tx.all("fact_kinds", **ids):
        mask |= 1 << kind & _OF_HITS
    state = row[1]
    if state in _ARRIVED:  # it was taken by the provider at least
        state = max(state_of(mask).code, MessageState.SENT.code)
    tx.run("correct_message", **ids, mask=mask, state=state)
    course_store.due(tx, [key[:2]])
    for run in run_store.load(tx, [key[:2]]):
        if run.outcome is None:
            run_store.wake(tx, [key[:2]], world.clock.now())
        else:
            _correct_outcome(tx, world, run, told)


def _correct_outcome(tx: Transaction, world: World, run: Run, told: Rejudged) -> None:
    """Let a run that has ended be said to have ended as its facts say; it stays ended."""
    if run.outcome not in (Outcome.RESPONDED.code, Outcome.CONVERTED.code):
        return
    version = world.versions.of(run)
    if version is None:
        return
    passages, marks = run_store.passages(tx, [run], world.accounts.retriable, world.versions.plain)
    key = (run.contact_id, run.id)
    end = ending(version, run, passages[key], marks.get(key, NOTHING))
    outcome, step, _, late = end if end is not None else (Outcome.EXHAUSTED.code, None, "", False)
    if (outcome, step) == (run.outcome, run.outcome_step):
        return
    change = f"{Outcome.of(run.outcome).value} -> {Outcome.of(outcome).value}"
    told.outcomes[change] = told.outcomes.get(change, 0) + 1
    tx.run(
        "correct_outcome", contact_id=run.contact_id, run_id=run.id, seq=run.seq, outcome=outcome,
        outcome_step=step, late=int(late),
    )  # fmt: skip
