"""`kaskad run`: one cascade, one file of people, and everything from the import to the report."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kaskad.analytics.reach import Report, Trip
    from kaskad.cli.screens.run import Screen
    from kaskad.config import Settings
    from kaskad.domain.cascade import Cascade
    from kaskad.engine.people import People
    from kaskad.store.accounts import Account
    from kaskad.store.cascades import VersionRow
    from kaskad.web.service import Service

ACCOUNTS = "accounts.yaml"
EVERYBODY = 1_000_000
COUNTED = 5_000  # runs that are counted between two ticks
NOTES_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(run)


def run(
    cascade: Annotated[Path, typer.Argument(metavar="CASCADE", help="The definition, YAML or JSON.")],
    people: Annotated[Path, typer.Option(help="CSV of the people; its first line names the columns.")],
    accounts: Annotated[
        Path | None,
        typer.Option(help=f"YAML of the accounts; else {ACCOUNTS} beside the cascade, or the database's."),
    ] = None,
    db: Annotated[str, typer.Option(help="SQLite file or postgresql://…; made where there is none.")] = "",
    country: Annotated[
        str, typer.Option(help="Where numbers without country code are from, such as KZ.")
    ] = "",
    listen: Annotated[str, typer.Option(help="Address for links and receipts; port 0: any free one.")] = "",
    base_url: Annotated[str, typer.Option(help="How the outside world reaches that address.")] = "",
    time_factor: Annotated[
        float, typer.Option(min=1.0, max=100_000.0, help="Let time pass so much faster.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Carry people through a cascade and report who was reached, by what, for how much.

    Imports the people, activates the cascade, sends, takes clicks and receipts, and ends when everybody has
    been carried through. Stop it with Ctrl-C: the same command goes on where it stopped, and sends nothing
    twice.

    Columns of the CSV: id, name, email, phone, telegram, whatsapp and other chat ids, zone, language,
    country, consent (yes, no or its date; consent_email and so on for one channel), tracking. trigger.x is
    a property of the event that the cascade begins with; any other column is an attribute of the contact.
    """
    from kaskad.cli.screens.run import Screen
    from kaskad.engine.launch import first_told
    from kaskad.web.service import serving

    screen = Screen()
    source, definition = _read_cascade(cascade, screen)
    settings = _settings(db, listen, base_url)
    data = _read(people, "--people")
    file = _read_people(data, people.name, country, 0)  # what cannot be read leaves no trace
    told, accounts_from = _read_accounts(accounts, cascade)
    screen.log_to_screen(settings.log_level)
    public = _public(base_url, listen, settings)
    owner = f"kaskad run {cascade}"
    with (
        _interruptible(),
        serving(settings, owner, time_factor=time_factor, base_url=public) as service,
    ):
        _use_accounts(service, definition, told, accounts_from, screen)
        if file.has_consents:  # their proof tells when the file was first imported
            file = _read_people(data, people.name, country, first_told(service.engine, data))
        version = _bring_in(service, definition, source, file, people, screen)
        finished = _carry(service, version, definition, screen)
        report, trips = _report(service, version, definition)
    if as_json:
        typer.echo(_as_json(report, trips, file))
    else:
        screen.report(report, trips)
    if not finished:
        _end_stopped(report, screen)


def _read_cascade(path: Path, screen: Screen) -> tuple[str, Cascade]:
    from kaskad.domain.definition import load
    from kaskad.domain.errors import Invalid

    try:
        text = _read(path, "CASCADE").decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid([f"{path} is not UTF-8 text: save it as UTF-8"]) from None
    loaded = load(text, name=str(path))
    if loaded.cascade is None:
        raise Invalid([problem.text(str(path)) for problem in loaded.errors])
    if loaded.warnings:
        count = len(loaded.warnings)
        screen.say(f"{count} warning{'s' * (count > 1)} about the cascade: `kaskad check {path}` shows them.")
    return text, loaded.cascade


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint=option) from None


def _settings(db: str, listen: str, base_url: str) -> Settings:
    """Return the installation's settings with what the command line says instead; raises Invalid."""
    from msgspec import structs

    from kaskad import config
    from kaskad.domain.errors import Invalid

    given = {"database": config.database_of(db), "listen": listen, "base_url": base_url}
    given = {name: value for name, value in given.items() if value}
    problems = [
        f"--{'db' if name == 'database' else name.replace('_', '-')}: {problem}"
        for name, value in given.items()
        if (problem := config.CHECKS[name](value))
    ]
    if problems:
        raise Invalid(problems)
    return structs.replace(config.load(), **given)


def _public(base_url: str, listen: str, settings: Settings) -> str:
    """Return the address for links; "" is the one listened on, where nothing else was set."""
    from kaskad.config import Settings

    return "" if not base_url and (listen or settings.base_url == Settings().base_url) else settings.base_url


def _read_accounts(given: Path | None, cascade: Path) -> tuple[list[Account], Path | None]:
    from kaskad.domain.errors import Invalid
    from kaskad.engine.account_file import read_accounts

    beside = cascade.parent / ACCOUNTS
    path = given or (beside if beside.exists() else None)
    if path is None:
        return [], None
    try:
        return read_accounts(_read(path, "--accounts").decode("utf-8"), str(path), os.environ), path
    except UnicodeDecodeError:
        raise Invalid([f"{path} is not UTF-8 text: save it as UTF-8"]) from None


def _use_accounts(
    service: Service, cascade: Cascade, told: Sequence[Account], path: Path | None, screen: Screen
) -> None:
    """Keep the accounts of the file, and know the texts that their services approve, before anybody enters.

    Raises Invalid where a step has no account, before anything is changed, or a text that is not to be had.
    """
    from kaskad.actions.approved_texts import ask_first
    from kaskad.actions.readiness import missing_accounts
    from kaskad.domain.errors import Invalid
    from kaskad.store import accounts as account_store
    from kaskad.store.db import Transaction

    with service.db.read() as tx:
        kept = account_store.all_accounts(tx, service.vault)
    everything = {account.name: account for account in [*kept, *told]}
    usable = [account for account in everything.values() if account.enabled]
    beside = f"put one into {ACCOUNTS} beside the cascade, or give --accounts"
    remedy = f"add one to {path}" if path else beside
    if problems := missing_accounts(cascade, usable, remedy, str(path or "")):
        raise Invalid(problems)

    def change(tx: Transaction) -> None:
        for account in told:
            account_store.save(tx, service.vault, account)

    service.engine.write(change).result()
    service.office.reload()
    ask_first(service.office, cascade)
    wanted = {channel for step in cascade.steps for channel in step.channels}
    names = ", ".join(
        f"{account.channel} by {account.name}" for account in usable if account.channel in wanted
    )
    screen.say(f"accounts    {names} ({path or service.db.name})")
    unpriced = {account.name: None for account in usable if account.channel in wanted and not account.prices}
    if unpriced:
        screen.say(_unpriced_line(list(unpriced), cascade))


def _unpriced_line(names: Sequence[str], cascade: Cascade) -> str:
    """Tell whose messages will seem to cost nothing."""
    have = "have no price" if len(names) > 1 else "has no price"
    budget = cascade.budget.total or cascade.budget.per_contact
    counts = "counts as free, also against the budget" if budget else "counts as free"
    return f"prices      {', '.join(names)} {have}: what goes by it {counts}"


def _read_people(data: bytes, name: str, country: str, told_at: int) -> People:
    """Return the people of the file; raises Invalid where there is nobody, or no such country."""
    from kaskad.domain.errors import Invalid
    from kaskad.engine.people import read_people

    country = country.upper()
    if country and not (len(country) == 2 and country.isalpha()):
        raise Invalid([f"--country {country!r} is no code of two letters, such as KZ or RU"])
    file = read_people(data, name, country or None, told_at)
    if not file.people:
        left_out = [f"{name}, row {note.row}: {note.text}" for note in file.notes[:NOTES_SHOWN]]
        raise Invalid([f"{name}: nobody in the file", *left_out])
    return file


def _bring_in(
    service: Service, cascade: Cascade, source: str, file: People, path: Path, screen: Screen
) -> VersionRow:
    """Import the people, activate the cascade, and let everybody enter who has not yet."""
    from kaskad.actions.approving import unapproved
    from kaskad.domain.errors import Invalid
    from kaskad.engine.launch import activate, import_people, let_enter

    engine = service.engine
    with service.db.read() as tx:
        lacking = unapproved(tx, cascade)
    if lacking:
        raise Invalid([f"{where}: {message}: {remedy}." for where, message, remedy in lacking])
    imported = import_people(engine, service.vault, file.people)
    version = activate(engine, cascade, source)
    screen.brought_in(service, cascade, version, file, imported.new, path)
    refused = sum(engine.world.work.refusals.values())
    entered = let_enter(engine, service.db, version, cascade, file.people, imported.contact_ids)
    screen.entered(entered, sum(engine.world.work.refusals.values()) - refused)
    return version


def _carry(service: Service, version: VersionRow, cascade: Cascade, screen: Screen) -> bool:
    """Wait until nobody is under way; return False where somebody said stop before."""
    from kaskad.analytics.reach import progress
    from kaskad.domain.errors import Unavailable

    kept_at = time.monotonic()
    with screen.watching(service, cascade) as show:
        try:
            while True:
                if problem := service.engine.problem():
                    raise Unavailable(problem)
                began = time.monotonic()
                with service.db.read() as tx:
                    now = progress(tx, version.cascade_id, cascade)
                if not now.under_way and not now.launches:
                    return True
                show(now)
                took = time.monotonic() - began
                if time.monotonic() - kept_at > 2:
                    service.keep_time()
                    kept_at = time.monotonic()
                time.sleep(max(0.25, 10 * took))
        except KeyboardInterrupt:
            return False


def _report(service: Service, version: VersionRow, cascade: Cascade) -> tuple[Report, list[Trip]]:
    from kaskad.analytics.reach import report, trips
    from kaskad.engine.counting import count

    noted = service.engine.world.work.noted
    while service.engine.write(lambda tx: count(tx, COUNTED, noted=noted)).result():
        pass
    with service.db.read() as tx:
        made = report(tx, version.cascade_id, cascade, service.clock.now())
        return made, trips(tx, version.cascade_id, cascade, EVERYBODY)


def _end_stopped(report: Report, screen: Screen) -> None:
    """Tell what is left, and end as what was interrupted does."""
    left = f"Stopped with {report.under_way} under way."
    screen.say(f"{left} Nothing is lost: the same command goes on from here.")
    raise typer.Exit(130)


def _as_json(report: Report, trips: Sequence[Trip], file: People) -> str:
    from msgspec import structs

    from kaskad.cli.screens.output import as_text
    from kaskad.domain.ids import run_text

    told: dict[str, Any] = {
        "report": report,
        "people": [{"run": run_text(trip.contact_id, trip.run_id), **structs.asdict(trip)} for trip in trips],
        "import": {"people": len(file.people), "consented": file.consented, "notes": file.notes},
    }
    return as_text(told)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM stop as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
