"""Launches that begin at a date: planned, given another one, and begun when it has come.

Whom a launch is for, and by which version, is looked up when it begins. One whose cascade is paused then
waits for it, as long as a step may be late; after that, or where it cannot begin, an alarm says so.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from msgspec import Struct, structs

from kaskad.actions import canaries, launches, lists
from kaskad.actions.audience import Audience
from kaskad.actions.launch_parts import brand_zone, instant
from kaskad.actions.launches import Settled
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.ids import launch_text
from kaskad.domain.policy import DAY, HOUR, Policy
from kaskad.domain.timing import latest
from kaskad.domain.worded import worded
from kaskad.engine.catalog import POLICY
from kaskad.log import get_logger
from kaskad.store import cascades as cascade_store
from kaskad.store import launch_dates as store
from kaskad.store import settings
from kaskad.store.cascades import LaunchRow
from kaskad.store.db import Transaction
from kaskad.store.launch_dates import BRAND, MISSED, OWN, Date, Planned

log = get_logger(__name__)

_FIRST = 14 * HOUR  # so far ahead of UTC the first clocks go
_LAST = 366 * DAY  # a date further off is a slip


class Told(Struct, frozen=True):
    """What is asked of a launch at a date; `at`: 2026-12-04T10:00; `own_clock`: by each person's own."""

    audience: Audience
    at: str
    own_clock: bool = False
    pace: str = ""
    canary: str = ""
    canary_after: str = ""


def plan(office: Office, slug: str, told: Told) -> LaunchRow:
    """Let a launch begin at a date; raises what a launch does, and Invalid for what is no date ahead."""
    what, date, due_at, list_id = _settled(office, slug, told)
    made = office.write(
        lambda tx: store.plan(tx, what.version_id, list_id, what.pace, due_at, str(what.audience), date)
    )
    return launches.find(office, slug, made)


def change(office: Office, slug: str, launch_id: int, told: Told) -> LaunchRow:
    """Give a launch that has not begun another date, and all else that is asked; raises Conflict besides."""
    found = launches.find(office, slug, launch_id)
    what, date, due_at, list_id = _settled(office, slug, told)

    def put(tx: Transaction) -> bool:
        whom = str(what.audience)
        return store.change(tx, launch_id, what.version_id, list_id, what.pace, due_at, whom, date)

    if not office.write(put):
        raise Conflict(
            worded("Launch %(launch)s does not wait for a date: it is %(state)s.",
                   launch=launch_text(launch_id), state=found.state)
        )  # fmt: skip
    return launches.find(office, slug, launch_id)


def go_on(office: Office) -> None:
    """Begin the launches whose date has come; doing it twice, or in two processes, begins each once."""
    _tidy(office)
    with office.read() as tx:
        waiting = store.planned(tx)
    if not waiting:
        return
    zone = brand_zone(office)
    for one in waiting:
        if office.now() >= due(one.date, zone):
            try:
                _begin(office, one, zone)
            except Exception:  # tried again at the next look; the others begin meanwhile
                log.exception("a launch could not begin at its date", launch=one.launch_id)


def _tidy(office: Office) -> None:
    """Forget the lists by hour of launches that are over: nobody asked for them."""
    with office.read() as tx:
        ended = store.ended_parts(tx)
    for launch_id, list_id in ended:
        while office.write(partial(store.drop_part, launch_id=launch_id, list_id=list_id, limit=lists.PIECE)):
            pass


def upcoming(office: Office) -> dict[str, Date]:
    """Return by cascade the date of its first launch that waits for one."""
    with office.read() as tx:
        waiting = store.planned(tx)
    return {one.slug: one.date for one in sorted(waiting, key=lambda one: one.date.wall_at, reverse=True)}


def due(date: Date, zone: str) -> int:
    """Return when a launch begins: by their own clocks, when the first on Earth show its hour."""
    return date.wall_at - _FIRST if date.clock == OWN else instant(date.wall_at, zone)


def _begin(office: Office, one: Planned, zone: str) -> None:
    """Begin a launch; keep why it was missed, where it cannot, or not in time."""
    late = office.now() > _latest(office, one.slug, instant(one.date.wall_at, zone))
    try:
        what = launches.settle(office, one.slug, audience_of(one.audience), "")
        if late:
            raise Conflict(worded("Nothing ran at its time."))
        what = structs.replace(what, pace=one.pace)
        canary = canaries.wanted(one.date.canary, one.date.canary_after)
        launches.carry_out(office, one.slug, what, canary, one)
    except (NotFound, Conflict, Invalid) as error:
        if late or not _waits(office, one.slug):
            told = str(error)
            office.write(lambda tx: store.end(tx, one, MISSED, told))


def _settled(office: Office, slug: str, told: Told) -> tuple[Settled, Date, int, int | None]:
    """Return what a planned launch comes to, its date, the instant of it, and its list where it names one."""
    what = launches.settle(office, slug, told.audience, told.pace)
    first = canaries.wanted(told.canary, told.canary_after)
    zone, wall_at = brand_zone(office), _wall(told.at)
    at = instant(wall_at, zone)
    if at <= office.now():
        raise Invalid([worded("That time is over by the clock of %(zone)s.", zone=zone)], ["/at"])
    if at > office.now() + _LAST:
        raise Invalid([worded("A launch can be planned for a year ahead.")], ["/at"])
    if first is not None and told.own_clock:
        raise Invalid(
            [worded("A first part is judged before the rest, so it does not go by each person's own clock.")],
            ["/canary"],
        )
    date = Date(wall_at, OWN if told.own_clock else BRAND, told.canary, told.canary_after)
    with office.read() as tx:
        list_id = launches.members_of(tx, what.audience) if what.audience.list else None
    return what, date, due(date, zone), list_id


def _wall(text: str) -> int:
    """Return what a clock shows, as if it were UTC; raises Invalid."""
    try:
        read = datetime.fromisoformat(text.strip())
        if read.tzinfo is None and len(text.strip()) > len("2026-12-04"):
            return int(read.replace(tzinfo=UTC).timestamp()) * 1000
    except (ValueError, OverflowError):
        pass
    raise Invalid([worded("Say date and time without a zone, for example 2026-12-04T10:00.")], ["/at"])


def clock_text(wall_at: int) -> str:
    """Return what a clock shows, as it is told: 2026-12-04T10:00."""
    return datetime.fromtimestamp(wall_at / 1000, UTC).replace(tzinfo=None).isoformat(timespec="minutes")


def audience_of(text: str) -> Audience:
    """Return whom words mean: "everybody", "list NAME", "segment NAME"; "" is whom the trigger names."""
    kind, _, name = text.partition(" ")
    if kind == "everybody":
        return Audience(everybody=True)
    return Audience(list=name if kind == "list" else "", segment=name if kind == "segment" else "")


def _latest(office: Office, slug: str, at: int) -> int:
    """Return until when a launch of that instant may begin: as late as a step may."""
    with office.read() as tx:
        row = cascade_store.by_slug(tx, slug)
        policy = settings.get(tx, POLICY, Policy) or Policy()
    version = office.engine.world.versions.get(row.version_id or 0)
    return at + policy.max_lateness_ms if version is None else latest(version, at)


def _waits(office: Office, slug: str) -> bool:
    """Say whether a launch that cannot begin now may do so later: its cascade is paused, or does not read."""
    with office.read() as tx:
        row = cascade_store.by_slug(tx, slug)
    return row.state == cascade_store.PAUSED or row.version_id in office.engine.world.versions.unread
