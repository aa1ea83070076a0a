"""People under way in earlier versions: who would go on where in the current one, and moving them there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from msgspec import Struct
from starlette.datastructures import FormData

from kaskad.actions import cascades, migrating
from kaskad.actions.cascades import InFlight
from kaskad.actions.migrating import START, Migrated
from kaskad.actions.office import Office
from kaskad.domain.definition import load
from kaskad.domain.errors import Invalid
from kaskad.domain.ids import read_run, run_text
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import WRITE, Slug
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Writer = Annotated[Visitor, needs(WRITE)]
MAP = "map_"
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


def moving(office: Office, look: Look, slug: str, asked: Mapping[str, str]) -> Moving | None:
    """Return what moving those in earlier versions would do; None where there are none."""
    plan, current = cascades.plan(office, slug), cascades.find(office, slug).overview.version
    flying = tuple(each for each in plan.in_flight if each.version != current)
    if current is None or not flying:
        return None
    cascade = load(cascades.version(office, slug, current).source, name=slug).cascade
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


@router.post("/cascades/{slug}/move")
def move(office: InOffice, request: Request, seen: Writer, slug: Slug, form: Form) -> Response:
    """Let runs of earlier versions go on in the current one, as far as one request goes."""
    look = look_of(request, seen)
    told = {key: value for key, value in form.multi_items() if isinstance(value, str)}
    version = cascades.find(office, slug).overview.version or 0
    after = read_run(told.get("after", "")) or START
    done = migrating.migrate(office, slug, version, _mapping(told), after=after, dry_run=False)
    note(office, seen, "POST /cascades/{slug}/runs/migrate", f"{slug} {done.moved}")
    here = f"/cascades/{slug}/edit?panel=move"
    said = look.words.ngettext(
        "%(num)s run goes on in version %(n)s.", "%(num)s runs go on in version %(n)s.", done.moved
    ) % {"num": look.n(done.moved), "n": version}  # fmt: skip
    return go(f"{here}&after={run_text(*done.next)}" if done.next else here, said)


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
