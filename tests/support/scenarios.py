"""What the 25 scenarios share, and what of them cannot be tested yet, with the part that it waits for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from kaskad.domain.policy import Policy
from kaskad.store import tasks
from kaskad.store.tasks import Task, Wanted
from support.stage import Stage

MISSING: dict[int, tuple[tuple[str, str], ...]] = {
    2: (("no second touch in reports as success", "analytics"),),
    3: (("the open rate leaves the prefetch out on both sides", "seen in tests/engine/test_hits.py"),),
    4: (("GET on the unsubscribe link changes nothing", "seen in tests/web/test_tracking.py"),),
    6: (("forged or old signatures are answered 401", "seen in tests/web/test_hooks.py"),),
    7: (("look-up of a message at the provider", "seen in tests/engine/test_look_ups.py"),),
    9: (("resolved by look-up", "seen in tests/engine/test_look_ups.py"),),
    14: (("migrated runs never get step 1 twice", "seen in tests/engine/test_migrating.py"),),
    24: (("code 131049 of the real service", "seen in tests/system/test_whatsapp_limit.py"),),
}

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
