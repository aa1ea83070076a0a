"""What a server of the sandbox is: a protocol, an account, faults, and how it tells what people do.

A protocol is one file in `servers/` with one subclass of `Server`, and one line in `servers/__init__.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from email.message import EmailMessage
from typing import ClassVar, TypeVar

from msgspec import Struct
from starlette.responses import Response
from starlette.routing import BaseRoute

from kaskad.sandbox import links
from kaskad.sandbox.faults import ALL, REQUESTS, Fault
from kaskad.sandbox.outbox import ATTEMPTS, Outbox
from kaskad.sandbox.person import Bubble, Button, Chat, Link, Mail, Notice, Phone, Sms, next_id
from kaskad.sandbox.postman import Postman
from kaskad.sandbox.wire import Outgoing
from kaskad.sandbox.world import World

HANG_S = 3600.0
HOST = "127.0.0.1"

K = TypeVar("K", bound=Struct)


class Place(Struct, frozen=True):
    """Where servers listen, and with which keys they are used."""

    http_url: str
    ports: Mapping[str, int]  # of servers that listen by themselves, by name
    given: Sequence[Struct] = ()

    def keys(self, kind: type[K]) -> K:
        """Return the credentials of a kind: those given, else the sandbox's."""
        return next((one for one in self.given if isinstance(one, kind)), kind())


class Site(Struct, frozen=True):
    """What a server is given to work with."""

    world: World
    outbox: Outbox
    postman: Postman
    place: Place


class Server:
    """One service. Whatever a person does that the service does not tell, it leaves as it is here."""

    name: ClassVar[str]  # the first part of its paths, and what faults call it
    channels: ClassVar[tuple[str, ...]]
    provider: ClassVar[str]
    account: ClassVar[str]  # the account's name: Kaskad's webhook is named by it
    price: ClassVar[str] = "0 KZT"
    honours: ClassVar[frozenset[str]] = ALL  # kinds of faults
    port: ClassVar[int | None] = None  # of its own socket, served by `protocol`; None: it has HTTP only

    def __init__(self, site: Site) -> None:
        self.world = site.world
        self.outbox = site.outbox
        self.postman = site.postman
        self.place = site.place

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        """Return the settings of the account with which Kaskad uses this server."""
        raise NotImplementedError

    @classmethod
    def accounts(cls, place: Place) -> list[dict[str, object]]:
        """Return the accounts, as an accounts.yaml has them: one, but of a service with several channels."""
        told: dict[str, object] = {"name": cls.account, "provider": cls.provider}
        return [told | {"settings": cls.settings(place), "price": cls.price}]

    @classmethod
    def url(cls, place: Place) -> str:
        """Return where its HTTP routes begin."""
        return f"{place.http_url}/{cls.name}"

    def routes(self) -> Sequence[BaseRoute]:
        """Return its HTTP and WebSocket routes, below /<name>."""
        return ()

    def protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol of one connection to its own socket."""
        raise NotImplementedError

    @property
    def hook(self) -> str:
        """Return Kaskad's webhook of this account; "" where nobody has told where Kaskad is."""
        return f"{self.outbox.home}/hooks/{self.account}" if self.outbox.home else ""

    # Faults

    async def befall(
        self,
        take: Callable[[], Awaitable[Response]],
        refuse: Callable[[Fault], Response],
        channel: str = "",
    ) -> Response:
        """Answer a request to send: by `take`, unless a fault is due.

        `refuse` answers throttle, error and reject in the service's own words, or raises what becomes that.
        """
        fault = self.strike(REQUESTS, channel)
        if fault is not None and fault.kind in ("throttle", "error", "reject"):
            return refuse(fault)
        if fault is not None and fault.kind == "slow":
            await self.world.pace.wait(fault.seconds * 1000)
        answer = await take()
        if fault is not None and fault.kind == "hang":
            await asyncio.sleep(HANG_S)
        return answer

    def strike(self, kinds: Iterable[str], channel: str = "") -> Fault | None:
        """Return the fault that is due for this server or its channel, and count it."""
        return self.world.faults.strike(self._called(channel), kinds)

    def report(self, build: Callable[[bool], Outgoing], attempts: int = ATTEMPTS, channel: str = "") -> None:
        """Send a receipt over HTTP until it is answered 2xx; `build(False)` is signed wrongly."""
        self.outbox.report(self._called(channel), build, attempts)

    def tell(self, deliver: Callable[[bool], Awaitable[None]], channel: str = "") -> None:
        """Deliver a receipt in another way, such as a socket; `deliver(False)` is signed wrongly."""
        self.outbox.tell(self._called(channel), deliver)

    def _called(self, channel: str) -> tuple[str, ...]:
        return (self.name, *((channel,) if channel else self.channels))

    # What reaches a phone

    def next_number(self, chat: Chat) -> int:
        """Return the number of a chat's next message, by which its page finds it."""
        return chat.next_id()

    def bring(
        self,
        phone: Phone,
        chat: Chat,
        text: str,
        *,
        ref: str = "",
        number: int = 0,
        buttons: tuple[tuple[Button, ...], ...] = (),
        media: tuple[tuple[str, str], ...] = (),
        found: tuple[Link, ...] = (),
    ) -> Bubble:
        """Return a message that has come into a chat; `found` has links that its text does not show."""
        shown = tuple(dict.fromkeys((*links.in_text(text), *found)))
        bubble = Bubble(
            chat.channel, number or self.next_number(chat), self.world.pace.now(), text,
            by=self.name, ref=ref, buttons=buttons, media=media, links=shown,
        )  # fmt: skip
        chat.bubbles.append(bubble)
        self.world.arrived(phone, bubble)
        return bubble

    def notify(
        self, phone: Phone, title: str, text: str, *, link: str = "", picture: str = "", ref: str = ""
    ) -> Notice:
        """Return a push notification that has come to a phone."""
        number, at = next_id(phone.notices), self.world.pace.now()
        notice = Notice(number, at, title, text, link, picture, by=self.name, ref=ref)
        phone.notices.append(notice)
        self.world.arrived(phone, notice)
        return notice

    # What people do; called after it stands on the phone

    def start_of(self, url: str) -> str | None:
        """Return what a link into this service's chat carries, "" for nothing; None for any other link."""
        return None

    def on_start(self, phone: Phone, payload: str) -> str:
        """Tell that a person came to the chat by a link; return what their app writes for them then."""
        return ""

    def on_read(self, phone: Phone, bubble: Bubble) -> None:
        """Tell that a message of a chat was read."""

    def on_press(self, phone: Phone, bubble: Bubble, button: Button) -> None:
        """Tell that a button without an address was pressed."""

    def on_message(self, phone: Phone, bubble: Bubble, quoted: Bubble | None) -> None:
        """Tell what a person wrote into a chat; `quoted` is what they explicitly reply to."""

    def on_block(self, phone: Phone, chat: Chat) -> None:
        """Tell that a person does not let the company write any more."""

    def on_unblock(self, phone: Phone, chat: Chat) -> None:
        """Tell that they let it again."""

    def on_sms(self, phone: Phone, sms: Sms, about: Sms | None) -> None:
        """Tell what a person answered; `about` is the last SMS that they got."""

    def on_open(self, phone: Phone, mail: Mail) -> None:
        """Tell that a mail was opened; Kaskad's own pixel is loaded without this."""

    def on_click(self, phone: Phone, thing: Mail | Bubble | Notice | Sms, url: str) -> None:
        """Tell that a link was followed, where the service counts that; Kaskad's own links do without."""

    def on_reply(self, phone: Phone, mail: Mail, answer: EmailMessage) -> bool:
        """Tell what a person answered to a mail, where the service takes answers in; False: it does not."""
        return False

    def on_complaint(self, phone: Phone, mail: Mail) -> None:
        """Tell that a mail was marked as spam."""

    def on_dismiss(self, phone: Phone, notice: Notice) -> None:
        """Tell that a notification was wiped away."""
