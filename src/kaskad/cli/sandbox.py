"""`kaskad sandbox`: a local world of providers and people, to try cascades against."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kaskad.engine.people import Person as Row
    from kaskad.sandbox.person import Person
    from kaskad.sandbox.profile import Profile
    from kaskad.sandbox.serve import Sandbox

PORT, SMTP_PORT = 8025, 2525  # the ports of other servers with their own are in their files
KASKAD_URL = "http://127.0.0.1:8000"


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(sandbox)


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of HTTP services and pages; 0: any.")] = PORT,
    smtp_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the mail server; 0: any.")] = SMTP_PORT,
    people: Annotated[
        Path | None,
        typer.Option(help="CSV of the people, as `kaskad run --people` has it; else whoever is written to."),
    ] = None,
    country: Annotated[
        str, typer.Option(help="Where numbers without country code are from, such as KZ.")
    ] = "",
    kaskad_url: Annotated[str, typer.Option(help="Where Kaskad listens: receipts go there.")] = KASKAD_URL,
    time_factor: Annotated[
        float, typer.Option(min=1.0, max=100_000.0, help="Let people be so much faster.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Draws who does what: the same seed, the same people.")] = 1,
    profile: Annotated[
        Path | None, typer.Option(help="YAML of how people behave; else figures of the field's articles.")
    ] = None,
    mail_route: Annotated[
        str, typer.Option(help="Where replies and bounces go, smtp://host:port; else to the account's hook.")
    ] = "",
    servers: Annotated[
        list[str] | None,
        typer.Option("--with", help="Speak this protocol too; `all`: every one; `list`: show their names."),
    ] = None,
    accounts: Annotated[
        bool, typer.Option("--accounts", help="Print the accounts.yaml that matches these ports, and end.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --accounts: as JSON.")] = False,
) -> None:
    """Run a local world: a mail server, Telegram, SMSC.ru and Twilio as they speak, and people who react.

    Kaskad's own adapters talk to it; the accounts that `--accounts` prints differ from real ones by their
    addresses only. At the address shown are the phones of everybody, on which you can be that person. Runs
    until Ctrl-C. Nothing is kept, and nobody outside this machine is called.
    """
    from kaskad.config import CHECKS
    from kaskad.log import configure
    from kaskad.sandbox.serve import SandboxConfig, running
    from kaskad.sandbox.servers import USUAL

    if "list" in (servers or ()):
        typer.echo(_listed(), nl=False)
        return
    spoken = (*USUAL, *(servers or ()))
    if accounts:
        typer.echo(_accounts(spoken, port, smtp_port, as_json), nl=False)
        return
    configure("warning")
    if problem := CHECKS["base_url"](kaskad_url):
        raise typer.BadParameter(problem, param_hint="--kaskad-url")
    config = SandboxConfig(
        port=port, servers=spoken, ports=_ports(spoken, port, smtp_port),
        people=_people(people, country), kaskad_url=kaskad_url,
        time_factor=time_factor, seed=seed, profile=_profile(profile), mail_route=_route(mail_route),
    )  # fmt: skip
    with running(config) as world, _until_told() as told:
        _greet(world)
        told.wait()
    _part(world)


def _ports(servers: Sequence[str], port: int, smtp_port: int) -> dict[str, int]:
    """Return the ports of servers that have one of their own; any free ones where `port` is 0."""
    from kaskad.sandbox.servers import chosen

    ports = {kind.name: kind.port if port else 0 for kind in chosen(servers) if kind.port is not None}
    return ports | {"smtp": smtp_port}


def _listed() -> str:
    """Return every server with its channels."""
    from kaskad.sandbox.servers import SERVERS, USUAL

    return "".join(
        f"{server.name:<18}{', '.join(server.channels)}{' (always)' if server.name in USUAL else ''}\n"
        for server in SERVERS
    )


def _accounts(servers: Sequence[str], port: int, smtp_port: int, as_json: bool) -> str:
    """Return the accounts as a file."""
    import io

    import msgspec
    from ruamel.yaml import YAML

    from kaskad.sandbox.serve import accounts_of
    from kaskad.sandbox.server import HOST, Place
    from kaskad.sandbox.servers import chosen

    if not port or not smtp_port:
        raise typer.BadParameter("--accounts needs ports: 0 is not known before the start")
    place = Place(f"http://{HOST}:{port}", _ports(servers, port, smtp_port))
    told = {"accounts": accounts_of(chosen(servers), place)}
    if as_json:
        return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"
    out = io.StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(told, out)
    return (
        f"# The services of `kaskad sandbox`. Real ones have other addresses and secrets.\n{out.getvalue()}"
    )


def _people(path: Path | None, country: str) -> Sequence[Person]:
    """Return the people of a CSV; raises Invalid."""
    if path is None:
        return ()
    from kaskad.domain.errors import Invalid
    from kaskad.engine.people import read_people

    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise typer.BadParameter(f"{country!r} is no code of two letters, such as KZ", param_hint="--country")
    file = read_people(_read(path, "--people"), path.name, country.upper() or None, 0)
    if not file.people:
        raise Invalid([f"{path.name}: nobody in the file"])
    for note in file.notes[:20]:
        typer.echo(f"{path.name}, row {note.row}: {note.text}", err=True)
    return [_person(row) for row in file.people]


def _person(row: Row) -> Person:
    from kaskad.domain.terms import Channel
    from kaskad.sandbox.person import Person

    contact = row.contact
    reached = {address.channel: address.value for address in contact.addresses}
    email, phone, chat_id = (reached.pop(c, "") for c in (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM))
    return Person(
        key=contact.external_id or email or phone or chat_id, name=str(contact.attributes.get("name", "")),
        email=email, phone=phone, chat_id=chat_id, language=contact.language or "",
        zone=(contact.zone or "").partition(" ")[0],
        ids={channel.value: value for channel, value in reached.items()},
    )  # fmt: skip


def _profile(path: Path | None) -> Profile | None:
    from kaskad.sandbox.profile import read_profile

    if path is None:
        return None
    try:
        text = _read(path, "--profile").decode("utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter(
            f"{path} is not UTF-8 text: save it as such", param_hint="--profile"
        ) from None
    return read_profile(text, path.name)


def _route(text: str) -> str:
    if text and not text.startswith(("smtp://", "http://", "https://")):
        raise typer.BadParameter(f"{text!r} must be like smtp://127.0.0.1:2526", param_hint="--mail-route")
    return text


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint=option) from None


def _greet(world: Sandbox) -> None:
    from kaskad.sandbox.server import HOST

    who = f"{len(world.phones)} people" if world.phones else "whoever is written to"
    own = {kind.name: world.place.ports.get(kind.name) for kind in world.kinds}
    lines = (
        ("phones", f"{world.http_url}/ ({who})"),
        *(
            (kind.name, f"{HOST}:{own[kind.name]}" if own[kind.name] else kind.url(world.place))
            for kind in world.kinds
        ),
        ("receipts to", world.config.kaskad_url),
    )  # fmt: skip
    for name, text in lines:
        typer.echo(f"{name:<14}{text}")
    typer.echo("Ctrl-C ends it; `kaskad sandbox --accounts` prints the accounts.")


def _part(world: Sandbox) -> None:
    typer.echo("")
    for channel, counts in world.counts().items():
        words = f"{counts.received} received, {counts.reacted} reacted to, {counts.stopped} said no"
        typer.echo(f"{channel:<12}{words}")


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set."""
    told = threading.Event()
    before = {
        number: signal.signal(number, lambda number, frame: told.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
