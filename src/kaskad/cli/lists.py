"""`kaskad list` and `kaskad segment`: people put together by hand, or by what they have in common."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from kaskad.cli.contact import print_contacts
from kaskad.cli.screens.options import DB, JSON

NAME = Annotated[str, typer.Argument(metavar="NAME", help="Name of the list.")]
SEGMENT = Annotated[str, typer.Argument(metavar="NAME", help="Name of the segment.")]
OF_SEGMENT = Annotated[str, typer.Argument(metavar="NAME", help="Name of the segment.")]
TEXT = Annotated[str, typer.Option("--text", help="A condition, as `if` in a cascade has them.")]
WHO = Annotated[
    list[str], typer.Argument(metavar="CONTACT", help="Ids (con_…), external ids, e-mails or +phones.")
]
SEEDS = Annotated[bool, typer.Option("--seeds", help="Seed and test contacts too.")]
LIMIT = Annotated[int, typer.Option(min=1, help="At most so many.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Lists of contacts: make, fill, show.", no_args_is_help=True)
    group.command("show")(show)
    group.command("create")(create)
    group.command("add")(add)
    group.command("remove")(remove)
    group.command("delete")(delete)
    app.add_typer(group, name="list")
    group = typer.Typer(help="Segments: contacts by a condition.", no_args_is_help=True)
    group.command("list")(list_segments)
    group.command("create")(create_segment)
    group.command("count")(count_segment)
    group.command("preview")(preview_segment)
    group.command("show")(show_segment)
    group.command("rfm")(rfm)
    group.command("refresh")(refresh_segments)
    group.command("delete")(delete_segment)
    group.command("export")(export_segments)
    group.command("apply")(apply_segments)
    app.add_typer(group, name="segment")


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose members; else all lists.")] = "",
    limit: LIMIT = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show the lists, or who is on one of them."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        path = f"{_at(name)}/members" if name else "/lists"
        found = list(islice(client.items(path, limit=min(limit + 1, 1000)), limit + 1))
    if name:
        print_contacts(found, limit, as_json, f"Nobody is on the list {name}.")
    elif as_json:
        typer.echo(as_text(found[:limit]))
    elif not found:
        typer.echo(
            "There are no lists: `kaskad list create NAME` or `kaskad import FILE --list NAME` makes one."
        )
    else:
        typer.echo(table(("LIST", "MEMBERS"), [(each["name"], each["members"]) for each in found[:limit]]))


def create(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Make an empty list."""
    _said(_call(db, "POST", "/lists", {"name": name}), as_json, f"The list {name} is made.")


def add(name: NAME, who: WHO, db: DB = "", as_json: JSON = False) -> None:
    """Put contacts on a list; where one of them is unknown, nobody is."""
    told = _call(db, "POST", f"{_at(name)}/members", {"contacts": who})
    _said(told, as_json, f"{told['added']} added to {name}.")


def remove(name: NAME, who: WHO, db: DB = "", as_json: JSON = False) -> None:
    """Take contacts off a list."""
    told = _call(db, "POST", f"{_at(name)}/members/remove", {"contacts": who})
    _said(told, as_json, f"{told['removed']} taken off {name}.")


def delete(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Forget a list, not its people."""
    _call(db, "DELETE", _at(name))
    _said({"deleted": name}, as_json, f"The list {name} is forgotten.")


def list_segments(
    ready: Annotated[bool, typer.Option("--ready", help="Those that are there without being made.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """List the segments."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = (
            client.call("GET", "/segments", query={"ready": "true"})["items"]
            if ready
            else list(client.items("/segments"))
        )
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo(
            "There are no segments: `kaskad segment create NAME --text 'contact.vip == true'` makes one."
        )
    else:
        rows = [(each["name"], each["text"]) for each in found]
        typer.echo(table(("SEGMENT", "WHO"), rows))


def create_segment(
    name: SEGMENT,
    text: TEXT = "",
    where: Annotated[
        list[str] | None,
        typer.Option(help="attribute=value; several times for several, all of which must hold."),
    ] = None,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Make a segment: of a condition, or of the contacts whose attributes have values.

    Values that are numbers, true and false are taken as such; in double quotes they are text.
    """
    if bool(text) == bool(where):
        raise typer.BadParameter("say whom it is for, by --text or by --where", param_hint="--text")
    asked = {"text": text} if text else {"conditions": {"all": [_condition(w) for w in where or ()]}}
    told = _call(db, "POST", "/segments", {"name": name, **asked})
    _said(told, as_json, f"The segment {name} is made: {told['text']}.")


def count_segment(
    name: OF_SEGMENT = "", text: TEXT = "", seeds: SEEDS = False, db: DB = "", as_json: JSON = False
) -> None:
    """Count who is in a segment now, or who meets a condition, and on which channels they can be reached."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    _one_of(name, text)
    who = {"text": text} if text else {"name": name}
    with reached(db) as client:
        told = _answered(client, {**who, "seeds": seeds, "people": 0})
    if as_json:
        typer.echo(as_text({each: told[each] for each in ("contacts", "reach", "remarks")}))
        return
    for remark in told["remarks"]:
        typer.echo(remark, err=True)
    typer.echo(told["contacts"])
    if told["reach"]:
        on = ", ".join(f"{channel} {number}" for channel, number in told["reach"].items())
        typer.echo(f"can be reached by {on}", err=True)


def _answered(client: Any, question: dict[str, Any] | None, path: str = "/questions") -> Any:
    """Return the answer to a question, telling of progress on the screen; Ctrl-C gives it up."""
    from time import sleep

    told = client.call("POST", path, question)
    try:
        while told["state"] == "running":
            if sys.stderr.isatty():
                part = 100 * told["done"] // max(1, told["of"])
                typer.echo(f"\rcounting: {part} %", nl=False, err=True)
            sleep(0.3)
            told = client.call("GET", f"/questions/{told['id']}")
    except KeyboardInterrupt:
        client.call("DELETE", f"/questions/{told['id']}")
        typer.echo("\rgiven up       ", err=True)
        raise typer.Exit(1) from None
    if sys.stderr.isatty():
        typer.echo("\r                \r", nl=False, err=True)
    if told["state"] != "done":
        typer.echo(told["problem"] or "The count was given up.", err=True)
        raise typer.Exit(1)
    return told


def show_segment(name: SEGMENT, db: DB = "", as_json: JSON = False) -> None:
    """Show a segment, and which segments and cascades name it."""
    told = _call(db, "GET", _segment_at(name))
    used = "".join(f"\nused by {each}" for each in told["used_by"])
    _said(told, as_json, f"{told['text']}{used}")


def rfm(
    event: Annotated[
        list[str] | None, typer.Option(help="An event that is a purchase; several times.")
    ] = None,
    property_name: Annotated[str, typer.Option("--property", help="Its property that is money.")] = "amount",
    days: Annotated[int, typer.Option(min=1, help="How far back purchases count.")] = 365,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show what the scores of RFM are counted from; with --event say it, and count them anew."""
    from kaskad.cli.screens.output import many, table

    rule = {"events": event, "property": property_name, "days": days}
    told = _call(db, "PUT", "/rfm", rule) if event else _call(db, "GET", "/rfm")
    words = [
        f"{many(told['customers'], 'contact has', 'contacts have')} an event "
        f"{' or '.join(told['events'])} of {told['days']} days; "
        f"money is {told['property']}. Counted {told['counted_at'][:16].replace('T', ' ')} UTC."
    ]
    if told["purchases"]:
        edges = zip(range(1, 5), told["days_since"][::-1], told["purchases"], told["money"], strict=True)
        rows = [(score, f"over {r}", f"to {f}", f"to {m:g}") for score, r, f, m in edges]
        words.append(table(("SCORE", "R: DAYS SINCE", "F: PURCHASES", "M: MONEY"), rows))
        words.append("5 is whoever is beyond.")
    _said(told, as_json, "\n".join(words))


def refresh_segments(db: DB = "", as_json: JSON = False) -> None:
    """Make now what segments are counted from; a server does so by itself where segments are asked about."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import many

    with reached(db) as client:
        told = _answered(client, None, "/questions/refresh")
    _said({"contacts": told["contacts"]}, as_json, f"Made for {many(told['contacts'], 'contact')}.")


def preview_segment(
    name: OF_SEGMENT = "",
    text: TEXT = "",
    limit: LIMIT = 20,
    seeds: SEEDS = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show who is in a segment now, or who meets a condition."""
    from kaskad.cli.client import reached

    _one_of(name, text)
    if text:
        with reached(db) as client:
            query = {"limit": min(limit + 1, 1000), "seeds": seeds}
            told = client.call("POST", "/segments/preview", {"text": text}, query)
        print_contacts(told["items"], limit, as_json, "Nobody meets the condition.")
        return
    with reached(db) as client:
        items = client.items(f"{_segment_at(name)}/preview", limit=min(limit + 1, 1000), seeds=seeds)
        found = list(islice(items, limit + 1))
    print_contacts(found, limit, as_json, f"Nobody is in the segment {name}.")


def export_segments(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Only these.")] = None,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Write segments as YAML, such as `kaskad segment apply` takes."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        text = client.call("GET", "/segment-file", query={"name": names or None})
    say(as_json, {"text": text}, text.rstrip())


def apply_segments(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML: `segments:`, and conditions by name.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Make or change the segments of a YAML file, all or none; those that it does not name stay."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        told = client.call("PUT", "/segment-file", content=file.read_bytes(), kind="application/yaml")
    say(as_json, told, f"Saved: {', '.join(told['saved'])}.")


def delete_segment(name: SEGMENT, db: DB = "", as_json: JSON = False) -> None:
    """Forget a segment."""
    _call(db, "DELETE", _segment_at(name))
    _said({"deleted": name}, as_json, f"The segment {name} is forgotten.")


def value_of(text: str) -> Any:
    """Return a number, true or false where the text is one, else the text; in double quotes it is text."""
    import json

    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | bool | int | float) else text


def _condition(where: str) -> dict[str, Any]:
    attribute, equals, value = where.partition("=")
    if not attribute or not equals:
        raise typer.BadParameter(
            f"{where!r} is no condition: write such as city=Almaty", param_hint="--where"
        )
    return {"attribute": attribute, "equals": value_of(value)}


def _one_of(name: str, text: str) -> None:
    if bool(name) == bool(text):
        raise typer.BadParameter("name a segment, or ask by --text", param_hint="NAME")


def _call(db: str, method: str, path: str, value: Any = None) -> Any:
    from kaskad.cli.client import reached

    with reached(db) as client:
        return client.call(method, path, value)


def _said(told: Any, as_json: bool, words: str) -> None:
    from kaskad.cli.screens.output import as_text

    typer.echo(as_text(told) if as_json else words)


def _at(name: str) -> str:
    from kaskad.cli.client import part

    return f"/lists/{part(name)}"


def _segment_at(name: str) -> str:
    from kaskad.cli.client import part

    return f"/segments/{part(name)}"
