"""What servers of push share: a tray of notifications, and the app or worker on the device that reports.

What came with a notification is kept beside it; the device posts it back as docs/push.md says.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from msgspec import Struct

from kaskad.sandbox.outbox import json_post
from kaskad.sandbox.person import PUSH, Bubble, Mail, Notice, Phone, Sms
from kaskad.sandbox.server import Server, Site
from kaskad.sandbox.wire import Outgoing

KEPT = 100_000  # notifications whose taps are reported


def to_base64url(data: bytes) -> str:
    """Return base64url without padding (RFC 7515)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Return the bytes of base64url; raises ValueError."""
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))


class Reported(Struct, frozen=True):
    """Where to report what becomes of a notification; "" for nowhere."""

    status_url: str = ""
    reference: str = ""
    ack: str = ""


class PushService(Server):
    """A service whose notifications are reported by the device that shows them."""

    channels = (PUSH,)

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._kept: dict[str, Reported] = {}
        self._next = 1_000

    def show(
        self, phone: Phone, title: str, text: str, told: Reported, *, link: str = "", picture: str = ""
    ) -> str:
        """Show a notification and report that; return its id at the service."""
        self._next += 1
        ref = str(self._next)
        self._kept[ref] = told
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        notice = self.notify(phone, title, text, link=link, picture=picture, ref=ref)
        self._report(notice, "delivered")
        return ref

    def on_click(self, phone: Phone, thing: Mail | Bubble | Notice | Sms, url: str) -> None:
        if isinstance(thing, Notice):
            self._report(thing, "clicked")

    def on_dismiss(self, phone: Phone, notice: Notice) -> None:
        self._report(notice, "dismissed")

    def _report(self, notice: Notice, event: str) -> None:
        told = self._kept.get(notice.ref, Reported())
        if not told.status_url or not self.outbox.reaches(told.status_url):
            return

        def build(good: bool) -> Outgoing:
            said: Mapping[str, str] = {
                "event": event, "reference": told.reference, "ack": told.ack if good else "0" * 64,
            }  # fmt: skip
            return json_post(told.status_url, said)

        self.report(build)
