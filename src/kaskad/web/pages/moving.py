"""People under way in earlier versions: who would go on where in the current one, and moving them there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from msgspec import Struct
from starlette.datastructures import FormData

from kaskad.actions import cascade_texts, cascades, migrating, migrations
from kaskad.actions.cascades import InFlight
from kaskad.actions.migrating import Migrated
from kaskad.actions.moves import Migration
from kaskad.actions.office import Office
from kaskad.actions.questions import RUNNING
from kaskad.domain.definition import load
from kaskad.domain.errors import Invalid
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import WRITE, Slug
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Writer = Annotated[Visitor, needs(WRITE)]
MAP = "map_"
PANEL = "/cascades/{slug}/edit?panel=move"
STAYS = (
    (re.compile(r"a message is on its way"), N_("a message is on its way: try again later")),
    (re.compile(r"it waits on a branch"), N_("it waits on a branch")),
    (re.compile(r"it was sent '(?P<step>[^']*)', whose"), N_("was sent “%(step)s”, whose place has changed")),
    (re.compile(r"'(?P<step>[^']*)' no longer goes"), N_("“%(step)s” no longer goes by the channel used")),
    (re.compile(r"nothing is left to do after '(?P<step>[^']*)'"),
     N_("nothing is left to do after “%(step)s”: say where to go on")),
    (re.compile(r"steps that were sent come later"), N_("steps that were sent come later in this version")),
)  # fmt: skip


async def _fields(request: Request) -> FormData:
    return await request.form()


Form = Annotated[FormData, Depends(_fields)]


class Moving(Struct, frozen=True):
    """What moving would do: `gone` are steps people stand at that the version has not, `more` if not all
    runs were looked at."""

    version: int
    flying: tuple[InFlight, ...]
    gone: tuple[str, ...]
    choices: list[tuple[str, str]]
    mapping: Mapping[str, str]
    places: list[tuple[str, str, int]]
    stay: list[tuple[str, int]]
    moved: int
    more: bool
    problem: str = ""


class Way(Struct, frozen=True):
    """A move under way, or what came of the last one: why how many stay."""

    last: Migration
    words: str
    stay: list[tuple[str, int]]

    @property
    def is_running(self) -> bool:
        """Say whether it goes on."""
        return self.last.state == RUNNING


def moving(office: Office, look: Look, slug: str, asked: Mapping[str, str]) -> Moving | None:
    """Return what moving those in earlier versions would do; None where there are none."""
    plan, current = cascades.plan(office, slug), cascades.find(office, slug).overview.version
    flying = tuple(each for each in plan.in_flight if each.version != current)
    if current is None or not flying:
        return None
    cascade = load(cascade_texts.version(office, slug, current).source, name=slug).cascade
    steps = tuple(step.id for step in cascade.steps) if cascade else ()
    gone = tuple(dict.fromkeys(each.step for each in flying if each.step and each.step not in steps))
    mapping = _mapping(asked)
    try:
        told, problem = migrating.migrate(office, slug, current, mapping, dry_run=True), ""
    except Invalid as wrong:
        told, problem = Migrated(), look.refusal(wrong)
    places = [(*_place(look, place), count) for place, count in told.places.items()]
    stay = [(_why(look, why), count) for why, count in told.stay.items()]
    more = told.next is not None
    choices = [("", look._("the next step that is still there")), *((step, step) for step in steps)]
    return Moving(current, flying, gone, choices, mapping, places, stay, told.moved, more, problem)


def shown(office: Office, look: Look, slug: str, asked: Mapping[str, str]) -> dict[str, object]:
    """Return what the panel shows: the move that goes on, else what moving would do, after the last."""
    going = way(office, look, slug)
    if going is not None and going.is_running:
        return {"way": going, "moving": None}
    return {"way": going, "moving": moving(office, look, slug, asked)}


def way(office: Office, look: Look, slug: str) -> Way | None:
    """Return the move of a cascade's runs that goes on, or the last one; None where there is none."""
    last = migrations.latest(office, slug)
    if last is None:
        return None
    if last.state == RUNNING:
        words = look._("%(done)s people of %(total)s", done=look.n(last.seen), total=look.n(last.total))
    else:
        words = look.words.ngettext(
            "%(num)s run goes on in version %(n)s.", "%(num)s runs go on in version %(n)s.", last.moved
        ) % {"num": look.n(last.moved), "n": last.version}  # fmt: skip
    return Way(last, words, [(_why(look, why), count) for why, count in last.stay.items()])


@router.post("/cascades/{slug}/move")
def move(office: InOffice, request: Request, seen: Writer, slug: Slug, form: Form) -> Response:
    """Begin to let runs of earlier versions go on in the current one."""
    told = {key: value for key, value in form.multi_items() if isinstance(value, str)}
    version = cascades.find(office, slug).overview.version or 0
    begun = migrations.begin(office, slug, version, _mapping(told))
    note(office, seen, "POST /cascades/{slug}/migrations", f"{slug} {begun.id}")
    return go(PANEL.format(slug=slug))


@router.post("/cascades/{slug}/move/{migration}/stop")
def stop(office: InOffice, request: Request, seen: Writer, slug: Slug, migration: str) -> Response:
    """Stop moving runs; who was moved stays moved."""
    migrations.stop(office, slug, migration)
    note(office, seen, "POST /cascades/{slug}/migrations/{migration}/stop", f"{slug} {migration}")
    said = look_of(request, seen)._(
        "Moving is stopped. Who was moved stays moved; begin again for the others."
    )
    return go(PANEL.format(slug=slug), said)


def _mapping(told: Mapping[str, str]) -> dict[str, str]:
    return {key.removeprefix(MAP): step for key, step in told.items() if key.startswith(MAP) and step}


def _place(look: Look, told: str) -> tuple[str, str]:
    start, _, end = told.partition(" -> ")
    first = look._("before the first step")
    return (first if start == "the beginning" else start), (first if end == "the beginning" else end)


def _why(look: Look, told: str) -> str:
    for pattern, words in STAYS:
        if found := pattern.search(told):
            return look._(words, **found.groupdict()) if found.groupdict() else look._(words)
    return told
