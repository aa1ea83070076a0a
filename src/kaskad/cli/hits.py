"""`kaskad hits`: what was opened and clicked, by whom, and judging it again."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON, SINCE, when


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Opens and clicks: machines' addresses, judging again.", no_args_is_help=True)
    group.command("reclassify")(reclassify)
    ranges = typer.Typer(help="Lists of addresses that machines come from.", no_args_is_help=True)
    ranges.command("list")(show)
    ranges.command("import")(bring)
    ranges.command("remove")(remove)
    group.add_typer(ranges, name="ranges")
    app.add_typer(group, name="hits")


def reclassify(
    since: SINCE = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Judge what was opened and clicked again, by the lists and rules of now.

    Facts and what runs are said to have ended with are corrected. Nothing is sent, and no run begins again.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, many

    total: dict[str, Any] = {"messages": 0, "hits": 0, "changed": {}, "facts": 0, "outcomes": {}}
    told: dict[str, Any] = {"since": when(since), "dry_run": dry_run}
    with reached(db) as client:
        while True:
            part = client.post("/hits/reclassify", told)
            for name in ("messages", "hits", "facts"):
                total[name] += part[name]
            for name in ("changed", "outcomes"):
                for what, count in part[name].items():
                    total[name][what] = total[name].get(what, 0) + count
            if part["next"] is None:
                break
            told["after"] = part["next"]
            typer.echo(f"{total['messages']:,} messages …", err=True)
    if as_json:
        typer.echo(as_text({**total, "dry_run": dry_run}))
        return
    would = "would change" if dry_run else "changed"
    typer.echo(f"{many(total['hits'], 'hit')} of {many(total['messages'], 'message')} judged.")
    changes = [f"{count:,} {what}" for what, count in sorted(total["changed"].items())]
    typer.echo(f"Verdicts that {would}: {', '.join(changes) or 'none'}.")
    if not dry_run:
        ends = [f"{count:,} {what}" for what, count in sorted(total["outcomes"].items())]
        typer.echo(f"Ends of runs corrected: {', '.join(ends) or 'none'}.")


def show(db: DB = "", as_json: JSON = False) -> None:
    """List the lists, each with where and of when it is."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        lists = list(client.items("/hits/ranges"))
    if as_json:
        typer.echo(as_text(lists))
    else:
        rows = [(one["name"], one["kind"], one["size"], one["as_of"], one["source"]) for one in lists]
        typer.echo(table(("NAME", "KIND", "NETWORKS", "OF", "SOURCE"), rows))


def bring(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="As it is published: CSV, JSON or plain lines.")
    ],
    kind: Annotated[str, typer.Option(help="relay (Apple's), cloud or scanner.")],
    source: Annotated[str, typer.Option(help="Where it is published.")],
    name: Annotated[str, typer.Option(help="Its name here; else that of the file.")] = "",
    as_of: Annotated[str, typer.Option(help="The day that it is of; else that of the file.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Bring in a list in place of the one of that name; `kaskad hits reclassify` then judges again by it."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    try:
        data = file.read_bytes()
        day = as_of or date.fromtimestamp(file.stat().st_mtime).isoformat()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    query = {"kind": kind, "source": source, "as_of": day}
    with reached(db) as client:
        path = f"/hits/ranges/{part(name or file.stem)}"
        kept = client.call("PUT", path, query=query, content=data, kind="text/plain")
    say(
        as_json,
        kept,
        f"{kept['name']}: {kept['size']:,} networks ({kept['kind']}) of {kept['as_of']} count now.",
    )


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="From `kaskad hits ranges list`.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Forget a list that was brought in."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.delete(f"/hits/ranges/{part(name)}")
    say(as_json, {"removed": name}, f"{name} counts no more.")
