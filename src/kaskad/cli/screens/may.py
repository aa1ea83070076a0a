"""What may be sent to a person now, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

_VERDICTS = {"send": "may be sent now", "wait": "has to wait", "skip": "would be left out"}


def may_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Return the answer of `GET /contacts/{id}/may`: step by step, each channel with what was looked at."""
    where = f"{told['country'] or 'country not known'}, {zone_words(told['zones'])}"
    of = f"version {told['version']}" if told["version"] else "its draft"
    what = f"{told['cascade']}, {of}: {told['message_class']}"
    yield f"{told['contact']} and {what} ({where})"
    if told["entry"]:
        yield f"  would not enter now: {told['entry']}"
    for step in told["steps"]:
        until = f" until {_at(step['at'])}" if step["verdict"] == "wait" and step["at"] else ""
        why = f": {step['why']}" if step["why"] else ""
        by = f" by {step['channel']}" if step["verdict"] == "send" else ""
        yield f"  {step['step']}: {_VERDICTS[step['verdict']]}{by}{until}{why}"
        for channel in step["channels"]:
            yield from _channel(channel)


def zone_words(told: Mapping[str, Any]) -> str:
    """Return the zones of a contact, and how they are known."""
    first, more = told["zones"][0], len(told["zones"]) - 1
    many = f" and {more} other zones" if more else ""
    return f"{first}{many} ({told['confidence']}, by {told['source'].replace('_', ' ')})"


def _channel(told: Mapping[str, Any]) -> Iterator[str]:
    refused = f"no: {told['refused'].replace('_', ' ')}" if told["refused"] else "yes"
    yield f"    {told['channel']}: {refused}"
    why = f": {told['health_why']}" if told["health_why"] else ""
    health = "" if told["health"] == "good" else f" ({told['health']}{why})"
    yield f"      address  {told['address'] or 'none'}{health}"
    yield f"      consent  {told['note']}{_consent(told['consent'])}"
    for rule in told["law"]:
        yield f"      law      {rule}"
    for name in ("window", "cap"):
        if held := told[name]:
            until = f"until {_at(held['until'])}" if held["until"] else "for good"
            yield f"      {name:8} {until}{': ' + held['why'] if held['why'] else ''}"


def _consent(row: Mapping[str, Any] | None) -> str:
    """Return the row that decides, with its proof."""
    if row is None:
        return ""
    parts = [_at(row["at"]) if row["at"] else "on a day that is not known"]
    parts += [", ".join(row["channels"])] if row["channels"] else ["all channels"]
    parts += [str(row["purpose"])] if row["purpose"] else []
    parts += [f"topic {row['topic']}"] if row["topic"] else []
    proof = row["proof"]
    parts.append("proof: " + ", ".join(f"{k} {v}" for k, v in proof.items()) if proof else "no proof")
    return " (" + "; ".join(parts) + ")"


def _at(at: str) -> str:
    return datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
