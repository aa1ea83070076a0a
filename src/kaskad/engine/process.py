"""How a process of ours begins that has one event loop and much to do."""

from __future__ import annotations

import asyncio
import gc


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop, the fast kind where the system has it."""
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def spare_collector() -> None:
    """Let the collector of cycles look rarely, and never at what is there already.

    What comes and goes with a message or a webhook has no cycles; looking for them took a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
