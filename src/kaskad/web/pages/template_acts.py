"""What else is done with templates: their history, a test to a real address, texts that services approve."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Form, Request, Response
from msgspec import Struct

from kaskad.actions import approvals, approved_texts, templates, test_messages
from kaskad.actions.office import Office
from kaskad.actions.test_messages import Tested, Wish
from kaskad.domain.cascade import Content
from kaskad.domain.errors import Conflict, Invalid, NotFound, Unavailable
from kaskad.domain.ids import contact_text
from kaskad.engine.texts import Text
from kaskad.store.templates import Past
from kaskad.web.auth import InOffice
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render
from kaskad.web.pages.templates import PLACES, Name

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("cascades:read")]
Writer = Annotated[Visitor, needs("cascades:write")]
Approver = Annotated[Visitor, needs("texts:approve")]
Keeper = Annotated[Visitor, needs("accounts:write")]
AccountReader = Annotated[Visitor, needs("accounts:read")]
Word = Annotated[str, Form()]


class Earlier(Struct, frozen=True):
    """A text that there was, and the lines in which it differs from the one before it."""

    past: Past
    channel: str
    lines: list[str]
    latest: bool


@router.get("/templates/of/{name}/history")
def history(
    office: InOffice, request: Request, seen: Reader, name: Name, channel: str = "", language: str = ""
) -> Response:  # fmt: skip
    """Show every text that a template has had, each with what it changed."""
    found = [
        one for one in _told_apart(templates.history(office, name))
        if channel in ("", one.channel) and language in ("", one.past.language)
    ]  # fmt: skip
    return render(
        request, look_of(request, seen), "template_history.html", seen=seen, name=name, found=found,
        channel=channel, language=language, may_write=seen.may("cascades:write"),
    )  # fmt: skip


@router.post("/templates/of/{name}/restore")
def restore(
    office: InOffice, request: Request, seen: Writer, name: Name, number: Annotated[int, Form()] = 0,
    channel: Word = "", language: Word = "",
) -> Response:  # fmt: skip
    """Save an earlier text again, as the latest."""
    made = templates.restore(
        office, name, number, channel if channel in PLACES else "", language, seen.caller.name
    )
    note(office, seen, "POST /templates/{name}/restore", f"{name} {number}")
    at = f"/templates/of/{name}?channel={made.channel}&language={made.language}"
    return go(at, look_of(request, seen)._("Text %(number)s is the latest again.", number=number))


@router.post("/templates/of/{name}/approve")
def approve(
    office: InOffice, request: Request, seen: Approver, name: Name, text: Word = "", do: Word = "",
    channel: Word = "", language: Word = "",
) -> Response:  # fmt: skip
    """Approve a text that was read, or take that back; only whoever has not written it may."""
    look, change = look_of(request, seen), approvals.take_back if do == "take_back" else approvals.give
    change(office, "template", name, [text], seen.caller.name, "")
    note(office, seen, f"POST /templates/{{name}}/approvals{'/take-back' if do else ''}", f"{name} {text}")
    said = look._("The approval is taken back.") if do else look._("The text is approved.")
    return go(f"/templates/of/{name}?{urlencode({'channel': channel, 'language': language})}", said)


@router.post("/templates/of/{name}/test")
def test(
    office: InOffice, request: Request, seen: Writer, name: Name, to: Word = "", contact: Word = "",
    channel: Word = "", language: Word = "", anyone: Word = "",
) -> Response:  # fmt: skip
    """Send the saved text to a real address, and show what the service said."""
    tested: Tested | None = None
    problem, look = "", look_of(request, seen)
    wish = Wish(
        to.strip(), contact.strip(), anyone == "yes", channel=channel if channel in PLACES else "",
        language=language,
    )  # fmt: skip
    try:
        if not wish.to:
            raise Invalid([look._("Say where the test goes.")])
        tested = test_messages.of_a_template(office, name, wish)
        note(office, seen, "POST /templates/{name}/test", name)
    except (Invalid, NotFound, Conflict, Unavailable) as wrong:
        problem = look.refusal(wrong)
    return render(
        request, look, "template_test.html", 422 if problem else 200, seen=seen, name=name, tested=tested,
        problem=problem, wish=wish, whose=contact_text(tested.contact_id) if tested else "",
    )  # fmt: skip


@router.get("/templates/approved")
def approved(office: InOffice, request: Request, seen: AccountReader) -> Response:
    """Show the texts that services approve, by account, each with its state."""
    return render(
        request, look_of(request, seen), "approved_texts.html", seen=seen, accounts=_approved(office),
        may_sync=seen.may("accounts:write"),
    )  # fmt: skip


@router.post("/templates/approved/sync")
def sync(office: InOffice, request: Request, seen: Keeper, account: Word = "") -> Response:
    """Ask a service for its texts now."""
    look = look_of(request, seen)
    try:
        count = len(approved_texts.sync(office, account))
    except (Invalid, Conflict) as wrong:
        return go("/templates/approved", look.refusal(wrong), "bad")
    note(office, seen, "POST /accounts/{name}/templates/sync", account)
    said = look.words.ngettext("%(num)s text is known.", "%(num)s texts are known.", count)
    return go("/templates/approved", said % {"num": look.n(count)})


def _approved(office: Office) -> list[tuple[str, str, list[Text]]]:
    """Return the accounts whose services approve texts, with their channels and texts."""
    world = office.engine.world
    accounts = [each for each in world.accounts.values() if world.accounts.capabilities[each.id].approved]
    return [
        (each.name, each.channel.value, approved_texts.listing(office, each.name))
        for each in sorted(accounts, key=lambda account: account.name)
    ]


def _told_apart(found: Sequence[Past]) -> list[Earlier]:
    """Return texts with what each changed, the latest first of its channel and language."""
    told = []
    for at, past in enumerate(found):
        following = found[at + 1] if at + 1 < len(found) else None
        same = following is not None and (following.channel, following.language) == (
            past.channel,
            past.language,
        )
        before = _lines(following.content) if following is not None and same else []
        first = at == 0 or (found[at - 1].channel, found[at - 1].language) != (past.channel, past.language)
        lines = list(unified_diff(before, _lines(past.content), n=1, lineterm=""))[2:]
        told.append(Earlier(past, templates.word_of(past.channel), lines, first))
    return told


def _lines(content: Content) -> list[str]:
    """Return a text as lines to compare: each field under its name."""
    lines: list[str] = []
    for name, value in msgspec.to_builtins(content).items():
        if not value:
            continue
        words = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        lines += [f"{name}: {words}"] if "\n" not in words else [f"{name}:", *words.splitlines()]
    return lines
