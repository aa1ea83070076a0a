"""The versions of a cascade, and how two of them differ: step by step, and in the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from msgspec import Struct

from kaskad.actions import cascade_texts, cascades, editing
from kaskad.domain.definition import UnreadableError, edit
from kaskad.domain.definition.rewrite import Tree, inline
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import READ, WRITE, Slug
from kaskad.web.pages.flow import channels_of
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs(READ)]
Writer = Annotated[Visitor, needs(WRITE)]
MOST = 2**31 - 1
Which = Annotated[str, Query(pattern=r"^(draft|current|[1-9][0-9]{0,8})?$")]


class Change(Struct, frozen=True):
    """What became of a step (`step` "": of the whole): added, removed, changed or moved, and its values."""

    kind: str
    step: str
    values: list[tuple[str, str, str]]


class Drawn(Struct, frozen=True):
    """A step of the newer text, or one it has no more, with what became of it; `kind` "": nothing."""

    kind: str
    step: str
    channels: tuple[str, ...]
    keys: tuple[str, ...]


@router.get("/cascades/{slug}/versions")
def versions(
    office: InOffice, request: Request, seen: Reader, slug: Slug, old: Which = "", new: Which = ""
) -> Response:
    """Show the versions of a cascade and how two of them differ."""
    look = look_of(request, seen)
    rows = cascade_texts.versions(office, slug)
    sheet = editing.sheet(office, slug)
    drafted, named = sheet.drafted, {"current": str(sheet.version or "")}
    old, new = named.get(old, old), named.get(new, new)
    title = cascades.find(office, slug).overview.title
    numbers = [str(row.number) for row in rows]
    latest = "draft" if drafted else (numbers[0] if numbers else "")
    new = new or latest
    old = old or (numbers[0] if drafted and numbers else numbers[1] if len(numbers) > 1 else latest)
    choices = [("draft", look._("draft"))] if drafted else []
    choices += [(number, look._("version %(n)s", n=number)) for number in numbers]
    told = cascade_texts.diff(office, slug, old, new) if old and new and old != new else ""
    before, after = (_text(office, slug, old), _text(office, slug, new)) if told else ("", "")
    changes = _changes(before, after) if told else []
    return render(
        request, look, "versions.html", seen=seen, slug=slug, title=title, versions=rows, old=old, new=new,
        choices=choices, told=told, changes=changes, drafted=drafted, running=sheet.version,
        may_write=seen.may(WRITE), revision=sheet.revision, column=_column(before, after, changes),
    )  # fmt: skip


@router.post("/cascades/{slug}/versions/draft")
def take(
    office: InOffice, request: Request, seen: Writer, slug: Slug,
    version: Annotated[int, Form(ge=1, le=MOST)], revision: Annotated[str, Form(min_length=1)],
) -> Response:  # fmt: skip
    """Make the text of a version the draft, so that people can enter by it again.

    `revision`: of what was the draft, or ran, when the page was read; nobody's draft of since then is lost.
    """
    source = cascade_texts.version(office, slug, version).source
    cascades.put(office, slug, source, by=seen.caller.name, revision=revision)
    note(office, seen, "PUT /cascades/{slug}", slug)
    said = look_of(request, seen)._(
        "Version %(n)s is the draft now: activate it, and people enter by it.", n=version
    )
    return go(f"/cascades/{slug}/edit", said)


def _text(office: InOffice, slug: str, which: str) -> str:
    return (
        editing.sheet(office, slug).source
        if which == "draft"
        else cascade_texts.version(office, slug, int(which)).source
    )


def _changes(old: str, new: str) -> list[Change]:
    before, after = _tree(old), _tree(new)
    top = _values({key: value for key, value in before.items() if key != "steps"},
                  {key: value for key, value in after.items() if key != "steps"})  # fmt: skip
    found = [Change("changed", "", top)] if top else []
    steps, others = _steps(before), _steps(after)
    kept = [name for name in steps if name in others]
    order = [name for name in others if name in steps]
    for name, step in others.items():
        if name not in steps:
            found.append(Change("added", name, _values({}, step)))
        elif values := _values(steps[name], step):
            found.append(Change("changed", name, values))
        if name in steps and kept.index(name) != order.index(name):
            found.append(Change("moved", name, []))
    found += [Change("removed", name, []) for name in steps if name not in others]
    return found


def _column(old: str, new: str, changes: list[Change]) -> list[Drawn]:
    """Return the steps in the order of the newer text, each one that is gone where it stood."""
    before, after = _steps(_tree(old)), _steps(_tree(new))
    kinds: dict[str, Change] = {}
    for each in changes:
        kinds.setdefault(each.step, each)
    order = list(after)
    for place, name in enumerate(before):
        if name not in after:
            order.insert(min(place, len(order)), name)
    found = []
    for name in order:
        change = kinds.get(name)
        keys = tuple(key for key, _, _ in change.values) if change and change.kind == "changed" else ()
        step = after.get(name) or before[name]
        found.append(Drawn(change.kind if change else "", name, channels_of(step), keys))
    return found


def _values(old: Mapping[str, Tree], new: Mapping[str, Tree]) -> list[tuple[str, str, str]]:
    keys = [*new, *(key for key in old if key not in new)]
    return [
        (key, _shown(old.get(key)), _shown(new.get(key)))
        for key in keys
        if key not in old or key not in new or not edit.same(old[key], new[key])
    ]


def _shown(value: Tree) -> str:
    return "" if value is None else value if isinstance(value, str) else inline(value)


def _tree(text: str) -> Mapping[str, Tree]:
    try:
        tree = edit.tree_of(text)
    except UnreadableError:
        return {}
    return tree if isinstance(tree, Mapping) else {}


def _steps(top: Mapping[str, Tree]) -> dict[str, Mapping[str, Tree]]:
    steps = top.get("steps")
    found: dict[str, Mapping[str, Tree]] = {}
    for number, step in enumerate(steps if isinstance(steps, list) else [], 1):
        if isinstance(step, Mapping):
            found[str(step.get("id") or number)] = step
    return found
