"""`kaskad explain`: every decision about one person, with its why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from kaskad.cli.screens.may import may_lines
from kaskad.cli.screens.options import DB, JSON
from kaskad.domain.terms import CallResult, Reason

OURS = frozenset(each.value for each in (*Reason, *CallResult))  # codes that are words of ours


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(explain)


def explain(
    who: Annotated[str, typer.Argument(metavar="CONTACT|RUN", help="Its id, e-mail or phone; or run_….")],
    cascade: Annotated[
        str, typer.Option("--cascade", help="Why may or may not this person be sent this cascade now?")
    ] = "",
    trigger: Annotated[
        str, typer.Option("--trigger", help="With --cascade: the event's properties, as JSON.")
    ] = "{}",
    inputs: Annotated[bool, typer.Option("--inputs", help="Show what each decision looked at.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Tell why a person got this message, why not that one, and why then.

    With --cascade: why each step may or may not be sent to them now, whether they have entered or not.
    """
    from kaskad.cli.client import part, reached, whom
    from kaskad.cli.screens.output import as_text
    from kaskad.domain.errors import NotFound
    from kaskad.domain.ids import read_run

    with reached(db) as client:
        if cascade:
            found = client.get(f"/contacts/{whom(who)}/may", cascade=cascade, trigger=trigger)
            typer.echo(as_text(found) if as_json else "\n".join(may_lines(found)))
            return
        wanted = [who] if read_run(who) else [run["id"] for run in client.items("/runs", contact=who)]
        runs = [client.get(f"/runs/{part(run)}/explain") for run in wanted]
    if not runs:
        raise NotFound(f"No cascade has been entered by {who}.")
    if as_json:
        typer.echo(as_text(runs))
        return
    for told in runs:
        for line in _lines(told, inputs):
            typer.echo(line)


def _lines(told: Mapping[str, Any], inputs: bool) -> Iterator[str]:
    """Return the run as people read it: what was decided and what happened, in the order of time."""
    outcome = (told["outcome"] or "under way").replace("_", " ")
    at = f" at {told['outcome_step']}" if told["outcome_step"] else ""
    yield f"{told['id']}  {told['cascade']}, version {told['version']}: {outcome}{at}"
    if told["holdout"]:
        yield "  held out as the control group: nothing is sent"
    entries = [(told["entered_at"], 0, "entered")]
    entries += [(fact["at"], 1, _fact_words(fact)) for fact in told["facts"]]
    for decision in told["decisions"]:
        entries += [(decision["at"], 2, words) for words in _decision_words(decision)]
        if inputs and decision["inputs"]:
            entries += [
                (decision["at"], 2, f"    {name}: {value}") for name, value in decision["inputs"].items()
            ]
    for when, _, words in sorted(entries, key=lambda entry: (datetime.fromisoformat(entry[0]), entry[1])):
        yield f"  {_at(when)}  {words}"
    if told["wake_at"]:
        step = told["step"] or "before the first step"
        yield f"  {'now':23}  {step}: {told['doing']}, until {_at(told['wake_at'])}"
    yield ""


def _decision_words(decision: Mapping[str, Any]) -> Iterator[str]:
    why = decision["reason"]
    for skip in decision.get("skips", ()):
        detail = f" ({skip['detail']})" if skip.get("detail") else ""
        yield f"{skip['step']} ({skip['channel']}) skipped: {skip['reason'].replace('_', ' ')}{detail}"
    if decision.get("outcome"):
        yield f"ended, {decision['outcome'].replace('_', ' ')}: {why}"
    elif decision.get("send"):
        send = decision["send"]
        told = _once(decision["phase"], why)
        yield f"{decision['step']} ({send['channel']} by {send['account']}) {told}"
    else:
        yield f"{decision['step']} {_once(decision['phase'], why, decision.get('detail', ''))}"


def _once(phase: str, *reasons: str) -> str:
    """Return the phase with its reasons, none of which says what stands before it."""
    said = [phase]
    for reason in reasons:
        if reason and not any(reason in before for before in said):
            said.append(reason)
    return f"{phase}: {', '.join(said[1:])}" if said[1:] else phase


def _fact_words(fact: Mapping[str, Any]) -> str:
    value = fact.get("value", {})
    told = [str(value[name]) for name in ("reason", "code", "detail", "key") if value.get(name)]
    more = ", ".join(dict.fromkeys(each.replace("_", " ") if each in OURS else each for each in told))
    where = f"{fact['step']} " if fact["step"] else ""
    return f"{where}{fact['kind'].replace('_', ' ')}{f' ({more})' if more else ''}"


def _at(at: str) -> str:
    return datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
