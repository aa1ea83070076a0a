"""Step 2 of the tick: everything that has arrived is applied before any timer may fire."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from kaskad.domain import keywords
from kaskad.domain.consent import Scope
from kaskad.domain.ledger import TURNS
from kaskad.domain.run import PLAIN, Run, state_of
from kaskad.domain.terms import REDIALLED, Channel, Kind, MessageState, Reason
from kaskad.domain.version import Version
from kaskad.engine import tasks
from kaskad.engine.arrival import SKEW_MS, Arrival
from kaskad.engine.changes import Changes
from kaskad.engine.enrol import Request, asked_again
from kaskad.engine.events import apply_events
from kaskad.engine.held import Amount, note, turned
from kaskad.engine.holds import is_policy
from kaskad.engine.limits import DEAD
from kaskad.engine.optout import Refusals
from kaskad.engine.reports import once
from kaskad.engine.spoil import close_addresses, doubt_addresses, soften_addresses, spoil_addresses
from kaskad.engine.unfound import REACHED
from kaskad.engine.world import World
from kaskad.store import contacts, threads
from kaskad.store import runs as run_store
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import MessageKey, RunKey
from kaskad.store.threads import Heard

_CONTACT = itemgetter(0)
_MESSAGE = itemgetter(0, 1, 2)  # of a row: its message's key
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_DELIVERED, _DELIVERED_BIT = Kind.DELIVERED.value, Kind.DELIVERED.bit
_OF_RUNS = (Kind.ERASED, Kind.CANCELLED, Kind.SUPERSEDED, Kind.ANCHOR_CANCELLED)
_FAILURES = (Kind.FAILED, Kind.REJECTED, Kind.BOUNCED)
_SOFT = (Kind.SOFT_BOUNCED, Kind.BOUNCED)
_NEGATIVE = frozenset({*(kind.value for kind in _FAILURES), Kind.EXPIRED.value})
_NEGATIVE_BITS = sum(1 << kind for kind in _NEGATIVE)
_SUBMITTED = MessageState.SUBMITTED.code
_ASKED = 100  # of so many delivered messages it is looked whose they were: one of an account is enough
_SPECIAL = frozenset({Kind.UNSUBSCRIBED.value, Kind.COMPLAINED.value})
_REASONS = {reason.value: reason.code for reason in Reason}
_EMAIL = Channel.EMAIL.code
_ROBOT = Channel.ROBOT_CALL.code
_OPENINGS = (Kind.OPENED.value, Kind.MACHINE_OPENED.value)
_KEYS = {"confirm": Kind.CLICKED, "agent": Kind.ASKED_AGENT}


class Applied(msgspec.Struct):
    """What the inbox has changed: runs to decide about, and contacts to enrol."""

    touched: set[RunKey]
    requests: list[Request]
    news: dict[
        RunKey, News | None
    ] = {}  # of runs about which something telling has come; None: several things


class News(msgspec.Struct, gc=False):
    """The first telling facts about one message: its mask with them, and since when each is known."""

    step: int
    channel: int
    mask: int
    first: dict[int, int]


def apply_arrivals(
    tx: Transaction, world: World, changes: Changes, arrivals: Sequence[Arrival], now: int
) -> Applied:
    """Note all that has arrived; facts told before change nothing."""
    applied = Applied(set(), [])
    if not arrivals:
        return applied
    told: list[Arrival] = []
    others: dict[int, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        if arrival.run_id and arrival.step >= 0:
            told.append(arrival)
        else:
            others[arrival.kind].append(arrival)
    refusals = Refusals(world, now)
    facts = _MessageFacts(tx, world, changes, refusals, now)
    told += [
        found for a in others.pop(Kind.REPLIED.value, ()) for found in _answered(tx, a, refusals, facts.heard)
    ]
    told = _agreed(tx, told)
    if told:
        facts.apply(told)
    if facts.heard:
        threads.hear(tx, facts.heard)
    for kind in (Kind.UNSUBSCRIBED, Kind.COMPLAINED):
        for arrival in others.pop(kind.value, ()):
            refusals.add(arrival, None)
    ended = refusals.apply(tx, changes)
    refusing = refusals.contacts if world.accounts.desks else ()
    if refusing and (unwanted := tasks.unwanted(tx, world, refusing, now)):
        changes.flush_facts(tx)  # what is told of their messages already: these are read anew
        facts.apply(unwanted)
    applied.touched |= facts.touched | ended
    applied.news = facts.news
    applied.requests += apply_events(tx, world, changes, others.pop(Kind.EVENT.value, []), applied.touched)
    if again := others.pop(Kind.ENTERS.value, None):
        applied.requests += asked_again(tx, world, again)
    for kind in _OF_RUNS:
        if arrived := others.pop(kind.value, None):
            _mark(tx, changes, arrived, applied)
    return applied


class _MessageFacts:
    """Facts about messages: kept, and folded into the message's mask."""

    def __init__(self, tx: Transaction, world: World, changes: Changes, refusals: Refusals, now: int) -> None:
        self._tx, self._world, self._changes, self._refusals, self._now = tx, world, changes, refusals, now
        self.touched: set[RunKey] = set()
        self.news: dict[RunKey, News | None] = {}
        self._costs: dict[MessageKey, int] = {}
        self._reasons: dict[MessageKey, int] = {}
        self._spoiled: dict[MessageKey, int] = {}  # with their channels
        self._doubted: list[MessageKey] = []
        self._closed: dict[MessageKey, int] = {}
        self._softened: list[tuple[MessageKey, int]] = []
        self._policed: dict[MessageKey, tuple[int, str]] = {}  # when it was sent, what the server said
        self.heard: list[Heard] = []

    def apply(self, told: Sequence[Arrival]) -> None:
        """Note the facts; runs that one of them can move are `touched`."""
        told, rows = self._load(told)
        masks: dict[MessageKey, int] = {}
        attends, facts, touched = self._world.versions.attends, self._changes.facts, self.touched
        unfound = self._world.traffic.unfound
        for a in told:
            key = (a.contact_id, a.run_id, a.step)
            row = rows.get(key)
            if row is None:
                continue  # erased since, or never ours
            if a.kind in _NEGATIVE and self._of_earlier_attempt(a, row):
                continue
            if row[11] is not None and not int(row[5]) >> a.kind & 1 and self._told_before(a, row):
                continue  # of an attempt before, as machines tell much of what has failed
            facts.append((*key, a.kind, a.event, a.at, a.value))
            bit = 1 << a.kind
            if a.value is not None or a.kind in _SPECIAL:
                bit |= self._special(a, row)
            if unfound.waits and a.kind in REACHED and row[10] is not None:
                unfound.reached((row[10],))
            known = masks.get(key) or int(row[5])
            if known & bit != bit:
                masks[key] = known | bit
                if row[4] < _SUBMITTED:  # queued again in doubt: it has arrived after all
                    touched.add((a.contact_id, a.run_id))
            elif not bit & attends:
                continue  # what moves runs may be told of an earlier time than before
            if bit & attends:
                touched.add((a.contact_id, a.run_id))
            if bit & ~PLAIN:
                self._tell(a, row, known | bit, plain=bit == 1 << a.kind)
        self._fold(rows, masks)
        spoil_addresses(self._tx, self._spoiled, self._now)
        doubt_addresses(self._tx, self._doubted, self._now)
        close_addresses(self._tx, self._world, self._closed, self._now)
        soften_addresses(self._tx, self._softened, self._now)
        if self._policed:
            self._count_policed()
        self._forget()

    def _fold(self, rows: Mapping[MessageKey, Row], masks: Mapping[MessageKey, int]) -> None:
        """Note what messages are by their masks now, and what they cost."""
        costs, reasons = self._costs, self._reasons
        amounts: list[Amount] = []
        for key in masks.keys() | costs.keys():
            row, cost = rows[key], costs.get(key)
            mask = masks.get(key) or int(row[5])
            state = state_of(mask).code
            if state == _SUBMITTED:  # nothing decisive is known
                state = row[4]
            if cost is not None or state in TURNS or row[4] in TURNS:
                amount = turned(self._world, row, state, cost, self._now)
                if amount is not None:
                    amounts.append(amount)
                    cost = amount.cost
            self._changes.folded.append((*key, mask, state, cost, reasons.get(key)))
        if amounts:
            note(self._tx, self._changes, amounts)

    def _forget(self) -> None:
        """Leave nothing of these messages for what is told of others in the same tick: it is written."""
        for noted in (self._costs, self._reasons, self._spoiled, self._closed, self._policed):
            noted.clear()
        for places in (self._doubted, self._softened):
            places.clear()

    def _tell(self, arrival: Arrival, row: Row, mask: int, *, plain: bool) -> None:
        """Note what is new about a run, as long as it is about one message that nothing was told about."""
        key = (arrival.contact_id, arrival.run_id)
        news = self.news.get(key)
        if not plain:  # it tells more than its own kind
            self.news[key] = None
        elif key not in self.news and not row[5] & ~PLAIN and row[4] >= _SUBMITTED:
            self.news[key] = News(arrival.step, row[3], mask, {arrival.kind: arrival.at})
        elif news is not None and news.step == arrival.step:
            news.mask = mask
            news.first[arrival.kind] = min(arrival.at, news.first.get(arrival.kind, arrival.at))
        else:
            self.news[key] = None

    def _load(self, told: Sequence[Arrival]) -> tuple[Sequence[Arrival], dict[MessageKey, Row]]:
        """Apply plain delivery receipts without reading anything; return all others, with their messages.

        Where a message is not under way, the long way is right for all.
        """
        if self._world.versions.attends & _DELIVERED_BIT:
            return told, self._messages_of(told)
        plain: list[Row] = []
        rest: list[Arrival] = []
        for a in told:
            if a.kind == _DELIVERED and a.value is None:
                plain.append((a.contact_id, a.run_id, a.step, _DELIVERED, a.event, a.at, None))
            else:
                rest.append(a)
        plain.sort(key=_CONTACT)
        keys = list(dict.fromkeys(map(_MESSAGE, plain)))  # each once, by contact, as tables are
        delivered = self._tx.start_many("deliver_messages", keys)
        self._changes.count(keys)
        rows = self._messages_of(rest)
        if delivered() != len(keys):
            return told, self._messages_of(told)
        self._changes.facts += plain
        self._reached(keys, rest)
        return rest, rows

    def _reached(self, keys: Sequence[MessageKey], rest: Sequence[Arrival]) -> None:
        """Note whose messages have arrived, where addresses are said not to exist, or are about to be."""
        unfound = self._world.traffic.unfound
        if keys and (unfound.waits or sum(a.kind in _NEGATIVE for a in rest) > DEAD):
            found = self._tx.many("accounts_of_messages", keys[-_ASKED:])
            unfound.reached(row[3] for row in found if row[3] is not None)

    def _messages_of(self, told: Sequence[Arrival]) -> dict[MessageKey, Row]:
        keys = sorted({(a.contact_id, a.run_id, a.step) for a in told})
        return {(row[0], row[1], row[2]): row for row in self._tx.many("load_messages", keys)}

    def _of_earlier_attempt(self, arrival: Arrival, row: Row) -> bool:
        """Say whether a failure is known, or of an attempt that another has followed: it says nothing new."""
        again = row[7] > 1
        if not again and row[11] is None and not row[5] & _NEGATIVE_BITS:
            return False  # the only attempt, and no failure is known of it
        facts = self._tx.all("facts_of_run", contact_id=arrival.contact_id, run_id=arrival.run_id)
        failures = [fact for fact in facts if fact[0] == arrival.step and fact[1] in _NEGATIVE]
        earlier = again and bool(failures) and row[8] is not None and arrival.at < row[8]
        return earlier or self._told_before(arrival, row)

    def _told_before(self, arrival: Arrival, row: Row) -> bool:
        """Say whether this very report was told before, perhaps of an attempt that another has followed.

        Where reports have no number, every attempt's are alike: then it is new if the next attempt has left,
        and it tells of a later instant.
        """
        kept = self._kept(arrival)
        if not kept or arrival.event != once(Kind(arrival.kind)):
            return bool(kept)
        known, waits = int(row[5]) >> arrival.kind & 1, row[4] < _SUBMITTED and not row[5]
        return bool(known or waits) or arrival.at <= max(kept[0][3], (row[8] or 0) - SKEW_MS)

    def _cost_is_known(self, arrival: Arrival, row: Row) -> bool:
        """Say whether its cost is told again: it may have been told otherwise since."""
        if not int(row[5]) >> arrival.kind & 1:
            return False
        return any("cost" in _decode(fact[4] or "{}") for fact in self._kept(arrival))

    def _kept(self, arrival: Arrival) -> list[Row]:
        """Return what is kept of this very fact, if it was told before."""
        facts = self._tx.all("facts_of_run", contact_id=arrival.contact_id, run_id=arrival.run_id)
        same = (arrival.step, arrival.kind, arrival.event)
        return [fact for fact in facts if fact[:3] == same]

    def _special(self, arrival: Arrival, row: Row) -> int:
        """Take what a fact tells besides itself: price, reason, words, a key; return the bit that it adds."""
        key = (arrival.contact_id, arrival.run_id, arrival.step)
        more = _decode(arrival.value) if arrival.value else {}
        cost = more.get("cost")
        known = self._costs.get(key, row[6])
        if isinstance(cost, int) and cost != known and not self._cost_is_known(arrival, row):
            self._costs[key] = cost
        if arrival.kind in _SOFT and more.get("reason") == Reason.TRANSIENT.value:
            self._softened.append((key, arrival.at))
        if arrival.kind in _FAILURES:
            reason = more.get("reason", "")
            result = REDIALLED.get(more.get("code", "")) if row[3] == _ROBOT else None
            if result is not None:
                self._reasons[key] = result.code
            elif reason in _REASONS:
                self._reasons[key] = _REASONS[reason]
            if reason == Reason.INVALID_ADDRESS.value and self._is_believed(row):
                self._spoiled[key] = row[3]
            elif reason == Reason.INVALID_ADDRESS.value:
                self._reasons[key] = Reason.DOUBTFUL_ADDRESS.code
                self._doubted.append(key)
            elif reason == Reason.DOUBTFUL_ADDRESS.value:
                self._doubted.append(key)
            elif reason == Reason.CARRIER_REFUSED.value:
                self._closed[key] = row[3]
            elif row[3] == _EMAIL and not int(row[5]) >> arrival.kind & 1:
                code, detail = str(more.get("code", "")), str(more.get("detail", ""))
                if is_policy(code, detail):
                    self._policed[key] = (row[8] or 0, f"{code} {detail}".strip())
            if reason == Reason.OPTED_OUT.value:  # the service has heard the person's "no" before us
                self._refusals.add(arrival, row[3], Scope.CHANNEL)
        elif arrival.kind in (Kind.UNSUBSCRIBED, Kind.COMPLAINED):
            self._refusals.add(arrival, row[3])
        elif arrival.kind == Kind.REPLIED:
            self._reply(arrival, row, str(more.get("text", "")))
        elif arrival.kind == Kind.KEYPRESS:
            return self._pressed(arrival, row, str(more.get("key", "")))
        return 0

    def _is_believed(self, row: Row) -> bool:
        """Count an address that is said not to exist; say whether its service is still believed that."""
        return row[10] is None or self._world.traffic.unfound.believes(row[10], self._now)

    def _count_policed(self) -> None:
        """Count mails that were refused for what the sender is, by the account that sent them."""
        for *place, account_id in self._tx.many("accounts_of_messages", sorted(self._policed)):
            sent_at, said = self._policed[place[0], place[1], place[2]]
            if account_id is not None:
                self._world.traffic.holds.refused(account_id, sent_at, said, self._now)

    def _reply(self, arrival: Arrival, row: Row, text: str) -> None:
        """Take what the person wrote: for the inbox, and as a stop or a start where it is one."""
        if text:
            self.heard.append(_heard(arrival, row[3], text))
        if keywords.is_stop(text):
            self._refuse(arrival, row)
        elif keywords.is_start(text):
            self._refusals.renew(arrival, row[3])

    def _pressed(self, arrival: Arrival, row: Row, digit: str) -> int:
        """Return the bit of what a key of a call means in its step, noting that fact too; 0 for none."""
        version = self._version(arrival)
        meaning = version.cascade.steps[arrival.step].keys.get(digit, "") if version else ""
        if meaning == "opt_out":
            self._refuse(arrival, row)
        kind = _KEYS.get(meaning)
        if kind is None:
            return 0
        key = (arrival.contact_id, arrival.run_id, arrival.step)
        self._changes.facts.append((*key, kind.value, arrival.event, arrival.at, None))
        return kind.bit

    def _refuse(self, arrival: Arrival, row: Row) -> None:
        """Take a stop word, or the key against calls: an answer that must not end its run as a success."""
        self._refusals.add(arrival, row[3], Scope.CHANNEL)
        version = self._version(arrival)
        rule = version.rules.get((arrival.step, row[3])) if version else None
        if rule is not None and rule.success >> arrival.kind & 1:
            run = (arrival.contact_id, arrival.run_id)
            self._changes.facts.append((*run, -1, Kind.UNSUBSCRIBED.value, arrival.event, arrival.at, None))
            self._changes.marks.append((*run, Kind.UNSUBSCRIBED.bit, None))
            self.touched.add(run)  # an answer may be known already, by which it has ended

    def _version(self, arrival: Arrival) -> Version | None:
        runs = run_store.load(self._tx, [(arrival.contact_id, arrival.run_id)])
        return self._world.versions.of(runs[0]) if runs else None


def _agreed(tx: Transaction, told: list[Arrival]) -> list[Arrival]:
    """Return what is told without openings of people who do not agree to them, whoever noticed these."""
    openings = [arrival.contact_id for arrival in told if arrival.kind in _OPENINGS]
    silent = contacts.untracked(tx, openings)
    return [a for a in told if a.kind not in _OPENINGS or a.contact_id not in silent] if silent else told


def _heard(arrival: Arrival, channel: int, text: str) -> Heard:
    quiet = keywords.is_bare_stop(text) or keywords.is_start(text)
    return Heard(arrival.contact_id, f"{channel} {arrival.event}", arrival.at, channel, text, quiet)


def _answered(tx: Transaction, arrival: Arrival, refusals: Refusals, heard: list[Heard]) -> list[Arrival]:
    """A reply that names no message answers the last one on its channel before it, and that once."""
    more = _decode(arrival.value or "{}")
    channel, text = int(more.get("channel", 0)), str(more.get("text", ""))
    said = _heard(arrival, channel, text)
    if threads.is_known(tx, said):
        return []
    row = tx.one(
        "last_message_on_channel", contact_id=arrival.contact_id, channel=channel, until=arrival.at + SKEW_MS
    )
    if row is None:
        if channel and text:
            heard.append(said)
        if keywords.is_stop(text):
            refusals.add(arrival, channel, Scope.CHANNEL)
        elif channel and keywords.is_start(text):
            refusals.renew(arrival, channel)
        return []
    return [
        Arrival(arrival.contact_id, row[0], row[1], arrival.kind, arrival.event, arrival.at, arrival.value)
    ]


def _mark(tx: Transaction, changes: Changes, arrivals: Iterable[Arrival], applied: Applied) -> None:
    """Note what happened to one run, or to every live run of a contact."""
    arrived = list(arrivals)
    found = run_store.of_contacts(tx, sorted({a.contact_id for a in arrived}))
    for a in arrived:
        for run in found.get(a.contact_id, ()):
            if run.outcome is None and a.run_id in (0, run.id):
                mark(changes, run, Kind(a.kind), a.event, a.at)
                applied.touched.add((run.contact_id, run.id))


def mark(changes: Changes, run: Run, kind: Kind, event: str, at: int, value: int | None = None) -> None:
    """Note a fact of the run itself."""
    changes.facts.append((run.contact_id, run.id, -1, kind.value, event, at, None))
    changes.marks.append((run.contact_id, run.id, kind.bit, value))
