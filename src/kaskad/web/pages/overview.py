"""An installation at a glance: what runs, what left, what it cost, and what somebody should look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from msgspec import Struct

from kaskad.actions import accounts, first_run, reports, status
from kaskad.actions.alarms import alarms, of_others
from kaskad.actions.cascades import Overview
from kaskad.actions.office import Office
from kaskad.analytics.reach import Amounts
from kaskad.analytics.recent import Hour, Lately
from kaskad.web.auth import InOffice
from kaskad.web.pages.alarm_lines import lines_of
from kaskad.web.pages.cascades import READ, WRITE
from kaskad.web.pages.channels import states_of
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.live import shown
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
    figures, shows = figures_of(request), shown(office, request, look, "cascades")
    rows, week = figures.cascades(office), figures.lately(office)
    midnight = _midnight(look, office.now())
    today = figures.today.get(str(midnight), lambda: reports.since(office, midnight))
    stands = figures.status.get("", lambda: status.status(office))
    lines = states_of(accounts.listing(office), stands, list(of_others(office)))
    return render(
        request, look, "overview.html", seen=seen, shows=shows,
        cards=[_card(row, week.get(row.slug) or Lately()) for row in rows if row.state != "stopped"][:SHOWN],
        more=len(rows) > SHOWN, running=sum(row.state == "active" for row in rows),
        under_way=sum(row.under_way for row in rows), sent=sum(one.sent for one in today.values()),
        failed=sum(one.failed for one in today.values()),
        tried=sum(one.sent + one.refused for one in today.values()),
        cost=_cost(today.values()), accounts=lines, status=stands,
        bars=_bars(figures.hours.get("", lambda: reports.hours(office))),
        alarms=list(lines_of(look, figures.alarms.get("", lambda: alarms(office)))),
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
    most = max((max(hour.sent, hour.failed) for hour in hours), default=0) or 1
    wide = 100 / max(len(hours), 1)
    return [
        Bar(hour, place * wide, 100 * hour.sent / most, 100 * hour.failed / most)
        for place, hour in enumerate(hours)
    ]


def _todos(
    look: Look, request: Request, seen: Visitor, office: Office, rows: list[Overview]
) -> Iterator[Todo]:
    """Yield the first steps of a new installation; none once all are done, nor to who may take none."""
    there: frozenset[str] = request.app.state.page_paths
    if not seen.may(WRITE):
        return
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
