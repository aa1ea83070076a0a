"""What the 25 scenarios share, their pass table, and what of them cannot be tested yet and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from kaskad.domain.policy import Policy
from kaskad.store import tasks
from kaskad.store.tasks import Task, Wanted
from support.stage import Stage

TITLES = (
    "an opening just before the messenger", "a click after the SMS left", "a prefetch is no opening",
    "a gateway presses every link",
    "receipts in every order", "a webhook beats the answer",
    "the answer to an SMS is lost", "a provider is down", "a worker is killed", "STOP while a call is queued",
    "a complaint", "e-mail only", "all addresses dead",
    "edited with runs in flight", "three events of one cart",
    "promotion against appointment", "nights of the clock change", "a number of unknown zone",
    "Kazakhstan's days",
    "a webinar at eight", "the law of Russia", "no consent to tracking", "an SMS of two parts",
    "a limit at WhatsApp", "erasure",
)  # fmt: skip
MISSING: dict[int, tuple[tuple[str, str], ...]] = {
    3: (("the open rate leaves the prefetch out on both sides", "seen in tests/engine/test_hits.py"),),
    4: (("GET on the unsubscribe link changes nothing", "seen in tests/web/test_tracking.py"),),
    6: (("forged or old signatures are answered 401", "seen in tests/web/test_hooks.py"),),
    7: (("look-up of a message at the provider", "seen in tests/engine/test_look_ups.py"),),
    9: (("resolved by look-up", "seen in tests/engine/test_look_ups.py"),),
    14: (("migrated runs never get step 1 twice", "seen in tests/engine/test_migrating.py"),),
    24: (("code 131049 of the real service", "seen in tests/system/test_whatsapp_limit.py"),),
}

_SEEN = "seen in "


def pass_table(results: Iterable[tuple[str, str]]) -> list[str]:
    """Return a line for each scenario: passed, FAILED or not run, with how many tests, and what is missing.

    `results` are the names of tests with what came of them.
    """
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, outcome in results:
        _, found, rest = name.partition("test_scenario_")
        if found and rest[:2].isdigit():
            counts[int(rest[:2])][outcome] += 1
    return [_line(number, title, counts[number]) for number, title in enumerate(TITLES, 1)] if counts else []


def _line(number: int, title: str, counts: dict[str, int]) -> str:
    bad = counts.get("failed", 0) + counts.get("error", 0)
    word = f"FAILED {bad}" if bad else f"passed {counts['passed']}" if counts.get("passed") else "not run"
    waits = [part for part, why in MISSING.get(number, ()) if not why.startswith(_SEEN)]
    missing = f"  missing: {'; '.join(waits)}" if waits else ""
    return f"{number:>3}  {word:<9}  {title:<38}{missing}".rstrip()


GENERAL = """
cascade: general
title: General
class: service
topic: orders
trigger: {event: left, key: cart_id}
goal: {event: bought, match: {cart_id: trigger.cart_id}, within: 7d}
steps:
  - id: letter
    channel: email
    subject: "{{ contact.name }}"
    html: '<a href="{{ link(trigger.url) }}">cart</a>'
    wait: [{unless: opened, for: 24h}, {unless: clicked, for: 4h, from: opened}]
  - {id: chat, channel: whatsapp, text: "{{ contact.name }}", wait: 6h}
  - {id: sms, channel: sms, text: "{{ contact.name }}", wait: 2h}
  - {id: robot, channel: robot_call, say: "{{ contact.name }}", wait: 2h}
"""
WITH_AGENT = GENERAL + "  - {id: agent, channel: agent_call, script: Call, wait: 24h}\n"
DESK = {"agents": "2", "call_minutes": "10", "sla_hours": "24", "tasks_a_day": "0", "hours": "00:00-24:00",
        "days": "every", "zone": "UTC"}  # fmt: skip
ADVERTISING = GENERAL.replace("class: service", "class: advertising\nholdout: 0%").replace("general", "promo")
URL = "https://shop.example.org/cart"
APPLE = "Mozilla/5.0"
SCANNER = {"agent": "Mozilla/5.0 (Windows NT 10.0) SafeLinks", "ip": "192.0.2.9"}
SMS_FIRST = """
cascade: order
title: Order
class: service
trigger: {event: left, key: cart_id}
goal: {event: bought}
steps:
  - {id: sms, channel: sms, text: "{{ contact.name }}", success: replied, wait: 2h}
  - {id: chat, channel: telegram, text: t, wait: 200h}
"""


def utc(*parts: int) -> int:
    """Return an instant in milliseconds."""
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)


def limited(**changes: Any) -> Policy:
    """Return a policy without limits but these."""
    return replace(Policy.unlimited(), **changes)


def live_tasks(stage: Stage) -> list[Task]:
    """Return the tasks that agents see in their queue."""
    with stage.db.write() as tx:
        return tasks.after(tx, Wanted(), None, 100)


def begun(stage: Stage, text: str = GENERAL, **options: Any) -> int:
    """Let one person enter a cascade; return who."""
    stage.cascade(text)
    ann = stage.person("ann", **options)
    stage.event(ann, "left", cart_id=1, url=URL)
    return ann
