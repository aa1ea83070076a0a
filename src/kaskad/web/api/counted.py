"""Figures that take long: an answer is there soon, or 202 says that it is being counted."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from kaskad.web.api.views import Told
from kaskad.web.auth import asking
from kaskad.web.soon import Soon

T = TypeVar("T")
COUNTING: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "It is being counted: ask the same again after `Retry-After` seconds.",
        "headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "state": {"type": "string", "const": "counting"},
                        "seconds": {"type": "integer", "description": "For how long it has been counted."},
                        "detail": {"type": "string"},
                    },
                }
            }
        },
    }
}


class Counting:
    """What one request asks to be counted; the same request, made again meanwhile, asks for the same.

    Of a POST that is one with the same body, too. A late answer is told once to each who waits for it.
    """

    def __init__(self, request: Request) -> None:
        self._soon: Soon = request.app.state.figures.soon
        self._playing: Soon = request.app.state.figures.playing
        self._name = (request.url.path, request.url.query)
        self._who = asking(request).name

    def soon(
        self, make: Callable[[], T], body: Told | None = None, on: Hashable = "", *, mark: Hashable = "",
        apart: bool = False,
    ) -> T:  # fmt: skip
        """Return what `make` does, which stands on what is told by `on`: with another it is another answer.
        `mark` tells of what changes all the time: with another it is counted anew, a few times.

        What is reckoned `apart`, in a process of its own, waits for nobody's figures, nor they for it. Raises
        BeingCounted where it takes longer than a moment.
        """
        told = "" if body is None else body.model_dump_json()
        return (self._playing if apart else self._soon).get((*self._name, told, on), make, self._who, mark)


Counted = Annotated[Counting, Depends(Counting)]
