"""`kaskad user`: the people who sign in to pages."""

from __future__ import annotations

from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON

EMAIL = Annotated[str, typer.Argument(help="The person's email.")]
ROLE = "owner, marketer, approver, agent or viewer."


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="People who sign in: invite, list, change, remove.", no_args_is_help=True)
    for command in (add, role, remove, reset):
        group.command()(command)
    group.command("list")(show)
    app.add_typer(group, name="user")


def add(
    email: EMAIL,
    role: Annotated[str, typer.Option(help=ROLE)] = "viewer",
    name: Annotated[str, typer.Option(help="How the person is called.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Invite somebody: print the link by which they choose a password, once, within a week."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        made = client.post("/users", {"email": email, "name": name, "role": role})
    typer.echo(as_text(made) if as_json else made["link"])


def show(db: DB = "", as_json: JSON = False) -> None:
    """List the people who may sign in."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        users = list(client.items("/users"))
    if as_json:
        typer.echo(as_text(users))
    elif not users:
        typer.echo("Nobody has an account yet: `kaskad user add EMAIL --role owner` invites the first.")
    else:
        rows = [
            (user["email"], user["name"], user["role"], "" if user["active"] else "invited") for user in users
        ]
        typer.echo(table(("EMAIL", "NAME", "ROLE", ""), rows))


def role(
    email: EMAIL, role: Annotated[str, typer.Argument(help=ROLE)], db: DB = "", as_json: JSON = False
) -> None:
    """Change what somebody may do."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        user = client.patch(f"/users/{part(email)}", {"role": role})
    say(as_json, user, f"{user['email']} is now: {user['role']}.")


def remove(email: EMAIL, db: DB = "", as_json: JSON = False) -> None:
    """Show somebody out: they are signed out at once."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.delete(f"/users/{part(email)}")
    say(as_json, {"removed": email}, f"{email} is removed.")


def reset(email: EMAIL, db: DB = "", as_json: JSON = False) -> None:
    """End somebody's password, code and sessions; print the link by which they choose a new password."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        made = client.post(f"/users/{part(email)}/reset")
    typer.echo(as_text(made) if as_json else made["link"])
