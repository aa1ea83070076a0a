"""The shapes that a provider fills and those that it builds and reads; a provider does no I/O.

A provider is tables (statuses, errors), capabilities as data, and functions that build a request and read
an answer. `engine/transport` sends; time-outs, lost answers, retries and redaction exist once, there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from msgspec import Struct, field

from kaskad.domain.cascade import Approved as Approved
from kaskad.domain.cascade import Button, Money
from kaskad.domain.errors import BadSignature, Invalid, SendError
from kaskad.domain.money import Price
from kaskad.domain.terms import Channel, Kind, MessageClass, Reaction, Reason
from kaskad.providers.approval import ServiceButton as ServiceButton
from kaskad.providers.approval import ServiceTemplate as ServiceTemplate
from kaskad.providers.approval import TemplateNews as TemplateNews
from kaskad.providers.crm import Changed as Changed
from kaskad.providers.crm import Conversation, Entry, Happened, PeoplePage
from kaskad.providers.exchange import STATUSES as STATUSES
from kaskad.providers.exchange import Request as Request
from kaskad.providers.exchange import Response as Response
from kaskad.providers.exchange import basic_auth as basic_auth
from kaskad.providers.exchange import decode as decode
from kaskad.providers.exchange import encode as encode
from kaskad.providers.exchange import retry_after_ms as retry_after_ms
from kaskad.providers.exchange import status_error as status_error
from kaskad.providers.watermark import UpTo as UpTo


class Setting(Struct, frozen=True):
    """One field of an account's form; a secret is kept encrypted and never shown again."""

    name: str
    secret: bool = False
    required: bool = True
    default: str = ""
    help: str = ""
    choices: tuple[str, ...] = ()  # the only values; (): any
    lines: bool = False  # several lines, such as a key in PEM
    usual: bool = False  # need not be there, but is as a rule: forms ask for it first


class Limits(Struct, frozen=True):
    """What an account may be asked for at once; 0 means the provider's default."""

    concurrency: int = 0
    per_second: float = 0.0
    burst: int = 0


class Capabilities(Struct, frozen=True):
    """What a provider can do, as data: the engine and the checks ask here and nowhere else."""

    receipts: frozenset[Kind] = frozenset()  # what it reports by itself
    reactions: frozenset[Reaction] = frozenset()  # what of a person it can tell
    echoes_reference: bool = False  # receipts carry our reference; otherwise its own id is looked up
    idempotent: bool = False  # the same key is never sent twice: an unknown outcome may be retried
    reports_sent: bool = False  # "accepted" means queued there; a later receipt says sent
    price_in_receipt: bool = False
    look_ups: tuple[int, ...] = ()  # ms after the acceptance at which it is asked what became of a message
    finds: tuple[
        int, ...
    ] = ()  # ms after a lost answer at which it is asked for the message by our reference
    ttl: bool = False  # takes `valid_for_ms`
    cancel: bool = False
    batch: int = 1  # messages in one request, whose answer tells the fate of each
    buttons: int = 0
    media: bool = False
    ssml: bool = False  # takes SSML in what a robot says
    files: bool = False  # carries files and appointments with a mail
    max_text: int = 0  # characters; 0: no limit known
    window_ms: int = 0  # free text is taken so long after the person's last message; 0: always
    approved: bool = False  # sends texts that the service has approved, by their names
    concurrency: int = 10  # default limits of an account
    per_second: float = 10.0
    burst: int = 10

    @property
    def tells(self) -> int:
        """Return what becomes known of its messages, as bits of kinds of facts.

        Who tells that a call was answered tells that it arrived: a call of which that is not told did not.
        """
        told = self.receipts | ({Kind.DELIVERED} if Kind.ANSWERED in self.receipts else set())
        return sum(kind.bit for kind in told)


class Account(Struct, frozen=True):
    """A provider's credentials, limits and price; `account["name"]` reads a setting or a secret."""

    id: int
    name: str
    provider: str
    channel: Channel
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    price: Price | None = None  # None: not known, counted as nothing
    priority: int = 0  # lower is asked first
    weight: int = 1  # share of the contacts among accounts of one channel and priority
    enabled: bool = True

    def __getitem__(self, name: str) -> str:
        """Return a secret or a setting, "" where it was left empty."""
        return self.secrets.get(name) or self.settings.get(name, "")

    def required(self, name: str) -> str:
        """Return a secret or a setting; raises SendError where it was left empty."""
        if value := self[name]:
            return value
        raise SendError(Reason.AUTH, f"account {self.name!r} has no {name}: set one in its settings")

    def base_url(self, usual: str) -> str:
        """Return where the service is asked, with no slash at its end; else it is `usual`."""
        return (self["base_url"] or usual).rstrip("/")

    def __repr__(self) -> str:
        """Return text without secrets, for logs and tracebacks."""
        return f"Account({self.id}, {self.name!r}, {self.provider!r})"


class File(Struct, frozen=True, omit_defaults=True):
    """A file that goes with a message; a picture in its HTML stands there as `cid:` and its `cid`."""

    name: str
    kind: str  # media type
    content: bytes
    cid: str = ""


class Invite(Struct, frozen=True, omit_defaults=True):
    """An appointment for the person's calendar; the same `uid` with a higher `sequence` replaces it."""

    uid: str
    sequence: int
    starts_at: int
    ends_at: int
    title: str
    place: str = ""
    about: str = ""
    cancel: bool = False


class Outgoing(Struct, frozen=True, gc=False, omit_defaults=True):
    """One message as the engine hands it over: rendered, addressed, signed.

    `reference` is an opaque signed text that names contact, run and step and comes back in receipts;
    `key` is the idempotency key, the same for each attempt until one is taken and reported as failed; `at`
    the instant of this attempt.
    """

    reference: str
    key: str
    channel: Channel
    to: str
    at: int
    message_class: MessageClass = MessageClass.SERVICE
    subject: str = ""
    html: str = ""
    text: str = ""
    say: str = ""
    script: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)  # digit -> confirm | agent | opt_out
    buttons: tuple[Button, ...] = ()
    media: tuple[str, ...] = ()
    status_url: str = ""  # where receipts go, for providers that are told so with each message
    unsubscribe_url: str = ""
    valid_for_ms: int = 0  # later than that it need not arrive; 0: no limit
    contact_name: str = ""
    language: str = ""
    approved: Approved | None = None  # where the service wants one outside of a dialogue
    open_until: int = 0  # the person has written: a free text is taken until then; 0: none is
    files: tuple[File, ...] = ()
    invite: Invite | None = None

    def __repr__(self) -> str:
        """Return text without address and body, for logs and tracebacks."""
        return f"Outgoing({self.reference!r}, {self.channel.value})"


class Accepted(Struct, frozen=True, gc=False):
    """A provider took a message. `kind` None: queued there, a receipt will say when it is sent.

    A `cost` whose currency is "" is in that of the account's price: the answer names none. `parts` are all
    ids of a message that travels as several, each with receipts of its own; it is delivered when all are.
    """

    provider_id: str = ""
    cost: Money | None = None
    kind: Kind | None = Kind.SENT
    parts: tuple[str, ...] = ()


class Sent(Struct, frozen=True):
    """A message that a service has taken, for asking what became of it."""

    provider_id: str
    at: int  # of the acceptance
    to: str = ""  # where it went, of one whose answer was lost


UNREADABLE = "unreadable"  # name of a report that cannot be read, among others that can


class Receipt(Struct, frozen=True, kw_only=True):
    """What a provider says of one message; found by `reference`, else by `provider_id`.

    `kind` None: a word that changes nothing, or that we do not know: kept, shown, applied to nobody.
    `event` is the provider's own id of this report, "" where it has none: the kind counts once then.
    `earlier` are messages before it of which the same is said (who reads one has read those before); what is
    not known among them is passed over.
    """

    kind: Kind | None
    event: str = ""
    name: str = ""  # the provider's word for it
    reference: str = ""
    provider_id: str = ""
    at: int | None = None  # None: the payload does not say
    reason: Reason | None = None
    code: str = ""
    detail: str = ""
    cost: Money | None = None
    text: str = ""  # of a reply
    key: str = ""  # pressed, or the payload of a button
    earlier: tuple[str, ...] = ()  # `provider_id` of each
    raw: bytes = b""


class Inbound(Struct, frozen=True, kw_only=True):
    """What a person did who is known by an address: a reply, a stop word, a start, a block.

    `provider_id` is the message that a reply answers, where it names one; one that is not ours, or not known
    yet, makes it an answer to the last message on the channel. `text` of a STARTED is the token of its link.
    """

    channel: Channel
    address: str
    kind: Kind
    event: str = ""
    at: int | None = None
    text: str = ""
    provider_id: str = ""
    language: str = ""  # of the person's application, ISO 639; "": not told
    also: str = ""  # another address of the same person at the service; "": not told
    raw: bytes = b""


Told = Receipt | Inbound | UpTo | TemplateNews | Changed  # what a webhook can say


NOTHING = ("", b"")  # an answer without a body


class Provider:
    """What a provider's file defines; a request and an answer are values, nothing here calls out."""

    name: ClassVar[str]
    title: ClassVar[str] = ""
    channels: ClassVar[frozenset[Channel]]
    settings: ClassVar[tuple[Setting, ...]] = ()
    capabilities: ClassVar[Capabilities] = Capabilities()
    transport: ClassVar[str] = "http"  # what in engine/transport carries it, by the table in engine/carrier
    hears: ClassVar[bool] = False  # its service tells by itself, over a connection that the transport keeps
    connect: ClassVar[tuple[str, ...]] = ()  # how an account is set up, step by step, for the documentation
    judges: ClassVar[tuple[str, ...]] = ()  # libraries and servers of others that our tests hold it against
    hidden: ClassVar[re.Pattern[bytes] | None] = None  # keys in its webhooks, behind group 1: not kept
    own: ClassVar[bool] = False  # carried by this installation itself: nothing is called outside
    tells_people: ClassVar[bool] = False  # `people` lists whom its service knows
    unverified: ClassVar[tuple[str, ...]] = ()  # what no published source confirms, for the documentation

    def check(self, account: Account) -> list[str]:
        """Return what of the account's settings can never work, in sentences; asked before it is saved."""
        return []

    def complete(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return settings and secrets that we make where `values` has none, such as a key pair."""
        return {}

    def takes(self, address: str) -> bool:
        """Return whether it can send to an address of its channel, where that has several kinds."""
        return True

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        """Return the request that sends `outgoing`; raises SendError for what the service would lose."""
        raise NotImplementedError

    def read_response(self, response: Response) -> Accepted:
        """Return what the service took; raises SendError where it refused, or where nobody can know."""
        raise NotImplementedError

    def build_batch(self, requests: Sequence[Request], account: Account) -> Request:
        """Return one request that does what these do, up to `capabilities.batch` of `build_request`."""
        raise NotImplementedError

    def read_batch(self, response: Response, count: int) -> list[Accepted | SendError]:
        """Return each message's fate, in their order; raises SendError where it is that of all.

        Only where the service tells each one's has it batches.
        """
        raise NotImplementedError

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        """Raise BadSignature unless the account's service sent `hook`; by default nothing is believed."""
        raise BadSignature(f"{self.name} sends no webhooks")

    def key_request(self, hook: Request, account: Account) -> Request | None:
        """Return the request for the key or certificate that `hook` names; None where it names none.

        The transport fetches and keeps it, and `verify_webhook` then finds it as `hook.key`. Nothing is
        proven yet: raises BadSignature for an address that is not the service's.
        """
        return None

    def read_webhook(self, hook: Request, account: Account) -> Sequence[Told]:
        """Return what a verified webhook says; raises ValueError where its body cannot be read at all."""
        return []

    def answer_webhook(self, hook: Request, account: Account) -> tuple[str, bytes]:
        """Return the content type and the body of our answer, for services that act on what it says.

        Asked once the webhook is verified, read and kept; whatever it raises is answered as nothing.
        """
        return NOTHING

    def answer_look(self, hook: Request, account: Account) -> tuple[str, bytes]:
        """Return the content type and the body of our answer to a GET of the webhook's address.

        Some services look before they call, some bring a challenge; raises BadSignature for a wrong one.
        """
        return NOTHING

    def needs_token(self, account: Account) -> bool:
        """Return whether requests of the account carry an access token that the service gives for a while."""
        return False

    def auth_request(self, account: Account, now: int) -> Request:
        """Return the request for an access token, signed at `now` where the service wants that.

        The transport keeps the token, asks anew before it ends, and once where the service refuses it.
        """
        raise NotImplementedError

    def read_auth(self, response: Response) -> tuple[str, int]:
        """Return the token and its life in milliseconds; raises SendError where there is none."""
        raise NotImplementedError

    def authorize(self, request: Request, token: str) -> Request:
        """Return `request` with the token that `auth_request` has brought."""
        headers = {**request.headers, "Authorization": f"Bearer {token}"}
        return Request(request.method, request.url, headers, request.body)

    def poll_request(self, account: Account, cursor: str) -> Request | None:
        """Return the request for what happened since `cursor`; None where the service is not polled."""
        return None

    def read_poll(self, response: Response, account: Account) -> tuple[list[Receipt | Inbound], str]:
        """Return what happened, and the next cursor."""
        raise NotImplementedError

    def learn(self, changed: Changed, account: Account, now: int) -> Conversation[list[Happened]]:
        """Ask a CRM what has changed, and return it as events; raises SendError."""
        raise NotImplementedError

    def people(self, cursor: str, account: Account) -> Conversation[PeoplePage]:
        """Return a page of the people that a CRM knows, "" being the first; raises SendError."""
        raise NotImplementedError

    def journal_types(self, account: Account) -> frozenset[str]:
        """Return the outgoing events that the CRM's own journal is to hold, for its customers."""
        return frozenset()

    def journal(self, entry: Entry, account: Account, now: int) -> Conversation[str]:
        """Write an entry, and return where it stands, "" where it belongs nowhere; raises SendError."""
        raise NotImplementedError

    def look_up(self, sent: Sent, account: Account, now: int) -> Request:
        """Return the request for what became of a message; asked as `capabilities.look_ups` says.

        Where `capabilities.finds` says so it is asked after an answer was lost, and `sent.provider_id` is our
        own reference: what is not found there stays unknown, and is never sent again on that.
        """
        raise NotImplementedError

    def read_look_up(self, response: Response, sent: Sent, account: Account) -> tuple[list[Receipt], bool]:
        """Return what became of a message, and whether that is all that there will be to know.

        What a webhook tells too has the same `event` here, and so counts once. Raises SendError.
        """
        raise NotImplementedError

    def setup_requests(self, account: Account, webhook_url: str) -> list[Request]:
        """Return the requests that make the service report to `webhook_url`, or let itself be polled."""
        return []

    def read_setup(self, response: Response) -> None:
        """Raise SendError where the service did not do what a set-up or follow-up request asked."""
        if not response.ok:
            raise status_error(response)

    def templates_request(self, account: Account, cursor: str) -> Request | None:
        """Return the request for a page of the texts that the service approves, "" being the first.

        None where the service approves none, or the account does not say whose they are.
        """
        return None

    def read_templates(self, response: Response) -> tuple[list[ServiceTemplate], str]:
        """Return a page of texts, and the cursor of the next, "" after the last; raises SendError."""
        raise NotImplementedError

    def follow_up(self, told: Sequence[Receipt | Inbound], account: Account) -> list[Request]:
        """Return the requests that the service expects after it has told this, once it is durable."""
        return []

    def opt_in_link(self, account: Account, token: str) -> str:
        """Return the link that brings a person with `token` to us; raises Invalid where there is none.

        One that begins with / leads to a page of ours.
        """
        raise Invalid([f"{self.title or self.name} has no opt-in links"])


def limits_of(account: Account, capabilities: Capabilities) -> Limits:
    """Return the account's limits with the provider's defaults where the account sets none."""
    own = account.limits
    return Limits(
        concurrency=own.concurrency or capabilities.concurrency,
        per_second=own.per_second or capabilities.per_second,
        burst=own.burst or capabilities.burst,
    )
