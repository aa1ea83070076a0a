"""Files of people: brought in once, with a report that can be asked for, and taken up where one stopped.

A file is known by its hash: who sends it again, with the same wishes, goes on with the import that was
interrupted, and is told of the one that is under way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from hashlib import sha256

import msgspec
from msgspec import Struct, structs

from kaskad.actions.import_job import Job
from kaskad.actions.import_places import Placing
from kaskad.actions.office import Office
from kaskad.actions.policy import show as policy_of
from kaskad.domain.consent import ALL_CHANNELS
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.engine.clock import wall_ms
from kaskad.engine.launch import first_told
from kaskad.engine.people import PeopleFile, Reading
from kaskad.engine.rows import Agreed
from kaskad.store import contacts as contact_store
from kaskad.store import imports as import_store
from kaskad.store import segments
from kaskad.store.contacts import Consent
from kaskad.store.db import Transaction
from kaskad.store.imports import CANCELLED, FAILED, RUNNING, Import, Reject

INTERRUPTED = "interrupted"
_SILENT_MS = 60_000  # a piece never takes as long: whoever was at it has ended
_PACED_MS = 200  # from when on a pace says anything
_LOOK_S = 0.05  # between looks at an import that another request has begun
_AGAIN = worded("The server stopped meanwhile: send the same file again, and it goes on where it was.")


class Pace(Struct, frozen=True):
    """How fast an import runs, and how long it will still take at that pace."""

    rows_per_s: int
    seconds_left: int


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


def start(
    office: Office,
    data: bytes,
    wishes: Wishes,
    wait_s: float,
    at_end: Callable[[Transaction], None] | None = None,
) -> Import:
    """Begin to bring in a file of people, or go on with it; return how it stands when it has ended, or after
    `wait_s`. `at_end` is done with the end of one that has come to it.

    Raises Invalid for a file that cannot be read at all, Conflict for a name that is a segment's.
    """
    with office.read() as tx:
        if wishes.list_name and segments.find(tx, wishes.list_name) is not None:
            raise Conflict(
                worded(
                    "%(list_name)r is a segment: choose another name for the list.",
                    list_name=wishes.list_name,
                )
            )
    if not wishes.basis and (wishes.basis_text or wishes.basis_at):
        raise Invalid([worded("Say where they agreed (consent) beside what they agreed to or when.")])
    if wishes.basis_at > office.now():
        raise Invalid([worded("The date on which they agreed is still to come.")])
    wishes = structs.replace(wishes, reading=_at_home(office, wishes.reading))
    reading = structs.replace(wishes.reading, agreed=_agreed(wishes)) if wishes.basis else wishes.reading
    file = PeopleFile(data, wishes.source, reading, 0)  # what cannot be read leaves no trace
    digest = sha256(sha256(data).digest() + msgspec.json.encode(wishes, order="sorted")).hexdigest()
    found, mine = _begun(office, digest, file, wishes)
    if mine:
        file.told_at(office.now() if wishes.dry_run else first_told(office.engine, data))
        job = Job(office, found, file, wishes.list_name, at_end)
        threading.Thread(target=job.run, name=_thread_of(found), daemon=True).start()
    return _awaited(office, found.id, wait_s)


def show(office: Office, import_id: int) -> Import:
    """Return how an import stands; one whose process has ended is `interrupted`. Raises NotFound."""
    with office.read() as tx:
        return _judged(office, import_store.get(tx, import_id))


def page(office: Office, before: int, limit: int) -> list[Import]:
    """Return imports with ids below `before`, the latest first, without their notes."""
    with office.read() as tx:
        return [_judged(office, found) for found in import_store.page(tx, before=before, limit=limit)]


def cancel(office: Office, import_id: int) -> Import:
    """End an import; whom it has brought in stays. Raises NotFound, and Conflict where it has ended."""
    found = show(office, import_id)
    if found.state not in (RUNNING, INTERRUPTED):
        raise Conflict(
            worded(
                "The import imp_%(import_id)s is %(state)s: there is nothing to cancel.",
                import_id=import_id,
                state=found.state,
            )
        )
    office.write(lambda tx: import_store.cancel(tx, import_id))
    if found.state == RUNNING:
        return show(office, import_id)
    problem = worded("Cancelled after %(seen)s rows: whom they brought in stays.", seen=found.seen)
    now = office.now()
    Placing(office, import_id, _owner(office)).clear()
    office.write(lambda tx: import_store.end(tx, import_id, found.owner, CANCELLED, problem, now))
    return show(office, import_id)


def pace(found: Import) -> Pace | None:
    """Return how fast an import runs; None for one that does not, or has just begun."""
    rows, took_ms = found.seen - found.since_rows, found.beat_at - found.since_at
    if found.state != RUNNING or rows <= 0 or took_ms < _PACED_MS:
        return None
    left_ms = max(found.size - found.seen, 0) * took_ms // rows
    return Pace(rows * 1000 // took_ms, -(-left_ms // 1000))


def rejects(office: Office, import_id: int) -> tuple[list[str], list[Reject]]:
    """Return the header of an import's file, and the rows that were left out; raises NotFound."""
    with office.read() as tx:
        return import_store.get(tx, import_id).header, import_store.rejects(tx, import_id)


def _begun(office: Office, digest: str, file: PeopleFile, wishes: Wishes) -> tuple[Import, bool]:
    """Return the import of this file, and whether this process is to carry it out: another may be at it."""
    with office.read() as tx:
        last = import_store.last_of(tx, digest)
    if last is not None and not last.dry_run:
        judged = _judged(office, last)
        if judged.state == RUNNING:
            return last, False
        if judged.state in (INTERRUPTED, FAILED):
            owner = _owner(office)
            if office.write(lambda tx: import_store.take_over(tx, last, owner, wall_ms())):
                return show(office, last.id), True
            return last, False
    import_id = office.write(lambda tx: import_store.add(
        tx, source=wishes.source, owner=_owner(office), dry_run=wishes.dry_run, size=file.rows_about,
        columns=file.columns, shape=file.shape, guessed=file.guessed, header=file.header, digest=digest,
        now=office.now(), beat_at=wall_ms(),
    ))  # fmt: skip
    return show(office, import_id), True


def _at_home(office: Office, reading: Reading) -> Reading:
    """Return how a file is read: numbers as in the brand's country, where nobody has named another."""
    return reading if reading.country else structs.replace(reading, country=policy_of(office).country or None)


def _awaited(office: Office, import_id: int, wait_s: float) -> Import:
    until_s = time.monotonic() + wait_s
    while (found := show(office, import_id)).state == RUNNING and time.monotonic() < until_s:
        time.sleep(_LOOK_S)
    return found


def _judged(office: Office, found: Import) -> Import:
    """Return an import with what its process cannot say of itself: that it has ended."""
    silent = wall_ms() - found.beat_at > _SILENT_MS
    if found.owner == _owner(office):  # its end could not be kept, as on a full disk
        gone = silent and not _is_at_work(found)
    else:
        gone = silent or not office.engine.world.shared
    if found.state != RUNNING or not gone:
        return found
    if found.cancelled:
        return structs.replace(found, state=CANCELLED, problem="Cancelled, and then the server stopped.")
    return structs.replace(found, state=INTERRUPTED, problem=_AGAIN)


def _thread_of(found: Import) -> str:
    return f"import {found.id} of {found.owner}"


def _is_at_work(found: Import) -> bool:
    return any(thread.name == _thread_of(found) for thread in threading.enumerate())


def _agreed(wishes: Wishes) -> Agreed:
    """Return the consent of the whole file, and that for the mailbox of a role.

    Whoever reads such a mailbox has not agreed with the file: that mail is left out of it.
    """
    proof = {"act": "import", "basis": wishes.basis, "source": wishes.source}
    if wishes.basis_text:
        proof["text"] = wishes.basis_text
    given = Consent(
        granted=True, at=wishes.basis_at, channels=ALL_CHANNELS, proof=contact_store.proof_text(proof)
    )
    others = sum(1 << each.code for each in Channel if each is not Channel.EMAIL)
    return Agreed(given, structs.replace(given, channels=others))


def _owner(office: Office) -> str:
    """Return what tells this process from others and later ones."""
    return sha256(office.local_key.encode()).hexdigest()[:16]
