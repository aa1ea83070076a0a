"""What requests may cost that have not come whole: nobody knows yet who sends them.

Each is given time, the longer the more of it comes, and all together so much memory.
"""

from __future__ import annotations

from kaskad.config import Settings

PACE = 20_000  # bytes a second, at least, of what takes long
LINGER_S = 2.0  # a connection with unread bytes that is closed loses the answer
SMALL = 64 * 1024  # a request of so much finds room where long ones find none any more
MB = 1_000_000

_END = b"content-length: 0\r\nconnection: close\r\n\r\n"
LATE = b"HTTP/1.1 408 Request Timeout\r\n" + _END
FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n" + _END


class Room:
    """The room of one process; used from its event loop only."""

    def __init__(self, patience_s: float, most: int) -> None:
        self.patience_s, self._most = patience_s, most
        self.held = 0

    def take(self, has: int, more: int) -> bool:
        """Hold so much more of a request of which so much is held; False: there is no room for it."""
        most = self._most if has + more <= SMALL else self._most - self._most // 4
        if self.held + more > most:
            return False
        self.held += more
        return True

    def leave(self, size: int) -> None:
        """Hold so much no longer."""
        self.held -= size

    def left_s(self, began_s: float, came: int, now_s: float) -> float:
        """Return for how much longer a request is waited for, of which so much has come."""
        return began_s + self.patience_s + came / PACE - now_s


def room_of(settings: Settings) -> Room:
    """Return the room that the settings give."""
    return Room(float(settings.request_seconds), int(float(settings.unread_mb) * MB))
