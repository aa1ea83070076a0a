"""`kaskad optimize`: which order of steps, which of them, and which waits would do better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON, percent
from kaskad.cli.screens.prose import tell

ORDERS = ("gentle", "free", "as-is")
FIXED = {
    "anchor": "has its own date",
    "branch": "a branch leads from or to it",
    "keys": "a key asks for a person",
    "condition": "looks at other steps",
    "looked_at": "another step looks at it",
    "informs": "only informs",
}
BASES = {
    "prior": "How many react are figures of the field: no proposal can rest on them.",
    "others": "How many react is known from your other cascades, and where they say little, from the field.",
    "own": "How many react is known from this cascade's own past.",
}
SHOWN = 12


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("optimize")(optimize)


What = Annotated[
    str, typer.Argument(metavar="FILE|CASCADE", help="A definition's file, or the name of a cascade.")
]
Reach = Annotated[str, typer.Option(metavar="SHARE", help="Reach so many, such as 80%, at least cost.")]
Budget = Annotated[str, typer.Option(metavar="MONEY", help="Spend no more on all of them: '50000 KZT'.")]
Value = Annotated[str, typer.Option(metavar="MONEY", help="What a reached person is worth.")]
Annoyance = Annotated[str, typer.Option(metavar="MONEY", help="What each message costs besides its price.")]
Fades = Annotated[str, typer.Option(metavar="TIME", help="In which time half of the value is lost: 48h.")]
Calls = Annotated[int, typer.Option(metavar="N", help="Calls that your people can make; -1: any.")]
Order = Annotated[str, typer.Option(metavar="|".join(ORDERS), help="Which orders may be proposed.")]
List = Annotated[str, typer.Option("--list", metavar="LIST", help="For this list.")]
Segment = Annotated[str, typer.Option(metavar="SEGMENT", help="For this segment.")]
By = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SEGMENT", help="This segment may go its own way; again for more, the first counts."
    ),
]
Everybody = Annotated[bool, typer.Option("--everybody", help="For all contacts.")]
Typical = Annotated[bool, typer.Option("--typical", help="For 1 000 people whom each step reaches.")]
Write = Annotated[
    str,
    typer.Option(metavar="FILE", help="Write the first proposal that can be written there, as a definition."),
]
Draft = Annotated[
    bool, typer.Option("--draft", help="Make the first proposal that is ready the cascade's draft.")
]


def optimize(
    what: What, target_reach: Reach = "", budget: Budget = "", value: Value = "", annoyance: Annoyance = "",
    fades: Fades = "", calls: Calls = -1, order: Order = "gentle", to_list: List = "", segment: Segment = "",
    everybody: Everybody = False, typical: Typical = False, by: By = None, write: Write = "",
    draft: Draft = False,
    db: DB = "", as_json: JSON = False,
) -> None:  # fmt: skip
    """Compare all orders of a cascade's steps, and propose what reaches as many for less, or what you wish.

    Nothing is changed unless you say --draft, and then nothing runs by it until you activate it. Nothing more
    intrusive is put earlier, unless --order free.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.forecast import chosen
    from kaskad.cli.screens.output import as_text

    if (bool(to_list), bool(segment), everybody, typical).count(True) > 1:
        raise typer.BadParameter("say whom it is for: one of --list, --segment, --everybody and --typical")
    if order not in ORDERS:
        raise typer.BadParameter(f"{order!r} is none of {', '.join(ORDERS)}", param_hint="--order")
    slug, text = chosen(what)
    told = {
        "definition": text, "list": to_list, "segment": segment, "everybody": everybody, "typical": typical,
        "target_reach": _share(target_reach), "budget": budget, "value": value, "annoyance": annoyance,
        "fades": fades, "calls": calls if calls >= 0 else None, "order": order, "segments": by or [],
    }  # fmt: skip
    with reached(db) as client:
        found = client.post(f"/cascades/{slug}/optimize", told)
        if as_json:
            typer.echo(as_text(found))
        else:
            _print(found)
        if draft:
            _draft(client, slug, found, as_json)
    if write:
        _write(found, Path(write), as_json)


def _share(text: str) -> float | None:
    """Return a share that was written as 80%, 80 or 0.8; None: none was."""
    if not text:
        return None
    number = percent(text)
    return number / 100 if "%" in text or number > 1 else number


def _draft(client: Any, slug: str, found: Mapping[str, Any], quiet: bool) -> None:
    ready = next((one for one in found["proposals"] if one["ready"]), None)
    if ready is None:
        typer.echo("There is no proposal that could become a draft.", err=True)
        raise typer.Exit(1)
    client.call(
        "PUT", f"/cascades/{slug}", content=ready["definition"].encode(), kind="application/yaml"
    )  # fmt: skip
    if not quiet:
        tell(f"The draft of {slug} is the proposal now: `kaskad plan` shows it, activation lets it run.")


def _write(found: Mapping[str, Any], file: Path, quiet: bool) -> None:
    definition = next((one["definition"] for one in found["proposals"] if one["definition"]), "")
    if not definition:  # a proposal that no text can say has none
        why = "What is proposed cannot be written" if found["proposals"] else "Nothing is proposed"
        typer.echo(f"{why}, so {file} is not written.", err=True)
        raise typer.Exit(1)
    file.write_text(definition, encoding="utf-8")
    if not quiet:
        tell(f"Written to {file}: `kaskad plan {file}` shows what it changes.")


def _print(told: Mapping[str, Any]) -> None:
    from kaskad.cli.screens.audience import NOBODY, whom
    from kaskad.cli.screens.output import many

    tell(f"{whom(told)}; {many(told['compared'], 'order')} compared", bold=True)
    if not told["size"]:
        tell(NOBODY)
        return
    _print_steps(told)
    _print_spots(told)
    _print_mixed(told)
    _print_waits(told)
    _print_parts(told)
    for note in told["notes"]:
        tell(note, fg=typer.colors.YELLOW)
    for proposal in told["proposals"]:
        _print_proposal(told, proposal)
    if not told["proposals"]:
        tell("Nothing is proposed: no other order does better what is wished.", bold=True)
    tell(BASES[told["basis"]])


def _print_steps(told: Mapping[str, Any]) -> None:
    from kaskad.cli.screens.output import table

    valued = any(step["keeps"] is not None for step in told["steps"])
    rows = [
        (
            step["step"], step["channel"], f"{step['open']:.0%}",
            "?" if step["rate"] is None else f"{step['rate']:.1%}", step["seen"] or "others",
            _each(told, step["price"]), _each(told, step["each_reached"]),
            *([{True: "yes", False: "no", None: ""}[step["keeps"]]] if valued else []),
            FIXED.get(step["fixed"], ""),
        )
        for step in told["steps"]
    ]  # fmt: skip
    worth = ["WORTH IT"] if valued else []
    heads = (
        "STEP",
        "CHANNEL",
        "OPEN TO",
        "REACT",
        "KNOWN FROM",
        "PRICE",
        "ONE MORE REACHED",
        *worth,
        "STAYS",
    )
    typer.echo(table(heads, rows))


def _print_spots(told: Mapping[str, Any]) -> None:
    from kaskad.cli.screens.output import table
    from kaskad.cli.screens.plots import columns
    from kaskad.cli.screens.scatter import WIDTH, scatter

    shown = [one for one in told["spots"] if one["efficient"] or one["today"]]
    if len(told["spots"]) > 1:
        signs = sorted(told["spots"], key=lambda one: (one["today"], one["efficient"]))
        dots = [
            (one["cost"], one["reach"], "◆" if one["today"] else "●" if one["efficient"] else "·")
            for one in signs
        ]
        low, high = min(dot[1] for dot in dots), max(dot[1] for dot in dots)
        costs = sorted(dot[0] for dot in dots)
        across = f"{_each(told, costs[0])} to {_each(told, costs[-1])} for each who enters"
        reach = f"reach {high:.0%}, at the bottom {low:.0%}"
        lines = scatter(dots, across, reach, width=min(WIDTH, columns() - 4))
        typer.echo("\n" + "\n".join(lines))
        typer.echo("   ◆ today   ● nothing reaches more for less   · other steps\n")
    rows = [
        (
            "today" if one["today"] and not one["efficient"] else "today, best" if one["today"] else "",
            " > ".join(one["steps"]), f"{one['reach']:.1%}", _each(told, one["cost"]),
            f"{one['messages']:.2f}", f"{one['hours']:.1f} h",
        )
        for one in shown[-SHOWN:]
    ]  # fmt: skip
    typer.echo(table(("", "ORDER", "REACH", "COST EACH", "MESSAGES", "REACHED AFTER"), rows))


def _print_mixed(told: Mapping[str, Any]) -> None:
    mixed = told["mixed"]
    if mixed is None or len(mixed["shares"]) < 2:
        return
    parts = "; ".join(f"{one['share']:.0%} by {' > '.join(one['steps'])}" for one in mixed["shares"])
    tell(f"With different orders for parts of the people: {parts}.")
    more = f"; one more reached costs {_each(told, mixed['marginal'])}" if mixed["marginal"] else ""
    tell(f"That reaches {mixed['reach']:.1%} for {_each(told, mixed['cost'])} each{more}.")


def _print_waits(told: Mapping[str, Any]) -> None:
    from kaskad.cli.screens.output import table

    often = {why: count for why, count in Counter(one["why"] for one in told["waits"]).items() if count > 2}
    rows = [
        (
            one["step"], f"{one['wait_hours']:g} h",
            "" if one["proposed_hours"] is None else f"{one['proposed_hours']:g} h", one["people"],
            one["reactions"], "" if one["why"] in often else one["why"],
        )
        for one in told["waits"]
    ]  # fmt: skip
    if rows:
        typer.echo("\n" + table(("WAITS AT", "NOW", "PROPOSED", "PEOPLE", "REACTIONS", "WHY"), rows))
    for why in filter(None, often):
        steps = ", ".join(one["step"] for one in told["waits"] if one["why"] == why)
        tell(f"{steps}: {why}.")


def _print_parts(told: Mapping[str, Any]) -> None:
    from kaskad.cli.screens.output import table

    rows = [
        (
            one["segment"] or "everybody else", f"{one['share']:.0%}", one["seen"],
            *(
                f"{one[way]['reach']:.1%} for {_each(told, one[way]['cost'])}"
                for way in ("today", "proposed")
            ),
            one["why"],
        )
        for one in told["parts"]
    ]  # fmt: skip
    if rows:
        heads = (
            "PART",
            "SHARE",
            "KNOWN FROM",
            "REACHED NOW",
            "BY ITS WAY",
            "GOES WITH EVERYBODY ELSE, SINCE",
        )
        typer.echo("\n" + table(heads, rows))


def _print_proposal(told: Mapping[str, Any], one: Mapping[str, Any]) -> None:
    from kaskad.cli.screens.output import table

    title = {"order": "Proposed: another order", "waits": "Proposed: other waits"}[one["name"]]
    tell(f"\n{title}", bold=True)
    for change in one["changes"]:
        tell(f"  {change['step']}: {_change(change)}, since {change['why']}.")
    for alike in _together(one["parts"]):
        names, share = ", ".join(_whose(part) for part in alike), sum(part["share"] for part in alike)
        tell(f" {names}, {share:.0%}: {' > '.join(alike[0]['order'])}")
        for change in alike[0]["changes"]:
            tell(f"  {change['step']}: {_change(change)}, since {change['why']}.")
    rows = _figures(told, "", one["figures"])
    for part in one["parts"]:
        rows += _figures(told, f"{_whose(part)}: ", part["figures"])
    typer.echo(table(("", "NOW (P10 TO P90)", "PROPOSED (P10 TO P90)"), rows))
    for other in one["rejected"]:
        path, cost = " > ".join(other["steps"]), _each(told, other["cost"])
        tell(f"  not {path} ({other['reach']:.1%}, {cost}): {other['why']}")
    for text in one["cautions"]:
        tell(f"  {text}", fg=typer.colors.YELLOW)
    for text in one["hindrances"]:
        tell(f"  Not ready: {text}", fg=typer.colors.YELLOW)
    if one["ready"]:
        tell("  --draft makes it the draft, --write FILE writes it down.")


def _together(parts: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return the parts of a proposal's people, those together who go the same way."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for part in parts:
        found.setdefault(str((part["order"], part["changes"])), []).append(part)
    return list(found.values())


def _whose(part: Mapping[str, Any]) -> str:
    return str(part["segment"]) or "everybody else"


def _figures(told: Mapping[str, Any], whose: str, figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the rows of a proposal's figures."""
    names = {"reach": "reach", "cost": "cost each", "messages": "messages each", "hours": "reached after"}
    rows = []
    for name, figure in figures.items():
        both = [
            f"{_figure(told, name, figure[key])} ({_figure(told, name, figure[f'{key}_between']['low'])} to "
            f"{_figure(told, name, figure[f'{key}_between']['high'])})"
            for key in ("now", "proposed")
        ]
        rows.append((whose + names[name], *both))
    return rows


def _figure(told: Mapping[str, Any], name: str, value: float) -> str:
    match name:
        case "reach":
            return f"{value:.1%}"
        case "cost":
            return _each(told, value)
        case "hours":
            return f"{value:.1f} h"
    return f"{value:.2f}"


def _change(change: Mapping[str, str]) -> str:
    match change["kind"]:
        case "left_out":
            return "left out"
        case "moved":
            return f"from place {change['was']} to place {change['becomes']}"
    return f"waits {change['becomes']} instead of {change['was']}"


def _each(told: Mapping[str, Any], minor: float | None) -> str:
    """Return an amount; of a cascade without prices a number of messages."""
    if minor is None:
        return "?"
    if not told["currency"]:
        return f"{minor:.2f} messages"
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    sign = "-" if minor < 0 else ""
    return sign + format_money(Money(round(abs(minor)), told["currency"]))
