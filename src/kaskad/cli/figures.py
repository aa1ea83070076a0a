"""`kaskad figures`, `kaskad complaints`: all measures of a cascade, and who was reported as spam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaskad.cli.screens.options import CASCADE, DB, JSON, SINCE, UNTIL, when

if TYPE_CHECKING:
    from rich.console import Console

    from kaskad.cli.screens.tables import Figures

OF_STEPS = {  # shown in the terminal: title -> measure
    "delivered": "delivery_rate",
    "opened": "open_rate",
    "read": "read_rate",
    "clicked": "ctr",
    "of opened": "ctor",
    "goal": "goal_rate",
    "opted out": "unsubscribe_rate",
    "spam": "complaint_rate",
}


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(figures)
    app.command()(complaints)


def figures(
    cascade: CASCADE,
    step: Annotated[str, typer.Option(help="Only messages of this step.")] = "",
    channel: Annotated[str, typer.Option(help="Only messages on this channel.")] = "",
    variant: Annotated[str, typer.Option(help="Only messages of this variant.")] = "",
    segment: Annotated[str, typer.Option(help="Only people who are in this segment now.")] = "",
    version: Annotated[int, typer.Option(min=0, help="Only runs of this version; 0: of all.")] = 0,
    since: SINCE = "",
    until: UNTIL = "",
    explain: Annotated[bool, typer.Option("--explain", help="Say what each measure counts.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Tell all measures of a cascade: delivery, opens, clicks, goals, reach, costs, opt-outs, revenue.

    docs/figures.md explains each of them.
    """
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    asked = {"step": step or None, "channel": channel or None, "variant": variant or None,
             "segment": segment or None, "version": version or None, "since": when(since),
             "until": when(until)}  # fmt: skip
    with reached(db) as client:
        told = client.get(f"/cascades/{part(cascade)}/figures", **asked)
    if as_json:
        typer.echo(as_text(told))
        return
    _print(told)
    if explain:
        _explain()


def complaints(
    days: Annotated[int, typer.Option(min=1, max=400, help="Today and days before.")] = 30,
    mailboxes: Annotated[
        bool,
        typer.Option("--mailboxes", help="By who keeps the mailboxes, with bounces and opt-outs; 90 days."),
    ] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Tell how many mails of each account and day were reported as spam."""
    from rich.console import Console

    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text
    from kaskad.cli.screens.tables import Figures

    with reached(db) as client:
        if mailboxes:
            told = client.get("/complaints/mailboxes", days=min(days, 90))
        else:
            found = client.get("/complaints", days=days)["items"]
    if mailboxes:
        typer.echo(as_text(told)) if as_json else _by_mailbox(told, Console(highlight=False))
    elif as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo(f"No mail has left in {days} days.")
    else:
        rows = [
            (
                one["day"][:10], f"{one['account']} ({one['provider']})", one["complaints"]["whole"],
                one["complaints"]["part"], _share(one["complaints"], 2),
            )
            for one in found
        ]  # fmt: skip
        head = ("Day", "Account", "arrived", "complaints", "share")
        Console().print(Figures(head, rows, left=("Account",)))


def _by_mailbox(told: dict[str, Any], out: Console) -> None:
    from kaskad.cli.screens.tables import Figures

    if not told["services"]:
        out.print("No mail has left in that time.")
        return
    for title, key in (("Service", "service"), ("Domain", "domain")):
        rows = []
        for one in told[f"{key}s"]:
            rate, tells = one["complaint_rate"], one.get("tells", True)
            rows.append((
                one[key], *(f"{one[name]:,}" for name in ("sent", "arrived")),
                f"{one['complaints']:,}" if tells else "not told",
                "-" if rate is None else f"{rate * 100:.2f} %", f"{one['bounced']:,}", f"{one['opt_outs']:,}",
            ))  # fmt: skip
        head = (title, "left", "arrived", "complaints", "share", "bounced", "opted out")
        out.print(Figures(head, rows))
        out.print()
    if told["more"]:
        out.print(f"{told['more']:,} smaller domains are not shown.")
    out.print(
        "Stay below 0.1 %; never reach 0.3 %. Gmail tells of its complaints at postmaster.google.com only."
    )


def _print(told: dict[str, Any]) -> None:
    from rich.console import Console

    out = Console(highlight=False)
    out.print(f"[bold]{told['title'] or told['cascade']}[/bold] {told['as_of'][:16].replace('T', ' ')} UTC")
    held = f" · {told['holdouts']} held out" if told["holdouts"] else ""
    out.print(f"Entered {told['entered']}{held}")
    if told["uncounted"]:
        out.print(f"{told['uncounted']} runs or more have just changed, and are not counted yet.")
    if told["rows"]:
        out.print(_of_steps(told))
        seen = told["all"]["rates"]["observable_share"]
        if seen["share"] is not None:
            raw = _share(told["all"]["rates"]["open_rate_raw"])
            out.print(
                f"Can be seen opened or read: {_share(seen)} of what arrived; opened, with machines: {raw}"
            )
    for title, table in (("Of the runs", _of_runs(told)), ("Money", _of_money(told))):
        if table.rows:
            out.print(f"\n[bold]{title}[/bold]")
            out.print(table)
    out.print("\n[dim]-: nothing to divide by. --explain says what each counts.[/dim]")


def _of_steps(told: dict[str, Any]) -> Figures:
    from kaskad.cli.screens.tables import Figures

    shown = [title for title, name in OF_STEPS.items() if told["all"]["rates"][name]["share"] is not None]
    rows = []
    for row in (*told["rows"], told["all"]):
        name = "all" if row is told["all"] else f"{row['step']} ({row['channel']}) {row['variant']}".strip()
        rows.append((name, row["sent"], *(_share(row["rates"][OF_STEPS[title]]) for title in shown)))
    return Figures(("Messages", "sent", *shown), rows, True, space=1)


def _of_runs(told: dict[str, Any]) -> Figures:
    from kaskad.analytics.intervals import Share, shown
    from kaskad.cli.screens.tables import Figures

    rows: list[tuple[object, ...]] = [
        (_words(name), rate["part"], rate["whole"], _share(rate))
        for name, rate in told["rates"].items()
        if rate["share"] is not None
    ]
    if told["goal_gain"] is not None:
        arms = [told["rates"][name] for name in ("cr_entered", "cr_holdout")]
        sure = shown(*(Share(each["part"], each["whole"]) for each in arms))
        gain = f"{told['goal_gain'] * 100:+.1f} pp"
        rows.append((_words("goal_gain"), "", "" if sure else "not shown", gain))
    return Figures(("", "runs", "of", "share"), rows)


def _of_money(told: dict[str, Any]) -> Figures:
    from kaskad.analytics.reach import money
    from kaskad.cli.screens.tables import Figures
    from kaskad.domain.money import format_money

    rows = []
    for name, amounts in told["money"].items():
        if name == "revenue_gain":
            rows += [(_words(name), _gain(currency, gain)) for currency, gain in told["gains"].items()]
        elif amounts:
            rows.append((_words(name), " + ".join(format_money(each) for each in money(amounts))))
    return Figures(("", "amount"), rows)


def _gain(currency: str, gain: dict[str, Any]) -> str:
    """Return a gain as people read it: what is not shown is no gain."""
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    each, *ends = [
        None if gain[name] is None else format_money(Money(round(gain[name]), currency))
        for name in ("each", "low", "high")
    ]
    between = "too few have bought to tell" if None in ends else f"{ends[0]} to {ends[1]}"
    return f"{each} ({between})" if gain["shown"] else f"not shown ({between})"


def _explain() -> None:
    from rich.console import Console

    from kaskad.domain.measures import OF_MESSAGES, OF_MONEY, OF_RUNS

    out = Console(highlight=False)
    for name, each in {**OF_MESSAGES, **OF_RUNS, **OF_MONEY}.items():
        out.print(f"\n[bold]{_words(name)}[/bold]\n{each.says} {each.wary}".rstrip())


def _words(name: str) -> str:
    from kaskad.domain.measures import ALL

    return ALL[name].called


def _share(rate: dict[str, Any], digits: int = 1) -> str:
    return "-" if rate["share"] is None else f"{rate['share'] * 100:.{digits}f} %"
