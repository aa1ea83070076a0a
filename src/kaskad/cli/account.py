"""`kaskad account` and `kaskad send-test`: providers' accounts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaskad.cli import prices
from kaskad.cli.screens.options import DB, JSON
from kaskad.cli.templates import templates
from kaskad.domain.terms import Channel

if TYPE_CHECKING:
    from kaskad.cli.client import Client

NAME = Annotated[str, typer.Argument(help="The account's name.")]
TO = Annotated[str, typer.Argument(help="Address, number or chat id that gets it.")]
SUBJECT = Annotated[str, typer.Option(help="Subject; else one of ours.")]
TEXT = Annotated[str, typer.Option(help="What it says; else a word of ours.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Providers' accounts: add, list, show, test, remove.", no_args_is_help=True)
    group.command("kinds")(kinds)
    group.command("add")(add)
    group.command("list")(listing)
    group.command("show")(show)
    group.command("remove")(remove)
    group.command("enable")(enable)
    group.command("disable")(disable)
    group.command("resume")(resume)
    group.command("sender")(sender)
    group.command("test")(send_test)
    group.command("templates")(templates)
    prices.add_to(group)
    app.add_typer(group, name="account")
    app.command("send-test")(send_test)


def kinds(as_json: JSON = False) -> None:
    """List the kinds of accounts: providers, what they carry, and how well each is verified."""
    from kaskad.cli.screens.output import as_text, table
    from kaskad.web.api.accounts import list_providers

    known = list_providers().model_dump(mode="json")["items"]
    if as_json:
        typer.echo(as_text(known))
        return
    rows = [
        (one["name"], _carried(one["channels"]), one["verified"]["level"], one["verified"]["cases"])
        for one in known
    ]
    typer.echo(table(("PROVIDER", "CHANNELS", "VERIFIED", "CASES"), rows))
    typer.echo(
        "`kaskad account add NAME --provider PROVIDER` asks for the settings; docs/providers says more."
    )


def _carried(channels: Sequence[str]) -> str:
    return ", ".join(channels) if len(channels) < len(Channel) else "all"


def add(
    name: Annotated[str, typer.Argument(help="Small letters, digits and -: webhooks carry it.")],
    provider: Annotated[str, typer.Option(help="`kaskad account kinds` lists them.")],
    channel: Annotated[str, typer.Option(help="Where the provider has several.")] = "",
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting; several times.")
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=-",
            help="A secret: - is a line of standard input, $NAME the environment's, @FILE a file's.",
        ),
    ] = None,
    price: Annotated[str, typer.Option(help="Such as '14.50 KZT per part'.")] = "",
    per_second: Annotated[float, typer.Option(min=0, help="Messages a second; 0: the provider's.")] = 0,
    concurrency: Annotated[int, typer.Option(min=0, help="Messages at once; 0: the provider's.")] = 0,
    priority: Annotated[int, typer.Option(help="Lower is asked first.")] = 0,
    weight: Annotated[
        int, typer.Option(min=1, max=1000, help="Share of the contacts among accounts of one priority.")
    ] = 1,
    disabled: Annotated[bool, typer.Option("--disabled", help="Save it without using it yet.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Add an account, or change the one of that name; what is not given is asked for at a terminal."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    settings = _pairs("--set", setting or (), str)
    secrets = _pairs("--secret", secret or (), _secret)
    with reached(db) as client:
        declared = _declared(client, provider)
        if sys.stdin.isatty():
            _ask(declared, settings, secrets, known=_find(client, name))
        told = {
            "provider": provider, "channel": channel or None, "settings": settings, "secrets": secrets,
            "price": price or None, "priority": priority, "weight": weight, "enabled": not disabled,
            "limits": {"per_second": per_second, "concurrency": concurrency},
        }  # fmt: skip
        saved = client.put(f"/accounts/{part(name)}", told)
    if as_json:
        typer.echo(as_text(saved))
        return
    typer.echo(f"{name} is saved: {saved['channel']} by {saved['provider']}.")
    for one in declared:  # what Kaskad has made itself, such as a public key
        value = saved["settings"].get(one["name"])
        if value and value != one["default"] and one["name"] not in settings:
            typer.echo(f"Its {one['name']} is {value}")
    if saved["provider"] != "apprise":  # which tells nothing afterwards
        typer.echo(f"Its provider sends webhooks to {saved['webhook_url']}")
    typer.echo(f"Try it: kaskad send-test {name} TO")


def listing(db: DB = "", as_json: JSON = False) -> None:
    """List the accounts, in the order in which they are asked."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        accounts = list(client.items("/accounts"))
    if as_json:
        typer.echo(as_text(accounts))
    elif not accounts:
        typer.echo("There are no accounts: `kaskad account add NAME --provider …` adds one.")
    else:
        rows = [
            (one["name"], one["channel"], one["provider"], one["priority"], one["price"], _state(one),
             one["doing"]["queued"], one["doing"]["in_flight"])
            for one in accounts
        ]  # fmt: skip
        typer.echo(
            table(("NAME", "CHANNEL", "PROVIDER", "PRIORITY", "PRICE", "STATE", "QUEUED", "OUT"), rows)
        )


def show(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Show an account; of its secrets only the names."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        account = client.get(f"/accounts/{part(name)}")
    if as_json:
        typer.echo(as_text(account))
        return
    limits, doing = account["limits_in_force"], account["doing"]
    lines = {
        "channel": f"{account['channel']} by {account['provider']}",
        "state": _state(account),
        "price": account["price"] or "not known",
        "limits": f"{limits['per_second']:g} a second, {limits['concurrency']} at once",
        "priority": f"{account['priority']}, weight {account['weight']}",
        "waiting": f"{doing['queued']} queued, {doing['in_flight']} on their way",
        "failed": _failed(doing),
        "webhooks": account["webhook_url"],
        **account["settings"],
        **dict.fromkeys(account["secrets"], "(secret)"),
    }
    width = max(map(len, lines))
    for label, value in lines.items():
        typer.echo(f"{label.ljust(width)}  {value}")


def remove(
    name: NAME,
    force: Annotated[bool, typer.Option("--force", help="Also where cascades cannot do without it.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Delete an account and its secrets; what went through it stays in the reports."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.delete(f"/accounts/{part(name)}", force=force or None)
    say(as_json, {"deleted": name}, f"{name} is deleted.")


def enable(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Let messages go through an account."""
    _switch(name, db, as_json, enabled=True)


def disable(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Let no message go through an account; others of its channel take over."""
    _switch(name, db, as_json, enabled=False)


def sender(
    name: NAME,
    address: Annotated[str, typer.Argument(help='Whom letters come from: "Shop <hello@example.org>".')],
    reply_to: Annotated[str, typer.Option(help="Where answers go; empty: to the sender.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Say whom the letters of a mail account come from, and leave all else as it is."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        saved = client.put(f"/accounts/{part(name)}/sender", {"sender": address, "reply_to": reply_to})
    say(as_json, saved, f"Letters of {name} come from {saved['settings']['sender']}.")


def resume(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Let a mail account send again that is held: servers refused its mails for what it is (5.7.x)."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        account = client.post(f"/accounts/{part(name)}/resume")
    say(as_json, account, f"{name} sends again.")


def send_test(
    account: NAME, to: TO, subject: SUBJECT = "", text: TEXT = "", db: DB = "", as_json: JSON = False
) -> None:
    """Send one real message through an account; 1 is returned unless it was accepted."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        answer = client.post(f"/accounts/{part(account)}/test", {"to": to, "subject": subject, "text": text})
    if as_json:
        typer.echo(as_text(answer))
    elif answer["accepted"]:
        number = f", its id there is {answer['provider_id']}" if answer["provider_id"] else ""
        typer.echo(f"Accepted in {answer['took_ms']} ms{number}.")
    else:
        verdict = "Refused" if answer["accepted"] is False else "Nobody knows whether it was taken"
        code = f" {answer['code']}" if answer["code"] else ""
        typer.secho(f"{verdict} ({answer['reason']}{code}): {answer['detail']}", err=True, fg="red")
    if not answer["accepted"]:
        raise typer.Exit(1)


def _switch(name: str, db: str, as_json: bool, *, enabled: bool) -> None:
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        saved = client.post(f"/accounts/{part(name)}/{'enable' if enabled else 'disable'}")
    say(as_json, saved, f"{name} is {'enabled' if enabled else 'disabled'}.")


def _state(account: Mapping[str, Any]) -> str:
    if not account["enabled"]:
        return "disabled"
    if account["doing"]["held_at"]:
        return f"held: {account['doing']['held_why']}"
    if account["doing"]["trouble"]:
        return f"cannot be set up or polled: {account['doing']['trouble']}"
    until = account["doing"]["open_until"]
    return f"not asked until {until[:19]}" if account["doing"]["breaker"] == "open" and until else "enabled"


def _failed(doing: Mapping[str, Any]) -> str:
    last = doing["last_failure"]
    told = f"{doing['failed']} in the last hour"
    return f"{told}; last at {last['at'][:19]}: {last['reason']}, {last['detail'] or '…'}" if last else told


def _pairs(option: str, given: Sequence[str], read: Callable[[str], str]) -> dict[str, str]:
    """Return NAME=VALUE options as a dictionary; wrong use where one is none."""
    pairs = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise typer.BadParameter(f"{text.partition('=')[0]!r}: write NAME=VALUE", param_hint=option)
        pairs[name] = read(value)
    return pairs


def _secret(value: str) -> str:
    """Return a secret from standard input, the environment or a file: others can read a command line."""
    if value == "-":
        return sys.stdin.readline().rstrip("\r\n")
    if value.startswith("@"):
        try:
            return Path(value[1:]).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "is no UTF-8 text"
            raise typer.BadParameter(f"{value[1:]}: {reason}", param_hint="--secret") from None
    if not value.startswith("$"):
        raise typer.BadParameter(
            "a secret on the command line can be read by others: write NAME=- and give it on standard input, "
            "'NAME=$VARIABLE' for one of the environment, or NAME=@FILE",
            param_hint="--secret",
        )
    variable = value.removeprefix("$").strip("{}")
    if variable not in os.environ:
        raise typer.BadParameter(f"the variable {variable} is not set", param_hint="--secret")
    return os.environ[variable]


def _declared(client: Client, provider: str) -> list[dict[str, Any]]:
    """Return the settings that a provider declares; [] for one that there is none of: the API says so."""
    for one in client.items("/providers"):
        if one["name"] == provider:
            settings: list[dict[str, Any]] = one["settings"]
            return settings
    return []


def _find(client: Client, name: str) -> dict[str, Any]:
    return next((one for one in client.items("/accounts") if one["name"] == name), {})


def _ask(
    declared: Sequence[Mapping[str, Any]], settings: dict[str, str], secrets: dict[str, str],
    known: Mapping[str, Any],
) -> None:  # fmt: skip
    """Ask for what the provider declares and the command line has not told; secrets are not shown."""
    for one in declared:
        name = one["name"]
        if name in settings or name in secrets:
            continue
        label = f"{name} ({one['help']})" if one["help"] else name
        if one["secret"]:
            kept = name in known.get("secrets", ())
            label += " [as it is]" if kept else ""
            given = typer.prompt(label, default="" if kept or not one["required"] else None,
                                 hide_input=True, show_default=False)  # fmt: skip
            if given:
                secrets[name] = given
            continue
        default = known.get("settings", {}).get(name) or one["default"]
        given = typer.prompt(label, default=default or ("" if not one["required"] else None),
                             show_default=bool(default))  # fmt: skip
        if given:
            settings[name] = given
