"""Files of people: read in a thread, written in pieces between ticks, with a report that can be asked for."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing import get_context
from time import monotonic

from msgspec import Struct, structs

from kaskad.actions.office import Office
from kaskad.domain.consent import ALL_CHANNELS
from kaskad.domain.errors import Conflict, Invalid, KaskadError
from kaskad.domain.mailbox import is_role
from kaskad.domain.terms import Channel
from kaskad.engine.clock import wall_ms
from kaskad.engine.launch import first_told
from kaskad.engine.people import Kind, PeopleFile, Person, Piece, Reading
from kaskad.engine.people import Note as PersonNote
from kaskad.log import get_logger
from kaskad.store import cascades as list_store
from kaskad.store import contacts as contact_store
from kaskad.store import imports as import_store
from kaskad.store import segments, suppressions
from kaskad.store.contacts import Consent, Contact
from kaskad.store.db import Transaction
from kaskad.store.imports import Import, Note, Reject

log = get_logger(__name__)

INTERRUPTED = "interrupted"
NOTES_KEPT = 1_000  # of a kind that needs you
OTHERS_KEPT = 100  # of a kind that is told for your information
REJECTS_KEPT = 100_000  # rows, for the file of what was left out
_PIECE_MS = 15  # aimed at for a write between two ticks, whatever the machine and the rows
_SMALLEST, _LARGEST = 50, 1_000  # rows
_LONG = 20_000  # rows from which on starting other processes costs less than it saves
_HELPERS = 3
_INFORMING = frozenset({Kind.FIXED, Kind.DUPLICATE, Kind.SUPPRESSED, Kind.FLAGGED})
_SILENT_MS = 60_000  # a piece never takes as long: whoever was at it has ended


class Wishes(Struct, frozen=True):
    """How a file is brought in.

    `basis` says where everybody in it, of whom no column says otherwise, has agreed to be written to; ""
    is nowhere. `basis_text` is what they agreed to, word for word, and `basis_at` when (0: unknown).
    `list_name` is whom to add them to; it is made where there is none.
    """

    source: str
    reading: Reading = Reading()
    basis: str = ""
    basis_text: str = ""
    basis_at: int = 0
    list_name: str = ""
    dry_run: bool = False


def start(office: Office, data: bytes, wishes: Wishes, wait_s: float) -> Import:
    """Begin to bring in a file of people; return how it stands when it has ended, or after `wait_s`.

    Raises Invalid for a file that cannot be read at all, Conflict for a name that is a segment's.
    """
    with office.read() as tx:
        if wishes.list_name and segments.find(tx, wishes.list_name) is not None:
            raise Conflict(f"{wishes.list_name!r} is a segment: choose another name for the list.")
    if not wishes.basis and (wishes.basis_text or wishes.basis_at):
        raise Invalid(["Say where they agreed (consent) beside what they agreed to or when."])
    file = PeopleFile(data, wishes.source, wishes.reading, 0)  # what cannot be read leaves no trace
    if not wishes.dry_run:
        file.told_at(first_told(office.engine, data))
    now = office.now()
    if wishes.basis_at > now:
        raise Invalid(["The date on which they agreed is still to come."])
    import_id = office.write(lambda tx: import_store.add(
        tx, source=wishes.source, owner=_owner(office), dry_run=wishes.dry_run, size=file.rows_about,
        columns=file.columns, shape=file.shape, guessed=file.guessed, header=file.header,
        now=now, beat_at=wall_ms(),
    ))  # fmt: skip
    job = _Job(office, import_id, file, wishes)
    thread = threading.Thread(target=job.run, name=f"import {import_id}", daemon=True)
    thread.start()
    thread.join(wait_s)
    return show(office, import_id)


def show(office: Office, import_id: int) -> Import:
    """Return how an import stands; one whose process has ended is `interrupted`. Raises NotFound."""
    with office.read() as tx:
        found = import_store.get(tx, import_id)
    stranger = found.owner != _owner(office)
    gone = stranger and (not office.engine.world.shared or wall_ms() - found.beat_at > _SILENT_MS)
    if found.state == import_store.RUNNING and gone:
        why = "The server stopped meanwhile: import the file again, nobody is made twice."
        return structs.replace(found, state=INTERRUPTED, problem=why)
    return found


def rejects(office: Office, import_id: int) -> tuple[list[str], list[Reject]]:
    """Return the header of an import's file, and the rows that were left out; raises NotFound."""
    with office.read() as tx:
        return import_store.get(tx, import_id).header, import_store.rejects(tx, import_id)


class _Job:
    """One import under way."""

    def __init__(self, office: Office, import_id: int, file: PeopleFile, wishes: Wishes) -> None:
        self._office, self._id, self._file, self._wishes = office, import_id, file, wishes
        self._notes: list[Note] = []
        self._counts: Counter[str] = Counter()
        self._told: Counter[str] = Counter()  # notes kept, by kind
        self._stops = office.write(suppressions.is_anybody_suppressed)
        self._key = office.write(lambda tx: suppressions.hash_key(tx, office.vault))
        self._size = 200  # rows of the next piece
        self._list_id: int | None = None
        self._new: set[int] = set()  # of a dry run: hashes of who was counted as new

    def run(self) -> None:
        """Bring everybody in, and keep how it ended."""
        problem = ""
        try:
            with _helpers(self._file):
                while (piece := self._file.take(self._size)) is not None:
                    self._take(piece)
        except KaskadError as error:
            problem = str(error)
        except Exception as error:
            log.exception("import failed", id=self._id)
            problem = f"A defect in kaskad: {type(error).__name__}; the log says more."
        state = import_store.FAILED if problem else import_store.DONE
        try:
            self._office.write(lambda tx: import_store.end(tx, self._id, state, problem, self._office.now()))
        except KaskadError as error:  # the server is stopping: who asks later is told that it did
            log.warning("end of import not kept", id=self._id, why=str(error))

    def _take(self, piece: Piece) -> None:
        """Write one piece in a transaction of its own, with how far it has come."""
        people = [self._agreed(person) for person in piece.people]
        before = self._counts[Kind.REJECTED]
        self._counts.update(piece.counts)
        self._note([*piece.notes, *self._stopped(piece.people)])
        room = max(REJECTS_KEPT - before, 0)
        rejects = [Reject(each.row, each.reason, each.cells) for each in piece.rejected[:room]]
        made = self._would_make(people) if self._wishes.dry_run else 0

        def change(tx: Transaction) -> None:
            began = monotonic()
            new = made if self._wishes.dry_run else self._save(tx, people)
            import_store.advance(tx, self._id, seen=piece.rows, made=new, changed=len(people) - new,
                                 beat_at=wall_ms())  # fmt: skip
            if piece.counts:
                rejected = self._counts[Kind.REJECTED]
                import_store.note(tx, self._id, rejected, self._notes, self._counts)
                import_store.reject(tx, self._id, rejects)
            self._fit(len(people), (monotonic() - began) * 1000)

        self._office.write(change)

    def _note(self, notes: Sequence[PersonNote]) -> None:
        """Keep notes to be told, the first so many of each kind."""
        for note in notes:
            if self._told[note.kind] < (OTHERS_KEPT if note.kind in _INFORMING else NOTES_KEPT):
                self._told[note.kind] += 1
                self._notes.append(Note(note.row, note.text, note.rejected, note.kind))

    def _stopped(self, people: Sequence[Person]) -> list[PersonNote]:
        """Return a note on each person with an address on the stop-list, and count them."""
        if not self._stops:
            return []
        keys = {address.key for person in people for address in person.contact.addresses}
        with self._office.read() as tx:
            stopped = suppressions.suppressed(tx, self._key, sorted(keys))
        notes = []
        for person in people if stopped else ():
            channels = sorted(
                {each.channel.value for each in person.contact.addresses if each.key in stopped}
            )
            if channels:
                text = f"its {' and '.join(channels)} is on the stop-list: nothing is sent there"
                notes.append(PersonNote(person.row, text, kind=Kind.SUPPRESSED))
        self._counts[Kind.SUPPRESSED] += len(notes)
        return notes

    def _fit(self, rows: int, took_ms: float) -> None:
        """Choose the size of the next piece by what this one took, half way at a time."""
        fitting = rows * _PIECE_MS / max(took_ms, 0.1)
        self._size = int(min(max((self._size + fitting) / 2, _SMALLEST), _LARGEST))

    def _save(self, tx: Transaction, people: Sequence[Contact]) -> int:
        """Make or change the contacts, add them to the list; return how many are new."""
        if not people:
            return 0
        saved = contact_store.save(tx, self._key, people, self._office.now())
        if self._wishes.list_name:
            if self._list_id is None:
                self._list_id = list_store.save_list(tx, self._wishes.list_name)
            list_store.add_members(tx, self._list_id, sorted(set(saved.ids)))
        return len(saved.new)

    def _would_make(self, people: Sequence[Contact]) -> int:
        """Return how many of these people nobody knows yet, each counted once in the file."""
        with self._office.read() as tx:
            known = contact_store.known_ids(tx, people)
        before = len(self._new)
        self._new.update(
            hash(contact_store.identity(contact))
            for contact, contact_id in zip(people, known, strict=True)
            if contact_id is None
        )
        return len(self._new) - before

    def _agreed(self, person: Person) -> Contact:
        """Return the contact, with the consent of the whole file where its own row says nothing.

        Whoever reads the mailbox of a role has not agreed with the file: that mail is left out of it.
        """
        contact, wishes = person.contact, self._wishes
        if not wishes.basis or contact.consents:
            return contact
        proof = {"act": "import", "basis": wishes.basis, "source": wishes.source}
        if wishes.basis_text:
            proof["text"] = wishes.basis_text
        mails = [address.value for address in contact.addresses if address.channel is Channel.EMAIL]
        channels = ALL_CHANNELS
        if any(map(is_role, mails)):
            channels = sum(1 << each.code for each in Channel if each is not Channel.EMAIL)
        text = contact_store.proof_text(proof)
        given = Consent(granted=True, at=wishes.basis_at, channels=channels, proof=text)
        return structs.replace(contact, consents=(given,))


@contextmanager
def _helpers(file: PeopleFile) -> Iterator[None]:
    """Let other cores read the rows of a long file while this process writes them."""
    if file.rows_about < _LONG:
        yield
        return
    count = min(max((os.cpu_count() or 1) - 1, 1), _HELPERS)
    with ProcessPoolExecutor(count, get_context("spawn"), _as_helper) as pool:
        file.share(pool)
        try:
            yield
        finally:
            pool.shutdown(cancel_futures=True)


def _as_helper() -> None:
    """Give way to the process that sends, and leave it to that one to be stopped from the keyboard."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(5)


def _owner(office: Office) -> str:
    """Return what tells this process from others and later ones."""
    return sha256(office.local_key.encode()).hexdigest()[:16]
