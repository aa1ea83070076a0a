"""Providers and accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from msgspec.structs import replace
from pydantic import AfterValidator, Field

from kaskad.actions import accounts
from kaskad.actions.accounts import Doing, Shown
from kaskad.domain.terms import Channel
from kaskad.engine.account_form import FARTHEST, MOST_WEIGHT, price_text
from kaskad.engine.catalog import to_send_by
from kaskad.engine.trial import Trial, TrialMessage
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Account, Capabilities, Limits, Provider, limits_of
from kaskad.providers.desk import plan_of
from kaskad.providers.evidence import Level, evidence
from kaskad.web.api.fields import PLAIN, Text, encodable
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View, instant, when
from kaskad.web.auth import Caller, InOffice, may

providers_router = APIRouter(prefix="/api/v1/providers", tags=["accounts"], route_class=IdempotentRoute)
router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"], route_class=IdempotentRoute)

Name = Annotated[str, Path(max_length=60, pattern=PLAIN, description="The account's name.")]
Word = Annotated[str, Field(max_length=10_000, pattern=PLAIN), AfterValidator(encodable)]
Number = Annotated[int, Field(ge=0, le=FARTHEST)]


class SettingView(View):
    """One setting of a provider's accounts."""

    name: str
    secret: bool
    required: bool
    default: str
    help: str
    choices: list[str]
    lines: Annotated[bool, Field(description="It has several lines, such as a key in PEM.")]


class CapabilitiesView(View):
    """What a provider can do, and what an account may be asked for where it sets no limits."""

    receipts: list[str]
    reactions: list[str]
    idempotent: bool
    price_in_receipt: bool
    buttons: int
    media: bool
    max_text: int
    ssml: bool
    concurrency: int
    per_second: float
    burst: int

    @classmethod
    def of(cls, able: Capabilities) -> CapabilitiesView:
        return cls(
            receipts=sorted(kind.name.lower() for kind in able.receipts),
            reactions=sorted(reaction.value for reaction in able.reactions),
            idempotent=able.idempotent,
            price_in_receipt=able.price_in_receipt,
            buttons=able.buttons,
            media=able.media,
            max_text=able.max_text,
            ssml=able.ssml,
            concurrency=able.concurrency,
            per_second=able.per_second,
            burst=able.burst,
        )


class EvidenceView(View):
    """How well a provider is verified, the best first: library, specification, payloads, documentation."""

    level: Level
    cases: int
    payloads: Annotated[int, Field(description="Cases that hold a published payload, byte for byte.")]
    specification: Annotated[bool, Field(description="Held against the service's published description.")]
    judges: Annotated[list[str], Field(description="Libraries and servers of others that judge it in tests.")]
    unverified: Annotated[list[str], Field(description="What no published source confirms.")]

    @classmethod
    def of(cls, provider: Provider) -> EvidenceView:
        found = evidence(provider.name)
        return cls(
            level=found.level(provider),
            cases=found.cases,
            payloads=found.payloads,
            specification=found.specification,
            judges=list(provider.judges),
            unverified=list(provider.unverified),
        )


class ProviderView(View):
    """A service that carries messages, and what its accounts need."""

    name: str
    title: str
    channels: list[Channel]
    settings: list[SettingView]
    capabilities: CapabilitiesView
    connect: Annotated[list[str], Field(description="How an account is set up, step by step.")]
    verified: EvidenceView

    @classmethod
    def of(cls, provider: Provider) -> ProviderView:
        return cls(
            name=provider.name,
            title=provider.title,
            channels=sorted(provider.channels),
            settings=[
                SettingView(
                    name=one.name,
                    secret=one.secret,
                    required=one.required,
                    default=one.default,
                    help=one.help,
                    choices=list(one.choices),
                    lines=one.lines,
                )
                for one in provider.settings
            ],
            capabilities=CapabilitiesView.of(provider.capabilities),
            connect=list(provider.connect),
            verified=EvidenceView.of(provider),
        )


class LimitsTold(Told):
    """What the account may be asked for at once; 0: the provider's default."""

    concurrency: Number = 0
    per_second: Annotated[float, Field(ge=0, le=FARTHEST)] = 0.0
    burst: Number = 0


class LimitsView(View):
    """Limits in force."""

    concurrency: int
    per_second: float
    burst: int

    @classmethod
    def of(cls, limits: Limits) -> LimitsView:
        return cls(concurrency=limits.concurrency, per_second=limits.per_second, burst=limits.burst)


class AccountTold(Told):
    """An account as it is to be. Secrets that are left out stay as they are; null takes one away."""

    provider: Word
    channel: Word | None = Field(None, description="May be left out where the provider has one only.")
    settings: dict[Word, Word] = Field(default_factory=dict)
    secrets: dict[Word, Word | None] = Field(default_factory=dict)
    price: Word | None = Field(None, examples=["14.50 KZT per part"])
    limits: LimitsTold = LimitsTold()
    priority: Annotated[int, Field(ge=-FARTHEST, le=FARTHEST)] = Field(0, description="Lower is asked first.")
    weight: Annotated[int, Field(ge=1, le=MOST_WEIGHT)] = Field(
        1, description="Share of the contacts among accounts of one channel and priority."
    )
    enabled: bool = True


class FailureView(View):
    """Why the service did not take a message; `detail` are its own words, which go after a time."""

    at: datetime
    reason: str
    detail: str


class DoingView(View):
    """How the account does now; `breaker` is "" where no engine runs in the process that answers.

    `trouble` tells why its service cannot be set up or polled; "" where all is well.
    """

    queued: Annotated[int, Field(description="Messages that wait for it; 10000 are 10000 or more.")]
    in_flight: int
    breaker: str
    open_until: datetime | None
    trouble: str
    held_at: datetime | None = Field(
        None, description="Since when servers' refusals (5.7.x) hold the account."
    )
    held_why: str = ""
    failed: Annotated[int, Field(description="Refused or lost in the last hour; 1000 are 1000 or more.")]
    last_failure: FailureView | None

    @classmethod
    def of(cls, doing: Doing) -> DoingView:
        last = doing.last_failure
        return cls(
            queued=doing.queued,
            in_flight=doing.in_flight,
            breaker=doing.breaker,
            open_until=when(doing.open_until),
            trouble=doing.trouble,
            held_at=when(doing.held.at) if doing.held else None,
            held_why=doing.held.why if doing.held else "",
            failed=doing.failed,
            last_failure=FailureView(at=instant(last.at), reason=last.reason, detail=last.detail)
            if last
            else None,
        )


class AccountView(View):
    """An account; of its secrets only the names are shown."""

    name: str
    provider: str
    channel: Channel
    settings: dict[str, str]
    secrets: list[str]
    price: str | None
    limits: LimitsView
    limits_in_force: LimitsView
    priority: int
    weight: int
    enabled: bool
    webhook_url: str = Field(description="Where the provider is to send its webhooks.")
    doing: DoingView

    @classmethod
    def of(cls, shown: Shown) -> AccountView:
        account = shown.account
        sending = to_send_by(account)
        carrying = PROVIDERS.get(account.provider)
        return cls(
            name=account.name,
            provider=account.provider,
            channel=account.channel,
            settings=dict(account.settings),
            secrets=sorted(account.secrets),
            price=price_text(account.prices),
            limits=LimitsView.of(sending.limits),
            limits_in_force=LimitsView.of(_in_force(sending, carrying)),
            priority=account.priority,
            weight=account.weight,
            enabled=account.enabled,
            webhook_url=shown.webhook_url,
            doing=DoingView.of(shown.doing),
        )


class TrialTold(Told):
    """A test message; texts that are left out are ours."""

    to: Text
    subject: Word = ""
    text: Word = ""
    html: Word = ""
    say: Word = ""


class TrialView(View):
    """What the provider did with a test message; `accepted` null: nobody knows, the answer was lost."""

    accepted: bool | None
    took_ms: int
    provider_id: str
    cost: str | None
    reason: str
    code: str
    detail: str

    @classmethod
    def of(cls, tested: Trial) -> TrialView:
        cost = tested.cost
        money = price_text({"minor": cost.minor, "currency": cost.currency}) if cost else None
        return cls(
            accepted=tested.accepted,
            took_ms=tested.took_ms,
            provider_id=tested.provider_id,
            cost=money.removesuffix(" per message") if money else None,
            reason=tested.reason,
            code=tested.code,
            detail=tested.detail,
        )


@providers_router.get("", dependencies=[may("accounts:read")])
def list_providers() -> Page[ProviderView]:
    """List the providers there are, with the settings that their accounts need."""
    return Page(items=[ProviderView.of(provider) for provider in accounts.providers()])


@router.get("", dependencies=[may("accounts:read")])
def list_accounts(office: InOffice) -> Page[AccountView]:
    """List the accounts, in the order in which they are asked."""
    return Page(items=[AccountView.of(shown) for shown in accounts.listing(office)])


@router.get("/{name}", dependencies=[may("accounts:read")])
def get_account(office: InOffice, name: Name) -> AccountView:
    """Show an account: settings, webhook address, queue, and whether its provider is being asked."""
    return AccountView.of(accounts.get(office, name))


@router.put("/{name}", dependencies=[may("accounts:write")])
def put_account(office: InOffice, name: Name, told: AccountTold) -> AccountView:
    """Keep an account under this name; every problem with it is told at once."""
    return AccountView.of(accounts.save(office, name, told.model_dump()))


@router.post("/{name}/enable", dependencies=[may("accounts:write")])
def enable_account(office: InOffice, name: Name) -> AccountView:
    """Let messages go through an account again."""
    return AccountView.of(accounts.enable(office, name, True))


@router.post("/{name}/disable", dependencies=[may("accounts:write")])
def disable_account(office: InOffice, name: Name) -> AccountView:
    """Let no more messages go through an account; what waits for it goes by another, or waits."""
    return AccountView.of(accounts.enable(office, name, False))


class SenderTold(Told):
    """Whom letters come from, such as Shop <hello@example.org>; answers go there, or to `reply_to`."""

    sender: Annotated[str, Field(min_length=3, max_length=300, pattern=PLAIN)]
    reply_to: Annotated[str, Field(max_length=300, pattern=PLAIN)] = ""


@router.put("/{name}/sender", dependencies=[may("accounts:write")])
def set_sender(office: InOffice, name: Name, told: SenderTold) -> AccountView:
    """Say whom the letters of a mail account come from, and where answers go; all else stays as it is."""
    return AccountView.of(accounts.set_sender(office, name, told.sender, told.reply_to))


@router.delete("/{name}", status_code=204, dependencies=[may("accounts:write")])
def delete_account(
    office: InOffice,
    name: Name,
    force: Annotated[bool, Query(description="Also where cascades cannot do without it.")] = False,
) -> Response:
    """Delete an account and its secrets; messages that went through it stay in the reports."""
    accounts.delete(office, name, force)
    return Response(status_code=204)


@router.post("/{name}/resume")
def resume_account(
    office: InOffice, name: Name, caller: Annotated[Caller, may("accounts:write")]
) -> AccountView:
    """Let an account send again that was held: refused for what it is, or beyond a guardrail."""
    return AccountView.of(accounts.resume(office, name, by=caller.name))


@router.post("/{name}/test", dependencies=[may("accounts:write")])
def test_account(office: InOffice, name: Name, told: TrialTold) -> TrialView:
    """Send one real message through an account; it belongs to no contact and no cascade."""
    message = TrialMessage(told.to, told.subject, told.text, told.html, told.say)
    return TrialView.of(accounts.try_out(office, name, message))


def _in_force(account: Account, carrying: Provider | None) -> Limits:
    """Return the limits that count: of a call desk, how many tasks may be open."""
    if carrying is None:
        return account.limits
    limits = limits_of(account, carrying.capabilities)
    return replace(limits, concurrency=plan_of(account).capacity) if carrying.own else limits
