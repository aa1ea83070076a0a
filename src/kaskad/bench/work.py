"""What is asked of CASCADE-4."""

from __future__ import annotations

from msgspec import Struct


class Work(Struct, frozen=True):
    """What is asked for."""

    contacts: int = 20_000
    mode: str = "noop"  # noop | http
    db: str = ""
    rate: float = 0.0  # contacts a second, whatever happens; 0: as fast as the engine takes them
    overload: bool = False  # everybody enters at once
    latency_ms: tuple[int, int] = (20, 50)
    seed: int = 1
    concurrency: int = 256  # of each account, in http mode
    sender: str = "process"  # process | thread, in http mode; as it is served: a process
    receipts: str = "webhooks"  # webhooks | direct, in http mode: over HTTP, or straight to the engine
    batch: int = 50  # receipts in one webhook, at most
    workers: int = 1  # engines beside each other, each in a process of its own (PostgreSQL, noop)
