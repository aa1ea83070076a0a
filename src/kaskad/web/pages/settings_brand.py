"""Settings: how the sender is called, how its letters look, whom they come from, and what its links get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from kaskad.actions import accounts, brand, brand_parts, files, policy
from kaskad.actions.brand import Brand
from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid, Unavailable
from kaskad.domain.money import DIGITS
from kaskad.domain.utm import NAMES
from kaskad.domain.worded import wording
from kaskad.web.auth import InOffice
from kaskad.web.pages.letters import letters_of
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("settings:read")]
Writer = Annotated[Visitor, needs("settings:write")]
OfTemplates = Annotated[Visitor, needs("cascades:write")]  # parts are templates, as in the API
PATH = "/settings/brand"
LOGO = "brand-logo"  # the saved picture that is brought in here
FIELDS = Brand.__struct_fields__
EMPTY = dict.fromkeys((*NAMES, "domains", "name", "link_domain", "sender", "reply_to"), "")


async def _fields(request: Request) -> FormData:
    return await request.form()


Form = Annotated[FormData, Depends(_fields)]


@router.get(PATH)
def show(office: InOffice, request: Request, seen: Reader) -> Response:
    """Show who sends."""
    return page(office, request, seen)


@router.post(f"{PATH}/draw")
def draw(office: InOffice, request: Request, seen: Reader, form: Form) -> Response:
    """Show a letter in the look that is being chosen; nothing is kept."""
    return page(office, request, seen, given=_told(form))


@router.post(PATH)
async def change(office: InOffice, request: Request, seen: Writer, form: Form) -> Response:
    """Say who sends, and write the parts of templates anew that nobody has changed by hand."""
    brought = form.get("file")
    content = await brought.read() if isinstance(brought, UploadFile) and brought.size else b""
    title = brought.filename or "" if isinstance(brought, UploadFile) else ""
    return await run_in_threadpool(_change, office, request, seen, form, title, content)


@router.post(f"{PATH}/parts")
def write_parts(office: InOffice, request: Request, seen: OfTemplates) -> Response:
    """Write all parts as the brand is now, also those that were changed by hand."""
    brand_parts.write(office, seen.caller.name, replace=True)
    note(office, seen, "PUT /brand/parts", "")
    said = look_of(request, seen)._("The parts are written. Cascades have them when they are activated next.")
    return go(PATH, said)


def _change(
    office: Office, request: Request, seen: Visitor, form: FormData, title: str, content: bytes
) -> Response:  # fmt: skip
    look, given = look_of(request, seen), _told(form)
    try:
        if content:
            brand.checked(office, msgspec.structs.replace(given, logo=""))
            files.put(office, LOGO, title, content, seen.caller.name)
            note(office, seen, "PUT /files/{name}", LOGO)
            given = msgspec.structs.replace(given, logo=LOGO)
        kept = brand.put(office, given)
    except Invalid as error:
        wrong = look.refusals(error) if error.pointers else {"file": " ".join(map(look.told, error.worded))}
        return page(office, request, seen, given=given, wrong=wrong)
    except Unavailable as error:
        return page(office, request, seen, given=given, wrong={"file": look.told(wording(error))})
    brand_parts.write(office, seen.caller.name)
    note(office, seen, "PUT /brand", kept.name)
    return go(PATH, look._("Saved."))


def _told(form: FormData) -> Brand:
    told = {name: value for name in FIELDS if isinstance(value := form.get(name, ""), str)}
    return Brand(**told)


def page(
    office: Office, request: Request, seen: Visitor, *, given: Brand | None = None,
    wrong: Mapping[str, str] | None = None, part: str = "", told: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    """Show the page; `part` is the form whose fields `told` and `wrong` are about, "" that of the brand."""
    look, kept, rules = look_of(request, seen), brand.show(office), policy.show(office)
    shown = given or kept
    try:
        html = files.with_pictures(office, brand_parts.sample(office, shown, look.language))
    except Invalid:
        html = ""
    return render(
        request, look, "brand.html", 422 if wrong else 200, seen=seen, given=shown, part=part,
        problems=wrong or {}, told={**EMPTY, **told} if told else None, currencies=["", *sorted(DIGITS)],
        letter=letters_of(request).keep(html) if html else "", outside="://" in shown.logo,
        pieces=brand_parts.states(office),
        mails=accounts.senders(office) if seen.may("accounts:read") else [],
        policy=rules, names=NAMES, own_domain=office.engine.world.options.link_url,
        colour=brand_parts.COLOUR, ground=brand_parts.GROUND,
    )  # fmt: skip
