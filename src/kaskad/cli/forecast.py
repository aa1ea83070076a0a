"""`kaskad forecast`: what a cascade is expected to reach, send and cost, before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON
from kaskad.cli.screens.prose import tell

if TYPE_CHECKING:
    from kaskad.actions.office import Office

NOTES = {
    "no_prior": "nobody is counted as reacting: no figure of the field is known for this channel",
    "no_price": "counted as free: no account tells a price",
    "price_changes": "its price changes meanwhile: each message counts at the price of when it goes",
    "paused": "it is paused: people wait at it, and nobody knows when it goes on",
    "passed_over": "it is paused: people pass it over",
    "late": "it is paused: people wait at it until it is too late for it, and pass it over then",
    "condition": "its condition looks at the run: counted as if it held for everybody",
}
BY = {
    "entry": "", "reaction": "reaction", "silence": "silence", "other": "goal, no or stop", "pause": "pause",
}  # fmt: skip
UNCOUNTED = {
    "budgets": "Budgets are not counted for these people, as they stand for others.",
    "others": "Money is reckoned as if nobody else spent it (runs under way, other cascades), all were in "
    "the brand's time zone, and services took all messages at once.",
    "dates": "Nothing is known of the dates by which some steps are due, so it is not counted for whom they "
    "come too late, or at no permitted hour: fewer messages may go.",
}
BASES = {
    "prior": "How many react are figures of the field, not of your own people: hence the wide ranges.",
    "others": "How many react is known from your other cascades, and where they say little, from the field.",
    "own": "How many react is known from this cascade's own past, of which older weeks count less; "
    "KNOWN FROM tells of how many people.",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("forecast")(forecast)


def forecast(
    what: Annotated[
        str, typer.Argument(metavar="FILE|CASCADE", help="A definition's file, or the name of a cascade.")
    ],
    to_list: Annotated[str, typer.Option("--list", metavar="LIST", help="For this list.")] = "",
    segment: Annotated[str, typer.Option(metavar="SEGMENT", help="For this segment.")] = "",
    everybody: Annotated[bool, typer.Option("--everybody", help="For all contacts.")] = False,
    typical: Annotated[
        bool, typer.Option("--typical", help="For 1 000 people whom each step reaches.")
    ] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Forecast how many people each step reaches, how many messages it sends and what they cost.

    Addresses, consents and prices are the real ones. Ranges hold eight of ten outcomes (P10 to P90).
    """
    from kaskad.cli.client import reckoned
    from kaskad.cli.screens.output import as_text

    if (bool(to_list), bool(segment), everybody, typical).count(True) > 1:
        raise typer.BadParameter("say whom it is for: one of --list, --segment, --everybody and --typical")
    slug, text = chosen(what)
    told = {
        "definition": text, "list": to_list, "segment": segment, "everybody": everybody, "typical": typical,
    }  # fmt: skip

    def here(office: Office) -> Mapping[str, Any]:
        from kaskad.actions import forecast as action  # late: half a second, which a running server spares
        from kaskad.actions.audience import Audience

        whom = Audience(to_list, segment, everybody) if to_list or segment or everybody else None
        if typical:
            return action.as_told(action.of_typical(office, slug, text))
        return action.as_told(action.expect(office, slug, text, whom=whom))

    found = reckoned(db, f"/cascades/{slug}/forecast", told, here)
    if as_json:
        typer.echo(as_text(found))
    else:
        _print(found)


def chosen(what: str) -> tuple[str, str]:
    """Return a cascade's name, and its text where a file was meant."""
    if what != "-" and not Path(what).exists() and what.replace("-", "").replace("_", "").isalnum():
        return what, ""
    from kaskad.cli.check import load_text, read
    from kaskad.domain.definition.edit import tree_of

    text = read(what)
    if not isinstance(text, str):
        raise typer.BadParameter(f"{what} is no text: `kaskad check {what}` says what is wrong")
    loaded = load_text(what, text)
    cascade = loaded.cascade
    if loaded.errors:
        wrong = "mistake is" if len(loaded.errors) == 1 else "mistakes are"
        said = f"{len(loaded.errors)} {wrong} left out here: `kaskad check {what}` names them."
        typer.secho(said, fg=typer.colors.YELLOW, err=True)
    tree = None if cascade is not None else tree_of(text)
    named = cascade.id if cascade else str(tree.get("cascade", "")) if isinstance(tree, Mapping) else ""
    return named or "draft", text


def _print(told: Mapping[str, Any]) -> None:
    from kaskad.cli.screens.audience import NOBODY, whom

    held = f", {told['held_out']} in the control group" if told["held_out"] else ""
    tell(f"{whom(told)}{held}", bold=True)
    if not told["size"]:
        tell(NOBODY)
        return
    if _uncarried(told):
        return
    _print_steps(told)
    _plot_steps(told)
    _print_edges(told)
    _print_whole(told)
    _print_over(told)
    _print_without(told)
    for step in told["steps"]:
        for note in step["notes"]:
            if note in NOTES:  # that no account is set up was said first
                tell(f"{step['step']}: {NOTES[note]}.", fg=typer.colors.YELLOW)
    tell(BASES[told["basis"]])


def _uncarried(told: Mapping[str, Any]) -> bool:
    """Say first which steps have no account; return whether that is all of them, so that nothing is sent."""
    lacking = [step["step"] for step in told["steps"] if "no_account" in step["notes"]]
    if not lacking:
        return False
    every = len(lacking) == len(told["steps"])
    which = "any of its steps" if every else ", ".join(lacking)
    supposed = "" if told["audience"] else " Here that is reckoned as if there was one."
    tell(
        f"No account is set up that could send {which}: `kaskad account add` sets one up.{supposed}",
        fg=typer.colors.RED,
    )
    return every and not told["messages"]


def _print_steps(told: Mapping[str, Any]) -> None:
    from kaskad.cli.screens.output import table

    own = told["basis"] == "own"
    rows = [
        (
            step["step"], _likely(step["arrived"], step["ranges"]["arrived"]),
            _likely(step["messages"], step["ranges"]["messages"]), f"{step['rate']:.1%}",
            *([step["seen"] or "others"] if own else []),
            _likely(step["reacted"], step["ranges"]["reacted"]), _money(step["cost"]),
            ", ".join(f"{why.replace('_', ' ')} {count}" for why, count in step["passed"].items()),
        )
        for step in told["steps"]
    ]  # fmt: skip
    known = ["KNOWN FROM"] if own else []
    heads = ("STEP", "ARRIVE", "MESSAGES", "REACT", *known, "REACTIONS", "COST", "PASSED OVER")
    typer.echo(table(heads, rows, compared=True))


def _plot_steps(told: Mapping[str, Any]) -> None:
    """Draw who comes to each step and reacts to it, beside all who enter; then all who are reached."""
    from kaskad.cli.screens.plots import Bar, chart

    bars = []
    for step in told["steps"]:
        name = step["step"]
        for what, figure in (("arrive", "arrived"), ("react", "reacted")):
            between = step["ranges"][figure]
            bars.append(Bar(what, step[figure], f"{step[figure]:,}", name, (between["low"], between["high"])))
            name = ""
    between = told["ranges"]["reached"]
    share = f"{told['reached']:,} = {told['reach']:.0%}"
    bars.append(Bar("react", told["reached"], share, "in all", (between["low"], between["high"])))
    typer.echo("\n" + "\n".join(chart(bars, top=told["size"] - told["held_out"])))
    typer.echo("├┼┤ is where eight of ten outcomes lie; a whole line is everybody who enters.\n")


def _print_edges(told: Mapping[str, Any]) -> None:
    """Tell where people go, from step to step and to each end."""
    from kaskad.cli.screens.output import table

    rows = [
        (
            *(one[end].removeprefix("step:").replace("end:", "end: ") for end in ("source", "target")),
            BY[one["by"]], _likely(one["people"], one["between"]),
        )
        for one in told["edges"]
    ]  # fmt: skip
    if rows:
        typer.echo(table(("FROM", "TO", "BY", "PEOPLE"), rows, names=2) + "\n")


def _print_whole(told: Mapping[str, Any]) -> None:
    ranges = told["ranges"]
    each = f"; {_money(told['each_reached'])} for each who reacts" if told["each_reached"] else ""
    tell(
        f"{told['reach']:.1%} are expected to react: {_likely(told['reached'], ranges['reached'])}; "
        f"{_likely(told['silent'], ranges['silent'])} to stay silent."
    )
    costs = _money(told["cost"])
    between = " + ".join(
        f"{_money({name: one['low']})} to {_money({name: one['high']})}"
        for name, one in sorted(told["cost_ranges"].items())
    )
    messages = _likely(told["messages"], ranges["messages"])
    paid = f" for {costs}{f' ({between})' if between else ''}{each}" if costs else ""
    if not costs and any({"no_price", "no_account"} & {*step["notes"]} for step in told["steps"]):
        paid = "; no account tells a price"
    tell(f"{messages} messages{paid}.")
    if told["budget_left"]:
        tell(
            f"Of its budget {_money(told['budget_left'])} are left, and all would cost more: who comes later "
            "goes without the steps that are paid.", fg=typer.colors.YELLOW,
        )  # fmt: skip
    for what in told["uncounted"]:
        tell(UNCOUNTED[what])
    if "figures" in told["coarse"]:
        tell(
            "Kinds of people and days are so many that money is followed for groups of them: what all costs "
            "hardly changes, but which of the steps that compete for it gets it may be wrong by a tenth."
        )
    if told["converted"] is not None:
        tell(f"{_likely(told['converted'], ranges['converted'])} are expected to reach the goal.")


def _print_over(told: Mapping[str, Any]) -> None:
    """Tell when it will be over, on a line of time that ends with the last run."""
    from kaskad.cli.screens.plots import Bar, chart
    from kaskad.cli.simulate import time_text

    if not told["over"]:
        return
    names = {"50%": "half", "90%": "nine of ten", "100%": "all"}
    bars = []
    for one in told["over"]:
        low, high = one["between"]["low"], one["between"]["high"]
        ends = [time_text(end) for end in (low, high)]
        text = time_text(one["after_s"]) + ("" if ends[0] == ends[1] else f" ({ends[0]} to {ends[1]})")
        bars.append(Bar(names[one["share"]], one["after_s"], text, between=(low, high), filled=False))
    tell("Runs are over after so long, if all enter at once or at the trigger's pace:")
    typer.echo("\n".join(chart(bars)))


def _print_without(told: Mapping[str, Any]) -> None:
    """Tell what each step is worth: what is lost and saved without it."""
    from kaskad.cli.screens.output import table

    if len(told["without"]) < 2:
        return
    rows = [
        (
            one["step"], f"{_points(one['mean_reach'])} points",
            f"{_points(one['reach']['low'])} to {_points(one['reach']['high'])}", f"{one['messages']:+d}",
            ", ".join(_changes(one["cost"], told["cost"])),
        )
        for one in told["without"]
    ]  # fmt: skip
    typer.echo(table(("WITHOUT", "REACH", "RANGE", "MESSAGES", "COST"), rows))
    if "without" in told["coarse"]:
        tell("Reckoned of fewer groups of people than all else here: may be wrong by a tenth.")


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:+.1f}"  # a zero has no minus


def _changes(changes: Mapping[str, int], whole: Mapping[str, int]) -> list[str]:
    """Return what changes of the cost; of several currencies only those in which something does."""
    told = {name: minor for name, minor in sorted(changes.items()) if minor} or changes
    return [_change(name, minor, whole.get(name)) for name, minor in told.items()]


def _change(currency: str, minor: int, whole: int | None) -> str:
    share = f" ({minor / whole:+.0%})" if whole else ""
    return f"{'-' if minor < 0 else '+'}{_money({currency: abs(minor)})}{share}"


def _likely(count: int, between: Mapping[str, float]) -> str:
    """Return a figure with its range, where that has any width."""
    low, high = round(between["low"]), round(between["high"])
    return f"{count:,}" if low == high == count else f"{count:,} ({low:,} to {high:,})"


def _money(amounts: Mapping[str, float]) -> str:
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    return " + ".join(format_money(Money(round(minor), name)) for name, minor in sorted(amounts.items()))
