"""`kaskad db`: the database itself: upgrade, backup, restore, check, renew secrets."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn
from urllib.parse import urlsplit, urlunsplit

import typer

from kaskad.cli.screens.options import DB, JSON

if TYPE_CHECKING:
    from kaskad.config import Settings


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        help="The database: upgrade, backup, restore, check, renew secrets.", no_args_is_help=True
    )
    group.command("upgrade")(upgrade)
    group.command("backup")(backup)
    group.command("restore")(restore)
    group.command("check")(check)
    group.command("renew-secrets")(renew_secrets)
    app.add_typer(group, name="db")


def upgrade(db: DB = "", as_json: JSON = False) -> None:
    """Bring the tables up to this program, as `kaskad serve` does when it starts."""
    from kaskad.cli.client import chosen
    from kaskad.cli.screens.output import say
    from kaskad.store import migrate
    from kaskad.store.db import open_database

    settings = chosen(db)
    _must_exist(settings)
    opened = open_database(settings.database)
    try:
        with opened.hold("kaskad db upgrade"):
            applied = migrate.upgrade(opened)
    finally:
        opened.close()
    told = [{"number": migration.number, "name": migration.name} for migration in applied]
    lines = [f"{migration.number:04} {migration.name}" for migration in applied]
    say(as_json, {"database": opened.name, "applied": told},
        "\n".join([*lines, f"{opened.name} is up to date."]))  # fmt: skip


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A new file for the copy.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Copy an SQLite database as it is now; the server may run meanwhile."""
    from kaskad.cli.client import chosen
    from kaskad.cli.screens.output import say
    from kaskad.store import backup as work
    from kaskad.store.vault import key_file

    settings = chosen(db)
    file = _must_exist(settings)
    if file is None:
        _say_how(as_json, [_line("pg_dump --format=custom --file", target, settings.database)])
    work.backup(file, target, _progress)
    _progress(-1)
    key = "the secret_key of the settings" if settings.secret_key else key_file(settings.database)
    size = target.stat().st_size
    say(as_json, {"file": str(target), "bytes": size, "keep_too": str(key)},
        f"{target}: {size:,} bytes, checked.\n"
        f"Keep {key} too: without it the accounts' secrets cannot be read.")  # fmt: skip


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Put a backup in place of an SQLite database, which is kept beside it; stop the server first."""
    from kaskad.cli.client import chosen
    from kaskad.cli.screens.output import say
    from kaskad.store import backup as work
    from kaskad.store.db import open_database
    from kaskad.store.sqlite import held
    from kaskad.web.local import database_file

    settings = chosen(db)
    file = database_file(settings)
    if file is None:
        new, lines = _into_a_new_one(settings.database, source)
        _say_how(as_json, lines, f" Then name {new} as `database` in the settings; what was there stays.")
    real = file.resolve() if file.is_symlink() else file  # else the link would be what is put aside
    aside = real.with_name(f"{real.name}.before-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    with held(file, "kaskad db restore"):
        there = file.exists()
        work.restore(source, real, aside)
    opened = open_database(settings.database)
    opened.close()
    kept = f"; what was there is {aside}" if there else ""
    say(as_json, {"database": str(file), "restored": str(source), "kept": str(aside) if there else None},
        f"{file} is {source} now{kept}. `kaskad serve` brings its tables up to date.")  # fmt: skip


def check(db: DB = "", as_json: JSON = False) -> None:
    """Look through an SQLite database for damage; 1 is returned where there is any."""
    from kaskad.cli.client import chosen
    from kaskad.cli.screens.output import as_text, say
    from kaskad.store import backup as work

    settings = chosen(db)
    file = _must_exist(settings)
    if file is None:
        say(as_json, {"command": "pg_amcheck"},
            "PostgreSQL checks its pages by itself; pg_amcheck looks through all of a database.")  # fmt: skip
        return
    found = work.check(file)
    if as_json:
        typer.echo(as_text({"database": str(file), "whole": not found, "problems": found}))
    elif found:
        for problem in found:
            typer.secho(problem, err=True, fg="red")
    else:
        typer.echo(f"{file} is whole.")
    if found:
        raise typer.Exit(1)


def renew_secrets(db: DB = "", as_json: JSON = False) -> None:
    """Write all secrets under the first key of `secret_key`, and the others can go; stop the server first."""
    from kaskad.cli.client import chosen
    from kaskad.cli.screens.output import say
    from kaskad.store import sealed
    from kaskad.store.db import open_database
    from kaskad.store.vault import key_file, open_vault

    settings = chosen(db)
    _must_exist(settings)
    vault = open_vault(settings.secret_key, key_file(settings.database))
    opened = open_database(settings.database)
    try:
        with opened.hold("kaskad db renew-secrets"), opened.write() as tx:
            count = sealed.renew(tx, vault)
    finally:
        opened.close()
    where = "secret_key" if settings.secret_key else str(key_file(settings.database))
    say(as_json, {"database": opened.name, "secrets": count},
        f"{count:,} secrets are written under the first key: take the others out of {where}.")  # fmt: skip


def _must_exist(settings: Settings) -> Path | None:
    from kaskad.cli.client import no_database
    from kaskad.domain.errors import NotFound
    from kaskad.web.local import database_file

    file = database_file(settings)
    if file is not None and not file.exists():
        raise NotFound(no_database(file))
    return file


def _into_a_new_one(database: str, source: Path) -> tuple[str, list[str]]:
    """Return a database's address, and the lines that make it and put a backup there.

    `pg_restore --clean` drops what the backup holds and nothing else: tables that a newer release has added
    stand in its way, and leave half of both.
    """
    parts = urlsplit(database)
    name = f"{parts.path.strip('/') or 'kaskad'}_{datetime.now(UTC):%Y%m%d_%H%M%S}"
    new = urlunsplit(parts._replace(path=f"/{name}"))
    lines = [
        _line("createdb --maintenance-db", database, name),
        _line("pg_restore --exit-on-error --single-transaction --dbname", new, source),
    ]
    return without_password(new), lines


def _line(command: str, *names: object) -> str:
    """Return a line of PostgreSQL's own tools; the password is not repeated: the tool asks, or finds it."""
    return " ".join([command, *(f"'{without_password(str(name))}'" for name in names)])


def _say_how(as_json: bool, lines: list[str], then: str = "") -> NoReturn:
    """Print what does it on PostgreSQL, and end with 1, since nothing is done yet."""
    from kaskad.cli.screens.output import say

    say(as_json, {"commands": lines}, "\n".join(lines))
    typer.echo(
        "Nothing is done yet: that is for PostgreSQL's own tools, of the server's version or newer. They ask "
        f"for the password, or find it in ~/.pgpass.{then} Keep the secret key with the backups: without it "
        "the accounts' secrets cannot be read.",
        err=True,
    )
    raise typer.Exit(1)


def without_password(name: str) -> str:
    """Return a database as it may be shown."""
    parts = urlsplit(name)
    user, _, host = parts.netloc.rpartition("@")
    login = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@{host}" if login else host)) if "://" in name else name


def _progress(done: float) -> None:
    if sys.stderr.isatty():
        typer.echo("\r\033[K" if done < 0 else f"\r\033[K{done:.0%}", err=True, nl=False)
