"""Step 1 of the tick: what the providers answered to the messages that were handed to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
from msgspec import structs

from kaskad.domain.consent import Scope
from kaskad.domain.ledger import Change
from kaskad.domain.run import state_of
from kaskad.domain.terms import REDIALLED, Channel, Kind, MessageState, Reason
from kaskad.engine.arrival import Arrival
from kaskad.engine.changes import Changes
from kaskad.engine.held import Amount, note, turned
from kaskad.engine.holds import is_policy
from kaskad.engine.limits import BASE_MS, backoff
from kaskad.engine.parcel import Result
from kaskad.engine.spoil import close_addresses, doubt_addresses, spoil_addresses
from kaskad.engine.world import World
from kaskad.log import get_logger
from kaskad.store import runs as run_store
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import MessageKey, RunKey

log = get_logger(__name__)

_SENT = Kind.SENT
_OPTED_OUT = Reason.OPTED_OUT
_ROBOT = Channel.ROBOT_CALL.code
_SENT_BIT, _IN_DOUBT_BIT = Kind.SENT.bit, Kind.IN_DOUBT.bit
_REJECTED, _REJECTED_BIT = Kind.REJECTED.value, Kind.REJECTED.bit
_QUEUED, _SUBMITTED = MessageState.QUEUED.code, MessageState.SUBMITTED.code
_KNOWN = 1_000  # answers of providers that are remembered as they are kept
MAILBOX_MS = 30_000  # greylisting lasts for one to five minutes, and may begin anew for who comes too soon
MAX_ATTEMPTS = 12  # proven failures in a row; the step's patience normally ends the matter before

# Refusals that a later attempt, or another account, may overcome; all others end the message.
_AGAIN = frozenset({Reason.RATE_LIMITED, Reason.TRANSIENT, Reason.AUTH})
_FAILURES = _AGAIN | {Reason.AMBIGUOUS}  # of the service: they tell nothing of the person or the text
_OF_ADDRESSES = (Reason.INVALID_ADDRESS, Reason.DOUBTFUL_ADDRESS, Reason.CARRIER_REFUSED)


def apply_results(
    tx: Transaction, world: World, changes: Changes, results: Sequence[Result], now: int
) -> set[RunKey]:
    """Note how submissions ended; return the runs that this concerns, besides those that have `not_begun`.

    `kind` None means that the provider has queued the message: a receipt will say when it is sent.
    """
    touched: set[RunKey] = set()
    refused: list[Result] = []
    waiting: list[Row] = []
    _learn(world, results, now)
    costs: dict[MessageKey, int] = {}
    noted, take, down = changes.accepted, world.work.handed.pop, world.traffic.down_since
    told_again = False
    for result in results:
        contact_id, run_id = result.contact_id, result.run_id
        key = (contact_id, run_id, result.step)
        handed = take(key, None)  # of refused messages too, or it would be kept for ever
        if result.reason is None:
            at = result.at
            sent = result.kind is _SENT
            cost = None if result.cost is None else _cost(world, key, result, costs)
            told_again = told_again or handed is None
            noted.append((*key, _SENT_BIT if sent else 0, at, cost))
            if result.provider_id or result.parts:
                _note_ids(world, changes, key, result)
            if handed is not None and sent and result.account_id not in down:
                waiting.append(
                    (contact_id, run_id, handed.seq, at + handed.silence_ms)
                )  # only its clock begins
            else:
                touched.add((contact_id, run_id))
            continue
        touched.add((contact_id, run_id))
        refused.append(result)
        _judge_sender(world, result, now)
    if told_again:
        changes.unite_accepted()
    if costs:
        _charge(tx, changes, costs, now)
    if refused:
        _refuse(tx, world, changes, refused, now)
    changes.begin(tx, waiting)
    return touched


def _learn(world: World, results: Sequence[Result], now: int) -> None:
    """Free the slots, and learn from how messages ended, in their order: failures in a row are so in time."""
    accepted = Counter([result.account_id for result in results if result.reason is None])
    for account_id, count in accepted.items():
        world.traffic.holds.sent(account_id, count, now)
    failing = {result.account_id for result in results if result.reason in _FAILURES}
    for result in results:
        if result.reason is not None:
            others = result.of_person and _others(world, result.account_id, now)
            world.traffic.lessons.about(result.account_id).settle(
                now, result.reason, result.retry_after_ms, of_person=result.of_person, others=others
            )
        elif result.account_id in failing:
            world.traffic.lessons.about(result.account_id).accepted(now, 1)
    for account_id in accepted.keys() - failing:
        world.traffic.lessons.about(account_id).accepted(now, accepted[account_id])
    for account_id in {result.account_id for result in results}:
        world.traffic.watch_breaker(account_id, now)


def _others(world: World, account_id: int, now: int) -> bool:
    """Say whether another account of the channel works."""
    account = world.accounts.get(account_id)
    alike = [] if account is None else world.accounts.by_channel.get(account.channel.code, [])
    return any(one.id != account_id and world.traffic.limits[one.id].works(now) for one in alike)


def _judge_sender(world: World, result: Result, now: int) -> None:
    """Count a mail that was refused for what its sender is."""
    account = world.accounts.get(result.account_id)
    if account is None or account.channel is not Channel.EMAIL or result.reason is Reason.AUTH:
        return
    if is_policy(result.code, result.detail):
        world.traffic.holds.sent(result.account_id, 1, now)
        world.traffic.holds.refused(result.account_id, now, f"{result.code} {result.detail}".strip(), now)


def _note_ids(world: World, changes: Changes, key: MessageKey, result: Result) -> None:
    """Note what the provider calls a message, and when it is to be asked about it, where it is."""
    account_id, provider_id = result.account_id, result.provider_id
    able = world.accounts.capabilities.get(account_id)  # None: deleted while the message was under way
    if result.parts:
        changes.parts += [(account_id, part, *key) for part in result.parts]
    elif able is None or not able.echoes_reference:
        changes.provider_ids.append((account_id, provider_id, *key))
    if provider_id and able is not None and able.look_ups:
        changes.look_ups.append((account_id, provider_id, *key, result.at, result.at + able.look_ups[0]))


def told_no(world: World, results: Sequence[Result]) -> list[Arrival]:
    """Return the refusals of people that their service knows of: it has heard their "no" before us."""
    found = []
    for result in [each for each in results if each.reason is _OPTED_OUT]:
        if result.accepted is not False:
            continue
        account = world.accounts.get(result.account_id)
        if account is not None:
            told = msgspec.json.encode({"channel": account.channel.code, "scope": Scope.CHANNEL}).decode()
            event = f"answer {result.code}"
            found.append(Arrival(result.contact_id, 0, -1, Kind.UNSUBSCRIBED.value, event, result.at, told))
    return found


def _cost(world: World, key: MessageKey, result: Result, costs: dict[MessageKey, int]) -> int | None:
    """Return what the provider took for the message, noting it in `costs`; None in another currency."""
    account = world.accounts.get(result.account_id)
    price = account.price if account else None
    assert result.cost is not None
    if price is not None and price.currency == result.cost.currency:
        costs[key] = result.cost.minor
        return result.cost.minor
    # adding tenge to roubles would make every sum wrong
    log.warning("cost in another currency left out", account=result.account_id, currency=result.cost.currency)
    return None


def _charge(tx: Transaction, changes: Changes, costs: Mapping[MessageKey, int], now: int) -> None:
    """Count what the messages cost, each once: a receipt that was quicker may have told it."""
    rows = tx.many("load_messages", sorted(costs))
    told = [(row, costs[row[0], row[1], row[2]]) for row in rows]
    note(tx, changes, [
        Amount(row, row[4], cost, now, Change.ANSWER, row[9]) for row, cost in told if cost != row[6]
    ])  # fmt: skip


def _unknown(changes: Changes, result: Result) -> None:
    """The answer was lost: never sent again on a guess (E6); the step's clock runs from the submission."""
    key = (result.contact_id, result.run_id, result.step)
    changes.facts.append((*key, Kind.UNKNOWN.value, "answer", result.at, _json(result)))
    changes.folded.append((*key, Kind.UNKNOWN.bit, MessageState.UNKNOWN.code, None, Reason.AMBIGUOUS.code))


def _refuse(tx: Transaction, world: World, changes: Changes, results: list[Result], now: int) -> None:
    """Send again later where that is proven safe, else the message has failed and the run moves on."""
    keys = [(r.contact_id, r.run_id, r.step) for r in results]
    known = {(row[0], row[1], row[2]): row for row in tx.many("load_refused", sorted(keys))}
    blamed: dict[Reason, dict[MessageKey, int]] = {reason: {} for reason in _OF_ADDRESSES}
    released: list[Amount] = []  # nothing was accepted: nothing is held for it any more
    for told, key in zip(results, keys, strict=True):
        row, result = known.get(key), _believed(world, told)
        if row is None or row[4] != _SUBMITTED or row[7] != result.attempt:
            continue  # a receipt was quicker, and knows better; or another process has sent it again
        reason = result.reason
        assert reason is not None
        changes.attempts.append((*key, result.attempt, result.account_id, result.at, now, reason.code,
                                 result.detail[:500]))  # fmt: skip
        lost = result.accepted is None
        doubtful = lost or bool(row[5] & _IN_DOUBT_BIT)  # then no other account may be asked
        if _try_again(world, result):
            _queue_again(world, changes, result, key, now, doubtful=doubtful)
            if not doubtful:
                released.append(Amount(row, _QUEUED, row[6], now, Change.RELEASED, 0))
        elif lost or (doubtful and reason in _AGAIN):
            if not ask_for(world, changes, key, result.account_id, result.at, now):
                _unknown(changes, result)
        else:
            state = _fail(changes, result, reason, key, row)
            if (amount := turned(world, row, state, None, now)) is not None:
                released.append(amount)
            if reason in blamed:
                blamed[reason][key] = row[3]
    spoil_addresses(tx, blamed[Reason.INVALID_ADDRESS], now)
    doubt_addresses(tx, blamed[Reason.DOUBTFUL_ADDRESS], now)
    close_addresses(tx, world, blamed[Reason.CARRIER_REFUSED], now)
    if released and any(one.row[9] for one in released):
        note(tx, changes, released, {row[:2]: row[11] for row in known.values()})


def _believed(world: World, result: Result) -> Result:
    """Return how a message ended: of a service to which no address exists any more, each is in doubt only."""
    if result.reason is not Reason.INVALID_ADDRESS or result.account_id not in world.traffic.limits:
        return result
    knows = world.traffic.limits[result.account_id].knows_addresses
    return result if knows else structs.replace(result, reason=Reason.DOUBTFUL_ADDRESS)


def _queue_again(
    world: World, changes: Changes, result: Result, key: MessageKey, now: int, *, doubtful: bool
) -> None:
    """Let a message that was refused for now be handed over later, by another account where that may be."""
    base_ms = MAILBOX_MS if result.of_person else BASE_MS
    not_before = now + (result.retry_after_ms or backoff(result.attempt, f"{key}", base_ms=base_ms))
    account_id = result.account_id if doubtful else _next_account(world, result, now)
    not_before = now if account_id != result.account_id else not_before
    if result.accepted is None:
        changes.folded.append((*key, _IN_DOUBT_BIT, _QUEUED, None, None))
    changes.requeued.append((*key, not_before, account_id, int(not doubtful)))
    world.traffic.has_queued(account_id, not_before)


def _fail(changes: Changes, result: Result, reason: Reason, key: MessageKey, row: Row) -> int:
    """Note that a message was refused for good; return its state since."""
    changes.facts.append((*key, _REJECTED, "answer", result.at, _json(result)))
    if not row[5]:  # and nothing else is known of it
        changes.refused[key[:2]] = result.step
    state = state_of(row[5] | _REJECTED_BIT).code
    told = REDIALLED.get(result.code, reason) if row[3] == _ROBOT else reason
    changes.folded.append((*key, _REJECTED_BIT, state, None, told.code))
    return state


def ask_for(
    world: World, changes: Changes, key: MessageKey, account_id: int | None, sent_at: int, now: int
) -> bool:
    """Let the service be asked for a message whose answer was lost; return whether it can be.

    Until its guard runs out the message stays submitted: an answer in time says what became of it.
    """
    able = world.accounts.capabilities.get(account_id or 0)
    if able is None or account_id is None or not able.finds:
        return False
    reference = world.signer.reference(*key, account_id)
    changes.look_ups.append((account_id, reference, *key, sent_at, now + able.finds[0]))
    return True


def _try_again(world: World, result: Result) -> bool:
    if result.accepted is None:
        return result.account_id in world.accounts.retriable and result.attempt < run_store.MAX_REPEATS
    probes = result.account_id in world.traffic.down_since  # rarely, and the step's patience ends that
    return result.reason in _AGAIN and (probes or result.attempt < MAX_ATTEMPTS)


def _next_account(world: World, result: Result, now: int) -> int:
    """Return the account for the next attempt: another of the channel where this one is down."""
    account = world.accounts.get(result.account_id)  # None: deleted while the message was under way
    works = result.account_id not in world.traffic.down_since and result.reason is not Reason.AUTH
    if account is None or works:
        return result.account_id
    if account.channel.code in world.accounts.picky:  # another may not take the address
        return result.account_id
    own = world.traffic.available(now, 1 << 60).of(result.contact_id)
    return own.get(account.channel.code) or result.account_id


def _json(result: Result) -> str:
    return _told(result.reason, result.code, result.detail[:500])


@lru_cache(_KNOWN)
def _told(reason: Reason | None, code: str, detail: str) -> str:
    told = {"reason": reason.value if reason else "", "code": code, "detail": detail}
    return msgspec.json.encode(told).decode()
