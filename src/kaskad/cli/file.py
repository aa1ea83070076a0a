"""`kaskad file`: what goes with mails or is linked to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON

NAME = Annotated[str, typer.Argument(metavar="NAME", help="The file's name here.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Files for mails: put, list, get, delete.", no_args_is_help=True)
    group.command("put")(put)
    group.command("list")(listing)
    group.command("get")(get)
    group.command("delete")(delete)
    app.add_typer(group, name="file")


def put(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="PDF, picture, table or text.")],
    name: Annotated[str, typer.Option(help="Its name here; else that of the file, without its end.")] = "",
    title: Annotated[str, typer.Option(help="What people see it called; else the file's name.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Save a file for `attach`, `cid:` and `{{ files.NAME }}`, in place of the one of that name."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    try:
        content = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    called = name or re.sub(r"[^a-z0-9_-]+", "-", file.stem.lower()).strip("-_")[:64]
    if not called:
        raise typer.BadParameter("the file's name has no Latin letters: give one by --name")
    kind = "application/octet-stream"
    with reached(db) as client:
        query = {"title": title or file.name}
        told = client.call("PUT", f"/files/{part(called)}", query=query, content=content, kind=kind)
    passed = ", passed by the antivirus" if told["scanned"] else ""
    say(as_json, told, f"{told['title']} is saved as {called} ({told['size']} bytes{passed}).")


def listing(db: DB = "", as_json: JSON = False) -> None:
    """List the files."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = list(client.items("/files"))
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo("There are no files: `kaskad file put FILE` saves one.")
    else:
        rows = [
            (one["name"], one["title"], one["kind"].partition(";")[0], str(one["size"]),
             one["saved_at"][:16], one["saved_by"], "yes" if one["scanned"] else "")
            for one in found
        ]  # fmt: skip
        typer.echo(table(("NAME", "TITLE", "KIND", "BYTES", "SAVED", "BY", "SCANNED"), rows))


def get(
    name: NAME,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Write a saved file to the disk."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        content = client.get(f"/files/{part(name)}/content")
    try:
        out.write_bytes(content)
    except OSError as error:
        raise typer.BadParameter(f"{out}: {error.strerror}", param_hint="--out") from None
    say(as_json, {"file": str(out), "size": len(content)}, f"{name} is written to {out}.")


def delete(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Delete a file; steps that need it are skipped from now on."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.call("DELETE", f"/files/{part(name)}")
    say(as_json, {"deleted": name}, f"{name} is deleted.")
