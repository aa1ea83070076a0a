"""A cascade with a past that could do better: a call before the chat, a day's wait for the letter."""

from __future__ import annotations

import math
import time
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
CAME = (int(time.time()) // 3_600 - 100) * HOUR  # lately: what is older tells less


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
            contact, at, ends = 2_000 + n, CAME, CAME + 40 * HOUR
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
            contact, at = 2_295 + n, CAME + 24 * HOUR + (n + 1) * 4 * HOUR // (people + 1)
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


PEOPLE = {"vip": 300, "plain": 500, "few": 12}
# Of those who get it while silent: the letter, the robot, the chat; after how many hours half of them did.
RATES = {"vip": (0.20, 0.10, 0.60), "plain": (0.24, 0.60, 0.10), "few": (0.25, 0.30, 0.50)}
HALF = {"vip": 0.5, "plain": 9.0, "few": 1.0}
SEGMENTS = {  # and which kind is in it
    "vip": "vip", "few": "few", "nobody": "nobody", "vip-too": "vip", "others": "plain",
}  # fmt: skip


def peopled_by(api: Any, slug: str) -> None:
    """Let people of three kinds have come: each kind reacts to other steps, and sooner or later.

    Segments of them are called by the cascade's name and theirs.
    """
    accounts(api)
    for name, kind in SEGMENTS.items():
        api.put(f"/segments/{slug}-{name}", {"text": f'contact.kind == "{slug}-{kind}"'})
    api.put(f"/cascades/{slug}", content=CART.replace("cascade: cart", f"cascade: {slug}"))
    api.post(f"/cascades/{slug}/activate", {})
    people = [(kind, n) for kind, count in PEOPLE.items() for n in range(count)]
    told = [
        {
            "external_id": f"{slug}-{kind}{n}", "attributes": {"kind": f"{slug}-{kind}"}, "zone": "UTC",
            "addresses": [
                {"channel": "email", "value": f"{kind}{n}@{slug}.example.org"},
                {"channel": "telegram", "value": str(77_000 + place)},
                {"channel": "sms", "value": f"+7705{place:07}"},
            ],
        }
        for place, (kind, n) in enumerate(people)
    ]  # fmt: skip
    for start in range(0, len(told), 100):
        api.post("/contacts/batch", {"contacts": told[start : start + 100]})
    with api.service.db.write() as tx:
        version = tx.one("cascade_by_slug", slug=slug)[3]
        for kind, count in PEOPLE.items():
            for n, reacts_to in enumerate(ways(count, RATES[kind])):
                tx.script(life(version, f"{slug}-{kind}{n}", reacts_to, HALF[kind], n))


def ways(count: int, rates: tuple[float, ...]) -> list[int]:
    """Return of each of so many people to which step they react; 3: none."""
    found: list[int] = []
    silent = count
    for step, rate in enumerate(rates):
        found += [step] * round(silent * rate)
        silent = count - len(found)
    return found + [3] * silent


def life(version: int, name: str, reacts_to: int, half: float, n: int) -> str:
    """Return the rows of one run, whose person reacts to a step, by half of all such after `half` hours."""
    who = f"(SELECT contact_id FROM external_ids WHERE external_id = '{name}')"
    at, outcome = CAME, 2 if reacts_to < 3 else 3
    sent = [at, at + 24 * HOUR, at + 26 * HOUR]
    rows = (
        "INSERT INTO runs (contact_id, id, cascade_id, version_id, slot, state, phase, step, seq, "
        f"wake_at, due_at, entered_at, finished_at, holdout, outcome) SELECT {who}, 1, "
        f"cascade_id, id, 0, 3, 3, 0, 0, NULL, 0, {at}, {at + 40 * HOUR}, 0, {outcome} FROM versions "
        f"WHERE id = {version};INSERT INTO due_runs (keys) SELECT '[' || {who} || ',1]';"
    )
    for step, channel in zip(range(min(3, reacts_to + 1)), (1, 9, 2), strict=False):
        mask = 1 << 6 if step == reacts_to else 0
        rows += (
            "INSERT INTO messages (contact_id, run_id, step, channel, state, mask, account_id, price, cost, "
            f"sent_at, submitted_at) VALUES ({who}, 1, {step}, {channel}, 4, {mask}, 1, 0, 0, {sent[step]}, "
            f"{sent[step]});"
        )
        if mask:
            took = min(23.9, -math.log2(1 - (n % 50 + 0.5) / 50) * half) if step == 0 else 0.4
            rows += (
                "INSERT INTO facts (contact_id, run_id, step, kind, at, event) VALUES "
                f"({who}, 1, {step}, 6, {sent[step] + round(took * HOUR)}, 'e');"
            )
    return rows
