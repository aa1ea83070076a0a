"""`kaskad suppress`: the stop-list, whatever contact has the address."""

from __future__ import annotations

from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("suppress")(suppress)


def suppress(
    addresses: Annotated[
        list[str] | None, typer.Argument(metavar="ADDRESS", help="E-mail, +phone, or channel:address.")
    ] = None,
    domains: Annotated[
        list[str] | None,
        typer.Option(
            "--domain", help="Every address at this mail domain, with *. also below it; may be repeated."
        ),
    ] = None,
    reason: Annotated[
        str,
        typer.Option(
            help="manual, legal, opt_out, complaint, hard_bounce, invalid_number or carrier_refusal; "
            "manual where it is left out."
        ),
    ] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Only tell whether they are on the list, and why.")
    ] = False,
    lift: Annotated[
        bool, typer.Option("--lift", help="Take them off the list again; addresses only with --why.")
    ] = False,
    why: Annotated[
        str, typer.Option(help="With --lift: why addresses come off the list. It is kept in the audit.")
    ] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Never write to addresses again, or to any at a mail domain; no matter who has them."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import many, say

    if (check and lift) or (reason and (check or lift)):
        raise typer.BadParameter("one at a time: --check, --lift or --reason", param_hint="--check")
    if bool(why) != bool(lift and addresses):
        raise typer.BadParameter("goes with --lift and addresses: why they come off it", param_hint="--why")
    told: dict[str, object] = {
        "domains": domains or [], "addresses": [_address(each) for each in addresses or []],
    }  # fmt: skip
    if reason or why:
        told["reason" if reason else "why"] = reason or why
    with reached(db) as client:
        path = "/suppressions/check" if check else "/suppressions/lift" if lift else "/suppressions"
        found = client.post(path, told)
    if check:
        lines = [
            f"{each['value']}: {each['reason'].replace('_', ' ')}, since {each['at'][:10]}"
            if each["reason"] else f"{each['value']}: not on the stop-list"
            for each in found["items"]
        ]  # fmt: skip
        say(as_json, found["items"], "\n".join(lines))
    else:
        verb = "is" if found["addresses"] == 1 else "are"
        done = "good again" if lift else "new on the stop-list"
        whose = many(found["addresses"], "address of contacts", "addresses of contacts")
        say(as_json, found, f"{whose} {verb} {done}.")


def _address(text: str) -> dict[str, str]:
    """Return the channel of an address with it."""
    channel, _, value = text.partition(":")
    if "@" in channel or channel.startswith("+"):
        return {"channel": "email" if "@" in channel else "sms", "value": text}
    if not value:
        raise typer.BadParameter(f"which channel is {text} of? Write telegram:{text}", param_hint="ADDRESS")
    return {"channel": channel, "value": value}
