"""`kaskad template test` and `kaskad cascade test`: real messages to testers, in no figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import CASCADE, DB, JSON
from kaskad.cli.template import CHANNEL, LANGUAGE, NAME, TRIGGER, properties

TO = Annotated[str, typer.Option("--to", metavar="ADDRESS", help="E-mail, number or id of a tester.")]
AS = Annotated[
    str, typer.Option("--as", metavar="CONTACT", help="Whose message it is; else a seed contact's.")
]
ANYONE = Annotated[
    bool, typer.Option("--anyone", help="Its owner has asked for it: also to an address that is no tester's.")
]
ACCOUNT = Annotated[str, typer.Option(help="By this account; else the one that carries live messages.")]
FREE = Annotated[bool, typer.Option("--free", help="The free text, though there is an approved one.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file: the one of templates stands in their group."""
    group = typer.Typer(help="One cascade: test its steps on a tester.", no_args_is_help=True)
    group.command("test")(step)
    app.add_typer(group, name="cascade")


def template(
    name: NAME,
    to: TO,
    contact: AS = "",
    anyone: ANYONE = False,
    channel: CHANNEL = "",
    language: LANGUAGE = "",
    account: ACCOUNT = "",
    free: FREE = False,
    trigger: TRIGGER = "{}",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Send a template to a tester, by the account that carries live messages.

    It belongs to no run, and is in no figure. Exit code 1: the service did not take it.
    """
    from kaskad.cli.client import part

    told = {"language": language}
    _send(
        f"/templates/{part(name)}/test",
        _told(to, contact, anyone, channel, account, free, trigger, told),
        db,
        as_json,
    )


def step(
    cascade: CASCADE,
    step_id: Annotated[str, typer.Argument(metavar="STEP", help="The step's id.")],
    to: TO,
    contact: AS = "",
    anyone: ANYONE = False,
    version: Annotated[str, typer.Option(help="A number, current or draft; else the newest.")] = "",
    channel: Annotated[str, typer.Option(help="Of several; else the first.")] = "",
    variant: Annotated[str, typer.Option(help="Its id; else the first.")] = "",
    account: ACCOUNT = "",
    free: FREE = False,
    trigger: TRIGGER = "{}",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Send what a step says to a tester, by the account that carries live messages.

    It belongs to no run, and is in no figure. Exit code 1: the service did not take it.
    """
    from kaskad.cli.client import part

    told = {"version": version, "variant": variant}
    path = f"/cascades/{part(cascade)}/steps/{part(step_id)}/test"
    _send(path, _told(to, contact, anyone, channel, account, free, trigger, told), db, as_json)


def _told(
    to: str, contact: str, anyone: bool, channel: str, account: str, free: bool, trigger: str,
    more: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    return {
        "to": to, "contact": contact, "anyone": anyone, "channel": channel or None, "account": account,
        "free": free, "trigger": properties(trigger), **more,
    }  # fmt: skip


def _send(path: str, told: Mapping[str, Any], db: str, as_json: bool) -> None:
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        found = client.post(path, told)
    outcome = found["outcome"]
    if as_json:
        typer.echo(as_text(found))
    elif outcome["accepted"]:
        number = f", its id there is {outcome['provider_id']}" if outcome["provider_id"] else ""
        typer.echo(
            f"{found['account']} has taken the message for {found['to']} in {outcome['took_ms']} ms{number}; "
            f"its words are {found['contact']}'s."
        )
        for warning in found["message"]["warnings"]:
            typer.secho(f"  {warning}", fg=typer.colors.YELLOW)
    else:
        refused = outcome["accepted"] is False
        verdict = f"{found['account']} did not take it" if refused else "Nobody knows whether it was taken"
        code = f" {outcome['code']}" if outcome["code"] else ""
        typer.secho(f"{verdict} ({outcome['reason']}{code}): {outcome['detail']}", err=True, fg="red")
    if not outcome["accepted"]:
        raise typer.Exit(1)
