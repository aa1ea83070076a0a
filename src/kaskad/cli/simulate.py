"""`kaskad simulate`: a cascade played on a clock of its own, and held against what is expected of it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON
from kaskad.cli.screens.prose import tell

if TYPE_CHECKING:
    from kaskad.actions.simulate import Prepared
    from kaskad.domain.cascade import Cascade

NOTES = {
    "no_prior": "nobody reacts: the field has no figure for this channel (`rates` of the file tells one)",
    "no_price": "counted as free: no account tells a price (`prices` of the file may)",
    "condition": "its condition cannot be answered here: played as if it let everybody on",
    "date_assumed": "its date is taken to be a day after all steps are due, at an hour at which these may go "
    "(`trigger` of the file tells it)",
    "copied": "there are more people than were looked at: the others are taken to be like them",
    "paused": "it is paused: people wait at it, and nobody knows when it goes on",
    "passed_over": "it is paused: people pass it over",
}
BASES = {
    "prior": "How many react are figures of the field, not of your own people.",
    "others": "How many react is known from your other cascades, and where they say little, from the field.",
    "own": "How many react is known from this cascade's own past.",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(simulate)


def simulate(
    what: Annotated[
        str, typer.Argument(metavar="FILE|CASCADE", help="A definition's file, or the name of a cascade.")
    ],
    expect: Annotated[
        str, typer.Option(metavar="FILE", help="YAML: the world it is played in, and what is expected.")
    ] = "",
    to_list: Annotated[str, typer.Option("--list", metavar="LIST", help="For this list.")] = "",
    segment: Annotated[str, typer.Option(metavar="SEGMENT", help="For this segment.")] = "",
    everybody: Annotated[bool, typer.Option("--everybody", help="For all contacts.")] = False,
    typical: Annotated[bool, typer.Option("--typical", help="For people whom each step reaches.")] = False,
    alone: Annotated[
        bool, typer.Option("--alone", help="Typical people, figures of the field; no database is looked at.")
    ] = False,
    people: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=200_000, help="How many are played.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed is another course.")] = None,
    start: Annotated[str, typer.Option(metavar="INSTANT", help="Such as 2026-06-01T10:00+05:00.")] = "",
    trace: Annotated[int, typer.Option(metavar="N", min=0, max=50, help="Tell the lives of N people.")] = 0,
    db: DB = "",
    as_json: JSON = False,
) -> None:  # fmt: skip
    """Play a cascade with made people before anybody is written to, with the very rules that then run.

    Ends with 1 where something expected does not hold. Without a database it is for typical people.
    """
    from kaskad.cli.forecast import chosen
    from kaskad.cli.screens.output import as_text

    if (bool(to_list), bool(segment), everybody, typical, alone).count(True) > 1:
        raise typer.BadParameter(
            "say whom it is for: one of --list, --segment, --everybody, --typical and --alone"
        )
    slug, text = chosen(what)
    if alone and not text:
        raise typer.BadParameter("--alone plays a definition's file, not a cascade of an installation")
    cascade = _checked(what, text) if text else None
    file = _file(expect, cascade)
    begins = _instant(start)
    told: Any
    if cascade is not None and (alone or not (to_list or segment or everybody or _installed(db))):
        told = _alone(cascade, file, expect, people, seed, begins, trace)
    else:
        asked = {
            "definition": text, "expectations": file, "file_name": expect, "list": to_list,
            "segment": segment, "everybody": everybody, "typical": typical, "people": people, "seed": seed,
            "start": start or None, "trace": trace,
        }  # fmt: skip
        told = _asked(db, slug, asked, begins)
    if as_json:
        typer.echo(as_text(told))
    else:
        _print(told, expect)
    if not told["holds"]:
        raise typer.Exit(1)


def _checked(name: str, text: str) -> Cascade:
    """Return the cascade of a file; whatever is wrong with it is printed, and ends the command."""
    from kaskad.cli.check import load_text, show_problems

    loaded = load_text(name, text)
    if loaded.cascade is None:
        show_problems(loaded, text)
        raise typer.Exit(1)
    return loaded.cascade


def _file(name: str, cascade: Cascade | None) -> str:
    """Return the text of the file of expectations, which must be right where the cascade is known."""
    if not name:
        return ""
    from kaskad.cli.check import print_problem, read
    from kaskad.planning.world_file import load

    text = read(name, "--expect")
    if not isinstance(text, str):
        raise typer.BadParameter(f"{name} is not UTF-8 text", param_hint="--expect")
    if all(line.partition("#")[0].strip() in ("", "---") for line in text.splitlines()):
        # A test in somebody's CI would pass for ever.
        raise typer.BadParameter(f"{name} is empty, so nothing would be expected", param_hint="--expect")
    found = load(text, cascade, name=name) if cascade is not None else None
    if found is not None and found.wanted is None:
        for problem in found.problems:
            print_problem(name, problem, text.splitlines())
        raise typer.Exit(1)
    return text


def _instant(text: str) -> int | None:
    from kaskad.domain.condition_values import read_instant

    if not text:
        return None
    at = read_instant(text)
    if at is None:
        raise typer.BadParameter(
            f"{text!r} is no instant: write such as 2026-06-01T10:00+05:00", param_hint="--start"
        )
    return int(at)


def _installed(db: str) -> bool:
    """Say whether there is an installation to ask."""
    from kaskad.cli.client import chosen
    from kaskad.web.local import database_file

    if db:
        return True
    file = database_file(chosen(db))
    return file is None or file.exists()


def _alone(
    cascade: Cascade, file: str, name: str, people: int | None, seed: int | None, start: int | None,
    trace: int,
) -> Mapping[str, Any]:  # fmt: skip
    """Play it in this process, with nothing known but the two files."""
    from kaskad.actions.simulate import Asked, alone

    asked = Asked(file=file, file_name=name, people=people, seed=seed, start=start, traced=trace)
    return _played(alone(cascade, asked))


def _played(ready: Prepared) -> Mapping[str, Any]:
    import gc

    from kaskad.actions.simulate import as_told
    from kaskad.planning.scene import staged

    gc.disable()  # nothing of a simulation goes before its end
    try:
        played = staged(ready.scene, _progress if sys.stderr.isatty() else None)
    finally:
        gc.enable()
    return as_told(ready.told(played))


def _progress(share: float) -> None:
    typer.echo(f"\r{share:4.0%} of the runs are over ", err=True, nl=False)


def _asked(db: str, slug: str, asked: Mapping[str, Any], start: int | None) -> Mapping[str, Any]:
    from kaskad.actions.audience import Audience
    from kaskad.actions.simulate import Asked, prepared
    from kaskad.cli.client import reckoned

    whom = Audience(asked["list"], asked["segment"], asked["everybody"])
    same = Asked(
        text=asked["definition"], file=asked["expectations"], file_name=asked["file_name"] or "expectations",
        whom=whom if whom != Audience() else None, typical=asked["typical"], people=asked["people"],
        seed=asked["seed"], start=start, traced=asked["trace"],
    )  # fmt: skip
    found: Mapping[str, Any] = reckoned(
        db, f"/cascades/{slug}/simulate", asked, lambda office: _played(prepared(office, slug, same))
    )
    return found


def _print(told: Mapping[str, Any], file: str) -> None:
    from kaskad.cli.screens.audience import HELD_OUT, NOBODY
    from kaskad.cli.screens.output import many, table

    whom = f"{many(told['people'], 'person', 'people')} whom each step reaches"
    if told["audience"]:
        whom = f"{told['audience']}: {many(told['size'], 'contact')}, {told['people']:,} played"
    held = f", {told['held_out']:,} in the control group" if told["held_out"] else ""
    tell(f"{whom}{held}", bold=True)
    if not told["people"]:
        tell(HELD_OUT if told["held_out"] else NOBODY)
        _print_checks(told["checks"], file)
        return
    unpriced = {one["step"] for one in told["notes"] if one["note"] == "no_price"}
    start = told["start"][:16].replace("T", " ")
    tell(f"From {start} UTC, seed {told['seed']}, played in {told['seconds']:.1f} s.")
    typer.echo(table(
        ("STEP", "ARRIVE", "MESSAGES", "FAILED", "REACTED", "COST", "FIRST", "LAST", "PASSED OVER"),
        [_step(step, unpriced) for step in told["steps"]], compared=True,
    ))  # fmt: skip
    tell(
        f"{told['reach']:.1%} reacted ({told['reached']:,}); {told['messages']:,} messages"
        f"{_for(told['cost'])}; {_shares(told['outcomes'], told['people'])}."
    )
    over = (
        f"{share} {f'after {time_text(at)}' if at is not None else 'never'}"
        for share, at in told["finished"].items()
    )
    left = f"; {told['under_way']:,} still under way" if told["under_way"] else ""
    tell(f"Over: {', '.join(over)}{left}.")
    _plot(told["hours"])
    tell(f"Messages outside of the windows: {told['outside']:,}.")
    for trace in told["traces"]:
        _print_trace(trace)
    for note in dict.fromkeys(one["note"] for one in told["notes"]):
        of = ", ".join(one["step"] or "people" for one in told["notes"] if one["note"] == note)
        tell(f"{of}: {NOTES[note]}.", fg=typer.colors.YELLOW)
    tell(BASES[told["basis"]])
    _print_checks(told["checks"], file)


def _step(step: Mapping[str, Any], unpriced: Collection[str]) -> Sequence[object]:
    """Return a step's row; what messages of no known price cost is asked by a mark, as `optimize` does."""
    dear = step["messages"] and step["step"] in unpriced
    return (
        step["step"], *(f"{step[name]:,}" for name in ("arrived", "messages", "failed", "reacted")),
        _money(step["cost"]) or ("?" if dear else ""), time_text(step["first_s"]), time_text(step["last_s"]),
        ", ".join(
            f"{why.replace('_', ' ')} {count}"
            for why, count in (*step["skipped"].items(), *_left(step))
        ),
    )  # fmt: skip


def _left(step: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return who waits at a paused step to the end, and whom no agent has called in time."""
    return [(what, step[what]) for what in ("waiting", "uncalled") if step[what]]


def _print_trace(trace: Sequence[Mapping[str, Any]]) -> None:
    from kaskad.cli.screens.output import table

    typer.echo("")
    rows = [(time_text(one["at"]), one["step"], one["what"].replace("_", " "), one["why"]) for one in trace]
    typer.echo(table(("AFTER", "STEP", "WHAT", "WHY"), rows))


def _print_checks(checks: Sequence[Mapping[str, Any]], file: str) -> None:
    from kaskad.cli.screens.output import table

    if not checks:
        return
    failed = [one for one in checks if not one["holds"]]
    if not failed:
        tell(f"All {len(checks)} expectations hold.", fg=typer.colors.GREEN)
        return
    tell(f"{len(failed)} of {len(checks)} expectations do not hold:", fg=typer.colors.RED)
    rows = [
        (
            f"{file}:{one['line']}",
            one["path"].removeprefix("expect."),
            _expected(one),
            _value(one, one["got"]),
        )
        for one in failed
    ]  # fmt: skip
    typer.echo(table(("WHERE", "WHAT", "EXPECTED", "GOT"), rows))


def _expected(one: Mapping[str, Any]) -> str:
    low, high = one["at_least"], one["at_most"]
    if high == 0:
        return "none"
    words = [f"at least {_value(one, low)}"] if low is not None else []
    return " and ".join([*words, f"at most {_value(one, high)}"] if high is not None else words)


def _value(one: Mapping[str, Any], value: float | None) -> str:
    if value is None:
        return {"time": "never", "money": "not known"}.get(one["unit"], "none")
    match one["unit"]:
        case "share":
            return f"{value:.2%}"
        case "money":
            return _money({one["currency"]: value})
        case "time":
            return time_text(value)
    return f"{value:,.0f}"


def _plot(hours: Sequence[Mapping[str, int]]) -> None:
    """Print how many messages go when, as a line of bars."""
    from kaskad.cli.screens.plots import sparkline

    line, each, top = sparkline([sum(hour.values()) for hour in hours])
    if top:
        typer.echo(f"Messages, {each} h a bar, at most {top:,} of them:\n{line}")


def _shares(outcomes: Mapping[str, int], people: int) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {count / max(1, people):.1%}" for name, count in outcomes.items()
    )


def time_text(seconds: float | None) -> str:
    """Return a span as `1 d 02:30`, `4:05` (hours, minutes) or nothing."""
    if seconds is None:
        return ""
    days, rest = divmod(round(seconds), 86_400)
    hours, minutes = divmod(rest // 60, 60)
    return f"{days} d {hours:02}:{minutes:02}" if days else f"{hours}:{minutes:02}"


def _money(amounts: Mapping[str, float]) -> str:
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    return " + ".join(format_money(Money(round(minor), name)) for name, minor in sorted(amounts.items()))


def _for(amounts: Mapping[str, float]) -> str:
    """Return what messages cost, as the end of a phrase; "" where nothing tells."""
    return f" for {_money(amounts)}" if amounts else ""
