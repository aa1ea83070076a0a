"""`kaskad bench`: how fast this machine is at Kaskad's own work, with the same code as in production."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kaskad.bench.cascade4 import Report

Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
Db = Annotated[
    str, typer.Option("--db", metavar="WHERE", help="A new SQLite file, postgresql://…, or postgresql.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(bench)
    group.command()(ingest)
    group.command()(channels)
    group.command("import")(bring)
    group.command()(segments)
    group.command()(pages)
    group.command()(rows)
    group.command()(standing)
    app.add_typer(group, name="bench")


def bench(
    context: typer.Context,
    contacts: Annotated[int, typer.Option(min=1, help="How many people go through the cascade.")] = 20_000,
    mode: Annotated[str, typer.Option(help="noop: nothing is sent; http: to a local server.")] = "noop",
    db: Db = "",
    rate: Annotated[float, typer.Option(min=0, help="Contacts a second; 0: as fast as it goes.")] = 0,
    overload: Annotated[bool, typer.Option("--overload", help="Everybody enters at once.")] = False,
    latency_ms: Annotated[str, typer.Option(help="How long receipts take.")] = "20-50",
    seed: Annotated[int, typer.Option(help="Draws who reacts and what fails.")] = 1,
    concurrency: Annotated[int, typer.Option(min=1, help="Of each of the four accounts, with http.")] = 256,
    sender: Annotated[str, typer.Option(help="With http: process, as it is served, or thread.")] = "process",
    receipts: Annotated[str, typer.Option(help="With http: webhooks or direct.")] = "webhooks",
    batch: Annotated[int, typer.Option(min=1, help="Receipts in one webhook, at most.")] = 50,
    workers: Annotated[int, typer.Option(min=1, help="Engines that share the work (PostgreSQL).")] = 1,
    as_json: Json = False,
) -> None:
    """Carry people through CASCADE-4 on the real engine; 1 is returned unless sends made are sends due."""
    if context.invoked_subcommand is not None:
        return
    import msgspec

    from kaskad.bench.cascade4 import as_data, run
    from kaskad.bench.work import Work
    from kaskad.log import configure

    configure("warning")
    _one_of("--mode", mode, "noop", "http")
    _one_of("--receipts", receipts, "webhooks", "direct")
    _one_of("--sender", sender, "thread", "process")
    work = Work(contacts, mode, db, rate, overload, _span(latency_ms), seed, concurrency, sender,
                receipts, batch, workers)  # fmt: skip
    if workers > 1 and (mode != "noop" or not db.startswith("postgres")):
        raise typer.BadParameter(
            "several engines need --db postgresql and --mode noop", param_hint="--workers"
        )
    report = run(work, _progress)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(as_data(report)), indent=2).decode())
    else:
        _print(report)
    if not report.verdict.right:
        _print_differences(report)
        raise typer.Exit(1)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r\033[K{text}", err=True, nl=False)


def _one_of(name: str, value: str, *choices: str) -> None:
    if value not in choices:
        raise typer.BadParameter(f"{value!r} must be one of {', '.join(choices)}", param_hint=name)


def _span(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", text)
    least, most = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if least > most:
        raise typer.BadParameter(f"{text!r} must be like 20-50", param_hint="--latency-ms")
    return least, most


def _print(report: Report) -> None:
    from kaskad.bench.table import cascade4_table, show

    _progress("")
    work = report.work
    versions = ", ".join(f"{name} {value}" for name, value in report.versions.items() if value != "none")
    typer.echo(f"CASCADE-4, {work.contacts} contacts, {work.mode}, seed {work.seed}; {versions}")
    policy = report.policy
    caps = "; ".join(cap.words() for cap in policy.caps)
    windows = f"{len(policy.windows)} windows, each 00:00-24:00"
    typer.echo(f"Policy: {windows}; caps: {caps}; no gaps, no hold-outs")
    typer.echo(show(cascade4_table(report)))


def _print_differences(report: Report) -> None:
    for name, found in report.verdict.differences():
        if found.count:
            some = ", ".join(f"contact {contact} step {step + 1}" for contact, step in found.examples)
            typer.secho(f"{found.count} {name}: {some}", err=True, fg=typer.colors.RED)


def ingest(
    webhooks: Annotated[int, typer.Option(min=100, help="How many requests of each kind.")] = 20_000,
    batch: Annotated[int, typer.Option(min=2, help="Receipts in one request of the second kind.")] = 50,
    connections: Annotated[int, typer.Option(min=1, help="Requests under way at once.")] = 64,
    db: Db = "",
    as_json: Json = False,
) -> None:
    """Send signed webhooks to the real server over HTTP, alone and in batches; none answered may be lost."""
    import msgspec

    from kaskad.bench.ingest import Work, run
    from kaskad.bench.table import ingest_table, show
    from kaskad.log import configure

    configure("warning")
    report = run(Work(webhooks, batch, connections, db), _progress)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _progress("")
        typer.echo(f"{report.versions['database']}, {connections} connections, {batch} receipts in a batch")
        typer.echo(show(ingest_table(report)))
    if report.lost:
        text = f"{report.lost} receipts were answered and are not in the database"
        typer.secho(text, err=True, fg=typer.colors.RED)
        raise typer.Exit(1)


def segments(
    contacts: Annotated[int, typer.Option(min=100, help="How many people there are.")] = 100_000,
    events: Annotated[int, typer.Option(min=100, help="Of a year, all together.")] = 2_000_000,
    db: Db = "",
    as_json: Json = False,
) -> None:
    """Count and preview segments over people and events made up; the best of three is told."""
    import msgspec

    from kaskad.bench.segments import run
    from kaskad.cli.screens.output import table

    report = run(contacts, events, db, _progress)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
        return
    _progress("")
    typer.echo(
        f"{report.database}, {report.cores} cores: {report.contacts} contacts, {report.events} events, "
        f"{report.bytes / 1e6:.0f} MB, of which columns {report.columns_bytes / 1e6:.0f} MB, made in "
        f"{report.made_s:.0f} s; without them the count of events of 90 days takes {report.unmade_s:.1f} s"
    )
    rows = [
        (each.name, each.contacts, f"{each.count_s:.3f}", f"{each.preview_s:.3f}", f"{each.cpu_s:.3f}")
        for each in report.timed
    ]
    typer.echo(table(("CONDITION", "CONTACTS", "COUNT, s", "PREVIEW, s", "CPU, s"), rows))


def channels(
    messages: Annotated[int, typer.Option(min=100, help="To send to Telegram, and as SMS.")] = 20_000,
    mails: Annotated[int, typer.Option(min=100, help="To send by e-mail, 10 kB each.")] = 5_000,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests or mails under way at once.")] = 64,
    dkim_key: Annotated[Path | None, typer.Option(help="Private key in PEM, to sign the mails with.")] = None,
    as_json: Json = False,
) -> None:
    """Send messages written for one person each over the real adapters to local servers; none may be lost."""
    import msgspec

    from kaskad.bench.channels import Work, run
    from kaskad.bench.table import channels_table, show
    from kaskad.log import configure

    configure("warning")
    key = dkim_key.read_text() if dkim_key else ""
    report = run(Work(messages, mails, concurrency, key), _progress)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _progress("")
        typer.echo(show(channels_table(report)))
    if lost := sum(figure.lost + figure.refused for figure in report.figures):
        typer.secho(f"{lost} messages were refused or lost", err=True, fg=typer.colors.RED)
        raise typer.Exit(1)


def bring(
    rows: Annotated[
        int, typer.Option("--rows", "--contacts", min=100, help="How many people the file has.")
    ] = 200_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read and report.")] = False,
    db: Db = "",
    as_json: Json = False,
) -> None:
    """Import a file of invented people, and see how long timers and reactions wait meanwhile."""
    import msgspec

    from kaskad.bench.importing import run
    from kaskad.bench.table import import_table, show
    from kaskad.log import configure

    configure("warning")
    report = run(rows, db, dry_run, _progress)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _progress("")
        typer.echo(show(import_table(report)))


def pages(
    contacts: Annotated[int, typer.Option(min=100, help="How many people there are.")] = 100_000,
    times: Annotated[int, typer.Option(min=5, help="How often each page is asked for.")] = 20,
    db: Db = "",
    as_json: Json = False,
) -> None:
    """Ask for every page over HTTP, with people, runs and events made up; 1 is returned where one is slow."""
    import msgspec

    from kaskad.bench.pages import LIMIT_MS, run
    from kaskad.cli.screens.output import table
    from kaskad.log import configure

    configure("error")
    report = run(contacts, times, db, _progress)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _progress("")
        typer.echo(f"{report.contacts} contacts, {report.runs} runs, {report.database}, {report.cores} cores")
        rows = [
            (
                each.path,
                *(f"{part:.0f}" for part in (each.first_ms, each.counted_ms, each.there_cpu_ms)),
                f"{each.server_ms:.0f}",
                *(f"{part:.0f}" for part in (each.p50_ms, each.p95_ms, each.cpu_ms)),
                f"{each.kib:.0f}",
                "slow" if each.slow else "",
            )
            for each in sorted(report.timed, key=lambda each: -each.p95_ms)
        ]  # fmt: skip
        heads = ("PAGE", "FIRST MS", "COUNTED", "CPU", "SERVER", "P50", "P95", "CPU EACH", "KIB", "")
        typer.echo(table(heads, rows))
        typer.echo(f"The first page with styles and scripts: {report.first_page_kib:.0f} KiB")
        typer.echo(f"Not asked for: {', '.join(report.not_asked) or 'none'}")
    if any(each.slow for each in report.timed):
        typer.secho(f"Pages take over {LIMIT_MS:.0f} ms", err=True, fg=typer.colors.RED)
        raise typer.Exit(1)


def rows(
    contacts: Annotated[int, typer.Option(min=100, help="Whose rows are written.")] = 20_000,
    tick: Annotated[int, typer.Option(min=1, help="People handed over in one transaction.")] = 2_000,
    scattered: Annotated[bool, typer.Option("--scattered", help="In no order, as people come.")] = False,
    db: Db = "",
    as_json: Json = False,
) -> None:
    """Write the rows of CASCADE-4 in a bare loop without any rule: no engine on them can be faster."""
    import msgspec

    from kaskad.bench.rows import run
    from kaskad.cli.screens.output import table
    from kaskad.log import configure

    configure("error")
    report = run(contacts, db, tick, scattered)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        told = [(name, f"{us:.2f}") for name, us in report.statements.items()]
        typer.echo(table(("STATEMENT", "CPU US A CONTACT"), told))
        typer.echo(f"Together {report.cpu_us:.1f} us of CPU, {report.wall_us:.1f} us by the clock")


def standing(
    runs: Annotated[int, typer.Option(min=1_000, help="How many live runs wait.")] = 1_000_000,
    per_s: Annotated[float, typer.Option("--rate", min=1, help="How many of them fall due a second.")] = 100,
    seconds: Annotated[int, typer.Option(min=1, help="For how long.")] = 60,
    workers: Annotated[int, typer.Option(min=0, help="Beside the server (PostgreSQL).")] = 0,
    import_rows: Annotated[int, typer.Option(min=0, help="Bring in so many people meanwhile.")] = 0,
    db: Db = "",
    as_json: Json = False,
) -> None:
    """Let many live runs wait at a real server; 1 is returned where a message is missing or went twice."""
    import msgspec

    from kaskad.bench.standing import Work, run
    from kaskad.bench.table import show, standing_table
    from kaskad.log import configure

    configure("warning")
    if workers and not db.startswith("postgres"):
        raise typer.BadParameter("workers need --db postgresql", param_hint="--workers")
    report = run(Work(runs, per_s, seconds, db, workers, import_rows), _progress)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _progress("")
        typer.echo(f"{report.versions['database']}, {runs} live runs, {per_s:.0f} of them due a second")
        typer.echo(show(standing_table(report)))
    if not report.right:
        typer.secho(f"{report.missing} missing, {report.twice} twice", err=True, fg=typer.colors.RED)
        raise typer.Exit(1)
