"""`kaskad report`: how a cascade does, now or as it goes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from kaskad.cli.screens.options import CASCADE, DB, JSON, SINCE, UNTIL, when

if TYPE_CHECKING:
    from kaskad.analytics.reach import Report
    from kaskad.cli.client import Client

EVERY_S = 2.0
DAYS, MOST_DAYS = 92, 400  # that are drawn; where one says since when, and that is long ago


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(report)


def report(
    cascade: CASCADE,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it anew every two seconds; Ctrl-C ends.")
    ] = False,
    segment: Annotated[str, typer.Option(help="Only people who are in this segment now.")] = "",
    version: Annotated[int, typer.Option(min=0, help="Only runs of this version; 0: of all.")] = 0,
    since: SINCE = "",
    until: UNTIL = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Report who entered, who was reached, by what, and for how much."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text
    from kaskad.cli.screens.run import Screen

    if watch and as_json:
        raise typer.BadParameter("--watch is for people: programs ask again")
    among = {"segment": segment or None, "version": version or None, "since": when(since),
             "until": when(until)}  # fmt: skip
    with reached(db) as client:
        told = client.get(f"/cascades/{part(cascade)}/report", **among)
        if as_json:
            typer.echo(as_text(told))
            return
        if not watch:
            Screen().report(_read(told), (), _days(client, told, among))
            _warn(told)
            return
        try:
            with Screen().refreshing() as show:
                while told["under_way"] or told["launches"] or told["state"] == "active":
                    show(_read(told))
                    time.sleep(EVERY_S)
                    told = client.get(f"/cascades/{part(cascade)}/report", **among)
        except KeyboardInterrupt:
            pass
        Screen().report(_read(told), (), _days(client, told, among))
        _warn(told)


def _warn(told: Mapping[str, Any]) -> None:
    """Say which differences mean nothing."""
    from kaskad.cli.screens.prose import tell

    for why in told["uneven"]:
        tell(
            f"The lot does not fall as it should: {why}. Compare nothing there until the cause is found; "
            "no rule decides meanwhile.", fg="red",
        )  # fmt: skip


def _days(client: Client, told: Mapping[str, Any], among: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return what was sent on the days that the report is of; of a segment they are not counted."""
    if among["segment"]:
        return ()
    ends = {end: datetime.fromisoformat(among[end]) if among[end] else None for end in ("since", "until")}
    if any(at and at.tzinfo for at in ends.values()):  # days are those of the installation's clock
        zone = ZoneInfo(client.get("/policy")["zone"])
        ends = {end: at.astimezone(zone) if at and at.tzinfo else at for end, at in ends.items()}
    since, until = ends["since"], ends["until"]
    first = since.date().isoformat() if since else ""
    last = (until - timedelta(microseconds=1)).date().isoformat() if until else "9999"
    count = DAYS
    if since:
        today = datetime.fromisoformat(told["as_of"]).date()  # elsewhere it may be tomorrow
        count = min(MOST_DAYS, max(1, (today - since.date()).days + 2))
    found = client.get(f"/cascades/{told['cascade']}/report/days", days=count, version=among["version"])
    return [day for day in found if first <= day["day"] <= last]


def _read(told: dict[str, Any]) -> Report:
    """Return the report that the API has answered."""
    import msgspec

    from kaskad.analytics.reach import Report

    at = datetime.fromisoformat(told["as_of"])
    return msgspec.convert({**told, "as_of": int(at.timestamp() * 1000)}, Report)
