"""`kaskad serve`, `kaskad worker` and `kaskad init`: an installation that runs."""

from __future__ import annotations

import secrets
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kaskad.web.service import Service

_BASE_URL = typer.Option(help="How the outside world reaches it: links, pixels, webhooks.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(init)
    app.command()(serve)
    app.command()(worker)


def init(
    base_url: Annotated[str, _BASE_URL] = "http://localhost:8000",
    database: Annotated[str, typer.Option(help="sqlite:FILE or postgresql://….")] = "sqlite:kaskad.db",
) -> None:
    """Make an installation in this folder: kaskad.toml with a secret key, and the database."""
    from msgspec import structs

    from kaskad import config
    from kaskad.domain.errors import Conflict, Invalid
    from kaskad.store.db import open_database
    from kaskad.store.migrate import upgrade

    file = Path(config.FILE)
    if file.exists():
        raise Conflict(
            f"{file} is here already: change it by hand, or make the installation in another folder."
        )
    given = {"database": database, "base_url": base_url}
    problems = [f"--{name.replace('_', '-')}: {problem}" for name, value in given.items()
                if (problem := config.CHECKS[name](value))]  # fmt: skip
    if problems:
        raise Invalid(problems)
    settings = structs.replace(config.load(), **given)
    db = open_database(settings.database)
    try:
        upgrade(db)
    finally:
        db.close()
    text = "".join(f'{name} = "{value}"\n' for name, value in given.items())
    file.touch(mode=0o600)
    file.write_text(text + f'secret_key = "{secrets.token_urlsafe(32)}"\n', encoding="utf-8")
    typer.echo(f"{file} and the database {database} are made. Keep {file} as safe as the backups.\n"
               "Start it with `kaskad serve`.")  # fmt: skip


def serve(
    listen: Annotated[str, typer.Option(help="Address and port; port 0: any free one.")] = "",
    base_url: Annotated[str, _BASE_URL] = "",
) -> None:
    """Run the server: engine, API, pages, webhooks and tracking. Ctrl-C ends it in order."""
    from msgspec import structs

    from kaskad import config, log
    from kaskad.actions import sign_in
    from kaskad.domain.errors import Invalid
    from kaskad.web.service import serving

    given = {name: value for name, value in {"listen": listen, "base_url": base_url}.items() if value}
    problems = [f"--{name.replace('_', '-')}: {problem}" for name, value in given.items()
                if (problem := config.CHECKS[name](value))]  # fmt: skip
    if problems:
        raise Invalid(problems)
    settings = structs.replace(config.load(), **given)
    log.configure(settings.log_level, settings.log_style)
    ending = _ending()
    with serving(settings, "kaskad serve", base_url=settings.base_url) as service:
        typer.echo(f"Kaskad serves {service.url} for {settings.base_url}; Ctrl-C ends it.")
        typer.echo(f"Sign in, once: {sign_in.link(service.office)}")
        _until(ending, service)


def worker() -> None:
    """Run one more engine on a PostgreSQL database, without pages and API. Ctrl-C ends it in order."""
    from kaskad import config, log
    from kaskad.domain.errors import Invalid
    from kaskad.web.local import database_file
    from kaskad.web.service import serving

    settings = config.load()
    if database_file(settings) is not None:
        raise Invalid(
            ["Several engines share a PostgreSQL database; on SQLite one `kaskad serve` does it all."]
        )
    log.configure(settings.log_level, settings.log_style)
    ending = _ending()
    with serving(settings, "kaskad worker", base_url=settings.base_url, pages=False) as service:
        typer.echo(f"A worker for {settings.base_url} on {service.db.name}; Ctrl-C ends it.")
        _until(ending, service)


def _ending() -> threading.Event:
    """Return what Ctrl-C and SIGTERM set from now on."""
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    return ending


def _until(ending: threading.Event, service: Service) -> None:
    """Wait for the end; raises Unavailable where the engine has stopped by itself."""
    from kaskad.domain.errors import Unavailable

    while not ending.wait(1.0):
        if trouble := service.engine.problem():
            raise Unavailable(trouble)
