"""`kaskad domain`: which domains of our mail addresses take mail."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = {
    None: "not looked up yet",
    "takes_mail": "takes mail",
    "no_domain": "there is no such domain",
    "refuses": "takes no mail (null MX)",
    "no_server": "has no mail server",
}


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Domains of mail addresses: do they take mail?", no_args_is_help=True)
    group.command("list")(listing)
    group.command("check")(check)
    app.add_typer(group, name="domain")


def listing(
    state: Annotated[
        str, typer.Option(help="all, pending (not looked up yet) or dead (takes no mail).")
    ] = "all",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """List the domains of mail addresses, and what DNS says of each."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    if state not in ("all", "pending", "dead"):
        raise typer.BadParameter(f"{state!r} is none of all, pending, dead", param_hint="--state")
    with reached(db) as client:
        counts = client.get("/mail-domains/counts")
        query = {"state": state, "limit": min(limit, 1000)}
        found = list(islice(client.items("/mail-domains", **query), limit))
    if as_json:
        typer.echo(as_text({"counts": counts, "items": found}))
        return
    if found:
        rows = [(each["domain"], WORDS[each["state"]], _day(each["checked_at"])) for each in found]
        typer.echo(table(("DOMAIN", "STATE", "LOOKED UP"), rows))
    typer.echo(counted(counts) or "There are no mail addresses yet.")


def check(
    domain: Annotated[str, typer.Argument(help="Such as firma.kz.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Have a domain looked up again at once, by the server that runs."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        told = client.post(f"/mail-domains/{part(domain)}/check")
        moves = client.moves
    if as_json:
        typer.echo(as_text(told))
        return
    typer.echo(f"{told['domain']}: {WORDS[told['state']]}{_since(told)}.")
    typer.echo("It is looked up now." if moves else "No server runs: it is looked up when one does.")


def counted(counts: Mapping[str, Any]) -> str:
    """Return what is known of all domains as people read it; "" where there are none."""
    if not counts["known"]:
        return ""
    pending = counts["known"] - counts["checked"]
    parts = [f"{counts['checked']} looked up, of which {counts['dead']} take no mail"]
    parts += [f"{pending} still to be looked up"] if pending else []
    parts += [f"{counts['unanswered']} asked about in vain so far"] if counts["unanswered"] else []
    return f"Mail domains: {'; '.join(parts)}."


def _since(told: Mapping[str, Any]) -> str:
    return f" since {_day(told['since'])}" if told["since"] else ""


def _day(at: str | None) -> str:
    return at[:10] if at else ""
