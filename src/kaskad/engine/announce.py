"""Words for what the outbox holds: one body for all webhooks that want it, frozen when it is made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain.ids import run_text
from kaskad.domain.terms import Channel
from kaskad.domain.version import Version
from kaskad.engine import journal
from kaskad.engine.world import World
from kaskad.log import get_logger
from kaskad.store import crm
from kaskad.store.db import Row, Transaction
from kaskad.store.webhooks import Webhook

log = get_logger(__name__)

PIECE = 200  # events worded in one transaction: a few milliseconds of the tick's time


class Piece(Struct, frozen=True):
    """Rows of the outbox that are done with, the deliveries and CRMs' entries that come of them, and the rows
    that cannot be worded."""

    ids: list[int]
    deliveries: list[Row]
    entries: list[Row]
    unworded: list[int] = []


def word(
    tx: Transaction, world: World, webhooks: Sequence[Webhook], now: int, unworded: Collection[int] = ()
) -> Piece:  # fmt: skip
    """Return what lies in the outbox as deliveries, a piece of it; they are not kept yet.

    A row that a defect of ours keeps from being worded stays there, for a release that can: it keeps no other
    from being told. `unworded` are those known as such.
    """
    deliveries: dict[tuple[int, str], Row] = {}
    piece = Piece([], [], [], [])
    for row in tx.all("outbox", limit=PIECE + len(unworded)):
        if row[0] in unworded:
            continue
        wanting = [one for one in webhooks if one.enabled and row[5] in one.types]
        message_id = _id(row)
        try:
            body = _body(row, world) if wanting else ""
            piece.entries.extend(journal.jobs(world, [(message_id, row)], now))
        except Exception as error:
            log.error("an event cannot be worded: a defect", id=message_id, type=row[5],
                      error=type(error).__name__)  # fmt: skip
            piece.unworded.append(row[0])
            continue
        piece.ids.append(row[0])
        for one in wanting:
            deliveries.setdefault((one.id, message_id), (one.id, message_id, row[5], body, now))
    piece.deliveries.extend(deliveries.values())
    return piece


def keep(tx: Transaction, piece: Piece) -> None:
    """Put a piece's deliveries in place of its rows of the outbox; may be done twice."""
    if piece.deliveries:
        tx.many("put_deliveries", piece.deliveries)
    crm.put(tx, piece.entries)
    tx.among("clear_outbox", piece.ids)


def body_of(kind: str, at: int, data: Mapping[str, Any]) -> str:
    """Return the body of an event as it is sent; `at` in milliseconds since 1970."""
    stamp = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return msgspec.json.encode({"type": kind, "timestamp": stamp, "data": data}).decode()


def _id(row: Row) -> str:
    """Return the webhook-id: the same event told again, by a repeated receipt, has the same one."""
    _, _, contact_id, run_id, step, kind, once = row[:7]
    told = f"{contact_id} {run_id} {step} {kind} {once}"
    return "msg_" + blake2b(told.encode(), digest_size=16).hexdigest()


def _body(row: Row, world: World) -> str:
    (
        _,
        at,
        contact_id,
        run_id,
        step,
        kind,
        _,
        detail,
        version_id,
        cascade_id,
        channel,
        external_id,
        holdout,
    ) = row
    data: dict[str, Any] = {}
    if contact_id:
        data["contact"] = {"id": f"con_{contact_id}", "external_id": external_id}
    version, cascade = world.versions.get(version_id), world.cascades.get(cascade_id)
    if run_id:
        data |= {"run": run_text(contact_id, run_id), "cascade": cascade.slug if cascade else None}
        data |= {"holdout": bool(holdout)} if kind.startswith("run.") else {}
    if step >= 0:
        data |= {"step": _step(version, step), "channel": Channel.of(channel).value if channel else None}
    return body_of(kind, at, data | msgspec.json.decode(detail))


def _step(version: Version | None, step: int) -> str | None:
    return version.cascade.steps[step].id if version and step < len(version.cascade.steps) else None
