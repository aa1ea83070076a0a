"""Several orders woven into one: the shortest row of steps in which each of them is found."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import TypeVar

T = TypeVar("T", bound=Hashable)
At = tuple[int, ...]  # how far each order has come


def woven(orders: Sequence[Sequence[T]]) -> list[tuple[T, frozenset[int]]]:
    """Return the shortest row that holds each of the orders, and which of them each of its places is for.

    Of several the one that begins as the earlier orders do. It takes as long as all lengths multiplied.
    """
    came: dict[At, tuple[At, T]] = {}
    start, end = tuple(0 for _ in orders), tuple(len(order) for order in orders)
    waiting, seen = deque([start]), {start}
    while waiting and end not in seen:
        at = waiting.popleft()
        for one in dict.fromkeys(order[n] for order, n in zip(orders, at, strict=True) if n < len(order)):
            after = tuple(
                n + (n < len(order) and order[n] == one) for order, n in zip(orders, at, strict=True)
            )
            if after not in seen:
                seen.add(after)
                came[after] = at, one
                waiting.append(after)
    found: list[tuple[T, frozenset[int]]] = []
    at = end
    while at != start:
        before, one = came[at]
        found.append((one, frozenset(n for n in range(len(orders)) if at[n] != before[n])))
        at = before
    return found[::-1]
