"""What had to happen, told from outside and from the rows alone: each promise, and whether it was kept."""

from __future__ import annotations

from collections import Counter, defaultdict

from msgspec import Struct, field

from crash.outside import Outside
from crash.place import STEPS, TIMEOUT_S
from crash.records import Fact, Message, Records, Run
from kaskad.domain.run import state_of
from kaskad.domain.terms import Kind, MessageState, Outcome

_KINDS = {"delivered": Kind.DELIVERED.value, "read": Kind.READ.value}
_UNSENT = frozenset(
    state.code
    for state in (MessageState.CREATED, MessageState.QUEUED, MessageState.SKIPPED, MessageState.CANCELLED)
)
_REFUSED = Kind.REJECTED.bit | Kind.FAILED.bit
_SHOWN = 5
LATEST = 1 << 62
CLOCKS_MS = 5  # two processes' clocks may differ by so much


class Verdict(Struct):
    """The figures of one plan, and every promise that was broken."""

    people: int
    sends: int
    receipts: int
    unknown: int = 0  # by the submit guard: left in doubt by a kill
    slow: int = 0  # so, without a kill: their server lived, and had no turn for as long as the guard lasts
    unanswered: int = 0  # unknown because the provider hung or broke
    twice: int = 0
    lost: int = 0
    unfinished: int = 0
    forgotten: int = 0  # receipts and events answered 2xx that are not in the database
    overtaken: int = 0  # sent although a reaction had been answered 2xx before
    problems: list[str] = field(default_factory=list)


def judge(records: Records, outside: Outside, *, per_account: int, ends: list[int] | None) -> Verdict:
    """Return what became of everybody.

    `per_account`: how many unknown an account may have; `ends`: when servers ended with something under way,
    by the engine's clock, None where that jumps and times cannot be compared.
    """
    runs, messages, facts = records.runs(), records.messages(), records.facts()
    verdict = Verdict(len(outside.entered), outside.accepted, len(outside.told))
    _twice(verdict, outside)
    _lost(verdict, runs, messages, outside, records)
    _forgotten(verdict, facts, outside, records)
    _unknown(verdict, runs, messages, facts, per_account, Doubt(outside, ends))
    _folded(verdict, messages, facts)
    if ends is not None:
        _overtaken(verdict, messages, outside)
    _say(verdict, "the body changed under the same key", outside.changed_bodies)
    _say(verdict, "a request was signed wrongly", outside.stray)
    if damage := records.damage():
        verdict.problems.append(f"the database is damaged: {damage}")
    return verdict


def _say(verdict: Verdict, what: str, found: list[str]) -> int:
    if found:
        verdict.problems.append(f"{what}: {len(found)} ({', '.join(found[:_SHOWN])})")
    return len(found)


def _twice(verdict: Verdict, outside: Outside) -> None:
    twice = [f"person {contact}, step {step}" for (contact, step), n in outside.times.items() if n > 1]
    verdict.twice = _say(verdict, "sent twice", twice)


def _lost(
    verdict: Verdict, runs: list[Run], messages: list[Message], outside: Outside, records: Records
) -> None:
    """Everybody who was told of has one run; each run has ended, and by every step that was due."""
    passed: dict[tuple[int, int], dict[int, Message]] = defaultdict(dict)
    for message in messages:
        passed[message.contact_id, message.run_id][message.step] = message
    contacts = records.people()
    runs_of = Counter(run.contact_id for run in runs)
    lost = [f"person {n} never entered" for n in outside.entered.values() if not runs_of[contacts[n]]]
    lost += [f"person {contact} entered {n} times" for contact, n in runs_of.items() if n > 1]
    unfinished = [str(run) for run in runs if run.outcome is None]
    verdict.unfinished += _say(verdict, "never ended", unfinished)
    for run in runs:
        if run.outcome is not None:
            lost += _missing(run, passed[run.contact_id, run.id], outside)
    known = {message.key: message for message in messages}
    for key, send in outside.sends.items():
        if send.accepted and (key not in known or known[key].state in _UNSENT):
            lost.append(f"{key} was sent, and the database does not know")
    verdict.lost = _say(verdict, "lost", lost)


def _missing(run: Run, steps: dict[int, Message], outside: Outside) -> list[str]:
    """Return what this run should have done and has not."""
    at = f"{run.contact_id}:{run.id}"
    last = max(steps, default=-1)
    reacted = run.outcome == Outcome.RESPONDED.code
    found = []
    if reacted and not outside.reads[run.contact_id]:
        found.append(f"{at} ended by a reaction that nobody had")
    if not reacted and last != STEPS - 1:
        found.append(f"{at} ended as {run.outcome} after step {last}")
    for number in range(last + 1):
        message = steps.get(number)
        if message is None:
            found.append(f"{at} has no step {number}")
        elif message.state in _UNSENT and not (reacted and number == last):
            found.append(f"{message.key} was never sent: state {message.state}")
        elif message.state not in _UNSENT and not _accounted(message, outside):
            found.append(f"{message.key} is {MessageState.of(message.state)} and the provider has not got it")
    return found


def _accounted(message: Message, outside: Outside) -> bool:
    """Say whether what the row tells of a message is what the provider knows of it."""
    send = outside.sends.get(message.key)
    if message.mask & Kind.UNKNOWN.bit or message.state == MessageState.SUBMITTED.code:
        return True  # in doubt: counted by `_unknown`
    if send is None:
        return False
    return bool(send.refused if message.mask & _REFUSED else send.accepted)


def _forgotten(verdict: Verdict, facts: list[Fact], outside: Outside, records: Records) -> None:
    known = {(f.contact_id, f.run_id, f.step, f.kind, f.event) for f in facts}
    forgotten = [
        f"{event} of {told.message}"
        for event, told in outside.told.items()
        if (*told.message, _KINDS[told.kind], event) not in known
    ]
    events = records.events()
    forgotten += [event for event in outside.entered if event not in events]
    verdict.forgotten = _say(verdict, "answered 2xx and not kept", forgotten)


class Doubt:
    """Tells why a message is in doubt."""

    def __init__(self, outside: Outside, ends: list[int] | None) -> None:
        self._outside, self._ends = outside, ends

    def by_kill(self, message: Message, until: int) -> bool:
        """Say whether the server that had it under way may have ended before `until`, the answer with it."""
        if self._ends is None:
            return True
        if message.mask & Kind.SENT.bit:
            return False  # the answer was kept after all, by the only one that it was given to
        assert message.submitted_at is not None
        answer = self._outside.answered.get(message.key)
        since = message.submitted_at if answer is None else max(message.submitted_at, answer.at)
        return any(since <= end + CLOCKS_MS and end <= until + CLOCKS_MS for end in self._ends)

    def dropped(self, message: Message) -> bool:
        """Say whether a living server was told at once that the message is taken, and never kept that."""
        answer = self._outside.answered.get(message.key)
        if answer is None or message.mask & Kind.SENT.bit:
            return False
        return answer.taken and answer.after_s < TIMEOUT_S / 5  # later it may have given up


def _unknown(
    verdict: Verdict, runs: list[Run], messages: list[Message], facts: list[Fact], per_account: int,
    doubt: Doubt,
) -> None:  # fmt: skip
    """Count what a kill has left in doubt, also of runs that a reaction ended before the guard ran out."""
    known = {(m.contact_id, m.run_id, m.step): m for m in messages}
    doubts = [f for f in facts if f.kind == Kind.UNKNOWN]
    guarded = [(known[f.contact_id, f.run_id, f.step], f.at) for f in doubts if f.event == "guard"]
    verdict.unanswered = len(doubts) - len(guarded)
    ended = {(run.contact_id, run.id) for run in runs if run.outcome == Outcome.RESPONDED.code}
    submitted = [m for m in messages if m.state == MessageState.SUBMITTED.code]
    guarded += [(m, LATEST) for m in submitted if (m.contact_id, m.run_id) in ended]
    killed = Counter(m.account_id for m, until in guarded if doubt.by_kill(m, until))
    slow = [m for m, until in guarded if not doubt.by_kill(m, until)]
    verdict.unknown, verdict.slow = sum(killed.values()), len(slow)
    stuck = [m.key for m in submitted if (m.contact_id, m.run_id) not in ended]
    verdict.unfinished += _say(verdict, "submitted for ever", stuck)
    dropped = [m.key for m in slow if doubt.dropped(m)]
    verdict.lost += _say(verdict, "answered to a server that lived, and not kept", dropped)
    too_many = [
        f"account {account}: {n} of {per_account}" for account, n in killed.items() if n > per_account
    ]
    _say(verdict, "more unknown than were under way", too_many)


def _folded(verdict: Verdict, messages: list[Message], facts: list[Fact]) -> None:
    """A message's mask is the union of its facts, and its state follows from it."""
    masks: dict[tuple[int, int, int], int] = defaultdict(int)
    for fact in facts:
        masks[fact.contact_id, fact.run_id, fact.step] |= 1 << fact.kind
    wrong = []
    for message in messages:
        told = masks[message.contact_id, message.run_id, message.step]
        if told & ~message.mask:
            wrong.append(f"{message.key}: mask {message.mask:b} lacks facts {told:b}")
        elif message.mask and state_of(message.mask).code != message.state:
            wrong.append(f"{message.key}: state {message.state} with mask {message.mask:b}")
    _say(verdict, "facts and state differ", wrong)


def _overtaken(verdict: Verdict, messages: list[Message], outside: Outside) -> None:
    """No tick that began after a reaction was answered 2xx may have sent that person anything."""
    reacted: dict[tuple[int, int], int] = {}
    for told in outside.told.values():
        if told.kind == "read":
            run = told.message[:2]
            reacted[run] = min(told.at, reacted.get(run, told.at))
    overtaken = [
        f"{m.key}, {m.submitted_at - at} ms after the answer"
        for m in messages
        if m.submitted_at is not None and m.state not in _UNSENT
        and (at := reacted.get((m.contact_id, m.run_id))) is not None and m.submitted_at > at + CLOCKS_MS
    ]  # fmt: skip
    verdict.overtaken = _say(verdict, "sent after a reaction was answered", overtaken)
