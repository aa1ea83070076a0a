"""`kaskad form`: what people can sign up by on a page, with a confirmation by the owner of the address."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

NAME = Annotated[str, typer.Argument(metavar="NAME", help="Name of the form: small letters, digits, -.")]
TEXT = Annotated[
    list[str],
    typer.Option("--text", metavar="LANG:WORDS", help="The exact words beside the box; once a language."),
]
CHANNEL = Annotated[list[str] | None, typer.Option("--channel", help="email, sms, …; several times.")]
PURPOSE = Annotated[
    list[str] | None, typer.Option("--for", help="advertising, service, tracking, recording, data.")
]
TOPIC = Annotated[
    list[str] | None, typer.Option("--topic", help="A topic; several times; without: every one.")
]
ORIGIN = Annotated[list[str] | None, typer.Option("--origin", help="A site that may post it; without: any.")]
LANGUAGE = Annotated[str, typer.Option(help="Of the HTML: ru, kk, en.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        help="Sign-up forms with double opt-in: add, list, show, remove.", no_args_is_help=True
    )
    group.command("add")(add)
    group.command("list")(show_all)
    group.command("show")(show)
    group.command("remove")(remove)
    app.add_typer(group, name="form")


def add(
    name: NAME,
    text: TEXT,
    channel: CHANNEL = None,
    purpose: PURPOSE = None,
    topic: TOPIC = None,
    origin: ORIGIN = None,
    brand: Annotated[str, typer.Option(help="Whose consent it is, among several brands.")] = "",
    controller: Annotated[str, typer.Option(help="Who answers for the data, with BIN or INN.")] = "",
    country: Annotated[str, typer.Option(help="Whose law it is given under, such as KZ.")] = "",
    valid_days: Annotated[int, typer.Option(min=0, help="How long it holds; 0: until withdrawn.")] = 0,
    redirect: Annotated[str, typer.Option(help="Where people go after it; else a page of ours.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Declare a form, or change it, and print the HTML to paste into a page."""
    from kaskad.cli.client import reached

    told: dict[str, Any] = {
        "texts": [_wording(each) for each in text], "topics": topic or [], "origins": origin or [],
        "brand": brand, "controller": controller, "country": country, "valid_days": valid_days,
        "redirect": redirect,
    }  # fmt: skip
    told |= {"channels": channel} if channel else {}
    told |= {"purposes": purpose} if purpose else {}
    with reached(db) as client:
        made = client.call("PUT", _at(name), told)
        html = client.get(f"{_at(name)}/html", language=told["texts"][0]["language"])["html"]
    _print(made, html, as_json)


def show_all(db: DB = "", as_json: JSON = False) -> None:
    """List the forms."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = list(client.items("/forms"))
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo("There are no forms: `kaskad form add NAME --text ru:WORDS` adds one.")
    else:
        rows = [
            (one["name"], ", ".join(one["channels"]), ", ".join(one["topics"]) or "every topic",
             ", ".join(word["language"] for word in one["texts"]), one["asked"], one["confirmed"])
            for one in found
        ]  # fmt: skip
        typer.echo(table(("FORM", "CHANNELS", "TOPICS", "LANGUAGES", "ASKED", "CONFIRMED"), rows))


def show(name: NAME, language: LANGUAGE = "", db: DB = "", as_json: JSON = False) -> None:
    """Show a form, and its HTML."""
    from kaskad.cli.client import reached

    with reached(db) as client:
        found = client.get(_at(name))
        html = client.get(f"{_at(name)}/html", language=language)["html"]
    _print(found, html, as_json)


def remove(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Forget a form; who has not confirmed cannot any more, consents stay."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        client.call("DELETE", _at(name))
    typer.echo(
        as_text({"removed": name}) if as_json else f"The form {name} is gone; consents given by it stay."
    )


def _print(form: dict[str, Any], html: str, as_json: bool) -> None:
    from kaskad.cli.screens.output import as_text

    if as_json:
        typer.echo(as_text({**form, "html": html}))
        return
    typer.echo(f"{form['name']}: consent for {', '.join(form['purposes'])} by {', '.join(form['channels'])}"
               f" about {', '.join(form['topics']) or 'every topic'}.")  # fmt: skip
    typer.echo(f"On a page of its own: {form['url']}. To paste into yours:\n\n{html}")
    typer.echo(form["trouble"] or f"People are asked to confirm by the cascade confirm-{form['name']}.")


def _wording(text: str) -> dict[str, str]:
    language, colon, words = text.partition(":")
    if not colon or len(language) != 2:
        raise typer.BadParameter(f"{text[:30]!r}: write such as ru:Согласен получать…", param_hint="--text")
    return {"language": language.lower(), "text": words.strip()}


def _at(name: str) -> str:
    from kaskad.cli.client import part

    return f"/forms/{part(name)}"
