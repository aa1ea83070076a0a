"""Whatever happens, in whatever order: drawn histories over the real engine, in which promises hold.

One that fails is shortened, and told with the acts that are left. `python -m support.histories FIRST COUNT`,
with `tests` in PYTHONPATH, lives as many more as one likes.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from operator import length_hint
from typing import Any

import pytest

from support import histories
from support.histories import History, failing, made
from support.histories.__main__ import files, served
from support.postgres import PostgresServer

FEW = (1, 2, 27, 1011)  # of `make test`: a second each; the third saw what a restart left at the call desk
MANY = [range(first, first + 8) for first in (*range(100, 164, 8), *range(1_000, 1_032, 8))]  # of `make long`
SERVED = (100, 102, 103, 104, 107, 108, 135, 1_303)  # the seventh saw that PostgreSQL lost one mark of two


@pytest.mark.parametrize("seed", FEW)
def test_promises_hold_in_a_history(seed: int) -> None:
    with files() as databases:
        failure = failing(made(seed), databases)
    assert failure is None, str(failure)


@pytest.mark.long
@pytest.mark.parametrize("seeds", MANY, ids=str)
def test_promises_hold_in_many_histories(seeds: range) -> None:
    all_hold(seeds, files())


@pytest.mark.long
@pytest.mark.parametrize("seed", SERVED)
def test_promises_hold_in_a_history_on_a_server(seed: int, postgres: PostgresServer) -> None:
    all_hold([seed], served(postgres))


@pytest.mark.long
def test_promises_hold_in_a_history_of_two_engines(postgres: PostgresServer) -> None:
    all_hold([100, 1_300], served(postgres, two=True))


def all_hold(seeds: Iterable[int], place: AbstractContextManager[histories.Databases]) -> None:
    with place as databases:
        for seed in seeds:
            failure = failing(made(seed), databases)
            assert failure is None, f"seed {seed}: {failure}"


def test_of_what_fails_only_what_it_takes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = fails_of(monkeypatch, "b", "d")
    failure = failing(History(1, acts("abacadaaaa" * 6)), nothing)
    assert failure is not None and failure.history.acts == acts("bd")
    assert len(lengths) < 12 and max(lengths[1:]) < 6  # what comes after the failure is left out at once


def test_what_takes_too_long_to_shorten_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "SHORTENED_S", -1.0)
    lengths = fails_of(monkeypatch, "b")
    failure = failing(History(1, acts("aaaba")), nothing)
    assert failure is not None and failure.history.acts == acts("aaab") and lengths == [5]


def acts(names: str) -> tuple[tuple[str, int], ...]:
    return tuple((name, 0) for name in names)


def fails_of(monkeypatch: pytest.MonkeyPatch, *needed: str) -> list[int]:
    """Let a history fail once these acts have come, in this order; return how long those lived were."""
    lengths: list[int] = []

    def lived(seed: int, acts: Iterator[tuple[str, int]], *databases: Any) -> None:
        lengths.append(length_hint(acts))
        missing = [*needed]
        for name, _ in acts:
            if name == missing[0]:
                del missing[0]
            assert missing, "all have come"

    monkeypatch.setattr(histories, "lived", lived)
    return lengths


@contextmanager
def nothing() -> Iterator[tuple[Any, None]]:
    yield None, None
