"""The first steps of a new installation: which are done, sample people, and a first event to try with."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from msgspec import Struct

from kaskad.actions import accounts, brand, cascade_texts, cascades, contacts, imports, sandbox, status, users
from kaskad.actions.cascades import Overview
from kaskad.actions.imports import Wishes
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.worded import worded
from kaskad.engine.people import Reading
from kaskad.engine.receive import Delivery
from kaskad.store.imports import Import

STEPS = ("owner", "brand", "channels", "people", "cascade", "launch")
SAMPLES = "samples"  # the list of the sample people
WITHIN_S = 30.0
_FIELD = re.compile(r"trigger\.([a-z_][a-z0-9_]*)")
_PEOPLE = (
    ("Анна Смирнова", "anna", "ru", "Europe/Moscow"),
    ("Борис Ким", "boris", "ru", "Asia/Almaty"),
    ("Вера Орлова", "vera", "ru", "Europe/Moscow"),
    ("Daniyar Omarov", "daniyar", "ru", "Asia/Almaty"),
    ("Emma Clark", "emma", "en", "Europe/London"),
    ("Frank Novak", "frank", "en", "Europe/Prague"),
)


class Progress(Struct, frozen=True):
    """Which of STEPS are done; `next` is the first that is not, "" once all are."""

    done: Mapping[str, bool]

    @property
    def next(self) -> str:
        return next((name for name in STEPS if not self.done[name]), "")


def progress(office: Office, rows: list[Overview] | None = None) -> Progress:
    """Return which first steps are done; `rows` are the cascades, where they are known already."""
    known = cascades.listing(office, counted=False) if rows is None else rows
    return Progress({
        "owner": users.anybody(office), "brand": bool(brand.show(office).name),
        "channels": bool(accounts.listing(office)), "people": status.has_people(office),
        "cascade": bool(known), "launch": status.has_runs(office),
    })  # fmt: skip


def bring_samples(office: Office) -> Import:
    """Bring in six people who are nobody, for the sandbox; raises Conflict where that is closed."""
    if not sandbox.show(office).open:
        raise Conflict(worded("Sample people live in the sandbox: open it first."))
    rows = ["id,name,email,phone,telegram,language,zone"]
    for place, (name, mailbox, language, zone) in enumerate(_PEOPLE, 1):
        phone, chat = f"+7900000{place:04}", 7_000_000 + place
        rows.append(f"sample-{place},{name},{mailbox}@example.org,{phone},{chat},{language},{zone}")
    wishes = Wishes(
        "sample people", Reading(), basis="sample people of the sandbox",
        basis_text="Nobody was asked: these people do not exist.", list_name=SAMPLES,
    )  # fmt: skip
    return imports.start(office, "\n".join([*rows, ""]).encode(), wishes, WITHIN_S)


class Occasion(Struct, frozen=True):
    """The event that begins a cascade's runs, and what its texts look at of it, with examples."""

    event: str
    fields: Mapping[str, str]


def occasion(office: Office, slug: str) -> Occasion | None:
    """Return by which event people enter the version that is active; None where it is by none."""
    with office.read() as tx:
        source, _ = cascade_texts.source_of(tx, slug)
    cascade = cascades.check(source, office, slug).cascade
    if cascade is None or not cascade.trigger.event:
        return None
    names = dict.fromkeys([*filter(None, [cascade.trigger.key]), *_FIELD.findall(source)])
    return Occasion(cascade.trigger.event, {name: _example(name) for name in names})


def tell(office: Office, name: str, who: str, given: Mapping[str, str]) -> None:
    """Let an event of this name happen to a contact now; raises NotFound, and Invalid where it is refused.

    What reads as a number is one.
    """
    with office.read() as tx:
        contact_id = contacts.find_one(tx, who)
    values = {key: _value(text) for key, text in given.items() if text.strip()}
    event = EventIn(
        f"try {secrets.token_hex(8)}", name, ContactRef(id=contact_id),
        office.now(), values,
    )  # fmt: skip
    kept: Future[list[str | None]] = Future()
    (refused,) = office.engine.deliver(Delivery(kept, events=[event])).result(WITHIN_S)
    if refused is not None:
        raise Invalid([refused])


def _example(name: str) -> str:
    if name.endswith("url"):
        return "https://example.org/cart"
    if name in ("total", "amount", "sum", "price", "value"):
        return "25000"
    return "1001" if name.endswith("id") else ""


def _value(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, int | float) and not isinstance(found, bool) else text
