"""Settings: alarms that were raised, and who is told of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from kaskad.actions import accounts, alarm_book
from kaskad.actions.alarm_book import Way
from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid
from kaskad.providers.desk import Desk
from kaskad.web.auth import InOffice
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("settings:read")]
Writer = Annotated[Visitor, needs("settings:write")]
Text = Annotated[str, Form(max_length=320)]
PATH = "/settings/alarms"
ROWS = 50
NEWEST = 2**62


@router.get(PATH)
def show(office: InOffice, request: Request, seen: Reader) -> Response:
    """Show the last alarms, and who is told."""
    return _page(office, request, seen)


@router.post(PATH)
def add(
    office: InOffice, request: Request, seen: Writer, account: Text = "", to: Text = "", urgent: Text = ""
) -> Response:
    """Tell somebody of alarms from now on."""
    kinds = alarm_book.URGENT if urgent else ()
    kept = [way for way in alarm_book.ways(office) if (way.account, way.to) != (account, to.strip())]
    try:
        alarm_book.put_ways(office, [*kept, Way(account, to, kinds)])
    except Invalid as error:
        return _page(office, request, seen, account, to, look_of(request, seen).refusal(error))
    note(office, seen, "PUT /alarms/ways", account)
    return go(PATH, look_of(request, seen)._("From now on alarms are told there."))


@router.post(PATH + "/remove")
def remove(office: InOffice, request: Request, seen: Writer, account: Text = "", to: Text = "") -> Response:
    """Tell somebody of alarms no more."""
    kept = [way for way in alarm_book.ways(office) if (way.account, way.to) != (account, to)]
    alarm_book.put_ways(office, kept)
    note(office, seen, "PUT /alarms/ways", account)
    return go(PATH, look_of(request, seen)._("Alarms are told there no more."))


def _page(
    office: Office, request: Request, seen: Visitor, account: str = "", to: str = "", problem: str = ""
) -> Response:
    look = look_of(request, seen)
    able = [one.account for one in accounts.listing(office) if one.account.provider != Desk.name]
    spare = look._("tells alarms only")
    choices = [(one.name, one.name if one.enabled else f"{one.name} · {spare}") for one in able]
    return render(
        request, look, "alarms.html", 422 if problem else 200, seen=seen, problem=problem, account=account,
        to=to, ways=alarm_book.ways(office), choices=choices, names=_names(look),
        books=alarm_book.listing(office, before=NEWEST, limit=ROWS), may_write=seen.may("settings:write"),
    )  # fmt: skip


def _names(look: Look) -> dict[str, str]:
    """Return how each kind of alarm is called."""
    return {
        "engine": look._("The engine"), "inbox": look._("What has arrived waits"),
        "unread": look._("A version does not read"),
        "runs_set_aside": look._("Runs set aside because of a defect"),
        "set_aside": look._("Set aside because of a defect"),
        "entries_rest": look._("Launches and dates rest"), "counting_rests": look._("Counting rests"),
        "guard": look._("Paused by a guardrail"), "guard_told": look._("Beyond a bound"),
        "guard_step": look._("Step paused by a guardrail"),
        "launch_missed": look._("Launch that missed its date"),
        "canary": look._("First part of a launch"),
        "canary_version": look._("Canary of a version"), "account_held": look._("Account held"),
        "account_told": look._("Account beyond a bound"),
        "account_down": look._("Account does not answer"),
        "account_silent": look._("Account takes nothing"), "account_trouble": look._("Trouble of an account"),
        "budget_used": look._("Budget used up"), "budget_near": look._("Budget nearly used up"),
        "stranded": look._("People stranded"), "webhook": look._("Webhook"),
        "stops": look._("Replies that may mean “stop”"), "no_address": look._("No public address"),
        "uneven": look._("Uneven lot"), "uneven_trial": look._("Uneven lot of a trial"),
        "winner": look._("Won by its rule"),
    }  # fmt: skip
