"""The editor: a cascade drawn from its text, changed piece by piece, checked, compared, activated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import FormData

from kaskad.actions import brand, cascades, editing, presets, version_canaries
from kaskad.actions.canaries import LEAST, wanted
from kaskad.actions.cascades import Overtaken
from kaskad.actions.editing import Sheet
from kaskad.actions.office import Office
from kaskad.actions.step_pauses import PausedStep
from kaskad.domain.cascade import Cascade
from kaskad.domain.channels import CHANNELS
from kaskad.domain.definition import UnreadableError, edit
from kaskad.domain.definition.rewrite import Tree
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.terms import Channel, Reaction
from kaskad.domain.worded import worded
from kaskad.store.version_canaries import RUNNING
from kaskad.web.auth import InOffice
from kaskad.web.pages import expected, flow, moving, preview, step_form
from kaskad.web.pages.cascades import READ, WRITE, Slug
from kaskad.web.pages.choices import audiences, best_hour, choices, examples, hours
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render
from kaskad.web.pages.spoken import spoken

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs(READ)]
Writer = Annotated[Visitor, needs(WRITE)]
NEW_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
SEEN = {Reaction.READ, Reaction.OPENED, Reaction.ANSWERED}
EMPTY = "cascade: {slug}\ntitle: {title}\nclass: service\ntrigger: {{event: something_happened}}\nsteps: []\n"
CHANNEL_NAMES = tuple(channel.value for channel in Channel)
LETTERS = str.maketrans({
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i",
    "й": "y", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t",
    "у": "u", "ф": "f", "х": "h", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sch", "ъ": "", "ы": "y", "ь": "",
    "э": "e", "ю": "yu", "я": "ya",
})  # fmt: skip


async def _fields(request: Request) -> FormData:
    return await request.form()


Form = Annotated[FormData, Depends(_fields)]


@router.get("/cascades/new")
def new(office: InOffice, request: Request, seen: Writer) -> Response:
    """Show what a cascade can begin with."""
    return _new(request, look_of(request, seen), seen)


@router.post("/cascades/new")
def create(office: InOffice, request: Request, seen: Writer, form: Form) -> Response:
    """Make a draft from a preset, or an empty one, and open it."""
    look, told = look_of(request, seen), _texts(form)
    title, preset = told.get("title", "").strip(), told.get("preset", "")
    slug = told.get("slug", "").strip() or _slug(title) or preset
    if not NEW_NAME.fullmatch(slug):
        problem = look._("Small Latin letters, digits, - and _, at most 64; for example spring-sale.")
        return _new(request, look, seen, told, problem, 422)
    if preset:
        text = presets.made(preset, look.language, slug, title, brand.show(office).currency)
    else:
        text = edit.put(EMPTY.format(slug=slug, title="x"), "title", title or slug)
    try:
        editing.begin(office, slug, text, seen.caller.name)
    except Conflict as conflict:
        return _new(request, look, seen, told, look.refusal(conflict), 409)
    note(office, seen, "POST /cascades/new", slug)
    return go(f"/cascades/{slug}/edit")


@router.get("/cascades/{slug}/edit")
def show(office: InOffice, request: Request, seen: Reader, slug: Slug) -> Response:
    """Show a cascade drawn, and what was chosen beside it: a step, the whole, the text, the plan."""
    return _page(office, request, seen, editing.sheet(office, slug))


@router.post("/cascades/{slug}/edit")
def change(office: InOffice, request: Request, seen: Writer, slug: Slug, form: Form) -> Response:
    """Change one thing of the draft and show it again; 409 where somebody else was quicker."""
    told = spoken(_texts(form), brand.show(office).currency)
    chosen = [str(each) for each in form.getlist("channel") if str(each) in CHANNEL_NAMES]
    by = seen.caller.name
    try:
        saved = editing.change(
            office, slug, told.get("revision", ""), by, lambda text: _changed(text, told, chosen)
        )
    except Overtaken as other:
        return _page(
            office,
            request,
            seen,
            editing.sheet(office, slug),
            409,
            overtaken=other,
            told={**told, **_after(told)},
        )
    except Invalid as wrong:
        return _page(
            office,
            request,
            seen,
            editing.sheet(office, slug),
            422,
            refused=look_of(request, seen).refusal(wrong),
            told={**told, **_after(told)},
        )
    if saved is not None:
        note(office, seen, "POST /cascades/{slug}/edit", slug)
    after = _after(told)
    if request.headers.get("x-part"):
        return _page(office, request, seen, editing.sheet(office, slug), told=after)
    return go(f"/cascades/{slug}/edit?{urlencode(after)}")


@router.post("/cascades/{slug}/copy")
def copy(office: InOffice, request: Request, seen: Writer, slug: Slug, form: Form) -> Response:
    """Save the cascade, or a text beside it, under a name of its own, and open that."""
    look, told = look_of(request, seen), _texts(form)
    text = _clean(told["source"]) if "source" in told else _copied(look, editing.sheet(office, slug))
    saved = editing.copy(office, slug, text, seen.caller.name)
    note(office, seen, "POST /cascades/{slug}/copy", saved.slug)
    return go(f"/cascades/{saved.slug}/edit", look._("This is your copy."))


def _copied(look: Look, sheet: Sheet) -> str:
    """Return a cascade's text with a title that says that it is a copy; one that cannot be read as it is."""
    try:
        tree = edit.tree_of(sheet.source)
    except UnreadableError:
        return sheet.source
    title = flow.text(tree.get("title")) if isinstance(tree, Mapping) else ""
    return edit.put(sheet.source, "title", look._("%(title)s (copy)", title=title or sheet.slug))


@router.post("/cascades/{slug}/activate")
def activate(office: InOffice, request: Request, seen: Writer, slug: Slug, form: Form) -> Response:
    """Let people enter by the draft from now on."""
    look, told = look_of(request, seen), _texts(form)
    sheet = editing.sheet(office, slug)
    revision = told.get("revision", "")
    if revision and revision != sheet.revision:
        other = Overtaken(slug, sheet.saved_by, sheet.saved_at)
        return _page(office, request, seen, sheet, 409, overtaken=other, told=told)
    try:
        canary = wanted(told.get("canary", ""), "")
        if canary is not None:
            begun = version_canaries.begin(office, slug, canary, people=_people_of(told), by=seen.caller.name)
            said = look._("A share of those who enter gets version %(n)s now.", n=begun.version)
            note(office, seen, "POST /cascades/{slug}/activate", slug)
            figures_of(request).forget(slug)
            return go(f"/cascades/{slug}/guard", _with_paused(look, said, begun.paused))
        done = cascades.activate(office, slug)
    except (Invalid, Conflict) as wrong:
        return _page(
            office,
            request,
            seen,
            sheet,
            422,
            refused=look_of(request, seen).refusal(wrong),
            told={**told, "panel": "plan"},
        )
    note(office, seen, "POST /cascades/{slug}/activate", slug)
    figures_of(request).forget(slug)
    left = any(each.version != done.version for each in cascades.plan(office, slug).in_flight)
    here = f"/cascades/{slug}/edit" + ("?panel=move" if left else "")
    active = look._("Version %(n)s is active.", n=done.version or 0)
    return go(here, _with_paused(look, active, done.paused))


def _with_paused(look: Look, said: str, paused: Sequence[PausedStep]) -> str:
    return " ".join([said, *(look.told(one.words) for one in paused)])


def _people_of(told: Mapping[str, str]) -> int:
    """Return how many people a canary takes; 0, which is refused, where that is no number."""
    text = told.get("canary_people", "").strip() or str(LEAST)
    return int(text) if text.isdecimal() and len(text) < 8 else 0


def _new(
    request: Request, look: Look, seen: Visitor, told: Mapping[str, str] | None = None, problem: str = "",
    code: int = 200,
) -> Response:  # fmt: skip
    return render(
        request, look, "new_cascade.html", code, seen=seen, presets=presets.listing(look.language),
        told=told or {}, problem=problem,
    )  # fmt: skip


def _page(
    office: Office, request: Request, seen: Visitor, sheet: Sheet, code: int = 200, *,
    overtaken: Overtaken | None = None, refused: str = "", told: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    asked = {**request.query_params, **(told or {})}
    loaded = cascades.check(sheet.source, office)
    readable = True
    try:
        tree = edit.tree_of(sheet.source)
    except UnreadableError:
        tree, readable = {}, False
    drawn = flow.draw(look, tree, loaded.problems, sheet.slug)
    top = tree if isinstance(tree, Mapping) else {}
    panel, at = _panel(asked, readable, len(drawn.cards))
    by_place: dict[str, str] = {}
    for problem in loaded.problems:
        remedy = look.told(problem.remedy)
        words = look.told(problem.message) + (f"; {remedy}" if remedy else "")
        by_place[problem.path] = f"{by_place[problem.path]}\n{words}" if problem.path in by_place else words
    values: dict[str, Any] = {
        "outlook": expected.outlook(
            request, look, office, sheet.slug, sheet.source, loaded.cascade, asked.get("for", "")
        ),
        "found_words": look.told,
        "passed_over": lambda told: expected.passed_over(look, told),
        "forecast_notes": lambda told: expected.notes(look, told),
        "way_range": lambda way: expected.between(look, way),
        "plan": cascades.plan(office, sheet.slug) if panel == "plan" and sheet.source else None,
        "step": _step(top, at) if panel == "step" else {},
        "examples": examples(look, drawn, at),
        **(_people(office, seen, _step(top, at)) if panel == "step" else {}),
        **(audiences(look, office, top.get("trigger")) if panel == "top" else {}),
        **(moving.shown(office, look, sheet.slug, asked) if panel == "move" else {}),
        **(_trying(office, sheet, loaded.cascade, asked) if panel == "plan" else {}),
    }
    return render(
        request, look, "editor.html", code, seen=seen, sheet=sheet, flow=drawn, top=top, panel=panel, at=at,
        found=by_place, overtaken=overtaken, refused=refused, may_write=_may_write(seen, sheet),
        readable=readable, channels=CHANNEL_NAMES, carried=_carried(office), tells=_tells(values["step"]),
        main=step_form.main_field, channels_of=flow.channels_of, mine=(told or {}).get("source", ""),
        text=flow.text, joined=lambda names: ", ".join(look.word("waited", each).lower() for each in names),
        hours=hours(look, office, values["step"], flow.text(top.get("class"))),
        best_hour=best_hour(office, values["step"], flow.text(top.get("class"))),
        **choices(look, office, values["step"], drawn), **values,
    )  # fmt: skip


def _trying(
    office: Office, sheet: Sheet, cascade: Cascade | None, asked: Mapping[str, str]
) -> dict[str, Any]:
    """Return whether a share of those who enter may get the draft first, or which version they get now."""
    last = next(iter(version_canaries.listing(office, sheet.slug)), None) if sheet.version else None
    enters = cascade is not None and not cascade.trigger.broadcast
    return {
        "trying": last.version if last is not None and last.row.state == RUNNING else None,
        "may_try": sheet.version is not None and enters, "offered": version_canaries.OFFERED,
        "canary": asked.get("canary", ""), "canary_people": asked.get("canary_people", str(LEAST)),
    }  # fmt: skip


def _people(office: Office, seen: Visitor, step: Mapping[str, Tree]) -> dict[str, Any]:
    """Return whose message can be looked at, and where tests go."""
    if not seen.may(preview.PEOPLE):
        return {"people": [], "testers": ()}
    channel = next(iter(flow.channels_of(step)), "")
    people = (preview.somebody(office, channel=channel) if channel else []) or preview.somebody(office)
    return {"people": people, "testers": preview.testers(office)}


def _carried(office: Office) -> set[str]:
    """Return the channels that an account carries which is switched on."""
    return {each.channel.value for each in office.engine.world.accounts.values() if each.enabled}


def _may_write(seen: Visitor, sheet: Sheet) -> bool:
    return seen.may(WRITE) and sheet.state != "stopped"


def _panel(asked: Mapping[str, str], readable: bool, steps: int) -> tuple[str, int]:
    """Return what stands beside the drawing, and of which step."""
    panel, at = asked.get("panel", ""), asked.get("at", "")
    if not readable:
        return "text", 0
    if panel == "step" and at.isdecimal() and int(at) < steps:
        return "step", int(at)
    return (panel, 0) if panel in ("top", "text", "plan", "move") else ("", 0)


def _step(top: Mapping[str, Tree], at: int) -> Mapping[str, Tree]:
    steps = top.get("steps")
    found = steps[at] if isinstance(steps, list) and at < len(steps) else {}
    return found if isinstance(found, Mapping) else {}


def _tells(step: Mapping[str, Tree]) -> list[tuple[str, list[str], list[str]]]:
    """Return for each channel of a step what it can tell, and what it cannot."""
    found = []
    for name in flow.channels_of(step):
        told = CHANNELS[flow.KNOWN[name]].tells
        order = [each for each in Reaction if each not in (Reaction.NONE, Reaction.REACTED)]
        found.append((name, [each.value for each in order if each in told],
                      [Reaction.READ.value] if not told & SEEN else []))  # fmt: skip
    return found


def _changed(text: str, told: Mapping[str, str], channels: list[str]) -> str:
    """Return the text after what the form asks for."""
    at = int(told["at"]) if told.get("at", "").isdecimal() else 0
    match told.get("do", ""):
        case "text":
            return _clean(told.get("source", ""))
        case "add":
            names = [flow.text(step.get("id")) for step in _steps(text)]
            step = step_form.new_step(channels[0] if channels else "email", names)
            return edit.insert(text, "steps", at, step)
        case "move":
            to = told.get("to", "")
            return (
                edit.move(text, "steps", at, max(0, min(int(to), len(_steps(text)) - 1)))
                if to.isdecimal()
                else text
            )
        case "repeat":
            names = [flow.text(step.get("id")) for step in _steps(text)]
            name = re.sub(r"-\d+$", "", names[at]) if at < len(names) else "step"
            number = 2
            while f"{name}-{number}" in names:
                number += 1
            return edit.put(edit.repeat(text, "steps", at), f"steps[{at + 1}].id", f"{name}-{number}")
        case "remove":
            return edit.remove(text, f"steps[{at}]")
        case "step":
            return _with_step(text, at, told, channels)
        case "top":
            tree = edit.tree_of(text)
            return edit.put(text, "", step_form.top_from(tree if isinstance(tree, Mapping) else {}, told))
    return text


def _with_step(text: str, at: int, told: Mapping[str, str], channels: list[str]) -> str:
    steps = _steps(text)
    if at >= len(steps):
        raise Invalid([worded("This step is no longer there.")])
    new = step_form.step_from(steps[at], told, channels)
    old_id, new_id = flow.text(steps[at].get("id")), flow.text(new.get("id"))
    text = edit.put(text, f"steps[{at}]", new)
    return _renamed(text, old_id, new_id) if old_id and new_id and old_id != new_id else text


def _renamed(text: str, old: str, new: str) -> str:
    """Let branches name a step by its new name."""
    tree = edit.tree_of(text)
    branches = tree.get("branches") if isinstance(tree, Mapping) else None
    for number, branch in enumerate(branches if isinstance(branches, list) else []):
        if not isinstance(branch, Mapping):
            continue
        step, dot, reaction = flow.text(branch.get("when")).rpartition(".")
        if step == old:
            text = edit.put(text, f"branches[{number}].when", f"{new}{dot}{reaction}")
        if branch.get("go") == old:
            text = edit.put(text, f"branches[{number}].go", new)
    return text


def _steps(text: str) -> list[Mapping[str, Tree]]:
    tree = edit.tree_of(text)
    steps = tree.get("steps") if isinstance(tree, Mapping) else None
    return [each if isinstance(each, Mapping) else {} for each in (steps if isinstance(steps, list) else [])]


def _texts(form: FormData) -> dict[str, str]:
    return {key: value for key, value in form.multi_items() if isinstance(value, str)}


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n")


def _after(told: Mapping[str, str]) -> dict[str, str]:
    """Return what stands beside the drawing after a form was taken."""
    at = int(told["at"]) if told.get("at", "").isdecimal() else 0
    match told.get("do", ""):
        case "step" | "add":
            return {"panel": "step", "at": str(at)}
        case "repeat":
            return {"panel": "step", "at": str(at + 1)}
        case "move" if told.get("panel") == "step":
            return {"panel": "step", "at": told.get("to", "0")}
        case "text":
            return {"panel": told.get("panel", "text"), "at": str(at)}
        case "top":
            return {"panel": "top"}
    return {}


def _slug(title: str) -> str:
    plain = title.lower().translate(LETTERS)
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64]
