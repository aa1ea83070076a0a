"""A text that takes all memory, or never ends, takes its own process down and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kaskad.actions.rendering import TOO_LARGE, TOO_LONG, Renderers
from kaskad.domain.errors import Invalid


def grow() -> int:
    """Take memory until there is none."""
    held = bytearray(1)
    while True:
        held += bytearray(len(held))


def leave_once(mark: Path) -> str:
    """End the process of its own will the first time, as one does that nobody has asked for a while."""
    if not mark.exists():
        mark.touch()
        os._exit(0)
    return "made"


def turn() -> None:
    """Never end."""
    while True:
        time.sleep(0.01)


def test_a_bomb_and_an_endless_loop_end_alone_and_a_good_process_serves_again(tmp_path):
    renderers = Renderers()
    try:
        assert renderers.call(leave_once, tmp_path / "mark") == "made"
        first = renderers.call(os.getpid)
        assert first != os.getpid() and renderers.call(os.getpid) == first
        with pytest.raises(Invalid) as large:
            renderers.call(grow)
        assert large.value.problems == (TOO_LARGE,)
        second = renderers.call(os.getpid)
        with pytest.raises(Invalid) as slow:
            renderers.call(turn, time_s=0.3)
        assert slow.value.problems == (TOO_LONG,)
        assert renderers.call(os.getpid) not in (os.getpid(), second)
    finally:
        renderers.close()
