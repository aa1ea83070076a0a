"""`kaskad attribute`: the types of contacts' attributes."""

from __future__ import annotations

from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON

NAME = Annotated[str, typer.Argument(help="As texts and conditions write it behind `contact.`")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Attributes of contacts: declared types and labels.", no_args_is_help=True)
    group.command("list")(listing)
    group.command("declare")(declare)
    group.command("drop")(drop)
    app.add_typer(group, name="attribute")


def listing(db: DB = "", as_json: JSON = False) -> None:
    """List the declared attributes; others are free."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = client.get("/attributes")["items"]
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo("No attribute is declared: each may have any value.")
    else:
        rows = [
            (
                each["name"],
                each["type"],
                each["currency"] or ", ".join(each["choices"]),
                each["labels"].get("en", ""),
                each["labels"].get("ru", ""),
            )
            for each in found
        ]
        typer.echo(table(("ATTRIBUTE", "TYPE", "OF", "LABEL", "LABEL (RU)"), rows))


def declare(
    name: NAME,
    kind: Annotated[
        str, typer.Argument(metavar="TYPE", help="text, number, money, date, yes_no, choice, list.")
    ],
    choice: Annotated[list[str] | None, typer.Option(help="A value of a choice; give it for each.")] = None,
    currency: Annotated[str, typer.Option(help="Of money, such as KZT.")] = "",
    en: Annotated[str, typer.Option(help="How it is called in English.")] = "",
    ru: Annotated[str, typer.Option(help="How it is called in Russian.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Declare an attribute: from then on values that do not fit are refused, or left out of imports."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    labels = {language: label for language, label in (("en", en), ("ru", ru)) if label}
    told = {"type": kind, "labels": labels, "choices": choice or [], "currency": currency}
    with reached(db) as client:
        kept = client.put(f"/attributes/{part(name)}", told)
    say(as_json, kept, f"contact.{name} is {kept['type']} now; values that contacts have stay as they are.")


def drop(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Let an attribute have any value again."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.delete(f"/attributes/{part(name)}")
    say(as_json, {"name": name}, f"contact.{name} may have any value.")
