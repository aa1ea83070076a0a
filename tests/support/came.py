"""A cascade with a past that could do better: a call before the chat, a day's wait for the letter."""

from __future__ import annotations

import math
from typing import Any

PRICES = {"email": 0.05, "telegram": 17.5, "sms": 15, "robot_call": 37.5}
CART = """cascade: cart
class: service
trigger: {event: cart_left}
goal: {event: bought}
steps:
  # a letter, since it costs nothing
  - {id: letter, channel: email, subject: s, text: t}
  - {id: robot, channel: robot_call, say: t}
  - {id: chat, channel: telegram, text: t, wait: 6h}
"""
HOUR = 3_600_000


def accounts(api: Any, priced: bool = True) -> None:
    """Give each channel an account, with prices or without."""
    told = {
        "provider": "generic_webhook", "settings": {"url": "http://127.0.0.1:1/"},
        "secrets": {"secret": "swordfish-swordfish"},
    }  # fmt: skip
    for channel, price in PRICES.items():
        own = {"price": f"{price} KZT"} if priced else {}
        api.put(f"/accounts/{channel}", {**told, "channel": channel, **own})


def came(api: Any, slug: str) -> None:
    """Let 400 people have come: 100 clicked the letter (most within hours), 90 took the call, 105 answered in
    the chat, 105 said nothing."""
    ways = [*[(1, 2)] * 100, *[(2, 2)] * 90, *[(3, 2)] * 105, *[(3, 3)] * 105]
    with api.service.db.write() as tx:
        version = tx.one("cascade_by_slug", slug=slug)[3]
        for n, (steps, outcome) in enumerate(ways):
            contact, at, ends = 2_000 + n, 1_000 * HOUR, 1_040 * HOUR
            sent = [at, at + 24 * HOUR, at + 26 * HOUR]
            tx.script(
                f"INSERT INTO contacts (id, created_at) VALUES ({contact}, 0);"
                "INSERT INTO runs (contact_id, id, cascade_id, version_id, slot, state, phase, step, seq, "
                f"wake_at, due_at, entered_at, finished_at, holdout, outcome) SELECT {contact}, 1, "
                f"cascade_id, id, 0, 3, 3, 0, 0, NULL, 0, {at}, {ends}, 0, {outcome} FROM versions "
                f"WHERE id = {version};"
                f"INSERT INTO due_runs (keys) VALUES ('[{contact},1]')"
            )
            for step, channel in zip(range(steps), (1, 9, 2), strict=False):
                mask = 1 << 6 if outcome == 2 and step == steps - 1 else 0
                tx.script(
                    "INSERT INTO messages (contact_id, run_id, step, channel, state, mask, account_id, "
                    f"price, cost, sent_at, submitted_at) VALUES ({contact}, 1, {step}, {channel}, 4, "
                    f"{mask}, 1, 0, 0, {sent[step]}, {sent[step]})"
                )
                if mask:  # after an hour half of those who ever do have reacted, after two three quarters
                    took = round(-math.log2(1 - (n % 90 + 0.5) / 90) * HOUR)
                    tx.script(
                        "INSERT INTO facts (contact_id, run_id, step, kind, at, event) VALUES "
                        f"({contact}, 1, {step}, 6, {sent[step] + took}, 'e')"
                    )


def reacted_late(api: Any, people: int) -> None:
    """Let so many of those who were silent have clicked the letter when the call was on its way: within four
    hours, half of them before the chat went."""
    with api.service.db.write() as tx:
        for n in range(people):
            contact, at = 2_295 + n, (1_000 + 24) * HOUR + (n + 1) * 4 * HOUR // (people + 1)
            tx.script(
                "INSERT INTO facts (contact_id, run_id, step, kind, at, event) VALUES "
                f"({contact}, 1, 0, 6, {at}, 'late');"
                f"UPDATE messages SET mask = 64 WHERE contact_id = {contact} AND step = 0;"
                f"DELETE FROM messages WHERE contact_id = {contact} AND step = 2 AND sent_at > {at};"
                f"UPDATE runs SET outcome = 2, outcome_step = 0, late = 1, finished_at = {at} "
                f"WHERE contact_id = {contact};"
                f"INSERT INTO due_runs (keys) VALUES ('[{contact},1]')"
            )


def said_no(api: Any, people: int, outcome: int = 5) -> None:
    """Let so many of those who were silent in the chat have opted out (5) or complained (6) instead."""
    with api.service.db.write() as tx:
        tx.script(
            f"UPDATE runs SET outcome = CASE WHEN contact_id < {2_295 + people} THEN {outcome} ELSE 3 END "
            "WHERE contact_id >= 2295;"
            "INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',1]' FROM runs"
        )
