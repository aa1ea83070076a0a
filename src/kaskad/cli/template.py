"""`kaskad template`: texts of their own, by channel and language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

NAME = Annotated[str, typer.Argument(metavar="NAME", help="The template's name.")]
CHANNEL = Annotated[str, typer.Option(help="On this channel; `part` is what stands in other texts.")]
LANGUAGE = Annotated[str, typer.Option(help="In this language: ru, kk, en.")]
TRIGGER = Annotated[str, typer.Option(metavar="JSON", help="Properties of the event that would begin a run.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    from kaskad.cli import testing

    group = typer.Typer(
        help="Templates: put, list, show, preview, step, test, check, history, restore, delete.",
        no_args_is_help=True,
    )
    group.command("put")(put)
    group.command("list")(listing)
    group.command("show")(show)
    group.command("preview")(preview)
    group.command("step")(step)
    group.command("test")(testing.template)
    group.command("check")(check)
    group.command("history")(history)
    group.command("restore")(restore)
    group.command("delete")(delete)
    app.add_typer(group, name="template")


def put(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="YAML, MJML, HTML or plain text.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Save templates from files; cascades use them when they are activated next.

    Parts are saved first, whatever the order of the files. Where a file cannot be read, nothing is saved.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text
    from kaskad.cli.template_file import read_templates
    from kaskad.domain.errors import Invalid

    told = [one for file in files for one in read_templates(file)]
    nameless = [one for one in told if not isinstance(one.get("name"), str)]
    if nameless:
        raise Invalid(["A template has no name: write `name: cart-letter`."])
    saved = []
    with reached(db) as client:
        for one in sorted(told, key=lambda one: one.get("channel") != "part"):
            fields = {key: value for key, value in one.items() if key != "name"}
            saved.append(client.call("PUT", f"/templates/{one['name']}", fields))
    if as_json:
        typer.echo(as_text(saved))
        return
    for one in saved:
        typer.echo(f"{_title(one)} is saved; cascades use it when they are activated next.")
        for warning in one["warnings"]:
            typer.secho(f"  {warning}", fg=typer.colors.YELLOW)


def listing(db: DB = "", as_json: JSON = False) -> None:
    """List the templates and parts."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = list(client.items("/templates"))
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo("There are no templates: `kaskad template put FILE` saves one.")
    else:
        rows = [
            (one["name"], one["channel"], one["language"] or "all",
             "yes" if one["fallback"] else "", one["saved_at"][:16], " ".join(one["warnings"]))
            for one in found
        ]  # fmt: skip
        typer.echo(table(("NAME", "CHANNEL", "LANGUAGE", "FOR ALL OTHERS", "SAVED", "WARNINGS"), rows))


def show(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Show a template as it was written, in all its languages."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        found = list(client.items(f"/templates/{part(name)}"))
    if as_json:
        typer.echo(as_text(found))
        return
    for one in found:
        typer.secho(_title(one), bold=True)
        _print_words(one)
        if one["variables"]:
            typer.echo(f"  asks for {', '.join(one['variables'])}")


def preview(
    name: NAME,
    contact: Annotated[str, typer.Option("--as", metavar="CONTACT", help="Whose message it would be.")],
    channel: CHANNEL = "",
    language: LANGUAGE = "",
    trigger: TRIGGER = "{}",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show a template as a contact would get it; nothing is sent."""
    from kaskad.cli.client import part, reached

    told = {
        "contact": contact, "channel": channel, "language": language, "trigger": properties(trigger),
    }  # fmt: skip
    with reached(db) as client:
        found = client.post(f"/templates/{part(name)}/preview", told)
    _print_preview(name, contact, found, as_json)


def step(
    cascade: Annotated[str, typer.Argument(metavar="CASCADE", help="The cascade's name.")],
    step_id: Annotated[str, typer.Argument(metavar="STEP", help="The step's id.")],
    contact: Annotated[str, typer.Option("--as", metavar="CONTACT", help="Whose message it would be.")],
    version: Annotated[str, typer.Option(help="A number, current or draft; else the newest.")] = "",
    channel: Annotated[str, typer.Option(help="Of several; else the first.")] = "",
    variant: Annotated[str, typer.Option(help="Its id; else the first.")] = "",
    trigger: TRIGGER = "{}",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show what a step of a cascade would say to a contact; nothing is sent."""
    from kaskad.cli.client import part, reached

    told = {
        "contact": contact, "step": step_id, "version": version, "channel": channel or None,
        "variant": variant, "trigger": properties(trigger),
    }  # fmt: skip
    with reached(db) as client:
        found = client.post(f"/cascades/{part(cascade)}/preview", told)
    _print_preview(f"{cascade}.{step_id}", contact, found, as_json)


def _print_preview(name: str, contact: str, found: Mapping[str, Any], as_json: bool) -> None:
    from kaskad.cli.screens.output import as_text

    if as_json:
        typer.echo(as_text(found))
        return
    typer.secho(f"{name} for {contact} ({found['channel']}, {found['language'] or 'no language'})", bold=True)
    _print_words(found)
    if found["parts"]:
        typer.echo(f"  {found['parts']} parts in {found['encoding']}")
    if found["spoken_s"]:
        typer.echo(f"  takes about {found['spoken_s']} s to say")


def check(
    name: NAME,
    contacts: Annotated[int, typer.Option(min=1, max=100_000, help="So many, at most.")] = 1_000,
    to_list: Annotated[str, typer.Option("--list", metavar="LIST", help="Those on this list.")] = "",
    channel: CHANNEL = "",
    trigger: TRIGGER = "{}",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Fill a template for many contacts: who lacks what, how long SMS become, what all of it costs.

    Exit code 1: some would get no message.
    """
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    told = {
        "channel": channel, "contacts": contacts, "list": to_list, "trigger": properties(trigger),
    }  # fmt: skip
    with reached(db) as client:
        found = client.post(f"/templates/{part(name)}/check", told)
    if as_json:
        typer.echo(as_text(found))
    else:
        print_check(name, found)
    if found["written"] < found["contacts"]:
        raise typer.Exit(1)


def print_check(name: str, found: Mapping[str, Any]) -> None:
    """Print what became of a text with each contact."""
    typer.echo(f"{found['written']} of {found['contacts']} contacts with an address would get {name}.")
    for one in found["lacks"]:
        whose = f", such as {', '.join(one['examples'])}" if one["examples"] else ""
        typer.echo(
            f"  {one['lacking']} lack {one['variable']}{whose}; {one['stopped']} get no message for it"
        )
    for problem in found["problems"]:
        typer.echo(f"  {problem['contacts']}: {problem['problem']}")
    if found["stand_ins"]:
        typer.echo(f"  made up, since --trigger does not give it: {', '.join(found['stand_ins'])}")
    for count, number in found["parts"].items():
        typer.echo(f"  {number} get {count} part{'s' if count != '1' else ''}")
    if longest := found["longest"]:
        told = f"{longest['units']} characters of {longest['encoding']}"
        typer.echo(f"  the longest goes to {longest['contact']}: {told} in {longest['parts']} parts")
    if found["price"] is not None:
        from kaskad.domain.cascade import Money
        from kaskad.domain.money import format_money

        typer.echo(f"  all of it costs {format_money(Money(found['price'], found['currency']))}")


def history(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Show who saved which text of a template and when, each with what it changed."""
    from difflib import unified_diff

    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        found = list(client.items(f"/templates/{part(name)}/history"))
    if as_json:
        typer.echo(as_text(found))
        return
    for one, before in zip(found, [*found[1:], None], strict=True):
        where = ", ".join(word for word in (one["channel"], one["language"]) if word)
        typer.secho(
            f"{one['number']} ({where}) {one['saved_at'][:16]} by {one['saved_by'] or 'nobody known'}",
            bold=True,
        )
        same = before is not None and (before["channel"], before["language"]) == (
            one["channel"],
            one["language"],
        )
        old = as_text(before["content"]).splitlines() if before is not None and same else []
        for line in list(unified_diff(old, as_text(one["content"]).splitlines(), n=0, lineterm=""))[2:]:
            if not line.startswith("@@"):
                typer.echo(f"  {line}")


def restore(
    name: NAME,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `history` shows it.")],
    channel: CHANNEL = "",
    language: LANGUAGE = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Save an earlier text again, as the latest."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    told = {"number": number, "channel": channel, "language": language}
    with reached(db) as client:
        made = client.post(f"/templates/{part(name)}/restore", told)
    say(
        as_json, made, f"{_title(made)} is text {number} again; cascades use it when they are activated next."
    )


def delete(
    name: NAME, channel: CHANNEL = "", language: LANGUAGE = "", db: DB = "", as_json: JSON = False
) -> None:
    """Delete a template, or one channel or language of it; cascades keep theirs until activated again."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import many, say

    query = {"channel": channel or None, "language": language or None}
    with reached(db) as client:
        told = client.call("DELETE", f"/templates/{part(name)}", query=query)
    say(as_json, told, f"{many(told['deleted'], 'text')} of {name} deleted.")


def properties(text: str) -> dict[str, Any]:
    """Return what an option in JSON holds; raises BadParameter."""
    import msgspec

    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as problem:
        told = f"{text!r}: write JSON such as '{{\"total\": 12500}}' ({problem})"
        raise typer.BadParameter(told, param_hint="--trigger") from None


def _title(one: Mapping[str, Any]) -> str:
    where = [one["channel"], *([one["language"]] if one["language"] else [])]
    return f"{one['name']} ({', '.join(where)})"


def _print_words(one: Mapping[str, Any]) -> None:
    for kind in ("subject", "mjml", "html", "text", "say", "script"):
        if one.get(kind):
            typer.echo(f"  {kind}: " + one[kind].rstrip("\n").replace("\n", "\n    "))
    for button in one["buttons"]:
        typer.echo(f"  [{button['text']}] {button['url'] or button['reply']}")
