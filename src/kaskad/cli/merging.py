"""`kaskad contact duplicates`, `merge` and `history`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

WHO = Annotated[str, typer.Argument(metavar="CONTACT", help="Its id (con_…), external id, e-mail or +phone.")]


def add(group: typer.Typer) -> None:
    """Add the commands of this file."""
    group.command("duplicates")(duplicates)
    group.command("merge")(merge)
    group.command("history")(history)


def duplicates(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """List contacts that share an address, and may be one person."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        found = list(islice(client.items("/contacts/duplicates", limit=min(limit + 1, 1000)), limit + 1))
    if as_json:
        typer.echo(as_text(found[:limit]))
        return
    if not found:
        typer.echo("No two contacts share an address.")
        return
    for one in found[:limit]:
        for line in _shared(one):
            typer.echo(line)
    if len(found) > limit:
        typer.echo(f"… and more: --limit {limit * 10} shows more of them.")


def merge(
    kept: Annotated[str, typer.Argument(metavar="KEEP", help="The contact that stays.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The one that becomes part of it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it: nothing takes them apart again.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Make two contacts one: the history of both stays, and what either refused stays refused."""
    from kaskad.cli.client import reached, whom
    from kaskad.cli.screens.output import many, say

    if not yes:
        raise typer.BadParameter(
            "this cannot be undone: look at both with `kaskad contact show`, then add --yes"
        )
    with reached(db) as client:
        done = client.post(f"/contacts/{whom(kept)}/merge", {"other": other})
    told = f"{done['merged']} is part of {done['id']} now, with {many(done['runs'], 'run')}."
    if done["ended"]:
        ended = many(done["ended"], "live run goes", "live runs go")
        told += f" {ended} on in the run of the other that was further."
    if done["conflicts"]:
        told += f" Said differently, and kept in the history: {', '.join(done['conflicts'])}."
    say(as_json, done, told)


def history(
    who: WHO,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show what was changed of a contact, when, and by what; the newest first."""
    from kaskad.cli.client import reached, whom
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        found = client.get(f"/contacts/{whom(who)}/history", limit=limit)["items"]
    if as_json:
        typer.echo(as_text(found))
        return
    for each in found:
        details = ", ".join(f"{key}: {_plain(value)}" for key, value in each["details"].items())
        typer.echo(f"{each['at'][:19].replace('T', ' ')}  {each['what']} by {each['by']}  {details}".rstrip())
    if not found:
        typer.echo("Nothing was changed since the contact was made, or it was not kept then.")


def _shared(one: Mapping[str, Any]) -> Iterator[str]:
    yield _named(one["contact"])
    for other in one["others"]:
        same = ", ".join(f"{each['channel']} {each['value']}" for each in other["same"])
        yield f"  {_named(other['contact'])}  has the same {same}"


def _named(contact: Mapping[str, Any]) -> str:
    return "  ".join(part for part in (contact["id"], contact["external_id"], contact["name"]) if part)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items()) or "nothing"
    if isinstance(value, list):
        return " → ".join("nothing" if each is None else str(each) for each in value)
    return str(value)
