"""Reads a bill, piece after piece, and holds it against what we have counted.

Reading and comparing hold up nobody: only the matched lines of a piece are written between two ticks.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import msgspec
from msgspec import Struct, structs

from kaskad.actions.office import Office
from kaskad.domain import sms
from kaskad.domain.bill import Line, Reader, country_at, minor_of, reason_of, shift_of
from kaskad.domain.entering import ADDRESS_CHANNEL
from kaskad.domain.errors import Conflict, KaskadError
from kaskad.domain.ledger import held_of
from kaskad.domain.prices import PriceList
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.tokens import BadToken
from kaskad.domain.worded import worded, wording
from kaskad.engine.clock import wall_ms
from kaskad.engine.defects import by_halves
from kaskad.engine.tables import Line as Told
from kaskad.engine.tables import Table
from kaskad.log import get_logger
from kaskad.store import bills as store
from kaskad.store.accounts import Account
from kaskad.store.bills import Bill, Differing, Group, Missing, Report, Unknown
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import MessageKey

log = get_logger(__name__)

PIECE = 2_000  # lines; some 20 ms of writing
PAGE = 10_000  # messages compared at once
SHOWN = 200  # of each kind, in the report
_FAULTS = 100  # lines of a piece that are left out because of a defect: more are not the lines' fault
WINDOW_MS = 15 * 60_000  # how far a bill's time and ours may lie apart, where no id says which message it is
SHIFT_MS = 14 * 3_600_000  # how far apart they are looked for where zones may have been taken for others
STRAYS = 500  # lines of no message that are asked for that
_REST_S = 0.002  # between pieces, for the engine's thread
_START = (0, 0, -1)


class _Taken(Conflict):
    """Another process has begun to read the bill."""


class _Seen(Struct):
    """What the lines of a bill have come to so far; `rows` are all of the file, empty ones too."""

    rows: int = 0
    lines: int = 0
    micros: int = 0
    unread: int = 0
    unknown: int = 0
    unknown_micros: int = 0
    since: int | None = None
    until: int | None = None


class Job:
    """Reads the bill `found` from its first line on."""

    def __init__(
        self, office: Office, found: Bill, account: Account, table: Table, reader: Reader,
        prices: PriceList | None,
    ) -> None:  # fmt: skip
        self._office, self._bill, self._account = office, found, account
        self._table, self._reader, self._prices = table, reader, prices
        self._channel = ADDRESS_CHANNEL.get(account.channel.code, account.channel.code)
        self._seen = _Seen()
        self._unknowns: list[Unknown] = []
        self._strays: list[Line] = []

    def run(self) -> None:
        """Read the bill, compare it, and keep how that ended."""
        state, problem, report = store.DONE, "", Report()
        try:
            self._clear()
            self._read()
            report = self._compared()
        except KaskadError as error:
            state, problem = store.FAILED, str(error)
        except Exception as error:
            log.exception("bill failed", id=self._bill.id)
            state, problem = store.FAILED, f"A defect in kaskad: {type(error).__name__}; the log says more."
        try:
            now = self._office.now()
            self._office.write(lambda tx: store.end(tx, self._bill, state, problem, report, now))
        except KaskadError as error:  # the server is stopping: the same file is read again
            log.warning("end of bill not kept", id=self._bill.id, why=str(error))

    def _clear(self) -> None:
        while self._office.write(lambda tx: store.clear(tx, self._bill.id, PIECE)):
            time.sleep(_REST_S)

    def _read(self) -> None:
        self._reader.negative = self._is_negative()
        lines = iter(self._table.lines())
        while piece := list(islice(lines, PIECE)):
            try:
                self._take_in(piece)
            except _Taken:
                return
            time.sleep(_REST_S)

    def _take_in(self, piece: Sequence[Told]) -> None:
        """Read a piece and keep what it comes to, without the lines that a defect stops, found by halves."""
        faults = 0

        def attempt(part: Sequence[Told]) -> None:
            before, told, strays = structs.replace(self._seen), len(self._unknowns), len(self._strays)
            try:
                lines = [line for one in part if (line := self._line(one.row, one.cells, one.problem))]
                with self._office.read() as tx:
                    rows = self._matched(tx, lines)
                self._advance(len(part), rows)
            except Exception:
                self._seen = before
                del self._unknowns[told:], self._strays[strays:]
                raise

        def aside(one: Told, failure: Exception) -> None:
            nonlocal faults
            faults += 1
            if faults > _FAULTS:
                raise failure
            self._leave_out(one.row, type(failure).__name__)
            self._advance(1, [])

        by_halves(piece, attempt, aside)

    def _advance(self, count: int, rows: Sequence[Row]) -> None:
        """Keep what was read of so many rows of the file. Raises _Taken."""
        self._seen.rows += count
        read = self._seen.rows
        if not self._office.write(lambda tx: store.advance(tx, self._bill, read, rows, wall_ms())):
            raise _Taken

    def _leave_out(self, row: int, why: str) -> None:
        log.error("line of a bill left out: a defect", id=self._bill.id, row=row, error=why)
        self._seen.lines += 1
        self._seen.unread += 1
        told = worded("a defect in Kaskad keeps it from being read (%(why)s): left out", why=why)
        self._note(Unknown(row, 0, f"{told}"))

    def _is_negative(self) -> bool:
        """Say whether the file writes what was charged as negative amounts."""
        below = False
        for line in self._table.lines():
            try:
                micros = self._reader.micros(line.cells)
            except Exception:  # which is told where the line is read
                continue
            if micros > 0:
                return False
            below = below or micros < 0
        return below

    def _line(self, row: int, cells: Sequence[str], problem: str) -> Line | None:
        """Return a line of the file, None for one that is empty or makes no sense."""
        if not problem and not any(cells):
            return None
        self._seen.lines += 1
        try:
            if problem:
                raise ValueError(problem)
            line = self._reader.read(row, cells)
        except ValueError as error:
            self._seen.unread += 1
            self._note(Unknown(row, 0, f"{wording(error)}"))
            return None
        seen = self._seen
        seen.micros += line.micros
        if line.at is not None:
            seen.since = line.at if seen.since is None else min(seen.since, line.at)
            seen.until = line.at if seen.until is None else max(seen.until, line.at)
        return line

    def _note(self, unknown: Unknown) -> None:
        if len(self._unknowns) < SHOWN:
            self._unknowns.append(unknown)

    def _matched(self, tx: Transaction, lines: Sequence[Line]) -> list[Row]:
        """Return the rows of the messages that these lines are of; notes the lines that are of none."""
        found = self._by_id(tx, lines)
        rest = [line for line in lines if line.row not in found and line.phone and line.at is not None]
        guessed = self._by_phone(tx, rest) if rest else {}
        found |= guessed
        sums: dict[MessageKey, list[Line]] = defaultdict(list)
        for line in lines:
            if line.row in found:
                sums[found[line.row]].append(line)
            else:
                self._seen.unknown += 1
                self._seen.unknown_micros += line.micros
                self._note(Unknown(line.row, line.micros))
                if line.phone and line.at is not None and len(self._strays) < STRAYS:
                    self._strays.append(line)
        return [
            (*key, self._bill.id, *self._sum(own), _line_id(own, guessed))
            for key, own in sorted(sums.items())
        ]

    def _sum(self, lines: Sequence[Line]) -> tuple[int, int, int | None, str]:
        parts = [line.parts for line in lines if line.parts is not None]
        micros = sum(line.micros for line in lines)
        return micros, len(lines), sum(parts) if parts else None, self._place(lines[0])

    def _place(self, line: Line) -> str:
        """Return the country and operator of a line, as far as they are known."""
        operator = line.operator
        if not operator and self._prices is not None and line.phone:
            row = self._prices.find(line.phone, MessageClass.SERVICE, "", line.at or 0)
            operator = row.operator if row else ""
        return f"{country_at(line.phone[:8])} {operator}".strip()

    def _by_id(self, tx: Transaction, lines: Sequence[Line]) -> dict[int, MessageKey]:
        """Return the messages of lines that name one, by the provider's id or by ours."""
        account_id, signer = self._account.id, self._office.signer
        asked = sorted({(account_id, line.id) for line in lines if line.id})
        by_id = {row[1]: row[2:5] for row in tx.many("by_provider_ids", asked)} if asked else {}
        keys: dict[int, MessageKey] = {}
        for line in lines:
            if line.id in by_id:
                keys[line.row] = by_id[line.id]
                continue
            for token in (line.reference, line.id):
                try:
                    keys[line.row] = signer.read_reference(token, account_id)
                    break
                except BadToken:
                    continue
        asked_keys = sorted({(*key, account_id) for key in keys.values()})
        sent = {row[:3]: row[3] for row in tx.many("billed_messages", asked_keys)} if asked_keys else {}
        for at in sent.values():
            self._spans(at)
        return {row: key for row, key in keys.items() if key in sent}

    def _spans(self, at: int) -> None:
        """Widen the bill's time by a message that it names, where its lines say no time."""
        if "at" not in self._bill.columns.values():
            seen = self._seen
            seen.since = at if seen.since is None else min(seen.since, at)
            seen.until = at if seen.until is None else max(seen.until, at)

    def _by_phone(self, tx: Transaction, lines: Sequence[Line]) -> dict[int, MessageKey]:
        """Return the messages that went to these phones at about these times, each once, the nearest first.

        Of equally near ones that of as many parts. Lines of one id are of one message. Which messages earlier
        pieces have found stands in the table.
        """
        spans: dict[str, list[int]] = defaultdict(list)
        for line in lines:
            spans[line.phone].append(line.at or 0)
        rows = self._sent_to(tx, spans, WINDOW_MS)
        sent: dict[str, list[tuple[int, MessageKey, int | None]]] = defaultdict(list)
        for value, contact_id, run_id, step, at, body, taken in rows:
            to, parts = self._went(body)
            if to in ("", value) and not taken:
                sent[value].append((at, (contact_id, run_id, step), parts))
        for own in sent.values():
            own.sort()
        found: dict[int, MessageKey] = {}
        same = self._same(tx, lines)
        guessed: set[MessageKey] = set()
        for line in lines:
            at = line.at or 0
            if line.id in same:
                found[line.row] = same[line.id]
                continue
            able = [
                (abs(one[0] - at) // 1000, one[2] != line.parts, one[1])
                for one in _about(sent.get(line.phone, []), at) if one[1] not in guessed
            ]  # fmt: skip
            if able:
                key = found[line.row] = min(able)[2]
                guessed.add(key)
                if line.id:
                    same[line.id] = key
        return found

    def _sent_to(self, tx: Transaction, times: Mapping[str, Sequence[int]], around_ms: int) -> list[Row]:
        """Return what the account has sent to these phones about these times."""
        return tx.many("messages_to", [
            (self._channel, phone, self._account.id, min(own) - around_ms, max(own) + around_ms,
             self._bill.id)
            for phone, own in sorted(times.items())
        ])  # fmt: skip

    def _shift(self, tx: Transaction, matched: int) -> tuple[int, str]:
        """Return by how many minutes times seem to be of another zone, and of which; 0: they do not."""
        if self._seen.unknown <= matched or not self._strays:
            return 0, ""
        times, sent = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
        for line in self._strays:
            times[line.phone].append(line.at or 0)
        for value, _, _, _, at, _, taken in self._sent_to(tx, times, SHIFT_MS):
            if not taken:
                sent[value].append(at)
        minutes = shift_of(
            (at, [one for one in sent[line.phone] if abs(one - at) <= SHIFT_MS])
            for line in self._strays
            if (at := line.at) is not None
        )
        zone = self._reader.zone_of(self._strays[0].at or 0, minutes) if minutes else ""
        return (minutes, zone) if zone else (0, "")

    def _same(self, tx: Transaction, lines: Sequence[Line]) -> dict[str, MessageKey]:
        """Return by id which messages lines of earlier pieces were found to be of."""
        asked = sorted({(self._bill.id, line.id) for line in lines if line.id})
        rows = tx.many("messages_of_lines", asked) if asked else ()
        return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def _went(self, body: str | None) -> tuple[str, int | None]:
        """Return where a message went and its parts, as far as its body is still kept."""
        if body is None:
            return "", None
        told = msgspec.json.decode(body)
        own = self._account.channel is Channel.SMS
        return str(told.get("to", "")), sms.parts(str(told.get("text", ""))) if own else None

    def _compared(self) -> Report:
        with self._office.read() as tx:
            report = compare(tx, self._bill, self._account.channel, Report(
                lines=self._seen.lines, total_micros=self._seen.micros, unknown=self._seen.unknown,
                unknown_micros=self._seen.unknown_micros, unread=self._seen.unread, since=self._seen.since,
                until=self._seen.until, unknowns=tuple(sorted(self._unknowns, key=lambda one: one.row)),
            ))  # fmt: skip
            shift_minutes, zone = self._shift(tx, report.matched)
            return structs.replace(report, shift_minutes=shift_minutes, zone=zone)


def _line_id(lines: Sequence[Line], guessed: Mapping[int, MessageKey]) -> str | None:
    """Return the bill's id of lines whose message was looked for; None where it was named."""
    ids = [line.id for line in lines if line.row in guessed]
    return next((each for each in ids if each), "") if ids else None


def _about(
    sent: Sequence[tuple[int, MessageKey, int | None]], at: int
) -> Iterable[tuple[int, MessageKey, int | None]]:
    """Return what was sent no further from an instant than WINDOW_MS; `sent` is in order."""
    first = bisect_left(sent, at - WINDOW_MS, key=lambda one: one[0])
    for one in sent[first:]:
        if one[0] > at + WINDOW_MS:
            return
        yield one


def differences(
    tx: Transaction, bill: Bill, channel: Channel, after: MessageKey
) -> tuple[list[Row], list[Differing]]:
    """Return the next page of messages that a bill names, and which of them differ from ours."""
    rows = store.compared(tx, bill.id, after, PAGE)
    odd: list[tuple[Row, int, int]] = []
    for row in rows:
        billed, held = minor_of(row[3], bill.currency), row[10] + held_of(row[7], row[8], row[9])
        if billed != held:
            odd.append((row, billed, held))
    parts = _parts(tx, [row[:3] for row, _, _ in odd]) if odd and channel is Channel.SMS else {}
    found = []
    for row, billed, held in odd:
        reason = reason_of(billed, held, row[4], row[5], parts.get(row[:3]))
        if reason is not None:
            found.append(Differing(row[0], row[1], row[2], billed, held, reason))
    return rows, found


def _parts(tx: Transaction, keys: Sequence[MessageKey]) -> dict[MessageKey, int]:
    """Return of how many parts these texts are, of those that are still kept."""
    return {
        row[:3]: sms.parts(str(msgspec.json.decode(row[3]).get("text", "")))
        for row in tx.many("bodies_of", sorted(keys))
    }


def compare(tx: Transaction, bill: Bill, channel: Channel, base: Report) -> Report:
    """Return how a bill and what we hold compare now; what its lines alone say is that of `base`."""
    matched = billed = held = 0
    counts: Counter[tuple[str, str]] = Counter()
    sums: Counter[tuple[str, str]] = Counter()
    shown: list[Differing] = []
    after: MessageKey = _START
    while True:
        rows, odd = differences(tx, bill, channel, after)
        if not rows:
            break
        after = (rows[-1][0], rows[-1][1], rows[-1][2])
        places = {row[:3]: row[6] for row in rows}
        matched += len(rows)
        billed += sum(minor_of(row[3], bill.currency) for row in rows)
        held += sum(row[10] + held_of(row[7], row[8], row[9]) for row in rows)
        for one in odd:
            group = places[one.contact_id, one.run_id, one.step], one.reason
            counts[group] += 1
            sums[group] += one.billed - one.held
        shown += odd[: SHOWN - len(shown)]
    missing, unbilled, unbilled_held = _missing(tx, bill, base)
    groups = [Group(*group, count, sums[group]) for group, count in counts.most_common()]
    return msgspec.structs.replace(
        base, matched=matched, billed=billed, held=held, differing=sum(counts.values()),
        groups=tuple(sorted(groups, key=lambda one: (-abs(one.minor), one.place, one.reason))),
        differences=tuple(shown), unbilled=unbilled, unbilled_held=unbilled_held, missing=tuple(missing),
    )  # fmt: skip


def _missing(tx: Transaction, bill: Bill, base: Report) -> tuple[list[Missing], int, int]:
    """Return what left us in the bill's time for money, and is not in it: the first, how many, how much."""
    if base.since is None or base.until is None:
        return [], 0, 0
    asked = {"account_id": bill.account_id, "id": bill.id, "since": base.since, "until": base.until}
    told = tx.one("unbilled_sum", **asked)
    assert told is not None
    return [Missing(*row) for row in tx.all("unbilled", limit=SHOWN, **asked)], told[0], int(told[1])
