"""An installation at a glance: what runs, what left, what it cost, and what somebody should look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from msgspec import Struct

from kaskad.actions import accounts, first_run, reports, status
from kaskad.actions.alarms import Alarm, alarms
from kaskad.actions.cascades import Overview
from kaskad.actions.office import Office
from kaskad.analytics.reach import Amounts
from kaskad.analytics.recent import Hour, Lately
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import READ, WRITE
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, SignedIn, look_of
from kaskad.web.pages.shell import Visitor, entries, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
SHOWN = 12


class Card(Struct, frozen=True):
    """A cascade on the overview, with what it did in the last seven days."""

    overview: Overview
    week: Lately
    bar: tuple[float, float]  # percent of those who entered: ended, under way


class Bar(Struct, frozen=True):
    """One hour of the throughput; heights are percentages of the best hour."""

    hour: Hour
    x: float
    sent: float
    failed: float


class Todo(Struct, frozen=True):
    """A first thing to do in a new installation; `path` is "" where no page does it yet."""

    name: str
    done: bool
    path: str
    command: str


@router.get("/")
def overview(office: InOffice, request: Request, seen: SignedIn) -> Response:
    """Show what runs, what left today and for how much, and what is wrong.

    Whoever may not see that is led to the first place that is theirs.
    """
    look = look_of(request, seen)
    if not seen.may(READ):
        places = entries(request, seen)
        return go(places[0].place.path if places else "/account")
    figures = figures_of(request)
    rows, week = figures.cascades(office), figures.lately(office)
    midnight = _midnight(look, office.now())
    today = figures.today.get(str(midnight), lambda: reports.since(office, midnight))
    shown = accounts.listing(office)
    return render(
        request, look, "overview.html", seen=seen,
        cards=[_card(row, week.get(row.slug) or Lately()) for row in rows if row.state != "stopped"][:SHOWN],
        more=len(rows) > SHOWN, running=sum(row.state == "active" for row in rows),
        under_way=sum(row.under_way for row in rows), sent=sum(one.sent for one in today.values()),
        failed=sum(one.failed for one in today.values()), cost=_cost(today.values()), accounts=shown,
        bars=_bars(figures.hours.get("", lambda: reports.hours(office))),
        status=figures.status.get("", lambda: status.status(office)),
        alarms=list(_alarms(look, seen, figures.alarms.get("", lambda: alarms(office)))),
        todos=list(_todos(look, request, seen, office, rows)), may_write=seen.may(WRITE),
        there=request.app.state.page_paths,
    )  # fmt: skip


def _midnight(look: Look, now: int) -> int:
    zone = ZoneInfo(look.zone)
    day = datetime.fromtimestamp(now / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return round(day.timestamp() * 1000)


def _card(row: Overview, week: Lately) -> Card:
    if not row.entered:
        return Card(row, week, (0.0, 0.0))
    moving = 100 * row.under_way / row.entered
    return Card(row, week, (100 - moving, moving))


def _cost(those: Iterable[Lately]) -> Amounts:
    total: Amounts = {}
    for one in those:
        for currency, minor in one.cost.items():
            total[currency] = total.get(currency, 0) + minor
    return total


def _bars(hours: list[Hour]) -> list[Bar]:
    most = max((hour.sent for hour in hours), default=0) or 1
    wide = 100 / max(len(hours), 1)
    return [
        Bar(hour, place * wide, 100 * hour.sent / most, 100 * hour.failed / most)
        for place, hour in enumerate(hours)
    ]


class ShownAlarm(Struct, frozen=True):
    """An alarm in the reader's words, and where something can be done about it; "" where that is no page."""

    kind: str
    text: str
    path: str
    act: str


def _alarms(look: Look, seen: Visitor, found: list[Alarm]) -> Iterator[ShownAlarm]:
    for each in found:
        match each.kind:
            case "engine":
                yield ShownAlarm("bad", look._("The engine has stopped: %(why)s", why=each.detail), "", "")
            case "inbox":
                text = look._("What has arrived waits too long: the engine does not keep up.")
                yield ShownAlarm("bad", text, "", "")
            case "guard":
                text = look._("%(name)s is paused by a guardrail. %(why)s.",
                              name=each.name, why=look.told(each.detail))  # fmt: skip
                yield ShownAlarm("bad", text, f"/cascades/{each.name}/guard", look._("Guardrails"))
            case "guard_told":
                text = look._(
                    "%(name)s is beyond a bound. %(why)s.", name=each.name, why=look.told(each.detail)
                )
                yield ShownAlarm("warn", text, f"/cascades/{each.name}/guard", look._("Guardrails"))
            case "canary":
                text = look._("The canary of %(name)s was stopped. %(why)s.",
                              name=each.name, why=look.told(each.detail))  # fmt: skip
                yield ShownAlarm("bad", text, f"/cascades/{each.name}/guard", look._("Guardrails"))
            case "webhook":
                text = look._("Webhook %(number)s does not take what it is told: %(why)s",
                              number=each.name, why=each.detail)  # fmt: skip
                yield ShownAlarm("warn", text, f"/settings/webhooks/{each.name}", look._("Webhook"))
            case "account_down":
                text = look._("Account %(name)s does not answer; messages wait for it: %(count)s.",
                              name=each.name, count=look.n(int(each.detail)))  # fmt: skip
                yield ShownAlarm("bad", text, "/channels", look._("Channels"))
            case "account_held":
                command = f"kaskad account resume {each.name}"
                text = look._("Account %(name)s is held, sends nothing: %(why)s. Mend it, then: %(command)s",
                              name=each.name, why=each.detail, command=command)  # fmt: skip
                yield ShownAlarm("bad", text, "/channels", look._("Channels"))
            case "account_trouble":
                text = look._("Account %(name)s: %(why)s", name=each.name, why=each.detail)
                yield ShownAlarm("warn", text, "/channels", look._("Channels"))
            case "budget_used" | "budget_near":
                whose = look._("all accounts") if each.name == "installation" else each.name
                text = (
                    look._("The budget of %(name)s is used up: steps wait or are passed over.", name=whose)
                    if each.kind == "budget_used"
                    else look._("The budget of %(name)s is used up by %(share)s.", name=whose,
                                share=look.pct(int(each.detail) / 100))
                )  # fmt: skip
                yield ShownAlarm("bad" if each.kind == "budget_used" else "warn", text, "", "")
            case "stranded":
                text = look._("People in %(name)s cannot be carried on: %(why)s",
                              name=each.name, why=each.detail)  # fmt: skip
                yield ShownAlarm("bad", text, f"/cascades/{each.name}", look._("Report"))
            case "stops":
                count = int(each.name)
                text = look.words.ngettext(
                    "%(num)s reply may mean “stop” and wants a person to look at it.",
                    "%(num)s replies may mean “stop” and want a person to look at them.", count,
                ) % {"num": look.n(count) + ("+" if each.detail else "")}  # fmt: skip
                yield ShownAlarm("warn", text, "/inbox", look._("Inbox"))
            case "winner":
                text = look._("The best of %(name)s is found by its rule. %(what)s",
                              name=each.name, what=look.told(each.detail))  # fmt: skip
                yield ShownAlarm(
                    "info", text, f"/cascades/{each.name.split('/')[0]}/trials", look._("Trials")
                )
            case "no_address":
                text = look._("Nobody outside can reach this installation: links, unsubscribing and receipts "
                              "need its public address (setting base_url).")  # fmt: skip
                yield ShownAlarm("info", text, "", "")


def _todos(
    look: Look, request: Request, seen: Visitor, office: Office, rows: list[Overview]
) -> Iterator[Todo]:
    """Yield the first steps of a new installation; none once all are done."""
    there: frozenset[str] = request.app.state.page_paths
    done = first_run.progress(office, rows).done
    if all(done.values()):
        return
    steps = (
        ("owner", look._("Make yourself the owner: a password of your own"), "/welcome", "kaskad user add"),
        ("brand", look._("Say who sends, and where you are: zone, country, currency"), "",
         "kaskad brand set"),
        ("channels", look._("Open the sandbox, or add an account of a channel: where messages go out"),
         "/channels", "kaskad account add"),
        ("people", look._("Bring in your people: a file, with what they have agreed to"), "/imports/new",
         "kaskad import people.csv"),
        ("cascade", look._("Draw a cascade: who is told what, and when the next channel takes over"),
         "/cascades/new", "kaskad apply cascade.yaml"),
        ("launch", look._("Activate and launch it, and watch who is reached"), "/cascades",
         "kaskad launch NAME"),
    )  # fmt: skip
    for key, name, path, command in steps:
        path = f"/start/{key}" if seen.may("settings:write") else path
        yield Todo(name, done[key], path if path in there or path.startswith("/start/") else "", command)
