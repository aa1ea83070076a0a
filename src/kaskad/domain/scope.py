"""What conditions and texts may look at, built for one run: contact, trigger, run, steps, events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from kaskad.domain.run import HUMAN, Passage, Passages, Run, failed
from kaskad.domain.terms import Channel, Kind, MessageState
from kaskad.domain.version import Version

_STATES = {state.code: state.value for state in MessageState}
_CHANNELS = {channel.code: channel.value for channel in Channel}
_UNSENT = (MessageState.CREATED.code, MessageState.QUEUED.code, MessageState.SKIPPED.code,
           MessageState.CANCELLED.code, MessageState.REJECTED.code)  # fmt: skip
_CLICKED = Kind.CLICKED.bit | Kind.REPLIED.bit | Kind.ASKED_AGENT.bit
_FLAGS = {
    "opened": Kind.OPENED.bit | Kind.READ.bit | _CLICKED,
    "read": Kind.READ.bit | _CLICKED,
    "answered": Kind.ANSWERED.bit | Kind.KEYPRESS.bit | _CLICKED,
    "clicked": _CLICKED,
    "replied": Kind.REPLIED.bit,
    "reacted": HUMAN,
    "delivered": Kind.DELIVERED.bit | HUMAN,
}
_NONE: Mapping[str, object] = {}
_UNREACHED: dict[str, object] = {
    "sent": False, "failed": False, "skipped": False, "unknown": False, "state": "planned", "channel": "",
    "reason": "", **dict.fromkeys(_FLAGS, False),
}  # fmt: skip


def contact_scope(
    attributes: Mapping[str, Any], zone: str | None, language: str | None, country: str | None
) -> dict[str, Any]:
    """Return what `contact.…` asks: the attributes, else the contact's own zone, language and country.

    Of several zones that may be theirs it is the likeliest.
    """
    own = (("zone", zone.split(" ", 1)[0] if zone else None), ("language", language), ("country", country))
    return {**{name: value for name, value in own if value}, **attributes}


def steps_scope(version: Version, passages: Passages) -> dict[str, dict[str, object]]:
    """Return `steps.<id>.<field>` for every step, also those that the run has not reached."""
    return {
        step.id: _step(passages[step.number]) if step.number in passages else _UNREACHED
        for step in version.cascade.steps
    }


def _step(passage: Passage) -> dict[str, object]:
    told: dict[str, object] = {name: bool(passage.mask & bits) for name, bits in _FLAGS.items()}
    told["sent"] = passage.state not in _UNSENT
    told["failed"] = failed(passage.mask)
    told["skipped"] = passage.state == MessageState.SKIPPED.code
    told["unknown"] = bool(passage.mask & Kind.UNKNOWN.bit)
    told["state"] = _STATES[passage.state]
    told["channel"] = _CHANNELS[passage.channel]
    told["reason"] = ""
    return told


def condition_scope(
    version: Version, run: Run, passages: Passages, attributes: Mapping[str, Any],
    properties: Mapping[str, Any], events: Sequence[tuple[str, int, Mapping[str, Any]]],
    standing: Mapping[str, object] = _NONE,
) -> dict[str, object]:  # fmt: skip
    """Return what a condition is tested against; `standing` is what `segment`, `in_list` and such ask."""
    by_name: dict[str, list[dict[str, object]]] = defaultdict(list)
    for name, at, told in events:
        by_name[name].append({**told, "at": at})
    return {
        "contact": attributes, "trigger": properties, "run": run_scope(run),
        "steps": steps_scope(version, passages), "events": by_name, **standing,
    }  # fmt: skip


def run_scope(run: Run) -> dict[str, object]:
    """Return `run.<field>`."""
    return {"id": run.id, "entered_at": run.entered_at}
