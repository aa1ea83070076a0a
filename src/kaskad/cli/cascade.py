"""`kaskad plan`, `apply`, `cascades`, `pause`, `resume`, `stop` and `launch`: cascades of an installation."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaskad.cli.screens.options import CASCADE, DB, FILE, JSON

if TYPE_CHECKING:
    from kaskad.cli.client import Client

YES = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
STEP = Annotated[str, typer.Option(metavar="STEP", help="Only this step, in all versions.")]
YAML = "application/yaml"
BEFALLS = {  # what an action on a cascade makes of its runs: of one, of several
    "pause": ("run keeps its place", "runs keep their places"),
    "resume": ("run wanted", "runs wanted"),
    "stop": ("run was cancelled", "runs were cancelled"),
}


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (plan, apply, cascades, launch, pause, resume, stop):
        app.command()(command)


def plan(
    file: FILE,
    contacts: Annotated[
        int, typer.Option("--contacts", min=0, max=100_000, help="Hold it against so many of its audience.")
    ] = 0,
    to_list: Annotated[str, typer.Option("--list", metavar="LIST", help="Its audience is this list.")] = "",
    segment: Annotated[str, typer.Option(metavar="SEGMENT", help="Its audience is this segment.")] = "",
    trigger: Annotated[
        str, typer.Option(metavar="JSON", help="Properties of the event that would begin a run.")
    ] = "{}",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Tell what activating a definition would change, and whether it can be; nothing is saved.

    With --contacts, --list or --segment also what its audience would get: who lacks what, how many parts SMS
    have, what all of it costs.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.audience import SAMPLE, looking, print_audience
    from kaskad.cli.screens.output import as_text
    from kaskad.cli.template import properties

    slug, text = _definition(file, as_json)
    with reached(db) as client:
        told = client.call("POST", f"/cascades/{slug}/plan", content=text.encode(), kind=YAML)
        if told["ok"] and (contacts or to_list or segment):
            wanted = {
                "definition": text, "contacts": contacts or SAMPLE, "list": to_list, "segment": segment,
                "trigger": properties(trigger),
            }  # fmt: skip
            with looking(f"looking at up to {wanted['contacts']} contacts", quiet=as_json):
                told["audience"] = client.post(f"/cascades/{slug}/audience", wanted)
    if as_json:
        typer.echo(as_text(told))
    else:
        _print_plan(told)
        if "audience" in told:
            print_audience(told["audience"])
    if not told["ok"]:
        raise typer.Exit(1)


def apply(
    file: FILE,
    yes: YES = False,
    canary: Annotated[
        str, typer.Option(metavar="SHARE", help="So many of those who enter get it first, such as 1%.")
    ] = "",
    canary_people: Annotated[
        int, typer.Option(min=1, help="It is judged once so many have entered by it; with --canary.")
    ] = 200,
    canary_after: Annotated[
        str, typer.Option(metavar="TIME", help="And so long after, 6h; else by the first step's own time.")
    ] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Save a definition and activate it, after showing what that changes.

    With --canary a share of those who enter gets it, until it has fared well: then all do, by itself. Where
    only approvals are missing it is saved as a draft, for who approves it.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    slug, text = _definition(file, as_json)
    if not yes and (as_json or not sys.stdin.isatty()):
        raise typer.BadParameter("nobody can be asked here: look at `kaskad plan`, then give --yes")
    with reached(db) as client:
        told = client.call("POST", f"/cascades/{slug}/plan", content=text.encode(), kind=YAML)
        if not as_json:
            _print_plan(told)
        if not told["ok"]:
            errors = [one for one in told["problems"] if one["severity"] == "error"]
            waits = 0 < told["unapproved"] == len(errors)  # the draft is what somebody else then reads
            if waits:
                client.call("PUT", f"/cascades/{slug}", content=text.encode(), kind=YAML)
            if as_json:
                typer.echo(as_text(told))
            elif waits:
                typer.echo(f"It is saved as a draft, whose texts wait: `kaskad approval list {slug}`.")
            raise typer.Exit(1)
        question = f"Activate it for {canary} of those who enter?" if canary else "Activate it?"
        if told["changes"] and not yes and not typer.confirm(question):
            raise typer.Abort
        client.call("PUT", f"/cascades/{slug}", content=text.encode(), kind=YAML)
        how = {"canary": canary, "canary_after": canary_after, "canary_people": canary_people}
        done = client.post(f"/cascades/{slug}/activate", how)
    if as_json:
        typer.echo(as_text(done))
        return
    if done["canary"]:
        typer.echo(f"{canary} of those who enter {slug} get version {done['canary']}, the others "
                   f"{done['version']}: `kaskad canary show {slug}`.")  # fmt: skip
    else:
        paused = "; it is paused: `kaskad resume` lets it send" if done["state"] == "paused" else ""
        typer.echo(f"{slug} is at version {done['version']}{paused}.")
    print_paused(slug, done["paused"])


def print_paused(slug: str, paused: list[dict[str, Any]]) -> None:
    """Print what has become of paused steps, and how those go on that are paused still."""
    for one in paused:
        stays = one["what"] in ("waits", "passed_over")
        typer.echo(one["words"] + (f" (`kaskad resume {slug} --step {one['step']}`)" if stays else ""))


def cascades(db: DB = "", as_json: JSON = False) -> None:
    """List the cascades with their states and how many people are in them."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table
    from kaskad.cli.screens.prose import tell

    with reached(db) as client:
        known = list(client.items("/cascades"))
        moves = client.moves
    if as_json:
        typer.echo(as_text(known))
    elif not known:
        typer.echo("There are no cascades: `kaskad apply FILE` activates one.")
    else:
        rows = [
            (
                one["slug"], _state(one),
                one["version"] or "", one["entered"], one["under_way"],
                " → ".join("/".join(step["channels"]) for step in one["steps"]),
            )
            for one in known
        ]  # fmt: skip
        typer.echo(table(("CASCADE", "STATE", "VERSION", "ENTERED", "UNDER WAY", "STEPS"), rows))
        if late := max(one["uncounted"] for one in known):
            counts = "" if moves else ": `kaskad serve` counts them"
            tell(f"{late} runs or more have changed, and are not counted yet{counts}.")


def _state(one: Mapping[str, Any]) -> str:
    """Return in which state a cascade is, and what of it is not."""
    apart = [f"{step} paused" for step in one["paused_steps"]]
    if one["drafted"] and one["version"]:
        apart.append("draft waits")
    return f"{one['state']} ({', '.join(apart)})" if apart else str(one["state"])


def launch(
    cascade: CASCADE,
    to_list: Annotated[str, typer.Option("--list", metavar="LIST", help="Everybody on this list.")] = "",
    segment: Annotated[str, typer.Option(help="Everybody in this segment.")] = "",
    everybody: Annotated[bool, typer.Option("--everybody", help="All contacts.")] = False,
    pace: Annotated[str, typer.Option(help="At most so many: 1000/h, 20/m; else as the definition.")] = "",
    canary: Annotated[
        str,
        typer.Option(metavar="SHARE", help="So many go first, 1% (200 at least); the rest waits for them."),
    ] = "",
    canary_after: Annotated[
        str,
        typer.Option(metavar="TIME", help="When these are judged, 6h; else by the first step's own time."),
    ] = "",
    at: Annotated[
        str, typer.Option(metavar="DATE", help="Begin then, by the brand's clock: 2026-12-04T10:00.")
    ] = "",
    own_clock: Annotated[
        bool, typer.Option("--own-clock", help="With --at: each enters when their own clock shows it.")
    ] = False,
    change: Annotated[
        str, typer.Option(metavar="LAUNCH", help="Give this one, which has not begun, the date --at.")
    ] = "",
    call_off: Annotated[
        str, typer.Option("--stop", metavar="LAUNCH", help="Let nobody enter any more by this one.")
    ] = "",
    go: Annotated[str, typer.Option(metavar="LAUNCH", help="Let the rest of this one go, whatever.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Show how far it has come until all are in.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Let many people enter a cascade, no faster than its pace.

    Without --list, --segment and --everybody they are those of the segment or list that its trigger names.
    """
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text, many

    if (bool(to_list), bool(segment), everybody).count(True) > 1:
        raise typer.BadParameter("say whom it is for: one of --list, --segment and --everybody")
    if go or call_off:
        _end_waiting(cascade, go or call_off, "go" if go else "stop", db, as_json)
        return
    told = {"list": to_list or None, "segment": segment or None, "everybody": everybody, "pace": pace,
            "canary": canary, "canary_after": canary_after, "at": at, "own_clock": own_clock}  # fmt: skip
    if at or change or own_clock:
        _plan(cascade, change, told, db, as_json)
        return
    with reached(db) as client:
        begun = client.post(f"/cascades/{part(cascade)}/launch", told)
        if wait and client.moves:
            begun = _watch(client, cascade, begun["id"])
        waits = "" if client.moves else "; it begins as soon as `kaskad serve` runs"
    if as_json:
        typer.echo(as_text(begun))
        return
    speed = f", {begun['pace']:,} an hour" if begun["pace"] else ""
    first = begun["canary"] if isinstance(begun["canary"], int) else 0
    waiting = f"; {first:,} of them go first, the rest waits for how they fare" if first else ""
    typer.echo(f"{begun['id']}: {cascade} for {many(begun['size'], 'contact')}{speed}{waiting}{waits}.")


def _plan(cascade: str, launch_id: str, told: dict[str, Any], db: str, as_json: bool) -> None:
    """Let a launch begin at a date, or give one another date."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    if not told["at"]:
        raise typer.BadParameter("say when: --at 2026-12-04T10:00")
    place = f"/cascades/{part(cascade)}"
    with reached(db) as client:
        if launch_id:
            made = client.put(f"{place}/launches/{part(launch_id)}", told)
        else:
            made = client.post(f"{place}/launch", told)
    clock = "by each person's own clock" if told["own_clock"] else "by the brand's clock"
    words = f"{made['id']}: {cascade} begins at {told['at']} {clock}, while `kaskad serve` runs."
    say(as_json, made, words)


def _end_waiting(cascade: str, launch_id: str, action: str, db: str, as_json: bool) -> None:
    """Let the rest of a launch go whatever its canary says, or nobody any more."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        told = client.post(f"/cascades/{part(cascade)}/launches/{part(launch_id)}/{action}")
    words = "the rest of its people enter now" if action == "go" else "nobody enters by it any more"
    say(as_json, told, f"{launch_id}: {words}.")


def pause(
    cascade: CASCADE, step: STEP = "",
    skip: Annotated[
        bool, typer.Option("--skip", help="People pass the step over instead of waiting at it; with --step.")
    ] = False,
    db: DB = "", as_json: JSON = False,
) -> None:  # fmt: skip
    """Send nothing of a cascade from now on, or nothing of one step; runs keep their places and clocks."""
    if skip and not step:
        raise typer.BadParameter("say which step people are to pass over: --step NAME --skip")
    if not step:
        _control(cascade, "pause", "{slug} is paused; {runs}.", db, as_json)
        return
    way = "pass it over" if skip else "wait at it"
    words = f"Step {step} of {cascade} is paused: people {way}, the rest goes on."
    _control(cascade, f"steps/{step}/pause", words, db, as_json, {"skip": skip})


def resume(cascade: CASCADE, step: STEP = "", db: DB = "", as_json: JSON = False) -> None:
    """Let a paused cascade send again, or a paused step of it; guardrails watch anew from here."""
    if not step:
        _control(cascade, "resume", "{slug} goes on; {runs} to send meanwhile.", db, as_json)
        if not as_json:
            _tell_paused(cascade, db)
        return
    words = "Step {step} goes on; {runs} to send it meanwhile."
    _control(cascade, f"steps/{step}/resume", words, db, as_json)


def stop(cascade: CASCADE, yes: YES = False, db: DB = "", as_json: JSON = False) -> None:
    """End a cascade for good: its runs are cancelled, and nobody enters it any more."""
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise typer.BadParameter("nobody can be asked here, and this cannot be undone: give --yes")
        typer.confirm(f"End {cascade} for good, and cancel all its runs?", abort=True)
    _control(cascade, "stop", "{slug} is stopped; {runs}.", db, as_json)


def _tell_paused(cascade: str, db: str) -> None:
    """Tell which steps stay paused, though the cascade goes on."""
    from kaskad.cli.client import part, reached

    with reached(db) as client:
        paused = list(client.items(f"/cascades/{part(cascade)}/steps/paused"))
    for step in dict.fromkeys(one["step"] for one in paused):
        typer.echo(f"Step {step} stays paused: `kaskad resume {cascade} --step {step}`.")


def _control(
    cascade: str, action: str, words: str, db: str, as_json: bool, told: dict[str, bool] | None = None
) -> None:
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text, many

    with reached(db) as client:
        done = client.post(f"/cascades/{part(cascade)}/{action}", told)
    runs = many(done.get("runs", 0), *BEFALLS[action.rpartition("/")[2]])
    typer.echo(as_text(done) if as_json else words.format(**{**done, "runs": runs}))


def _definition(file: str, as_json: bool) -> tuple[str, str]:
    """Return a cascade's name and its text; where it has errors, shows them and ends the command."""
    from kaskad.cli.check import as_data, load_text, read, show_problems
    from kaskad.cli.screens.output import as_text

    text = read(file)
    loaded = load_text(file, text)
    if loaded.cascade is None or not isinstance(text, str):
        if as_json:
            typer.echo(as_text(as_data(loaded)))
        else:
            show_problems(loaded, text if isinstance(text, str) else None)
        raise typer.Exit(1)
    return loaded.cascade.id, text


def _print_plan(told: dict[str, Any]) -> None:
    """Print what would change, the warnings, and what is missing."""
    if not told["changes"]:
        typer.echo(f"{told['slug']} runs just so already, as version {told['version']}.")
    for line in told["diff"].splitlines():
        color = {"+": typer.colors.GREEN, "-": typer.colors.RED, "@": typer.colors.CYAN}.get(line[:1])
        typer.secho(line, fg=color)
    if told["changes"]:
        typer.echo(f"{told['slug']} becomes version {told['version']}.")
    for flying in told["in_flight"]:
        where = f"at {flying['step']}" if flying["step"] else "before the first step"
        typer.echo(f"  {flying['runs']} under way in version {flying['version']} {where}: they stay in it")
    for problem in told["problems"]:
        remedy = f"; {problem['remedy']}" if problem["remedy"] else ""
        typer.secho(f"  line {problem['line']}: {problem['message']}{remedy}", fg=typer.colors.YELLOW)
    for warning in (*told["spared"], *(one["words"] for one in told["paused"])):
        typer.secho(f"  {warning}", fg=typer.colors.YELLOW)
    for missing in told["missing"]:
        typer.secho(missing, fg=typer.colors.RED, err=True)


def _watch(client: Client, cascade: str, launch_id: str) -> dict[str, Any]:
    """Show how far a launch has come until it is over, and return it."""
    from rich.console import Console
    from rich.progress import Progress

    from kaskad.cli.client import part

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{cascade} {launch_id}", total=None)
        while True:
            found = next(
                one for one in client.items(f"/cascades/{part(cascade)}/launches") if one["id"] == launch_id
            )
            bar.update(task, total=found["size"], completed=found["enrolled"])
            if found["state"] not in ("running", "paused"):
                return dict(found)
            time.sleep(0.5)
