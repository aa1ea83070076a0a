"""`kaskad money`: what cascades cost, and what of it need not have been paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON, SINCE, UNTIL, when

WHY = {
    "answer": "told as it was taken",
    "receipt": "told later",
    "bill": "billed",
    "released": "refused: not paid",
    "free": "failed: not paid",
    "attempt": "made again: the call before is paid too",
    "restored": "arrived after all",
}
SHOWN_DAYS = 14


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("money")(money)


def money(
    cascade: Annotated[str, typer.Argument(metavar="CASCADE", help="Only this one; else all.")] = "",
    since: SINCE = "",
    until: UNTIL = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show what was spent by day, account and step, how amounts were corrected, and what was wasted."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    asked = {"since": when(since), "until": when(until)}
    with reached(db) as client:
        told = client.get(f"/cascades/{part(cascade)}/money" if cascade else "/money", **asked)
        limits = [] if cascade else client.get("/money/budgets")["items"]
    if as_json:
        typer.echo(as_text(told if cascade else told | {"budgets": limits}))
        return
    for line in (*_limits(limits), *lines_of(told, cascade)):
        typer.echo(line)


def lines_of(told: Mapping[str, Any], cascade: str) -> Iterator[str]:
    """Yield what was spent, in lines and tables."""
    from kaskad.cli.screens.output import rates_of, table

    if told["uncounted"]:
        yield f"{told['uncounted']} runs or more have just changed and are not counted yet."
    if not told["messages"] and not told["under_way"]:
        yield f"Nothing was sent {_span(told)}."
        return
    yield (
        f"{told['messages']:,} messages {_span(told)}: "
        f"{_amounts(told['cost']) or 'at no price that is known'}"
        + (f", under way {_amounts(told['under_way'])}" if told["under_way"] else "")
    )
    yield from rates_of(told["rates"], told["cost"])
    if told["budget"]:
        budget = told["budget"]
        held = budget["held"]
        if held is None:
            yield f"No rate brings all that was paid into {budget['currency']}: the budget lets nothing go."
            held = 0
        share = held / budget["total"] if budget["total"] else 1.0
        amounts = (
            _amounts({budget["currency"]: held}),
            _amounts({budget["currency"]: budget["total"]}),
        )
        yield f"Budget: {amounts[0] or 'nothing'} of {amounts[1]} held ({share:.0%})."
    parts = [("steps", "STEP")] if cascade else [("cascades", "CASCADE")]
    for name, head in (*parts, ("accounts", "ACCOUNT"), ("days", "DAY")):
        rows = [
            (one["name"] or "deleted", f"{one['messages']:,}", _cell(one["price"]), _cell(one["cost"]))
            for one in told[name][-SHOWN_DAYS:]
        ]
        yield ""
        yield table((head, "MESSAGES", "PRICE", "COST"), rows)
    if told["changes"]:
        changes = [
            (
                one["account"],
                WHY[one["reason"]],
                f"{one['count']:,}",
                _amounts({one["currency"]: one["minor"]}),
            )
            for one in told["changes"]
        ]
        yield "\nHow amounts changed after they were reserved:"
        yield table(("ACCOUNT", "WHY", "TIMES", "BY"), changes)
    if told["wasted"]:
        wasted = [
            (one["step"], one["says"], f"{one['count']:,}" + (f" of {one['of']:,}" if one["of"] else ""),
             _amounts(one["amounts"]))
            for one in told["wasted"]
        ]  # fmt: skip
        yield "\nWhat need not have been paid (a message may be in several lines):"
        yield table(("STEP", "WHY", "MESSAGES", "COST"), wasted)
        for says in dict.fromkeys(f"{one['kind']}: {one['advice']}" for one in told["wasted"]):
            yield f"  {says}"


def _limits(limits: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    from kaskad.cli.screens.output import table

    rows = [
        (one["account"] or "all", one["period"], _amounts({one["currency"]: one["spent"]}) or "nothing",
         _amounts({one["currency"]: one["minor"]}),
         f"{one['spent'] / one['minor']:.0%}" if one["minor"] else "")
        for one in limits
    ]  # fmt: skip
    if rows:
        yield table(("BUDGET OF", "PER", "SPENT", "OF", "SHARE"), rows) + "\n"
    if apart := sorted({name for one in limits for name in one["apart"]}):
        yield f"No rate brings these accounts into the currency of a budget: {', '.join(apart)}.\n"


def _cell(amounts: Mapping[str, int]) -> str:
    """Return amounts as they stand in a table: nothing is only where no price is known."""
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    return _amounts(amounts) or ", ".join(format_money(Money(0, code)) for code in sorted(amounts))


def _amounts(amounts: Mapping[str, int]) -> str:
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    return ", ".join(format_money(Money(minor, code)) for code, minor in sorted(amounts.items()) if minor)


def _span(told: Mapping[str, Any]) -> str:
    """Return from when to when, as days by the installation's clock."""
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(told["zone"])
    first = datetime.fromisoformat(told["since"]).astimezone(zone)
    last = datetime.fromisoformat(told["until"]).astimezone(zone) - timedelta(milliseconds=1)
    return f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
