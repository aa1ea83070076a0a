"""What is made of blocks is kept as long as they are what they were, and no more than there is room for."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from kaskad.store.shelf import Shelf


class _Blocks:
    """Blocks that come to as many numbers as their number says, and note when they are read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __call__(self, blocks: Sequence[int]) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        self.read.extend(blocks)
        yield from ((block, np.zeros(block)) for block in blocks if block)


def test_only_blocks_that_were_made_anew_are_read_again() -> None:
    shelf, blocks = Shelf(), _Blocks()
    for _ in range(2):
        found = shelf.take("sent", {0: 7, 1: 8, 2: 9}, blocks)
        assert {block: len(each) for block, each in found.items()} == {1: 1, 2: 2}
    assert blocks.read == [0, 1, 2]
    assert sorted(shelf.take("sent", {0: 7, 1: 88, 3: 5}, blocks)) == [1, 3]
    assert blocks.read == [0, 1, 2, 1, 3]
    assert sorted(shelf.take("sent", {1: 8}, blocks)) == [1], "as an earlier transaction sees it"
    assert blocks.read == [0, 1, 2, 1, 3, 1]


def test_of_very_many_contacts_only_those_asked_for_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaskad.store.shelf.MANY", 4)
    shelf, people = Shelf(), _Blocks()
    shelf.take("rows", {1: 1, 2: 1, 3: 1}, people)
    assert sorted(shelf.take("rows", {3: 1, 4: 1, 5: 1}, people)) == [3, 4, 5]
    assert people.read == [1, 2, 3, 4, 5], "who is known is not read again"
    shelf.take("rows", {1: 1}, people)
    assert people.read == [1, 2, 3, 4, 5, 1]


def test_what_was_asked_for_longest_ago_goes_when_there_is_no_room() -> None:
    shelf, blocks = Shelf(most=100), _Blocks()
    for name in ("sent", "reacted", "sent", "ended"):
        shelf.take(name, {5: 1}, blocks)
    assert blocks.read == [5, 5, 5]
    shelf.take("sent", {5: 1}, blocks)
    assert blocks.read == [5, 5, 5]
    shelf.take("reacted", {5: 1}, blocks)
    assert blocks.read == [5, 5, 5, 5]
    for _ in range(2):
        assert len(shelf.take("large", {13: 1}, blocks)[13]) == 13
    assert blocks.read[4:] == [13, 13]


def test_what_is_of_another_generation_can_be_dropped_before_anybody_asks_for_it() -> None:
    shelf, blocks = Shelf(), _Blocks()
    shelf.take(("column", "name"), {4: 1, 5: 1}, blocks)
    shelf.take(("deeds", "sent"), {4: 1}, blocks)
    shelf.drop_gone("column", {4: 2, 5: 1})
    shelf.take(("column", "name"), {5: 1}, blocks)
    shelf.take(("deeds", "sent"), {4: 1}, blocks)
    assert blocks.read == [4, 5, 4]
    shelf.take(("column", "name"), {4: 1}, blocks)
    assert blocks.read == [4, 5, 4, 4]
