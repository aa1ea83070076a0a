"""Letters that were just looked at: kept for a frame, under an address that cannot be guessed."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from secrets import token_urlsafe

from starlette.requests import Request

_FONTS = re.compile(r"<link\b[^>]*>|@import[^;<]*;", re.IGNORECASE)  # the frame's policy loads none of them
MOST = 60  # letters of up to 0.6 MB each


class Letters:
    """The latest letters, by their keys; any thread may use it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, html: str) -> str:
        """Keep a letter for a while; return its key."""
        key = token_urlsafe(18)
        with self._lock:
            self._kept[key] = _FONTS.sub("", html)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return key

    def get(self, key: str) -> str | None:
        """Return a letter, None for one that is no longer kept."""
        with self._lock:
            return self._kept.get(key)


def letters_of(request: Request) -> Letters:
    """Return the letters that this installation has just shown."""
    state = request.app.state
    if not hasattr(state, "letters"):
        state.letters = Letters()
    kept: Letters = state.letters
    return kept
