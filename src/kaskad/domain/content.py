"""What one message says: a step's content compiled once, then rendered for each person with tracked links."""

from __future__ import annotations

from msgspec import Struct

from kaskad.domain.cascade import Button
from kaskad.domain.tokens import HONEYPOT, Signer


class Rendered(Struct, frozen=True):
    """The words of one message; `links` are its destinations, and a link's index is its place there."""

    subject: str = ""
    html: str = ""
    text: str = ""
    say: str = ""
    script: str = ""
    buttons: tuple[Button, ...] = ()
    media: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


class LinkMaker(Struct, frozen=True):
    """The addresses of ours in one message. Without a `base_url` links lead straight to their destination.

    `expires_at` is that of the links; `pixel` says whether this contact may be shown the open pixel.
    """

    signer: Signer
    base_url: str
    contact_id: int
    run_id: int
    step: int
    expires_at: int
    pixel: bool = True

    def url(self, index: int) -> str:
        """Return the tracked address of the link at `index`."""
        token = self.signer.link(self.contact_id, self.run_id, self.step, index, self.expires_at)
        return f"{self.base_url}/l/{token}"

    def honeypot(self) -> str:
        """Return the address that only machines follow."""
        return self.url(HONEYPOT)

    def open_pixel(self) -> str:
        """Return the address of the picture that tells of an open."""
        return f"{self.base_url}/o/{self.signer.pixel(self.contact_id, self.run_id, self.step)}"

    def unsubscribe(self) -> str:
        """Return the address where this contact leaves; it never expires."""
        return f"{self.base_url}/u/{self.signer.unsubscribe(self.contact_id, self.run_id, self.step)}"
