"""Settings: outgoing webhooks, which tell other programs what happens, and what became of each telling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from msgspec import structs

from kaskad.actions import webhooks
from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid
from kaskad.engine.herald import Answer
from kaskad.engine.outbox import EventType
from kaskad.store.webhooks import DELIVERED, GIVEN_UP, WAITING
from kaskad.web.auth import InOffice
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Manager = Annotated[Visitor, needs("webhooks:write")]
Number = Annotated[int, Path(ge=1, le=2**53)]
Text = Annotated[str, Form()]
Types = Annotated[list[str], Form()]
ROWS = 50
NEWEST = 2**62
EVENTS = {
    EventType.RUN_ENTERED: N_("a person has entered a cascade"),
    EventType.RUN_FINISHED: N_("a passage through a cascade is over, and how"),
    EventType.MESSAGE_SENT: N_("a message was sent"),
    EventType.MESSAGE_FAILED: N_("a message could not be delivered"),
    EventType.MESSAGE_REACTED: N_("a person has reacted"),
    EventType.CONTACT_OPTED_OUT: N_("a person said no, or complained"),
    EventType.TASK_OPENED: N_("somebody is to be called"),
    EventType.TASK_CLOSED: N_("an agent has said how a call ended"),
    EventType.TASK_WITHDRAWN: N_("a call is not wanted any more"),
    EventType.GOAL_REACHED: N_("a goal was reached"),
    EventType.ACCOUNT_HELD: N_("an account is held"),
    EventType.CASCADE_PAUSED: N_("a cascade was paused"),
    EventType.CASCADE_RESUMED: N_("a cascade goes on"),
    EventType.ALARM_RAISED: N_("something wants a look"),
    EventType.ALARM_OVER: N_("nothing is to be looked at any more"),
}
STATES = {
    WAITING: (N_("waits"), "warn"),
    DELIVERED: (N_("told"), "good"),
    GIVEN_UP: (N_("given up"), "bad"),
}


@router.get("/settings/webhooks")
def listing(office: InOffice, request: Request, seen: Manager) -> Response:
    """Show who is told of what."""
    return _list(office, request, seen)


@router.post("/settings/webhooks")
def add(
    office: InOffice, request: Request, seen: Manager, url: Text = "", description: Text = "",
    types: Types = [],  # noqa: B006 - FastAPI copies it
) -> Response:  # fmt: skip
    """Let an address be told of events, and show its secret this once."""
    try:
        shown, secret = webhooks.add(office, url.strip(), types, description.strip()[:500], True)
    except Invalid as error:
        return _list(
            office, request, seen, given={"url": url, "description": description, "types": types}, wrong=error
        )
    note(office, seen, "POST /webhooks", str(shown.webhook.id))
    return _one(office, request, seen, shown.webhook.id, secret=secret)


@router.get("/settings/webhooks/{webhook_id}")
def show(
    office: InOffice, request: Request, seen: Manager, webhook_id: Number, state: str = "", cursor: str = ""
) -> Response:
    """Show one webhook, and what it was told."""
    return _one(office, request, seen, webhook_id, state=state, cursor=cursor)


@router.post("/settings/webhooks/{webhook_id}")
def change(
    office: InOffice, request: Request, seen: Manager, webhook_id: Number, url: Text = "",
    description: Text = "", enabled: Text = "", types: Types = [],  # noqa: B006
) -> Response:  # fmt: skip
    """Change where and of what it is told."""
    try:
        webhooks.change(office, webhook_id, url.strip(), types, description.strip()[:500], enabled == "yes")
    except Invalid as error:
        given = {"url": url, "description": description, "types": types, "enabled": enabled == "yes"}
        return _one(office, request, seen, webhook_id, given=given, wrong=error)
    note(office, seen, "PUT /webhooks/{webhook_id}", str(webhook_id))
    return go(f"/settings/webhooks/{webhook_id}", look_of(request, seen)._("Saved."))


@router.post("/settings/webhooks/{webhook_id}/remove")
def remove(office: InOffice, request: Request, seen: Manager, webhook_id: Number) -> Response:
    """Tell it nothing any more."""
    url = webhooks.get(office, webhook_id).webhook.url
    webhooks.delete(office, webhook_id)
    note(office, seen, "DELETE /webhooks/{webhook_id}", str(webhook_id))
    return go("/settings/webhooks", look_of(request, seen)._("%(url)s is told nothing any more.", url=url))


@router.post("/settings/webhooks/{webhook_id}/secret")
def rotate(office: InOffice, request: Request, seen: Manager, webhook_id: Number) -> Response:
    """Make a new secret, and show it this once."""
    secret = webhooks.rotate(office, webhook_id)
    note(office, seen, "POST /webhooks/{webhook_id}/secret", str(webhook_id))
    return _one(office, request, seen, webhook_id, secret=secret)


@router.post("/settings/webhooks/{webhook_id}/test")
def try_out(office: InOffice, request: Request, seen: Manager, webhook_id: Number) -> Response:
    """Tell it one event that nothing stands behind, and show what was answered."""
    tried = webhooks.try_out(office, webhook_id)
    note(office, seen, "POST /webhooks/{webhook_id}/test", str(webhook_id))
    return _one(office, request, seen, webhook_id, tried=tried)


@router.post("/settings/webhooks/{webhook_id}/replay")
def replay(
    office: InOffice, request: Request, seen: Manager, webhook_id: Number, message: Text = ""
) -> Response:
    """Tell again one event, or all that were given up or wait for a later attempt."""
    count = webhooks.replay(office, webhook_id, message)
    note(office, seen, "POST /webhooks/{webhook_id}/replay", str(webhook_id))
    look = look_of(request, seen)
    path = f"/settings/webhooks/{webhook_id}"
    if not count:
        return go(path, look._("None is told again: what waits is tried within a minute anyway."))
    told = look.words.ngettext("%(num)s event is told again.", "%(num)s events are told again.", count)
    return go(path, told % {"num": look.n(count)})


def _list(
    office: Office, request: Request, seen: Visitor, *, given: Mapping[str, object] | None = None,
    wrong: Invalid | None = None,
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    return render(
        request, look, "webhooks.html", 422 if wrong else 200, seen=seen, rows=webhooks.listing(office),
        given=given or {}, events=EVENTS,
        problems=[look.told(each) for each in wrong.worded] if wrong else [],
    )  # fmt: skip


def _one(
    office: Office, request: Request, seen: Visitor, webhook_id: int, *, secret: str = "",
    tried: Answer | None = None, given: Mapping[str, object] | None = None, wrong: Invalid | None = None,
    state: str = "", cursor: str = "",
) -> Response:  # fmt: skip
    shown = webhooks.get(office, webhook_id)
    # What is shown after a form was sent has links too: they lead to the page, not to where the form went.
    look = structs.replace(look_of(request, seen), path=f"/settings/webhooks/{webhook_id}")
    kind = int(state) if state in {str(each) for each in STATES} else None
    before = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else NEWEST
    found = webhooks.latest(office, webhook_id, before, ROWS + 1, kind)
    return render(
        request, look, "webhook.html", 422 if wrong else 200, seen=seen, shown=shown, secret=secret,
        tried=tried, events=EVENTS, states=STATES, rows=found[:ROWS], state=state, given=given,
        next=str(found[ROWS - 1].id) if len(found) > ROWS else "",
        problems=[look.told(each) for each in wrong.worded] if wrong else [],
    )  # fmt: skip
