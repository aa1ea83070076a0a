"""What a step says to a contact, in the frame of a mail or a phone, whose HTML runs nothing; and tests."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from msgspec import Struct
from starlette.responses import HTMLResponse

from kaskad.actions import files, finding, policy, templates, test_messages
from kaskad.actions.finding import Wanted
from kaskad.actions.frames import Preview
from kaskad.actions.office import Office
from kaskad.actions.templates import Which
from kaskad.actions.test_messages import Tested, Wish
from kaskad.domain.errors import Invalid, NotFound, Unavailable
from kaskad.domain.ids import contact_text
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import WRITE, Slug
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import HEADERS, Visitor, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
PEOPLE = "contacts:read"
Reader = Annotated[Visitor, needs(PEOPLE)]
Writer = Annotated[Visitor, needs(WRITE)]
LETTER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"
)
OFFERED = 8


class Somebody(Struct, frozen=True):
    """A contact that is offered: what finds it, and how people call it."""

    who: str
    name: str


@router.get("/cascades/{slug}/preview")
def preview(
    office: InOffice, request: Request, seen: Reader, slug: Slug, step: str = "", who: str = "",
    variant: str = "", channel: str = "",
) -> Response:  # fmt: skip
    """Show what a step of the draft, else its first, would say to a contact, else to the first one.

    Nothing is sent and nothing kept.
    """
    look, problem = look_of(request, seen), ""
    shown: Preview | None = None
    who = who.strip() or next((each.who for each in somebody(office)), "")
    try:
        step = step or templates.first_step(office, slug)
        shown = _shown(office, slug, step, who, variant, channel)
    except (Invalid, NotFound, Unavailable) as wrong:
        problem = look.refusal(wrong)
    asked = urlencode({"step": step, "who": who, "variant": variant, "channel": channel})
    return render(
        request, look, "preview.html", seen=seen, slug=slug, shown=shown, problem=problem, asked=asked,
        found_words=look.told,
    )  # fmt: skip


@router.get("/cascades/{slug}/preview/letter")
def letter(
    office: InOffice, seen: Reader, slug: Slug, step: str = "", who: str = "", variant: str = "",
    channel: str = "",
) -> Response:  # fmt: skip
    """Return the HTML of the letter that a step would be, for a frame of ours."""
    shown = _shown(office, slug, step, who, variant, channel)
    html = files.with_pictures(office, shown.words.html)
    return HTMLResponse(html, 200, {**HEADERS, "Content-Security-Policy": LETTER_POLICY})


@router.get("/cascades/{slug}/preview/people")
def people(office: InOffice, request: Request, seen: Reader, slug: Slug, q: str = "") -> Response:
    """Offer contacts whose message could be looked at."""
    found = somebody(office, q.strip())
    return render(request, look_of(request, seen), "preview_people.html", seen=seen, people=found)


@router.post("/cascades/{slug}/preview/test")
def test(
    office: InOffice, request: Request, seen: Writer, slug: Slug, step: Annotated[str, Form()],
    to: Annotated[str, Form()] = "", who: Annotated[str, Form()] = "", variant: Annotated[str, Form()] = "",
    channel: Annotated[str, Form()] = "", anyone: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Send what a step says to a tester; it belongs to no run and no figure."""
    look, problem = look_of(request, seen), ""
    done: Tested | None = None
    wish = Wish(to, who.strip(), bool(anyone), channel=channel, variant=variant, complete=True)
    try:
        done = test_messages.of_a_step(office, slug, step, wish)
    except (Invalid, NotFound, Unavailable) as wrong:
        problem = look.refusal(wrong)
    else:
        note(office, seen, "POST /cascades/{slug}/steps/{step}/test", f"{slug} {step}")
    code = 422 if problem else 200
    return render(request, look, "tested.html", code, seen=seen, slug=slug, done=done, problem=problem)


def somebody(office: Office, said: str = "", channel: str = "") -> list[Somebody]:
    """Return a few contacts: whom `said` finds, else the first ones, or those that a channel reaches."""
    page = finding.find(office, Wanted(said=said, channel=channel), after=0, limit=OFFERED).page
    found = []
    for card in page.cards:
        places = [each.value for each in page.addresses.get(card.id, ())]
        who = card.external_id or next(iter(places), "") or contact_text(card.id)
        found.append(Somebody(who, str(card.attributes.get("name") or next(iter(places), who))))
    return found


def testers(office: Office) -> tuple[str, ...]:
    """Return the addresses to which tests may go without asking."""
    return policy.show(office).test_addresses


def _shown(office: Office, slug: str, step: str, who: str, variant: str, channel: str) -> Preview:
    which = Which(step, who.strip(), channel=channel, variant=variant, complete=True)
    return templates.preview_step(office, slug, which)
