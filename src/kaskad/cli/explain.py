"""`kaskad explain`: every decision about one person, with its why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kaskad.store.db import Row, Transaction

_PHASES = {0: "waits for its hour", 1: "queued", 2: "handed over", 3: "sent", 4: "waits for the goal"}
_LOUD = ("reason", "from", "to", "send", "skips", "detail")


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(explain)


def explain(
    who: Annotated[str, typer.Argument(metavar="CONTACT|RUN", help="Its id, e-mail or phone; or run_….")],
    db: Annotated[str, typer.Option(help="SQLite file or postgresql://….")] = "",
    inputs: Annotated[bool, typer.Option("--inputs", help="Show what each decision looked at.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Tell why a person got this message, why not that one, and why then."""
    import msgspec

    from kaskad.domain.errors import NotFound

    with _reading(db) as tx:
        contact_id, run_id = _find(tx, who)
        runs = [
            _run(tx, contact_id, row)
            for row in tx.all("runs_of_contact", contact_id=contact_id)
            if run_id in (None, row[0])
        ]
    if not runs:
        known = "There is no run" if run_id is not None else "No cascade has been entered by"
        raise NotFound(f"{known} {who}.")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(runs), indent=2).decode())
        return
    for told in runs:
        for line in _lines(told, inputs):
            typer.echo(line)


def _reading(db: str) -> Any:
    """Return a context of one read transaction; raises NotFound where there is no database yet."""
    from contextlib import contextmanager

    from kaskad import config
    from kaskad.domain.errors import NotFound
    from kaskad.store.db import open_database

    where = db or config.load().database
    if (
        not where.startswith(("postgresql:", "postgres:"))
        and not Path(where.removeprefix("sqlite:")).exists()
    ):
        raise NotFound(f"There is no database {where.removeprefix('sqlite:')}: name it with --db.")

    @contextmanager
    def reading() -> Iterator[Transaction]:
        database = open_database(where)
        try:
            with database.read() as tx:
                yield tx
        finally:
            database.close()

    return reading()


def _find(tx: Transaction, who: str) -> tuple[int, int | None]:
    """Return the contact, and the run where one is named; raises NotFound."""
    from kaskad.domain.errors import NotFound
    from kaskad.domain.ids import read_run
    from kaskad.domain.terms import Channel

    if run := read_run(who):
        return run
    digits = "".join(character for character in who if character.isdigit())
    attempts: list[tuple[str, dict[str, Any]]] = [("contact_by_external_id", {"external_id": who})]
    if who.isascii() and who.isdigit() and len(who) < 19:
        attempts.append(("contact_by_id", {"id": int(who)}))
    for channel, value in (
        (Channel.EMAIL, who.lower()),
        (Channel.SMS, f"+{digits}"),
        (Channel.TELEGRAM, who),
    ):
        attempts.append(("contact_by_address", {"channel": channel.code, "value": value}))
    for name, params in attempts:
        row = tx.one(name, **params)
        if row is not None:
            return int(row[0]), None
    raise NotFound(f"There is no contact {who!r}: give its id, e-mail or phone, or a run such as run_12_345.")


def _run(tx: Transaction, contact_id: int, row: Row) -> dict[str, Any]:
    """Return everything about one run, steps and codes by their names."""
    import msgspec

    from kaskad.domain.definition import to_cascade
    from kaskad.domain.ids import run_text
    from kaskad.domain.terms import Outcome
    from kaskad.store import cascades as cascade_store

    (
        run_id,
        _,
        version_id,
        _,
        step,
        phase,
        wake_at,
        entered_at,
        holdout,
        outcome,
        outcome_step,
        late,
        ended,
    ) = row
    version = cascade_store.version(tx, version_id)
    steps = [each.id for each in to_cascade(version.source, name=f"version {version_id}").steps]
    key = {"contact_id": contact_id, "run_id": run_id}
    accounts = {account[0]: account[1] for account in tx.all("accounts")}
    return {
        "run": run_text(contact_id, run_id),
        "cascade": cascade_store.cascade(tx, row[1]).slug,
        "version": version.number,
        "entered_at": entered_at,
        "holdout": bool(holdout),
        "outcome": Outcome.of(outcome).value if outcome else None,
        "outcome_step": _step(steps, outcome_step),
        "late": bool(late),
        "finished_at": ended,
        "now_at": None
        if outcome
        else {"step": _step(steps, step), "phase": _PHASES[phase], "until": wake_at},
        "decisions": [
            {"at": at, "seq": seq, **_decision(msgspec.json.decode(detail), steps, accounts)}
            for seq, at, detail in tx.all("decisions_of_run", **key)
        ],
        "facts": [_fact(fact, steps) for fact in tx.all("facts_of_run", **key)],
    }


def _decision(told: dict[str, Any], steps: list[str], accounts: Mapping[int, str]) -> dict[str, Any]:
    from kaskad.domain.terms import Channel, Outcome

    found: dict[str, Any] = {"reason": told["reason"]}
    to = told.get("to", {})
    found["step"] = _step(steps, to.get("step"))
    found["phase"] = _PHASES.get(to.get("phase"), "")
    if to.get("outcome"):
        found["outcome"] = Outcome.of(to["outcome"]).value
    if "skips" in told:
        found["skips"] = [
            {**skip, "step": _step(steps, skip["step"]), "channel": Channel.of(skip["channel"]).value}
            for skip in told["skips"]
        ]
    if "send" in told:
        send = told["send"]
        channel = Channel.of(send["channel"]).value
        found["send"] = {
            **send,
            "channel": channel,
            "account": accounts.get(send["account"], send["account"]),
        }
    if told.get("detail"):
        found["detail"] = told["detail"]
    found["inputs"] = {name: value for name, value in told.items() if name not in _LOUD}.get("answers", {})
    return found


def _fact(row: Row, steps: list[str]) -> dict[str, Any]:
    import msgspec

    from kaskad.domain.terms import Kind

    step, kind, event, at, value = row
    found: dict[str, Any] = {"at": at, "step": _step(steps, step), "kind": Kind(kind).name.lower()}
    found["event"] = event
    if value:
        found["value"] = msgspec.json.decode(value)
    return found


def _step(steps: list[str], number: int | None) -> str | None:
    if number is None or number < 0:
        return None
    return steps[number] if number < len(steps) else str(number)


def _lines(told: Mapping[str, Any], inputs: bool) -> Iterator[str]:
    """Return the run as people read it: what was decided and what happened, in the order of time."""
    outcome = (told["outcome"] or "under way").replace("_", " ")
    at = f" at {told['outcome_step']}" if told["outcome_step"] else ""
    yield f"{told['run']}  {told['cascade']}, version {told['version']}: {outcome}{at}"
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
    for when, _, words in sorted(entries, key=lambda entry: entry[:2]):
        yield f"  {_at(when)}  {words}"
    if told["now_at"]:
        now = told["now_at"]
        step = now["step"] or "before the first step"
        yield f"  {'now':23}  {step}: {now['phase']}, until {_at(now['until'])}"
    yield ""


def _decision_words(decision: Mapping[str, Any]) -> Iterator[str]:
    why = decision["reason"]
    for skip in decision.get("skips", ()):
        detail = f" ({skip['detail']})" if skip.get("detail") else ""
        yield f"{skip['step']} ({skip['channel']}) skipped: {skip['reason'].replace('_', ' ')}{detail}"
    if "outcome" in decision:
        yield f"ended, {decision['outcome'].replace('_', ' ')}: {why}"
    elif "send" in decision:
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
    more = ", ".join(str(value[name]) for name in ("reason", "code", "detail", "key") if value.get(name))
    where = f"{fact['step']} " if fact["step"] else ""
    return f"{where}{fact['kind'].replace('_', ' ')}{f' ({more})' if more else ''}"


def _at(at: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
