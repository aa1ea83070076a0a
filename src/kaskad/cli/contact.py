"""`kaskad contact`: people, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from kaskad.cli.screens.may import zone_words
from kaskad.cli.screens.options import DB, JSON
from kaskad.cli.screens.prose import tell

WHO = Annotated[str, typer.Argument(metavar="CONTACT", help="Its id (con_…), external id, e-mail or +phone.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    from kaskad.cli import addresses, merging

    group = typer.Typer(help="Contacts: find, show, merge, export, erase.", no_args_is_help=True)
    group.command("list")(listing)
    group.command("show")(show)
    group.command("export")(export)
    group.command("send")(send)
    group.command("erase")(erase)
    addresses.add(group)
    merging.add(group)
    app.add_typer(group, name="contact")


def listing(
    said: Annotated[str, typer.Argument(help="How a name, e-mail, phone or external id begins.")] = "",
    country: Annotated[str, typer.Option(help="Of this country only, such as KZ.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """List contacts, or find them."""
    from kaskad.cli.client import reached

    query = {"q": said or None, "country": country or None, "limit": min(limit + 1, 1000)}
    with reached(db) as client:
        found = list(islice(client.items("/contacts", **query), limit + 1))
    print_contacts(found, limit, as_json, "There are no such contacts.")


def show(
    who: WHO,
    limit: Annotated[int, typer.Option(min=0, max=1000, help="Entries of the timeline.")] = 20,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show all that is known of a contact, and what happened lately."""
    from kaskad.cli.client import reached, whom
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        at = f"/contacts/{whom(who)}"
        told = client.get(at)
        told["timeline"] = client.get(f"{at}/timeline", limit=limit)["items"] if limit else []
    if as_json:
        typer.echo(as_text(told))
        return
    for line in _lines(told):
        tell(line)


def export(
    who: WHO,
    out: Annotated[Path, typer.Option("--out", help="x.json, or x.zip with a CSV file of each kind.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Write everything that is known of a person into a file, to hand it over to them."""
    import msgspec

    from kaskad.cli.client import reached, whom
    from kaskad.cli.screens.output import say

    form = {".json": "json", ".zip": "csv"}.get(out.suffix.lower())
    if form is None:
        raise typer.BadParameter(f"{out}: the name must end with .json or .zip", param_hint="--out")
    if out.exists():
        raise typer.BadParameter(f"{out} is there already: name another file", param_hint="--out")
    with reached(db) as client:
        told = client.get(f"/contacts/{whom(who)}/export", format=form)
    if form == "json":
        told = msgspec.json.format(msgspec.json.encode(told), indent=2)
    out.touch(mode=0o600)  # it is about a person: nobody else's to read
    out.write_bytes(told)
    say(as_json, {"file": str(out), "bytes": len(told)}, f"{out}: everything that is known of {who}.")


def send(
    who: WHO,
    channel: Annotated[str, typer.Argument(help="Such as email, telegram or sms.")],
    text: Annotated[str, typer.Argument(help="What it says.")],
    subject: Annotated[str, typer.Option(help="Of a letter.")] = "",
    message_class: Annotated[
        str, typer.Option("--class", help="service, transactional or advertising.")
    ] = "service",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Let one message go to a contact; consent, law and hours decide as ever."""
    from kaskad.cli.client import reached, whom
    from kaskad.cli.screens.output import say

    told = {"channel": channel, "text": text, "subject": subject, "class": message_class}
    with reached(db) as client:
        answer = client.post(f"/contacts/{whom(who)}/messages", told)
    say(as_json, answer, f"It is told; `kaskad contact show {who}` tells what came of it.")


def erase(
    who: WHO,
    yes: Annotated[bool, typer.Option("--yes", help="Do it: nothing brings the person back.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Erase a person: runs end, identity and texts are deleted, the addresses are never written to again."""
    from kaskad.cli.client import reached, whom
    from kaskad.cli.erasures import lines
    from kaskad.cli.screens.output import as_text

    if not yes:
        raise typer.BadParameter("this cannot be undone: look with `kaskad contact show`, then add --yes")
    with reached(db) as client:
        act = client.delete(f"/contacts/{whom(who)}")
        later = "" if client.moves else "No server runs: the runs end when one does.\n"
    typer.echo(as_text(act) if as_json else later + "\n".join(lines(act)))


def print_contacts(found: Sequence[Mapping[str, Any]], limit: int, as_json: bool, nobody: str) -> None:
    """Print contacts, read with one more than `limit`."""
    from kaskad.cli.screens.output import as_text, table

    if as_json:
        typer.echo(as_text(found[:limit]))
    elif not found:
        typer.echo(nobody)
    else:
        head = ("CONTACT", "EXTERNAL ID", "NAME", "COUNTRY", "ADDRESSES")
        rows = [
            (each["id"], each["external_id"], _name(each), each["country"], _addresses(each["addresses"]))
            for each in found[:limit]
        ]
        typer.echo(table(head, rows))
        if len(found) > limit:
            typer.echo(f"… and more: --limit {limit * 10} shows more of them.")


def _name(contact: Mapping[str, Any]) -> str:
    told = contact["attributes"]
    return " ".join(str(told[key]) for key in ("name", "first_name", "last_name") if told.get(key))


def _addresses(addresses: Sequence[Mapping[str, Any]]) -> str:
    shown = [
        each["value"] + ("" if each["health"] == "good" else f" ({each['health']})") for each in addresses
    ]
    return ", ".join(dict.fromkeys(shown))


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Return a contact as people read it."""
    name = _name(told)
    yield f"{told['id']}  {' '.join(part for part in (told['external_id'], name) if part)}"
    plain = [told[key] for key in ("country", "language") if told[key]]
    plain.append(zone_words(told["zones"]))
    plain += [] if told["tracking"] else ["no open pixel"]
    plain += ["no advertising: in the control group"] if told["control_group"] else []
    if hour := told["best_hour"]:
        whose = {"person": "their own", "country": "their country's"}.get(hour["whose"], "everybody's")
        others = [
            f"{each['channel']} {each['hour']:02}:00"
            for each in hour["sends"]
            if each["hour"] != hour["hour"]
        ]
        inside = f"; within the sending hours steps go at: {', '.join(others)}" if others else ""
        counted = f"counted {hour['counted_at'][:10]}"
        plain.append(f"reacts most about {hour['hour']:02}:00 (by {whose} reactions, {counted}{inside})")
    yield f"  {', '.join(plain)}"
    if told["external_ids"][1:]:
        yield f"  known as {', '.join(told['external_ids'])}"
    for address in told["addresses"]:
        more = [] if address["health"] == "good" else [address["health"]]
        more += [address["why"]] if address["why"] else []
        more += ["shared with others"] if address["shared"] else []
        health = f" ({', '.join(more)})" if more else ""
        yield f"  {address['channel']:<10} {address['value']}{health}"
    for key, value in told["attributes"].items():
        yield f"  {key} = {value}"
    if told["lists"]:
        yield f"  on {', '.join(told['lists'])}"
    for consent in told["consents"]:
        yield f"  {consent_words(consent)}"
    for entry in told["timeline"]:
        at = "day unknown" if entry["at"].startswith("1970-01-01T00:00:00") else entry["at"][:19]
        yield f"  {at.replace('T', ' '):<19}  {entry['text']}"


def consent_words(consent: Mapping[str, Any]) -> str:
    """Return a grant or withdrawal in words."""
    what = consent["purpose"] or ("all" if consent["granted"] else "all but transactional")
    where = f" by {', '.join(consent['channels'])}" if consent["channels"] else ""
    topic = f" on {consent['topic']}" if consent["topic"] else ""
    topic += f" of {consent['brand']}" if consent.get("brand") else ""
    proof = consent["proof"] or {}
    source = proof.get("source") or proof.get("basis") or proof.get("act") or "no proof"
    when = consent["at"][:10] if consent["at"] else "day unknown"
    return f"{'agreed to' if consent['granted'] else 'refused'} {what}{where}{topic} ({when}, {source})"
