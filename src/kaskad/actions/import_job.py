"""One import under way: its rows are read ahead, by other processes if many, and written between ticks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import Any

import msgspec
from msgspec import Struct, structs

from kaskad.actions import asked, attributes
from kaskad.actions.import_places import Placing
from kaskad.actions.office import WAIT_S, Office
from kaskad.domain.errors import Conflict, KaskadError, Unavailable
from kaskad.domain.ids import import_text
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.engine.clock import wall_ms
from kaskad.engine.defects import by_halves, is_defect
from kaskad.engine.helpers import helpers
from kaskad.engine.people import CLEAN, Kind, PeopleFile, Person, Piece, Rejected
from kaskad.engine.people import Note as Odd
from kaskad.log import get_logger
from kaskad.store import cascades as list_store
from kaskad.store import contacts, crowd, seeds, suppressions
from kaskad.store import imports as import_store
from kaskad.store.db import Transaction
from kaskad.store.imports import Import, Note, Reject

log = get_logger(__name__)

NOTES_KEPT = 1_000  # of a kind that needs you
OTHERS_KEPT = 100  # of a kind that is told for your information
REJECTS_KEPT = 100_000  # rows, for the file of what was left out …
REJECTED_BYTES = 32 << 20  # … and so many of their letters
# Aimed at for a write between two ticks with its commit. Others wait for one piece and seldom for two: a
# quarter of a second is promised to nearly all of them.
_PIECE_MS = 60
# Rows. Fewer than the smallest gain those who wait nothing: where that takes long, it is the disk's sync that
# does, which is the same for one row; and many syncs are what keeps a disk busy.
_SMALLEST, _LARGEST = 250, 1_000
_LONG = 20_000  # rows from which on starting other processes costs less than it saves
_INFORMING = frozenset({Kind.FIXED, Kind.DUPLICATE, Kind.SUPPRESSED, Kind.FLAGGED})
_FAULTS = 100  # rows of a piece that are left out because of a defect: more are not the rows' fault
_BEAT_S = 10.0  # between signs of life while nothing is written
_object = msgspec.json.Decoder(dict[str, Any]).decode
_CHANNELS = {channel.code: channel for channel in Channel}


class _Cancelled(Conflict):
    """Somebody has called the import off."""


class _State(Struct, frozen=True):
    """What is kept of an import as of some row, in the same transaction as the people until there."""

    rows: int
    counts: dict[str, int]
    notes: list[Note]


class Job:
    """Brings in the people of a file, from where the import `found` stands on."""

    def __init__(
        self,
        office: Office,
        found: Import,
        file: PeopleFile,
        list_name: str,
        at_end: Callable[[Transaction], None] | None,
    ) -> None:
        self._at_end = at_end
        self._office, self._id, self._owner, self._file = office, found.id, found.owner, file
        self._dry_run, self._before = found.dry_run, found.seen
        self._by = f"import {import_text(found.id)}"
        with office.read() as tx:
            self._declared = attributes.declared(tx)
        self._state = _State(found.seen, found.counts, found.notes)
        self._key = office.write(lambda tx: suppressions.hash_key(tx, office.vault))
        self._size = _SMALLEST  # rows of the next piece
        self._began_s = 0.0  # when the one that is written was begun
        self._list_id: int | None = None
        if list_name and not self._dry_run:
            self._list_id = office.write(lambda tx: list_store.save_list(tx, list_name))
        self._rejected_bytes = 0  # kept so far, by this process
        self._seeded = 0  # who is in no figure from now on
        self._new: set[int] = set()  # of a dry run: hashes of who was counted as new
        self._came: list[int] = []  # by the piece that was written last
        self._placing: Placing | None = None if self._dry_run else Placing(office, found.id, found.owner)

    def run(self) -> None:
        """Bring everybody in, and keep how it ended."""
        state, problem = import_store.DONE, ""
        try:
            with _helpers(self._file), self._office.db.writing_much():
                self._go()
        except _Cancelled:
            state = import_store.CANCELLED
            stays = "nothing was changed" if self._dry_run else "whom they brought in stays"
            problem = f"Cancelled after {self._state.rows} rows: {stays}."
        except KaskadError as error:
            state, problem = import_store.FAILED, str(error)
        except Exception as error:
            log.exception("import failed", id=self._id)
            state = import_store.FAILED
            problem = f"A defect in kaskad: {type(error).__name__}; the log says more."
        try:
            now = self._office.now()
            if self._placing is not None:
                self._placing.end()
            if self._state.rows > asked.MANY_ROWS and not self._dry_run:
                with self._office.read() as tx:
                    asked.note(self._office, tx)
            if self._seeded:
                self._office.reload()
            self._office.write(partial(self._ended, state, problem, now))
        except KaskadError as error:  # the server is stopping: who asks later is told that it did
            log.warning("end of import not kept", id=self._id, why=str(error))

    def _ended(self, state: str, problem: str, now: int, tx: Transaction) -> None:
        """Keep how it ended."""
        if state == import_store.DONE and self._at_end is not None:
            self._at_end(tx)
        import_store.end(tx, self._id, self._owner, state, problem, now)

    def _go(self) -> None:
        """Take piece after piece; while one is written, the next is made ready."""
        if self._placing is not None:
            self._placing.clear()
        if self._before:
            self._pass_over()
        waiting: tuple[Piece, Future[tuple[_State, bool]]] | None = None
        while True:
            if self._placing is not None and (stretch := self._file.begin_stretch()) is not None:
                if waiting is not None:
                    self._end(*waiting)
                waiting = None
                if not self._placing.begin(stretch):
                    self._placing = None
            piece = self._file.take(self._size)
            if piece is None:
                break
            piece = self._fitted(piece)
            change = self._looked_up(piece) if self._dry_run else self._written(piece)
            if waiting is not None:
                self._end(*waiting)
            waiting = piece, self._asked(change)
            if not self._dry_run:  # the commit is half of the time of a piece
                waiting[1].add_done_callback(partial(self._fit, len(piece.people)))
        if waiting is not None:
            self._end(*waiting)

    def _asked(self, change: Callable[[Transaction], tuple[_State, bool]]) -> Future[tuple[_State, bool]]:
        """Ask for a change between two ticks; the end of the import is synced, and whoever else writes."""
        return self._office.engine.write(change, synced=False)

    def _pass_over(self) -> None:
        """Read again what has been brought in, for later rows may be of the same people."""
        beat_s = monotonic()
        for _ in self._file.pass_over(self._before):
            if monotonic() - beat_s > _BEAT_S:
                self._office.write(lambda tx: import_store.beat(tx, self._id, wall_ms()))
                beat_s = monotonic()
        self._office.write(lambda tx: import_store.begin(tx, self._id, wall_ms()))

    def _end(self, piece: Piece, waiting: Future[tuple[_State, bool]]) -> None:
        """Wait for the commit of a piece; leave out the rows that it fails of."""
        failure = self._failure(waiting)
        if failure is None:
            return
        if self._dry_run:
            raise failure
        told = structs.replace(piece.left_out(self._faults(piece)), people=(), which=())
        if (failure := self._failure(self._asked(self._written(told)))) is not None:
            raise failure

    def _failure(self, waiting: Future[tuple[_State, bool]]) -> Exception | None:
        """Wait for a commit; return the defect that it has failed of."""
        try:
            self._state, cancelled = waiting.result(WAIT_S)
        except TooLate:
            raise Unavailable(worded("The engine has not come round in time.")) from None
        except Exception as error:
            if not is_defect(error):
                raise
            return error
        if self._placing is not None:
            self._placing.came(self._came)
        if cancelled:
            raise _Cancelled
        return None

    def _faults(self, piece: Piece) -> dict[int, str]:
        """Write the people of a piece by halves; return the rows that cannot be written at all, with why."""
        rest = structs.replace(piece, notes=(), rejected=(), counts={}, rows=self._state.rows)
        faults: dict[int, str] = {}

        def attempt(part: Sequence[int]) -> None:
            these = slice(part[0], part[-1] + 1)
            one = structs.replace(rest, people=piece.people[these], which=piece.which[these])
            if (failure := self._failure(self._asked(self._written(one)))) is not None:
                raise failure

        def aside(place: int, failure: Exception) -> None:
            if len(faults) >= _FAULTS:
                raise failure
            row, why = piece.people[place].row, type(failure).__name__
            log.error("row left out: a defect", id=self._id, row=row, error=why)
            faults[row] = f"a defect in Kaskad keeps it from being written ({why}): left out"

        by_halves(range(len(piece.people)), attempt, aside)
        return faults

    def _written(self, piece: Piece) -> Callable[[Transaction], tuple[_State, bool]]:
        """Return what writes a piece, with how far it has come; it may be called again after a rollback."""
        told = [person.told for person in piece.people]
        reserved = self._placing.numbers(piece.which) if self._placing is not None else ()
        marked = [person.contact for person in piece.people if person.seed]

        def change(tx: Transaction) -> tuple[_State, bool]:
            self._began_s = monotonic()
            came = crowd.save(tx, self._key, told, self._office.now(), self._by, reserved)
            self._came = came.ids
            if self._list_id is not None:
                list_store.add_members(tx, self._list_id, came.ids)
            if marked:
                found = contacts.known_ids(tx, marked)
                self._seeded += seeds.mark(tx, [each for each in found if each is not None], seed=True)
            return self._keep(tx, piece, came.new, came.stopped)

        return change

    def _looked_up(self, piece: Piece) -> Callable[[Transaction], tuple[_State, bool]]:
        """Return what keeps what a dry run has found in a piece."""
        told, before = [person.told for person in piece.people], len(self._new)
        keys = [key for each in told for key in each.addresses]
        with self._office.read() as tx:
            self._new.update(map(hash, crowd.identities_of_new(tx, told)))
            never = suppressions.stopped(tx, self._key, keys)
        made = len(self._new) - before
        return lambda tx: self._keep(tx, piece, made, never)

    def _fitted(self, piece: Piece) -> Piece:
        """Return a piece with attributes as they are declared; what does not fit is left out and noted."""
        if not self._declared:
            return piece
        people, notes, counts = [], list(piece.notes), Counter(piece.counts)
        odd = {note.row for note in piece.notes}
        for person in piece.people:
            told = _object(person.told.attributes)
            fitted, unfit = attributes.fitted(self._declared, told)
            if unfit or fitted != told:
                text, names = msgspec.json.encode(fitted).decode(), contacts.folded(fitted)
                changed = structs.replace(person.told, attributes=text, folded=names)
                person = structs.replace(person, told=changed)
            notes += [Odd(person.row, f"{why}; left out", kind=Kind.UNREAD) for why in unfit.values()]
            counts[Kind.UNREAD] += bool(unfit)
            counts[CLEAN] -= bool(unfit) and person.row not in odd
            people.append(person)
        return structs.replace(piece, people=people, notes=notes, counts=counts)

    def _keep(
        self, tx: Transaction, piece: Piece, made: int, never: set[crowd.Key]
    ) -> tuple[_State, bool]:  # fmt: skip
        """Keep how far the import has come; return that, and whether it is to end."""
        stopped = _stopped(piece.people, never) if never else []
        counts = Counter(self._state.counts)
        counts.update(piece.counts)
        counts[Kind.SUPPRESSED] += len(stopped)
        told = Counter(note.kind for note in self._state.notes)
        notes = []
        told_now = [Note(each.row, each.text, each.rejected, each.kind) for each in piece.notes]
        for each in (*told_now, *stopped):
            if told[each.kind] < (OTHERS_KEPT if each.kind in _INFORMING else NOTES_KEPT):
                told[each.kind] += 1
                notes.append(each)
        state = _State(piece.rows, dict(counts), [*self._state.notes, *notes] if notes else self._state.notes)
        if notes:
            import_store.note(tx, self._id, state.notes)
        room = max(REJECTS_KEPT - self._state.counts.get(Kind.REJECTED, 0), 0)
        if piece.rejected and room:
            import_store.reject(tx, self._id, self._fitting(piece.rejected[:room]))
        cancelled = import_store.advance(
            tx, self._id, self._owner, seen=piece.rows, made=made, changed=len(piece.people) - made,
            rejected=counts[Kind.REJECTED], counts=state.counts, beat_at=wall_ms(),
        )  # fmt: skip
        return state, cancelled

    def _fitting(self, rejected: Sequence[Rejected]) -> list[Reject]:
        """Return rows that were left out, as many as there is still room for."""
        found = []
        for each in rejected:
            self._rejected_bytes += len(each.reason) + sum(map(len, each.cells))
            if self._rejected_bytes > REJECTED_BYTES:
                break
            found.append(Reject(each.row, each.reason, each.cells))
        return found

    def _fit(self, rows: int, _: object) -> None:
        """Choose the size of the next piece by what this one took with its commit, half way at a time."""
        fitting = rows * _PIECE_MS / max((monotonic() - self._began_s) * 1000, 0.1)
        self._size = int(min(max((self._size + fitting) / 2, _SMALLEST), _LARGEST))


def _stopped(people: Sequence[Person], never: set[crowd.Key]) -> list[Note]:
    """Return a note on each person with an address on the stop-list."""
    notes = []
    for person in people:
        channels = sorted({_CHANNELS[key[0]].value for key in person.told.addresses if key in never})
        if channels:
            stand = "are" if channels[1:] else "is"
            text = f"its {' and '.join(channels)} {stand} on the stop-list: nothing is sent there"
            notes.append(Note(person.row, text, False, Kind.SUPPRESSED))
    return notes


@contextmanager
def _helpers(file: PeopleFile) -> Iterator[None]:
    """Let other cores read the rows of a long file while this process writes them."""
    if file.rows_about < _LONG:
        yield
        return
    with helpers() as pool:
        file.share(pool)
        try:
            yield
        finally:
            pool.shutdown(cancel_futures=True)
