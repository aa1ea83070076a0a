"""`kaskad import`: people from a file (CSV, XLSX, JSON Lines) or from a CRM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

if TYPE_CHECKING:
    from kaskad.cli.client import Client

KIND = "application/octet-stream"  # what it is shows in its first bytes
_LOOK_S = 0.25  # between looks at how far it has come
_RETURNING_S = 60.0  # so long is a server waited for that goes away meanwhile

FILE = Annotated[Path | None, typer.Argument(metavar="FILE", help="CSV, XLSX or JSON Lines.")]
FROM = Annotated[
    str, typer.Option("--from", metavar="ACCOUNT", help="Instead of a file: an account of a CRM.")
]
LIST = Annotated[str, typer.Option("--list", help="Add them to this list, made where there is none.")]
COUNTRY = Annotated[
    str, typer.Option(help="Where numbers without country code are from, such as KZ; else the brand's.")
]
CONSENT = Annotated[
    str,
    typer.Option(
        "--consent-source",
        "--consent",
        help="Where everybody agreed of whom no column says otherwise: kept as the proof.",
    ),
]
CONSENT_TEXT = Annotated[str, typer.Option(help="What they agreed to, word for word.")]
CONSENT_DATE = Annotated[str, typer.Option(help="When they agreed, such as 2026-02-14.")]
NUMBERS_ON = Annotated[
    list[str] | None,
    typer.Option(help="A channel on which the numbers are addresses too: whatsapp, viber."),
]
MAP = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="COLUMN=MEANING", help="What a column is, as 'Тел.=phone'; or skip."),
]
TYPOS = Annotated[str, typer.Option(help="Addresses at gmial.com and the like: ask (left out), keep, fix.")]
REJECTED = Annotated[
    Path | None, typer.Option(help="Write the rows that are left out to this CSV file, with the reason.")
]
DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("import")(bring)


def bring(
    file: FILE = None, account: FROM = "", to_list: LIST = "", country: COUNTRY = "", consent: CONSENT = "",
    consent_text: CONSENT_TEXT = "", consent_date: CONSENT_DATE = "", mapping: MAP = None,
    numbers_on: NUMBERS_ON = None, typos: TYPOS = "ask", rejected: REJECTED = None, dry_run: DRY_RUN = False,
    db: DB = "", as_json: JSON = False,
) -> None:  # fmt: skip
    """Bring in people from a file or a CRM: new ones are made, known ones changed, nobody is made twice.

    Columns: id, name, email, phone, telegram, whatsapp and other chat ids, zone, language, country, consent
    (yes, no or its date; consent_email and so on for one channel), tracking, seed; any other is an attribute.
    Headers may be in Russian, and what --map says comes first. Rows that cannot be read are left out and
    named, and the exit code is 1. After an interruption the same command goes on where it was.
    """
    from kaskad.cli.domains import counted
    from kaskad.cli.screens.imported import report
    from kaskad.cli.screens.output import as_text

    if (file is None) == (not account):
        raise typer.BadParameter("name a file, or the account of a CRM with --from", param_hint="FILE")
    name = account or (file.name[:200] if file else "")
    asked = {
        "list": to_list, "country": country, "consent": consent, "source": name, "typos": typos,
        "consent_text": consent_text, "consent_at": f"{consent_date}T00:00:00Z" if consent_date else "",
    }  # fmt: skip
    query: dict[str, Any] = {name: given for name, given in asked.items() if given}
    query |= {"wait_s": _LOOK_S, "map": mapping or [], "numbers_on": numbers_on or []} | (
        {"dry_run": "true"} if dry_run else {}
    )
    data = _bytes(file) if file else b""
    told = _brought(db, data, query, rejected, name, account)
    if as_json:
        typer.echo(as_text(told))
    else:
        for line in report(told, to_list):
            typer.echo(line)
        if not dry_run and (domains := counted(told["mail_domains"])):
            typer.echo(f"{domains} `kaskad domain list` shows them.")
        if told["problem"]:
            typer.echo(f"{told['state']}: {told['problem']}", err=True)
    if told["state"] != "done" or told["rejected"]:
        raise typer.Exit(1)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None


def _brought(
    db: str, data: bytes, query: dict[str, Any], rejected: Path | None, name: str, account: str
) -> dict[str, Any]:  # fmt: skip
    """Return the import when it has ended.

    A server that goes away meanwhile is waited for, and sent the file again: it goes on where it was.
    """
    import time

    from kaskad.cli.client import reached
    from kaskad.domain.errors import Unavailable

    last: dict[str, Any] = {}
    until_s = 0.0
    with _progress(name) as (seen, say):
        while True:
            try:
                with _reached_again(db, last) if last else reached(db) as client:
                    last["moves"] = client.moves
                    told = _begun(client, account, query, data, seen)
                    until_s = 0.0
                    told = _watch(client, told, seen, last)
                    if told["state"] == "interrupted":  # by a process elsewhere that has ended
                        continue
                    if rejected is not None:
                        _write(rejected, client.get(f"/imports/{told['id']}/rejected"))
                    told["mail_domains"] = client.get("/mail-domains/counts")
                    return told
            except Unavailable:
                if not last.get("moves"):  # no server had it
                    raise
                until_s = until_s or time.monotonic() + _RETURNING_S
                if time.monotonic() > until_s:
                    raise
                say("The server has gone away: waiting for it to come back.")
                time.sleep(_LOOK_S)
            except KeyboardInterrupt:
                say(_stopped(last))
                raise


def _begun(
    client: Client,
    account: str,
    query: Mapping[str, Any],
    data: bytes,
    seen: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Return the import of a file, or of everybody in the account of a CRM, who are fetched first."""
    from kaskad.cli.client import part

    found: dict[str, Any] | None = None
    if not account:
        found = client.call("POST", "/contacts/import", query=query, content=data, kind=KIND)
    while found is None:
        told = client.call("POST", f"/contacts/pull/{part(account)}", query=query)
        found = told["found"]
        seen({"rows": told["people"], "size": told["people"], "rows_per_s": None, "seconds_left": None})
    return found


def _reached_again(db: str, last: dict[str, Any]) -> AbstractContextManager[Client]:
    """Return the way to the server that has come back; raises Unavailable where none is there yet."""
    from kaskad.cli.client import chosen, reached
    from kaskad.domain.errors import Unavailable
    from kaskad.web.local import database_file, find

    file = database_file(chosen(db))
    if file is not None and find(file) is None:
        raise Unavailable(
            f"The server went away after {last.get('rows', 0)} rows: start it and give this command again, "
            "it goes on where it was."
        )
    return reached(db)


def _stopped(last: Mapping[str, Any]) -> str:
    """Return what becomes of an import whose command was interrupted from the keyboard."""
    if "id" not in last:
        return "Nothing was brought in."
    if last["moves"]:
        which = last["id"]
        return f"The server goes on with it: `kaskad imports show {which}`, `kaskad imports cancel {which}`."
    return f"Stopped after about {last['rows']} rows: the same command goes on where it was."


def _watch(
    client: Client, told: dict[str, Any], seen: Callable[[dict[str, Any]], None], last: dict[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """Return the import when it has ended; `last` is kept as it was last told."""
    import time

    while True:
        last |= told
        seen(told)
        if told["state"] != "running":
            return told
        time.sleep(_LOOK_S)
        told = client.get(f"/imports/{told['id']}")


@contextmanager
def _progress(name: str) -> Iterator[tuple[Callable[[dict[str, Any]], None], Callable[[str], None]]]:
    """Show a bar with pace and time left on standard error, where that is a terminal.

    Yield what moves it, and what says a line once.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from kaskad.cli.screens.imported import progress

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[how]}"))
    said: set[str] = set()

    def say(text: str) -> None:
        if text not in said:
            said.add(text)
            console.print(text, soft_wrap=True, highlight=False)

    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(name, total=None, how="")

        def seen(told: dict[str, Any]) -> None:
            bar.update(task, completed=told["rows"], total=max(told["size"], 1), how=progress(told))

        yield seen, say


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8-sig")  # the mark, so that a spreadsheet reads it as UTF-8
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--rejected") from None
