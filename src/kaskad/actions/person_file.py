"""Everything that is known of one person, for that person: as JSON, or as a ZIP of CSV files."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from kaskad.actions import messages, runs
from kaskad.actions.contacts import find
from kaskad.actions.names import Names
from kaskad.actions.office import Office
from kaskad.actions.timeline import Entry, entries_of
from kaskad.domain.consent import ALL_CHANNELS, purpose_of
from kaskad.domain.ids import contact_text, run_text
from kaskad.domain.terms import Channel, Disposition, TaskState
from kaskad.store import cards, changes, tasks
from kaskad.store.cards import KnownConsent
from kaskad.store.db import Transaction
from kaskad.store.tasks import Task, Wanted

Cells = dict[str, object]

LATEST = 2**62
_MANY = 2**31 - 1
_OURS = frozenset({"contact_id", "run_id", "number", "version_id"})  # numbers that only we know things by


class PersonFile(Struct, frozen=True):
    """What is known of one person at an instant: rows by what they are, in the order of showing."""

    contact: str
    at: int
    parts: dict[str, list[Cells]]

    def json(self) -> bytes:
        """Return all of it as one JSON document."""
        told = {"contact": self.contact, "exported_at": _iso(self.at), **self.parts}
        return msgspec.json.format(msgspec.json.encode(told), indent=2)

    def zip(self) -> bytes:
        """Return a ZIP with a CSV file for each kind of rows; what is nested stands as JSON in its cell."""
        out = io.BytesIO()
        when = datetime.fromtimestamp(self.at / 1000, UTC).timetuple()[:6]
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
            for name, rows in self.parts.items():
                info = zipfile.ZipInfo(f"{name}.csv", when)
                info.compress_type = zipfile.ZIP_DEFLATED
                file.writestr(info, _csv(rows))
        return out.getvalue()


def gather(office: Office, who: str) -> PersonFile:
    """Return everything that is known of a contact, as one state of the database; raises NotFound."""
    with office.read() as tx:
        contact_id, names = find(tx, who), Names(office, tx)
        card = cards.card(tx, contact_id)
        told = _cells(msgspec.to_builtins(card) if card else {}) | {"id": contact_text(contact_id)}
        parts: dict[str, list[Cells]] = {
            "person": [told],
            "external_ids": [
                {"external_id": row[0]} for row in tx.all("external_ids_of", contact_id=contact_id)
            ],
            "addresses": _rows(_addresses(tx, contact_id)),
            "consents": [_consent(each) for each in cards.consents(tx, contact_id)],
            "lists": [{"list": name} for name in cards.lists(tx, contact_id)],
            "events": _rows(
                msgspec.to_builtins(each)
                for each in reversed(cards.events(tx, contact_id, until=LATEST, limit=_MANY))
            ),
            "runs": [
                {"run": run_text(*run.key)} | _cells(msgspec.to_builtins(run))
                for run in runs.of_contact(tx, names, contact_id)
            ],
            **_messages(tx, names, contact_id),
            "requests": _requests(tx, names, contact_id),
            "calls": _calls(tx, names, contact_id),
            "history": _rows(
                {"at": each.at, "what": each.what, "by": each.who, "details": each.detail}
                for each in reversed(changes.page(tx, contact_id, limit=changes.KEPT))
            ),
            "opt_in_links": _opt_ins(tx, names, contact_id),
            "sign_ups": _rows(msgspec.to_builtins(each) for each in cards.sign_ups(tx, contact_id)),
            "last_heard": [
                {"account": names.accounts.get(account_id, ""), "heard_at": _iso(at)}
                for account_id, at in cards.dialogues(tx, contact_id)
            ],
            "timeline": _rows(
                _said(entry)
                for entry in reversed(entries_of(tx, names, contact_id, until=LATEST, limit=_MANY))
            ),
        }
        return PersonFile(contact_text(contact_id), office.now(), parts)


def _addresses(tx: Transaction, contact_id: int) -> Iterable[Cells]:
    """Yield addresses with the state of their health in words."""
    for each in cards.addresses(tx, contact_id):
        yield {
            "channel": each.channel.value, "address": each.value, "health": each.condition,
            "why": each.reason, "shared": each.shared, "preferred": each.preferred,
            "changed_at": each.changed_at, "primary": each.main, "confirmed_at": each.confirmed_at,
        }  # fmt: skip


def _consent(consent: KnownConsent) -> Cells:
    bits = consent.channels
    return {
        "granted": consent.granted,
        "at": _iso(consent.at) if consent.at else None,
        "purpose": purpose_of(consent.purpose),
        "channels": [] if bits == ALL_CHANNELS else [each.value for each in Channel if bits & 1 << each.code],
        "topic": consent.topic,
        "brand": consent.brand,
        "expires_at": None if consent.expires_at is None else _iso(consent.expires_at),
        "proof": consent.proof,
    }


def _messages(tx: Transaction, names: Names, contact_id: int) -> dict[str, list[Cells]]:
    """Return messages with their words, what became of them, and submissions that were refused."""
    found: dict[str, list[Cells]] = {"messages": [], "facts": [], "attempts": []}
    for whole in messages.everything(tx, names, contact_id):
        message = whole.message
        place: Cells = {"run": run_text(contact_id, message.run_id), "step": message.step}
        told = _cells(msgspec.to_builtins(message))
        found["messages"].append(place | told | {"body": whole.body})
        found["facts"] += [place | _cells(msgspec.to_builtins(fact)) for fact in whole.facts]
        found["attempts"] += [place | _cells(msgspec.to_builtins(each)) for each in whole.attempts]
    return found


def _requests(tx: Transaction, names: Names, contact_id: int) -> list[Cells]:
    """Return requests to links and pixels, with the IP and the user agent that they came from."""
    version_of = {run.run_id: run.version_id for run in runs.of_contact(tx, names, contact_id)}
    return [
        _cells(msgspec.to_builtins(each))
        | {
            "run": run_text(contact_id, each.run_id),
            "step": names.step(version_of[each.run_id], each.step) if each.run_id in version_of else None,
        }
        for each in cards.requests(tx, contact_id)
    ]


def _calls(tx: Transaction, names: Names, contact_id: int) -> list[Cells]:
    """Return the tasks of people who were to call, with their notes."""
    wanted = Wanted(states=(0, len(TaskState)), contact_id=contact_id)
    return [_call(names, task) for task in tasks.after(tx, wanted, None, _MANY)]


def _call(names: Names, task: Task) -> Cells:
    return {
        "run": run_text(task.contact_id, task.run_id),
        "step": names.step(task.version_id, task.step),
        "state": TaskState.of(task.state).value,
        "opened_at": _iso(task.opened_at),
        "dialled_at": None if task.dialled_at is None else _iso(task.dialled_at),
        "closed_at": None if task.closed_at is None else _iso(task.closed_at),
        "agent": task.agent,
        "disposition": None if task.disposition is None else Disposition.of(task.disposition).value,
        "why": task.why,
        "ended": task.ended,
        "notes": task.notes,
    }


def _opt_ins(tx: Transaction, names: Names, contact_id: int) -> list[Cells]:
    return [
        {"account": names.accounts.get(each.account_id, "")}
        | {name: value for name, value in _cells(msgspec.to_builtins(each)).items() if name != "account_id"}
        for each in cards.opt_ins(tx, contact_id)
    ]


def _said(entry: Entry) -> dict[str, object]:
    """Return an entry of the timeline without what only pages word otherwise."""
    told: dict[str, object] = msgspec.to_builtins(entry)
    return {name: value for name, value in told.items() if name != "told"}


def _rows(told: Iterable[Mapping[str, object]]) -> list[Cells]:
    return [_cells(each) for each in told]


def _cells(told: Mapping[str, object]) -> Cells:
    """Return what is told without our own numbers, instants as text."""
    return {name: _cell(name, value) for name, value in told.items() if name not in _OURS}


def _cell(name: str, value: object) -> object:
    instant = (name == "at" or name.endswith("_at")) and isinstance(value, int)
    return _iso(value) if instant and isinstance(value, int) else value


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _csv(rows: Sequence[Cells]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    out.write("\ufeff")  # so that spreadsheets read it as UTF-8
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([_shown(row.get(name)) for name in names] for row in rows)
    return out.getvalue()


def _shown(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    harmless = text[:1] == "+" and text[1:].isdigit()  # a phone number
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not harmless else text
