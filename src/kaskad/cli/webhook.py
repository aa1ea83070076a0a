"""`kaskad webhook`: who is told of which events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON, SINCE, when

ID = Annotated[int, typer.Argument(min=1, metavar="ID", help="Its number, from `kaskad webhook list`.")]
REPLAY_S = 3_600.0  # an outage may leave a million events to tell again


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        help="Outgoing webhooks: add, list, change, test, replay, remove.", no_args_is_help=True
    )
    group.command("add")(add)
    group.command("list")(show)
    group.command("types")(types)
    group.command("enable")(enable)
    group.command("disable")(disable)
    group.command("secret")(secret)
    group.command("test")(test)
    group.command("deliveries")(deliveries)
    group.command("replay")(replay)
    group.command("remove")(remove)
    app.add_typer(group, name="webhook")


def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are POSTed.")],
    event: Annotated[
        list[str] | None, typer.Option(help="A type, several times for several; without it, all types.")
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Let an endpoint be told of events. Its signing secret is shown this once."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text
    from kaskad.engine.outbox import EventType

    wanted = event or [kind.value for kind in EventType]
    with reached(db) as client:
        made = client.post("/webhooks", {"url": url, "types": wanted, "description": description})
    if as_json:
        typer.echo(as_text(made))
        return
    typer.echo(f"Webhook {made['id']} is told of {', '.join(made['types'])}.")
    typer.echo(f"Its secret, shown this once: {made['secret']}")
    typer.echo(f"Try it: kaskad webhook test {made['id']}")


def show(db: DB = "", as_json: JSON = False) -> None:
    """List the webhooks and how they do."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table
    from kaskad.engine.outbox import MEANINGS

    def told(types: Sequence[str]) -> str:
        return "everything" if len(types) == len(MEANINGS) else ", ".join(types)

    with reached(db) as client:
        webhooks = list(client.items("/webhooks"))
    if as_json:
        typer.echo(as_text(webhooks))
    elif not webhooks:
        typer.echo("There are no webhooks: `kaskad webhook add URL` adds one.")
    else:
        rows = [
            (one["id"], one["url"], told(one["types"]), _state(one), one["waiting"], one["delivered"],
             one["given_up"])
            for one in webhooks
        ]  # fmt: skip
        typer.echo(table(("ID", "URL", "TYPES", "STATE", "WAITING", "DELIVERED", "GIVEN UP"), rows))


def types(as_json: JSON = False) -> None:
    """List the types of events and what they mean."""
    from kaskad.cli.screens.output import as_text, table
    from kaskad.engine.outbox import MEANINGS

    if as_json:
        typer.echo(as_text({kind.value: meaning for kind, meaning in MEANINGS.items()}))
    else:
        typer.echo(table(("TYPE", "MEANS"), [(kind.value, meaning) for kind, meaning in MEANINGS.items()]))


def enable(webhook_id: ID, db: DB = "", as_json: JSON = False) -> None:
    """Tell a webhook of events again, and of what waited meanwhile."""
    _switch(webhook_id, db, as_json, enabled=True)


def disable(webhook_id: ID, db: DB = "", as_json: JSON = False) -> None:
    """Tell a webhook nothing for now; what waits for it is kept, what happens meanwhile is not told later."""
    _switch(webhook_id, db, as_json, enabled=False)


def secret(webhook_id: ID, db: DB = "", as_json: JSON = False) -> None:
    """Make a new signing secret; for a day messages carry the signatures of both."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        made = client.post(f"/webhooks/{webhook_id}/secret")
    say(as_json, made, made["secret"])


def test(webhook_id: ID, db: DB = "", as_json: JSON = False) -> None:
    """Send a test event now; 1 is returned unless it was answered 2xx."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        answer = client.post(f"/webhooks/{webhook_id}/test")
    typer.echo(as_text(answer) if as_json else answer["answer"])
    if not answer["ok"]:
        raise typer.Exit(1)


def deliveries(
    webhook_id: ID,
    state: Annotated[str, typer.Option(help="waiting, delivered or given_up; else all.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """List what a webhook was told in the last 30 days, and what waits for it."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = list(client.items(f"/webhooks/{webhook_id}/deliveries", state=state or None))
    if as_json:
        typer.echo(as_text(found))
        return
    rows = [
        (
            one["id"],
            one["type"],
            one["state"],
            one["attempts"],
            (one["next_at"] or "")[:19],
            one["answer"][:60],
        )
        for one in found
    ]
    head = ("ID", "TYPE", "STATE", "ATTEMPTS", "NEXT", "ANSWER")
    typer.echo(
        table(head, rows) if rows else "Nothing: no event of this kind has been kept for it in 30 days."
    )


def replay(
    webhook_id: ID,
    message: Annotated[
        str,
        typer.Argument(metavar="MESSAGE", help="One webhook-id; else all given up or waiting."),
    ] = "",
    since: SINCE = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Tell again what was given up, and at once what waits for a later attempt; or one message."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        told = {"id": message, "since": when(since)}
        answer = client.call("POST", f"/webhooks/{webhook_id}/replay", told, read_s=REPLAY_S)
    count = answer["replayed"]
    some = f"{count} {'is' if count == 1 else 'are'} told again."
    say(as_json, answer, some if count else "None is told again: what waits is tried within a minute anyway.")


def remove(webhook_id: ID, db: DB = "", as_json: JSON = False) -> None:
    """Delete a webhook, and what waits for it."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.delete(f"/webhooks/{webhook_id}")
    say(as_json, {"deleted": webhook_id}, f"Webhook {webhook_id} is deleted.")


def _switch(webhook_id: int, db: str, as_json: bool, *, enabled: bool) -> None:
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        known = client.get(f"/webhooks/{webhook_id}")
        told = {key: known[key] for key in ("url", "types", "description")}
        changed = client.put(f"/webhooks/{webhook_id}", {**told, "enabled": enabled})
    say(as_json, changed, f"Webhook {webhook_id} is {'enabled' if enabled else 'disabled'}.")


def _state(webhook: Mapping[str, Any]) -> str:
    if webhook["enabled"]:
        return "enabled"
    return f"disabled: {webhook['disabled_why']}" if webhook["disabled_why"] else "disabled"
