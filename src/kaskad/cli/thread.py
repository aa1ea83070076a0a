"""`kaskad thread`: what people write, and what they are answered."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

CONTACT = Annotated[str, typer.Argument(metavar="CONTACT", help="Id, external id, e-mail or phone.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="The inbox: list, show, reply, assign, close, reopen.", no_args_is_help=True)
    group.command("list")(listing)
    group.command("show")(show)
    group.command("reply")(reply)
    group.command("assign")(assign)
    group.command("close")(close)
    group.command("reopen")(reopen)
    app.add_typer(group, name="thread")


def listing(
    closed: Annotated[bool, typer.Option("--closed", help="Those that are closed.")] = False,
    unread: Annotated[bool, typer.Option("--unread", help="With texts that nobody has looked at.")] = False,
    assignee: Annotated[str, typer.Option(help="That this person answers.")] = "",
    search: Annotated[str, typer.Option(help="An address, an id, or words of a newer text.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """List conversations, the newest first."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    asked = {"state": "closed" if closed else "open", "assignee": assignee, "q": search,
             "unread": "true" if unread else ""}  # fmt: skip
    given: dict[str, Any] = {name: value for name, value in asked.items() if value}
    with reached(db) as client:
        found = list(islice(client.items("/threads", **given, limit=min(limit, 1000)), limit))
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo("There are no such threads.")
    else:
        rows = [
            (each["contact"], each["name"], each["channel"], each["last_at"][:16].replace("T", " "),
             str(each["unread"] or ""), each["assignee"], each["words"].replace("\n", " ")[:60])
            for each in found
        ]  # fmt: skip
        typer.echo(table(("CONTACT", "NAME", "CHANNEL", "LAST, UTC", "NEW", "WITH", "WORDS"), rows))


def show(contact: CONTACT, db: DB = "", as_json: JSON = False) -> None:
    """Show the conversation with a person, the oldest text first."""
    from kaskad.cli.client import reached, whom

    with reached(db) as client:
        _print(client.get(f"/threads/{whom(contact)}"), as_json)


def reply(
    contact: CONTACT,
    text: Annotated[str, typer.Argument(help="What to answer.")],
    channel: Annotated[str, typer.Option(help="Left out: that the person wrote on last.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Answer a person."""
    from kaskad.cli.client import reached, whom

    told = {"text": text, **({"channel": channel} if channel else {})}
    with reached(db) as client:
        _print(client.post(f"/threads/{whom(contact)}/reply", told), as_json)


def assign(
    contact: CONTACT,
    to: Annotated[str, typer.Argument(help='Who answers; "": nobody.')],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Hand a conversation to somebody."""
    _change(contact, {"assignee": to}, db, as_json)


def close(contact: CONTACT, db: DB = "", as_json: JSON = False) -> None:
    """Close a conversation; it opens again when the person writes."""
    _change(contact, {"state": "closed"}, db, as_json)


def reopen(contact: CONTACT, db: DB = "", as_json: JSON = False) -> None:
    """Open a conversation again."""
    _change(contact, {"state": "open"}, db, as_json)


def _change(contact: str, told: dict[str, str], db: str, as_json: bool) -> None:
    from kaskad.cli.client import reached, whom

    with reached(db) as client:
        _print(client.post(f"/threads/{whom(contact)}", told), as_json)


def _print(thread: dict[str, Any], as_json: bool) -> None:
    from kaskad.cli.screens.output import as_text

    if as_json:
        typer.echo(as_text(thread))
        return
    who = thread["name"] or thread["contact"]
    typer.echo(f"{who} ({thread['contact']}), {thread['state']}, with {thread['assignee'] or 'nobody'}")
    for each in thread["texts"]:
        fate = f" [{each['state']}{': ' + each['why'] if each['why'] else ''}]" if each["state"] else ""
        at, author = each["at"][:16].replace("T", " "), each["author"] or who
        typer.echo(f"{at}  {author}, {each['channel']}{fate}: {each['text']}")
    for stop in thread["stops"]:
        typer.echo(f"A stop to be looked at (kaskad stops): {stop['id']}: {stop['said']}")
