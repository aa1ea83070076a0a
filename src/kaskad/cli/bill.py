"""`kaskad bill`: a provider's bill beside what was counted for the same messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

KIND = "application/octet-stream"
WHY = {
    "price": "another price",
    "parts": "other parts",
    "free": "we hold nothing",
    "several": "several lines",
}
_LOOK_S = 0.5


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("bill")(bill)
    app.command("bills")(listing)


def bill(
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT|BILL", help="The account's name, or a bill: bill_12.")
    ],
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="CSV, XLSX or JSON Lines.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", metavar="HEADER=MEANING", help="Such as 'Total=amount'.")
    ] = None,
    take: Annotated[bool, typer.Option("--take", help="Let messages cost what was billed for them.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Hold a provider's bill against what we have counted, and with --take correct our amounts by it.

    Columns: amount; id (the provider's) or reference (ours), or phone and at; parts, currency, operator.
    Headers may be in Russian. The same file again is the same bill, and taken over twice it changes nothing.
    The exit code is 1 where bill and count differ.
    """
    import time

    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    if file is None and not account.startswith("bill_"):
        raise typer.BadParameter("name the bill's file, or a bill such as bill_12", param_hint="FILE")
    with reached(db) as client:
        if file is None:
            told = client.get(f"/bills/{part(account)}")
        else:
            query = {"account": account, "source": file.name[:200], "wait_s": _LOOK_S, "map": mapping or []}
            told = client.call("POST", "/bills", query=query, content=_bytes(file), kind=KIND)
        while told["state"] == "running":
            if not as_json:
                typer.echo(f"\r{told['seen']:,} of about {told['size']:,} lines", nl=False, err=True)
            time.sleep(_LOOK_S)
            told = client.get(f"/bills/{told['id']}")
        if take and told["state"] == "done":
            told = client.call("POST", f"/bills/{told['id']}/take")
    if as_json:
        typer.echo(as_text(told))
    else:
        for line in report(told):
            typer.echo(line)
    if told["state"] != "done" or told["differing"] or told["unknown"] or told["unbilled"]:
        raise typer.Exit(1)


def listing(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Only bills of this account.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """List the bills that were brought in, the latest first."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = client.get("/bills", **({"account": account} if account else {}))["items"]
    if as_json:
        typer.echo(as_text(found))
        return
    rows = [
        (one["id"], one["account"], one["source"], one["started_at"][:10], one["state"],
         f"{one['matched']:,}", f"{one['differing']:,}", _money(one["billed"] - one["held"], one["currency"]),
         "yes" if one["taken_at"] else "")
        for one in found
    ]  # fmt: skip
    heads = ("BILL", "ACCOUNT", "FILE", "DAY", "STATE", "MATCHED", "DIFFER", "BY", "TAKEN OVER")
    typer.echo(table(heads, rows) if rows else "No bill was brought in: `kaskad bill ACCOUNT FILE`.")


def report(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a bill comes to, in lines."""
    from kaskad.cli.screens.output import many, table

    code = told["currency"]
    if told["state"] != "done":
        yield f"{told['id']} of {told['account']} is {told['state']}: {told['problem']}"
        return
    columns = ", ".join(f"{header} = {what}" for header, what in told["columns"].items())
    yield f"{told['id']} of {told['account']}, {told['source']}: {told['lines']:,} lines; {columns}"
    rows = [
        ("matched", f"{told['matched']:,}", _money(told["billed"], code), _money(told["held"], code)),
        ("differ", f"{told['differing']:,}", _money(told["billed"] - told["held"], code), ""),
        ("billed, not known to us", f"{told['unknown']:,}", _micros(told["unknown_micros"], code), ""),
        ("ours, not billed", f"{told['unbilled']:,}", "", _money(told["unbilled_held"], code)),
        ("lines that cannot be read", f"{told['unread']:,}", "", ""),
    ]
    yield table(("", "COUNT", "BILLED", "OURS"), rows)
    if told["zone"]:
        yield (
            f"Most lines that fit no message would, were their times of the zone {told['zone']}: write it "
            f"behind them, such as 2026-11-30 14:05{told['zone']}."
        )
    if told["groups"]:
        yield "\nDifferences:"
        groups = [
            (one["place"] or "unknown", WHY[one["reason"]], f"{one['count']:,}", _money(one["minor"], code))
            for one in told["groups"][:20]
        ]
        yield table(("PLACE", "REASON", "MESSAGES", "BY"), groups)
    for one in told["unknowns"][:10]:
        yield f"row {one['row']}: {one['why'] or 'no message of ours'}"
    if told["taken_at"]:
        corrected = many(told["taken"], "message was", "messages were")
        yield f"Taken over by {told['taken_by']}: {corrected} corrected."
        if told["untaken"]:
            untaken = many(told["untaken"], "message")
            yield f"A defect in Kaskad kept {untaken} from being corrected: see the log."
    elif told["differing"]:
        yield f"`kaskad bill {told['id']} --take` lets the messages cost what was billed."


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None


def _money(minor: int, currency: str) -> str:
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    return format_money(Money(minor, currency))


def _micros(micros: int, currency: str) -> str:
    from kaskad.domain.bill import minor_of

    return _money(minor_of(micros, currency), currency)
