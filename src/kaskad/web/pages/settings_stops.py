"""Settings: the stop list. Addresses are kept as hashes, so it is asked about some, not shown whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response, UploadFile
from msgspec import Struct
from starlette.concurrency import run_in_threadpool

from kaskad.actions import suppressions
from kaskad.actions.contacts import ToldAddress
from kaskad.actions.office import Office
from kaskad.actions.suppressions import Entry
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel, Suppressed
from kaskad.web.auth import InOffice
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("contacts:read")]
Writer = Annotated[Visitor, needs("contacts:write")]
Text = Annotated[str, Form()]
PATH = "/settings/suppressions"
MOST, SHOWN = 10_000, 20
PIECE = 500  # addresses put on the list in one transaction
REASONS = {
    Suppressed.MANUAL: N_("said so to us"),
    Suppressed.OPT_OUT: N_("unsubscribed"),
    Suppressed.COMPLAINT: N_("complained"),
    Suppressed.HARD_BOUNCE: N_("the mailbox does not exist"),
    Suppressed.INVALID_NUMBER: N_("the number does not exist"),
    Suppressed.CARRIER_REFUSAL: N_("refused at the carrier"),
    Suppressed.LEGAL: N_("for legal reasons"),
    Suppressed.ERASED: N_("was erased"),
}
STAYS = {  # what nobody takes off by hand
    Suppressed.COMPLAINT: N_("Mailbox services forbid any contact with who has complained: it stays."),
    Suppressed.ERASED: N_("The person was erased; the hash stays, so that nobody brings them back."),
}
GIVEN = tuple(reason for reason in REASONS if reason is not Suppressed.ERASED)


class Asked(Struct, frozen=True):
    """Places as somebody wrote them: one a line, addresses of a channel or whole mail domains."""

    addresses: list[ToldAddress]
    domains: list[str]


@router.get("/settings/suppressions")
def show(office: InOffice, request: Request, seen: Reader) -> Response:
    """Show how addresses are looked up, added and taken off."""
    return _page(request, seen)


@router.post("/settings/suppressions/check")
def check(office: InOffice, request: Request, seen: Reader, channel: Text = "", value: Text = "") -> Response:
    """Say whether places are on the list, why and since when."""
    try:
        asked = _read(channel, value)
        found = suppressions.look(office, asked.addresses, asked.domains)
    except Invalid as error:
        return _page(request, seen, given=value, channel=channel, wrong=error, part="check")
    return _page(request, seen, given=value, channel=channel, found=found)


@router.post("/settings/suppressions")
async def add(
    office: InOffice, request: Request, seen: Writer, channel: Text = "", values: Text = "",
    reason: Text = "", file: UploadFile | None = None,
) -> Response:  # fmt: skip
    """Never write to these places again."""
    brought = (await file.read()).decode("utf-8", "replace") if file is not None and file.size else ""
    whole = "\n".join(part for part in (values, brought) if part.strip())
    return await run_in_threadpool(_add, office, request, seen, channel, whole, reason)


@router.post("/settings/suppressions/lift")
def lift(
    office: InOffice, request: Request, seen: Writer, value: Text = "", channel: Text = "", why: Text = ""
) -> Response:
    """Take an address, with the reason, or a mail domain off the list."""
    look, name = look_of(request, seen), value.strip()
    asked = _read(channel, name)
    try:
        if asked.addresses:
            lifted = suppressions.lift_addresses(office, asked.addresses, why)
            free, about = lifted.free, suppressions.noted(lifted, why)
        else:
            free, about = suppressions.lift(office, asked.domains), name
    except Invalid as error:
        return _page(request, seen, given=value, channel=channel, wrong=error, part="check")
    note(office, seen, "POST /suppressions/lift", about)
    told = look._("%(name)s is off the list. Addresses of contacts that are good again: %(count)s.",
                  name=name, count=look.n(free))  # fmt: skip
    return go(PATH, told)


def _add(office: Office, request: Request, seen: Visitor, channel: str, values: str, reason: str) -> Response:
    look = look_of(request, seen)
    try:
        asked = _read(channel, values)
        why = Suppressed(reason) if reason in {each.value for each in GIVEN} else Suppressed.MANUAL
        marked = suppressions.add(office, asked.addresses[:PIECE], asked.domains, why)
        for at in range(PIECE, len(asked.addresses), PIECE):
            marked += suppressions.add(office, asked.addresses[at : at + PIECE], (), why)
    except Invalid as error:
        return _page(request, seen, given=values, channel=channel, reason=reason, wrong=error, part="add")
    note(office, seen, "POST /suppressions", "")
    count = len(asked.addresses) + len(asked.domains)
    told = look.words.ngettext("%(num)s entry is on the list.", "%(num)s entries are on the list.", count)
    also = look._("Addresses of contacts that are marked by it: %(count)s.", count=look.n(marked))
    return go(PATH, f"{told % {'num': look.n(count)}} {also}")


def _read(channel: str, text: str) -> Asked:
    """Return what stands in the lines; the first column of a CSV file counts. Raises Invalid."""
    lines = [re.split("[,;\t]", line)[0].strip().strip('"') for line in text.lstrip("\ufeff").splitlines()]
    given = [line for line in lines if line][:MOST]
    kind = {each.value: each for each in Channel}.get(channel, Channel.EMAIL)
    whole = {line for line in given if kind is Channel.EMAIL and "@" not in line.removeprefix("@")}
    return Asked([ToldAddress(kind, line, "") for line in given if line not in whole], sorted(whole))


def _page(
    request: Request, seen: Visitor, *, given: str = "", channel: str = "", reason: str = "",
    found: Sequence[Entry] = (), wrong: Invalid | None = None, part: str = "",
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    channels = [(each.value, look.word("channel", each.value)) for each in Channel]
    return render(
        request, look, "suppressions.html", 422 if wrong else 200, seen=seen, given=given, channel=channel,
        reason=reason, found=found, problems=_problems(look, wrong), part=part, channels=channels,
        reasons={each.value: look._(text) for each, text in REASONS.items()},
        stays={each.value: look._(text) for each, text in STAYS.items()},
        choices=[(each.value, look._(REASONS[each])) for each in GIVEN],
    )  # fmt: skip


def _problems(look: Look, wrong: Invalid | None) -> list[str]:
    told = [look.told(each) for each in wrong.worded] if wrong else []
    more = len(told) - SHOWN
    return [*told[:SHOWN], look._("and %(count)s more", count=look.n(more))] if more > 0 else told
