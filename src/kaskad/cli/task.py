"""`kaskad task`: calls that people are to make, worked off from a terminal."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

TASK = Annotated[str, typer.Argument(metavar="TASK", help="Such as task_12_345_1_1.")]
AGENT = Annotated[str, typer.Option(help="Who calls; left out: the name of the key.")]
_DISPOSITIONS = "reached_agreed, reached_refused, callback_at, no_answer, wrong_number or do_not_call"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        help="Calls by people: list, next, show, release, dial, close, note.", no_args_is_help=True
    )
    group.command("list")(listing)
    group.command("next")(following)
    group.command("show")(show)
    group.command("release")(release)
    group.command("dial")(dial)
    group.command("close")(close)
    group.command("note")(note)
    app.add_typer(group, name="task")


def listing(
    state: Annotated[
        str, typer.Option(help="live, open, claimed, done, withdrawn, expired or all.")
    ] = "live",
    account: Annotated[str, typer.Option(help="Of this call desk only.")] = "",
    agent: Annotated[str, typer.Option(help="That this agent has, or had last.")] = "",
    lane: Annotated[str, typer.Option(help="Such as service or advertising.")] = "",
    contact: Annotated[str, typer.Option(help="Of this contact: id, e-mail or phone.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """List tasks, those that are due first."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    asked = {"state": state, "account": account, "agent": agent, "lane": lane, "contact": contact}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value}
    with reached(db) as client:
        items = client.items("/tasks", **given, limit=min(limit + 1, 1000))
        found = list(islice(items, limit + 1))
    if as_json:
        typer.echo(as_text(found[:limit]))
    elif not found:
        typer.echo("There are no such tasks.")
    else:
        rows = [
            (task["id"], task["state"] + (" !" if task["urgent"] else ""), task["name"] or task["contact"],
             task["cascade"], task["agent"] or "", _minute(task["due_at"]))
            for task in found[:limit]
        ]  # fmt: skip
        typer.echo(table(("TASK", "STATE", "WHO", "CASCADE", "AGENT", "DUE"), rows))
        if len(found) > limit:
            typer.echo(f"… and more: --limit {limit * 10} shows more of them.")


def following(
    account: Annotated[str, typer.Option(help="Of this call desk only.")] = "",
    agent: AGENT = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Claim the next task and show it."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        told = client.post("/tasks/next", {"account": account, **_who(agent)})
    if as_json:
        typer.echo(as_text(told))
    elif told["task"] is None:
        typer.echo("There is nobody to call now.")
    else:
        typer.echo(_card(told["task"]))


def show(task: TASK, db: DB = "", as_json: JSON = False) -> None:
    """Show a task with what is known of the person; the number is told by `dial`."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        told = client.get(f"/tasks/{part(task)}")
    typer.echo(as_text(told) if as_json else _card(told))


def release(task: TASK, agent: AGENT = "", db: DB = "", as_json: JSON = False) -> None:
    """Give a task back that was claimed and not dialled."""
    from kaskad.cli.client import part

    _act(db, as_json, f"/tasks/{part(task)}/release", _who(agent), f"{task} is open again.")


def dial(task: TASK, agent: AGENT = "", db: DB = "", as_json: JSON = False) -> None:
    """Look a last time whether the person may be called, and show the number."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        told = client.post(f"/tasks/{part(task)}/dial", _who(agent))
    typer.echo(as_text(told) if as_json else f"{told['number']}  {told['task']['name']}".rstrip())


def close(
    task: TASK,
    disposition: Annotated[str, typer.Argument(metavar="RESULT", help=f"How it ended: {_DISPOSITIONS}.")],
    at: Annotated[str, typer.Option(help="With callback_at: when, such as 2026-12-01T15:00+05:00.")] = "",
    note: Annotated[str, typer.Option(help="Add this to the notes.")] = "",
    agent: AGENT = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Say how the call that was dialled has ended."""
    from kaskad.cli.client import part

    told = {"disposition": disposition, "note": note, **_who(agent)} | ({"call_back_at": at} if at else {})
    _act(db, as_json, f"/tasks/{part(task)}/close", told, f"{task}: {disposition.replace('_', ' ')}.")


def note(
    task: TASK,
    text: Annotated[str, typer.Argument(help="What to remember.")],
    agent: AGENT = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Add to the notes of a task."""
    from kaskad.cli.client import part

    _act(db, as_json, f"/tasks/{part(task)}/notes", {"text": text, **_who(agent)}, f"Noted at {task}.")


def _act(db: str, as_json: bool, path: str, told: dict[str, Any], said: str) -> None:
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        answer = client.post(path, told)
    typer.echo(as_text(answer) if as_json else said)


def _who(agent: str) -> dict[str, str]:
    return {"agent": agent} if agent else {}


def _card(task: dict[str, Any]) -> str:
    """Return a task as an agent reads it."""
    who, why = task["name"] or task["contact"], f" (urgent: {task['why']})" if task["why"] else ""
    lines = [
        f"{task['id']}  {who}, {task['cascade']} at {task['step']}: {task['state']}{why}",
        f"there it is {task['local_time'][11:16]} ({task['zone']}); may be called {task['window']['words']}",
        f"by right of: {task['basis']}; due {_minute(task['due_at'])}",
        *(f"{each['channel']}: {each['masked']}" for each in task["addresses"]),
    ]
    if task["trigger"]:
        lines.append("about: " + ", ".join(f"{name} {value}" for name, value in task["trigger"].items()))
    lines += ["", task["script"], "", "before:"]
    lines += [
        f"  {_minute(entry['at'])}  {entry['text']}"
        for entry in task["history"]
        if entry["what"] in ("message", "reaction", "run")
    ]
    if task["notes"]:
        lines += ["", "notes:", task["notes"]]
    return "\n".join(lines)


def _minute(at: str | None) -> str:
    return at[:16].replace("T", " ") + " UTC" if at else ""
