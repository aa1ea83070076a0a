"""Figures that are not there soon, for as long as a test wants."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from kaskad.web import soon
from kaskad.web.pages import remembered


@contextmanager
def counting_held(patch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Count nothing in servers of this process until the event is set, and know no earlier figures."""
    there, run = Event(), soon._Job.run

    def held(job: soon._Job, *told: Any) -> None:
        there.wait(120)
        run(job, *told)

    with patch.context() as patched:
        patched.setattr(soon._Job, "run", held)
        patched.setattr(soon, "SOON_S", 0.0)
        patched.setattr(remembered.Remembered, "_fresh", lambda kept, name: None)
        patched.setattr(remembered, "STALE_S", -math.inf)
        try:
            yield there
        finally:
            there.set()
