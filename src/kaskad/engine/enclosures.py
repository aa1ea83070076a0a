"""What goes with a mail besides its words, fetched and counted in the transaction that hands it over.

Only contents that enclose something come here; each of their messages asks for one row more.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

from kaskad.domain.enclosing import FILES, MAX_WHOLE, Appointment, Enclosing
from kaskad.domain.run import Run
from kaskad.domain.template import RenderError
from kaskad.domain.worded import worded
from kaskad.engine.world import World
from kaskad.providers.base import File, Invite
from kaskad.store import files as store
from kaskad.store.db import Transaction
from kaskad.store.files import Kept

CACHED = 64_000_000  # bytes of files that are kept in memory


class Enclosures:
    """The files and appointments of the messages of one tick that are written by one account."""

    def __init__(self, tx: Transaction, world: World, account_id: int, now: int) -> None:
        self._tx, self._world, self._now = tx, world, now
        self._able = world.accounts.capabilities[account_id].files
        self._account = world.accounts[account_id].name
        self._known: dict[str, Kept | None] = {}

    def links(self, enclosing: Enclosing, run: Run, step: int, ends_at: int) -> dict[str, Any]:
        """Return what the texts find under `files`: an address of ours for each, which expires."""
        base, signer = self._world.options.base_url, self._world.signer
        return {
            FILES: {
                name: f"{base}/d/{signer.file(run.contact_id, run.id, step, self._file(name).id, ends_at)}"
                for name in enclosing.linked
            }
        }

    def enclose(
        self, enclosing: Enclosing, scope: Mapping[str, Any], run: Run, zone: str
    ) -> tuple[tuple[File, ...], Invite | None]:
        """Return the files and the appointment of one message; raises RenderError."""
        if not enclosing.encloses:
            return (), None
        if not self._able:
            raise RenderError(
                worded(
                    "account %(account)r carries no files or appointments: choose another, or write "
                    "{{ files.NAME }} into the text for a link",
                    account=self._account,
                )
            )
        wanted = enclosing.files(scope, self._now)
        files = [self._whole(name, shown) for name, shown in wanted.attached]
        files += [self._whole(name, "", cid=name) for name in wanted.embedded]
        if sum(len(file.content) for file in files) > MAX_WHOLE:
            raise RenderError(
                worded(
                    "the files of one mail may have %(max_whole)s MB together", max_whole=MAX_WHOLE // 1000000
                )
            )
        appointment = enclosing.appointment(scope, zone)
        return tuple(files), self._invite(run, appointment) if appointment else None

    def _file(self, name: str) -> Kept:
        if name not in self._known:
            self._known[name] = store.find(self._tx, name)
        kept = self._known[name]
        if kept is None:
            raise RenderError(worded("there is no file %(name)r: save it by `kaskad file put`", name=name))
        return kept

    def _whole(self, name: str, shown: str, cid: str = "") -> File:
        kept = self._file(name)
        cache = self._world.files
        content = cache.get(kept.digest)
        if content is None:
            content = store.content(self._tx, kept.id)
            while cache and sum(map(len, cache.values())) + len(content) > CACHED:
                cache.pop(next(iter(cache)))
            cache[kept.digest] = content
        return File(" ".join(shown.split()) or kept.title, kept.kind, content, cid)

    def _invite(self, run: Run, told: Appointment) -> Invite | None:
        """Return the appointment with its number, which grows when it moves or is cancelled.

        What this person never got cannot be cancelled: then there is none.
        """
        name = told.uid or f"run {run.id}"
        row = self._tx.one("invite", contact_id=run.contact_id, name=name)
        if row is None:
            digest = sha256(f"{run.contact_id} {name}".encode()).digest()
            uid = str(UUID(bytes=digest[:16], version=4))
        else:
            uid = row[5]  # also of somebody who was merged into this contact
        new = (told.starts_at, told.ends_at, told.place, int(told.cancel))
        if told.cancel:
            if row is None:
                return None
            new = (row[1], row[2], row[3], 1)
        sequence = 0 if row is None else row[0] + (tuple(row[1:5]) != new)
        if row is None or sequence != row[0]:
            starts_at, ends_at, place, cancelled = new
            self._tx.run(
                "put_invite", contact_id=run.contact_id, name=name, uid=uid, sequence=sequence,
                starts_at=starts_at, ends_at=ends_at, place=place, cancelled=cancelled,
            )  # fmt: skip
        return Invite(uid, sequence, new[0], new[1], told.title, new[2], told.about, told.cancel)
