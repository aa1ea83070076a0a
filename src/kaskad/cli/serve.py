"""`kaskad serve`, `kaskad worker` and `kaskad init`: an installation that runs."""

from __future__ import annotations

import json
import secrets
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaskad.cli.screens.options import DB

if TYPE_CHECKING:
    from kaskad.config import Settings
    from kaskad.web.service import Service

JSON = Annotated[bool, typer.Option("--json", help="Print one line of JSON once it runs.")]
_BASE_URL = typer.Option(help="How the outside world reaches it: links, pixels, webhooks.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(init)
    app.command()(serve)
    app.command()(worker)


def init(
    base_url: Annotated[str, _BASE_URL] = "",
    database: Annotated[
        str, typer.Option("--database", "--db", help="An SQLite file or postgresql://…; else kaskad.db.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make an installation in this folder: kaskad.toml with a secret key, and the database.

    What KASKAD_DATABASE, KASKAD_BASE_URL and KASKAD_SECRET_KEY say holds here too.
    """
    from kaskad import config
    from kaskad.cli.db import without_password
    from kaskad.cli.screens.output import say
    from kaskad.domain.errors import Conflict
    from kaskad.store.db import open_database
    from kaskad.store.migrate import upgrade

    file = Path(config.FILE)
    if file.exists():
        raise Conflict(
            f"{file} is here already: change it by hand, or make the installation in another folder."
        )
    settings = _with(config.load(), database=config.database_of(database), base_url=base_url)
    db = open_database(settings.database)
    try:
        upgrade(db)
    finally:
        db.close()
    shown = {"database": without_password(settings.database), "base_url": settings.base_url}
    # A key of the environment wins over the file's: a second one would only be taken for the one in use.
    key = {} if settings.secret_key else {"secret_key": secrets.token_urlsafe(32)}
    written = {"database": settings.database, "base_url": settings.base_url}
    if not database and shown["database"] != settings.database:
        del written["database"]  # a password that the environment has stays there
    file.touch(mode=0o600)
    lines = [f"{name} = {_toml(value)}\n" for name, value in {**written, **key}.items()]
    file.write_text("".join(lines), encoding="utf-8")
    keep = f"Keep {file} as safe as the backups." if key else "Keep the environment's KASKAD_SECRET_KEY safe."
    say(as_json, {"file": str(file), **shown},
        f"{file} and the database {shown['database']} are made. {keep}\n"
        "Start it with `kaskad serve`.")  # fmt: skip


def _toml(value: str) -> str:
    """Return a text as TOML writes it: as JSON does, which knows no surrogates there."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _with(settings: Settings, **options: str) -> Settings:
    """Return the settings with what the command line says; raises Invalid."""
    from msgspec import structs

    from kaskad import config
    from kaskad.domain.errors import Invalid

    given = {name: value for name, value in options.items() if value}
    problems = [f"--{name.replace('_', '-')}: {problem}" for name, value in given.items()
                if (problem := config.CHECKS[name](value))]  # fmt: skip
    if problems:
        raise Invalid(problems)
    return structs.replace(settings, **given)


def serve(
    listen: Annotated[str, typer.Option(help="Address and port; port 0: any free one.")] = "",
    base_url: Annotated[str, _BASE_URL] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Run the server: engine, API, pages, webhooks and tracking. Ctrl-C ends it in order."""
    from kaskad import log
    from kaskad.actions import sign_in
    from kaskad.cli.client import chosen
    from kaskad.cli.playground import Playground
    from kaskad.cli.screens.output import as_line
    from kaskad.web.service import serving

    settings = _with(chosen(db), listen=listen, base_url=base_url)
    log.configure(settings.log_level, settings.log_style)
    ending = _ending()
    with serving(
        settings, "kaskad serve", base_url=settings.base_url, playground=Playground(), ahead=True
    ) as service:
        link = sign_in.link(service.office, _seen_at(settings, service.url))
        if as_json:
            typer.echo(as_line({"url": service.url, "base_url": service.base_url, "sign_in": link}))
        else:
            typer.echo(f"Kaskad serves {service.url} for {settings.base_url}; Ctrl-C ends it.")
            typer.echo(f"Sign in, once: {link}")
        _until(ending, service)


def worker(db: DB = "", as_json: JSON = False) -> None:
    """Run one more engine on a PostgreSQL database, without pages and API. Ctrl-C ends it in order."""
    from kaskad import log
    from kaskad.cli.client import chosen
    from kaskad.cli.screens.output import as_line
    from kaskad.domain.errors import Invalid
    from kaskad.web.local import database_file
    from kaskad.web.service import serving

    settings = chosen(db)
    if database_file(settings) is not None:
        raise Invalid(
            ["Several engines share a PostgreSQL database; on SQLite one `kaskad serve` does it all."]
        )
    log.configure(settings.log_level, settings.log_style)
    ending = _ending()
    with serving(settings, "kaskad worker", base_url=settings.base_url, pages=False) as service:
        if as_json:
            typer.echo(as_line({"database": service.db.name, "base_url": service.base_url}))
        else:
            typer.echo(f"A worker for {settings.base_url} on {service.db.name}; Ctrl-C ends it.")
        _until(ending, service)


def _seen_at(settings: Settings, url: str) -> str:
    """Return where a browser finds the pages: base_url, but where nobody set it the address listened on."""
    from kaskad.config import Settings

    if settings.base_url != Settings().base_url:
        return settings.base_url
    host, _, port = url.rpartition("/")[2].rpartition(":")
    nearby = host in ("0.0.0.0", "[::]", "127.0.0.1", "[::1]")
    return f"http://localhost:{port}" if nearby else url


def _ending() -> threading.Event:
    """Return what Ctrl-C and SIGTERM set from now on."""
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    return ending


def _until(ending: threading.Event, service: Service) -> None:
    """Wait for the end; raises Unavailable where the engine has stopped by itself."""
    from kaskad.domain.errors import Unavailable

    while not service.engine.problem() and not ending.wait(1.0):
        pass
    if trouble := service.engine.problem():
        raise Unavailable(trouble)
