"""`kaskad erasures`: who was erased, as far as that may still be said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("erasures")(erasures)


def erasures(
    act: Annotated[str, typer.Argument(metavar="ERASURE", help="One act (era_…), with its consents.")] = "",
    address: Annotated[str, typer.Option(help="Of who had this e-mail address, or number with +.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show the acts of erasure: when, by whom, and what was deleted."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        if act:
            found = [client.get(f"/erasures/{part(act)}")]
        else:
            query = {"address": address or None, "limit": min(limit, 1000)}
            found = list(islice(client.items("/erasures", **query), limit))
    if as_json:
        typer.echo(as_text(found[0] if act else found))
    elif not found:
        typer.echo("Nobody was erased." if not address else "Nobody with this address was erased.")
    for each in found if not as_json else ():
        for line in lines(each):
            typer.echo(line)


def lines(act: Mapping[str, Any]) -> Iterator[str]:
    """Yield an act as people read it."""
    from kaskad.cli.contact import consent_words
    from kaskad.cli.screens.output import many

    yield f"{act['id']}  {act['contact']} was erased {act['at'][:19].replace('T', ' ')} UTC by {act['by']}"
    for what, count in act["deleted"].items():
        yield f"  {count:>6}  {what}"
    if act["searching"]:
        yield f"  still being looked through for the person: {', '.join(act['searching'])}"
    yield f"  {many(len(act['hashes']), 'address stays', 'addresses stay')} suppressed, as hashes"
    for consent in act.get("consents", ()):
        yield f"  kept as proof: {consent_words(consent)}"
