"""Sandboxes on free ports."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from support.world import ANN, BOB, Receiver, profile


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def start(receiver: Receiver) -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes whose Kaskad is the receiver; they end with the test."""
    with ExitStack() as stack:

        def begin(**settings: Any) -> Sandbox:
            told = {"people": (ANN, BOB), "kaskad_url": receiver.url, "profile": profile(), **settings}
            return stack.enter_context(running(SandboxConfig(**told)))

        yield begin
