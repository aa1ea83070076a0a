"""`kaskad uplift`: whether a cascade works, by those it was withheld from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import CASCADE, DB, JSON, SINCE, UNTIL, when
from kaskad.cli.screens.prose import tell, terminal

UNEVEN_LOT = "uneven lot: believe nothing"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("uplift")(uplift)


def uplift(
    cascade: CASCADE,
    segment: Annotated[str, typer.Option(help="Only people who are in this segment now.")] = "",
    version: Annotated[int, typer.Option(min=0, help="Only runs of this version; 0: of all.")] = 0,
    since: SINCE = "",
    until: UNTIL = "",
    everybody: Annotated[
        bool, typer.Option("--all", help="Also people whose time for the goal is not over.")
    ] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Measure what a cascade brings, against the people whom it was withheld from by lot.

    docs/uplift.md explains each figure, and what not to read into it.
    """
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    among = {"segment": segment or None, "version": version or None, "since": when(since),
             "until": when(until), "all": "true" if everybody else None}  # fmt: skip
    with reached(db) as client:
        told = client.get(f"/cascades/{part(cascade)}/uplift", **among)
    if as_json:
        typer.echo(as_text(told))
        return
    _head(told)
    if told["effect"]["difference"] is not None:
        _whole(told)
    _steps(told["steps"])
    _variants(told["variants"])
    _plans(told)


def _head(told: dict[str, Any]) -> None:
    from kaskad.cli.screens.output import many

    days = told["within_ms"] / 86_400_000
    goal = f"{told['goal']} within {days:g} days" if told["goal"] else "no goal"
    tell(f"{told['cascade']} · {goal} · entered before {_day(told['until'])}", bold=True)
    if not told["goal"]:
        tell("Nothing can be measured without a goal: name the event under `goal:`.")
    elif (
        told["effect"]["control"]["people"] == 0
        and not told["holdout"]
        and told["effect"]["treated"]["people"]
    ):
        tell("Nobody is held out, so nothing can be compared: set `holdout: 10%` in the definition.")
    elif told["effect"]["difference"] is None:
        at = told["first_counted_at"]
        when = f"; the first are counted from {_day(at)} on (--all counts them now)" if at else ""
        tell(f"One of the groups is still empty{when}.")
    if told["only"]:
        numbers = ", ".join(map(str, told["only"]))
        tell(f"Only versions {numbers} are counted: others hold out another share.")
    if told["since"]:
        tell(
            f"Only who entered from {_day(told['since'])} on is counted: before, another share was held out."
        )
    if told["later"]:
        tell("Who entered later is not counted: another share, or nobody, was held out by then.")
    if told["waiting"]:
        tell(
            f"{many(told['waiting'], 'person', 'people')} entered later: their time for the goal is not over."
        )
    if told["uneven"]:
        share = told["expected_holdout"]
        tell(
            f"The lot did not fall as it should: {share:.1%} were to be held out (p = {told['evenly']:.1g}). "
            "Until the cause is found, believe no effect below.", fg="red",
        )  # fmt: skip
    if told["uncounted"]:
        tell(f"{told['uncounted']} runs or more have just changed and are not counted yet.")


def print_effect(one: dict[str, Any], treated: str, uneven: bool) -> None:
    """Print both groups, and the difference for one look and any look; of an `uneven` lot none is shown."""
    from kaskad.cli.screens.output import table
    from kaskad.cli.screens.plots import around_zero

    rows = [
        (name, group["people"], group["hits"], _rate(group["rate"]))
        for name, group in ((treated, one["treated"]), ("control group", one["control"]))
    ]
    typer.echo(table(("", "PEOPLE", "GOALS", "RATE"), rows) + "\n")
    if one["difference"] is None:
        return
    ends = [one["between"], one["at_any_look"]]
    scale = _scale(ends)
    tell(f"Difference {_points(one['difference'])} points")
    for text, interval in (("one look, fixed beforehand", ends[0]), ("if you look again and again", ends[1])):
        shown = _shown(interval["low"] > 0 or interval["high"] < 0, uneven)
        line = around_zero(interval["low"], interval["high"], scale)
        whole, under = (
            f"  {line}  {_pair(interval)} · {text}: {shown}",
            f"  {text}: {shown}\n  {line}  {_pair(interval)}",
        )
        typer.echo(whole if len(whole) <= terminal() else under)


def _whole(told: dict[str, Any]) -> None:
    one = told["effect"]
    print_effect(one, "treated", told["uneven"])
    orders, lift = told["orders"], one["lift"]
    if one["shown"] and not told["uneven"]:
        between = orders["between"]
        tell(
            f"Goals that there would not have been: {orders['count']:.0f} "
            f"({between['low']:.0f} to {between['high']:.0f}) of {one['treated']['hits']}"
        )
        if lift:
            tell(f"Relative lift: {lift['low']:+.0%} to {lift['high']:+.0%}")
    elif not told["uneven"]:
        tell("An effect is not shown: what there is may be chance.")
    _money(told)
    if told["touched"]:
        tell(
            f"{told['touched']} of {told['touched_of']} people held out were written to by other cascades "
            "meanwhile: the difference is that to people with those cascades only."
        )


def _money(told: dict[str, Any]) -> None:
    worth, each = told["worth"], told["cost_each"]
    if worth and worth["between"]:
        currency = worth["currency"]
        treated, control = amount(worth["treated"], currency), amount(worth["control"], currency)
        low, high = (amount(worth["between"][end], currency) for end in ("low", "high"))
        shown = _shown(worth["shown"], told["uneven"])
        tell(f"Revenue for each person: {treated} against {control}; difference {low} to {high}: {shown}")
    if each:
        for currency, minor in each["cost"].items():
            least, most = (amount(each[end][currency], currency) for end in ("at_least", "at_most"))
            tell(f"Cost of each such goal: {amount(minor, currency)} ({least} to {most})")


def _steps(steps: list[dict[str, Any]]) -> None:
    from kaskad.cli.screens.output import table

    if not steps:
        return
    tell("\nSteps, against who was held out of the step", bold=True)
    scale = _scale([one["goal"]["between"] for one in steps])
    rows = [
        (one["step"], one["goal"]["treated"]["people"], _rate(one["goal"]["treated"]["rate"]),
         one["goal"]["control"]["people"], _rate(one["goal"]["control"]["rate"]),
         *_cells(one["goal"], scale, is_uneven(one)))
        for one in steps
    ]  # fmt: skip
    typer.echo(table(("STEP", "CAME", "GOALS", "HELD OUT", "GOALS", "", "DIFFERENCE", ""), rows))


def _variants(variants: list[dict[str, Any]]) -> None:
    from kaskad.cli.screens.output import table

    for one in variants:
        tell(f"\nVariants of {one['step']}, against {one['arms'][0]['id']}", bold=True)
        if is_uneven(one):
            tell(
                "The lot did not fall as the weights say: believe no difference until the cause is found; no "
                "rule decides meanwhile.", fg="red",
            )  # fmt: skip
        if one["until"]:
            tell(f"Of who entered before {_day(one['until'])}, when the best one took over.")
        scale = _scale([arm["reacted"]["between"] for arm in one["arms"][1:]])
        rows = []
        for place, arm in enumerate(one["arms"]):
            cells = _cells(arm["reacted"], scale, is_uneven(one), arm["p_reacted"]) if place else ("", "", "")
            reacted, goal = _rate(arm["reacted"]["treated"]["rate"]), _rate(arm["goal"]["treated"]["rate"])
            rows.append((arm["id"], arm["messages"], reacted, goal, *cells))
        typer.echo(table(("VARIANT", "MESSAGES", "REACTED", "GOALS", "", "OF REACTIONS", ""), rows))


def _plans(told: dict[str, Any]) -> None:
    from kaskad.cli.screens.output import table

    if not told["plans"]:
        return
    tell(f"\nHow long to wait, at {told['pace']:.1f} new people a day", bold=True)
    rows = [
        (f"{one['lift']:+.0%}", one["people"], one["ready_at"][:10] if one["ready_at"] else "never")
        for one in told["plans"]
    ]
    typer.echo(table(("IF IT BRINGS", "PEOPLE NEEDED", "COUNTED BY"), rows))


def _cells(
    effect: dict[str, Any], scale: float, uneven: bool, p: float | None = None
) -> tuple[str, str, str]:  # fmt: skip
    """Return the bar, the interval, and what is shown of one effect."""
    from kaskad.cli.screens.plots import around_zero

    if effect["between"] is None:
        return "", "", "nobody yet"
    line = around_zero(effect["between"]["low"], effect["between"]["high"], scale)
    return line, _pair(effect["between"]), _shown(effect["shown"] if p is None else p < 0.05, uneven)


def is_uneven(told: Mapping[str, Any]) -> bool:
    """Say whether the lot of what is told so (`evenly`) did not fall as it should."""
    from kaskad.analytics import intervals

    return intervals.is_uneven(told["evenly"])


def _shown(shown: bool, uneven: bool) -> str:
    if uneven:
        return UNEVEN_LOT
    return "shown" if shown else "not shown"


def _scale(intervals: Sequence[dict[str, float] | None]) -> float:
    ends = [abs(each[end]) for each in intervals if each for end in ("low", "high")]
    return max(ends, default=0.0) or 1.0


def _pair(interval: dict[str, float]) -> str:
    return f"{_points(interval['low'])} to {_points(interval['high'])}"


def _points(rate: float) -> str:
    return f"{100 * rate:+.2f}"


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.2%}"


def _day(text: str) -> str:
    return text[:16].replace("T", " ")


def amount(minor: float, currency: str) -> str:
    """Return minor units as money."""
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    return format_money(Money(round(minor), currency))
