"""Faults on demand: what a service does wrong, for a share of what comes or for the next few."""

from __future__ import annotations

import random
from collections.abc import Iterable

from msgspec import Struct

from kaskad.domain.errors import Invalid

SERVICES = ("email", "telegram", "sms", "robot_call")
REQUESTS = {  # what can befall a message on its way in
    "throttle": "refused as too fast; `seconds` is how long to wait",
    "error": "answered with a server error, nothing is taken",
    "reject": "refused for its content",
    "hang": "taken, and never answered",
    "slow": "taken and answered, `seconds` late",
}
RECEIPTS = {  # what can befall a receipt on its way out
    "late": "`seconds` late",
    "lost": "never sent",
    "duplicate": "sent twice",
    "reorder": "sent after the next one",
    "bad_signature": "signed wrongly; Telegram's webhook: with another secret",
}


class Fault(Struct, forbid_unknown_fields=True):
    """One fault; `left` counts down to 0 and the fault is over, None never ends."""

    service: str
    kind: str
    share: float = 1.0
    left: int | None = None
    seconds: float = 5.0


class Faults:
    """What is set, and whose turn it is."""

    def __init__(self, seed: int = 1) -> None:
        self._chance = random.Random(f"faults:{seed}")
        self.active: list[Fault] = []
        self.happened: dict[str, int] = {}

    def set(self, faults: Iterable[Fault]) -> None:
        """Add faults; raises Invalid and adds none where one cannot be."""
        added = list(faults)
        problems = [problem for fault in added for problem in _problems(fault)]
        if problems:
            raise Invalid(problems)
        self.active += added

    def clear(self, service: str = "") -> None:
        """End all faults, or those of one service."""
        self.active = [fault for fault in self.active if service and fault.service != service]

    def strike(self, service: str, kinds: Iterable[str]) -> Fault | None:
        """Return the fault that befalls this one, if any, and count it."""
        for fault in self.active:
            if fault.service == service and fault.kind in kinds and self._chance.random() < fault.share:
                if fault.left is not None:
                    fault.left -= 1
                self.active = [each for each in self.active if each.left != 0]
                name = f"{service}.{fault.kind}"
                self.happened[name] = self.happened.get(name, 0) + 1
                return fault
        return None


def _problems(fault: Fault) -> list[str]:
    found = []
    if fault.service not in SERVICES:
        found.append(f"service {fault.service!r} is none of {', '.join(SERVICES)}")
    if fault.kind not in REQUESTS and fault.kind not in RECEIPTS:
        found.append(f"kind {fault.kind!r} is none of {', '.join([*REQUESTS, *RECEIPTS])}")
    if not 0 < fault.share <= 1:
        found.append(f"share {fault.share:g} is no share: write a number over 0, up to 1")
    if fault.left is not None and fault.left < 1:
        found.append(f"left {fault.left}: write how many, at least 1, or leave it out")
    if fault.seconds < 0:
        found.append("seconds cannot be negative")
    return found
