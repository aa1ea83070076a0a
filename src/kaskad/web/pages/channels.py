"""Channels: the accounts that carry messages, how they do, what they cost, and how each is tried out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response, UploadFile
from msgspec import Struct
from starlette.concurrency import run_in_threadpool

from kaskad.actions import accounts, alarms, prices, status
from kaskad.actions.accounts import Shown
from kaskad.actions.alarms import Alarm
from kaskad.actions.office import Office
from kaskad.actions.price_file import amount_text
from kaskad.actions.prices import Listed
from kaskad.actions.status import Status
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.terms import Channel
from kaskad.domain.worded import wording
from kaskad.engine.account_form import price_text
from kaskad.engine.catalog import to_send_by
from kaskad.engine.trial import Trial, TrialMessage
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Limits, Provider, limits_of
from kaskad.providers.desk import plan_of
from kaskad.web.auth import InOffice
from kaskad.web.pages.channel_words import choice_of, label_of, steps_of
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.live import shown
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import HEADERS, Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("accounts:read")]
Writer = Annotated[Visitor, needs("accounts:write")]
Text = Annotated[str, Form()]
_STATES = {"account_down": "down", "account_silent": "silent", "account_trouble": "trouble"}  # by alarm
PRICES = 200  # rows of a price list on the page; all are in the file

PLACES = {  # how an address of the channel is written
    Channel.EMAIL: "you@example.org",
    Channel.SMS: "+7 900 000-00-00",
    Channel.WHATSAPP: "+7 900 000-00-00",
    Channel.VIBER: "+7 900 000-00-00",
    Channel.ROBOT_CALL: "+7 900 000-00-00",
}


class Row(Struct, frozen=True):
    """An account in the list."""

    shown: Shown
    title: str  # of its provider
    state: str  # up, unused, probing, down, silent, held, paused, trouble
    place: str  # first, backup, shares
    share: float  # of the contacts among those of its channel and priority
    price: str
    limits: Limits
    sent: int
    why: str


@router.get("/channels")
def channels(office: InOffice, request: Request, seen: Reader) -> Response:
    """Show the accounts of every channel, in the order in which they are asked."""
    look = look_of(request, seen)
    shows = shown(office, request, look, "accounts")
    stands = figures_of(request).status.get("", lambda: status.status(office))
    elsewhere = list(alarms.of_others(office))
    rows = _rows(look, accounts.listing(office), stands, elsewhere)
    stopped = [each.detail for each in elsewhere if each.kind == "engine"]
    problem = office.engine.problem() or "".join(stopped)
    return render(request, look, "channels.html", seen=seen, shows=shows, rows=rows, engine=problem)


@router.get("/channels/accounts/{name}")
def account(office: InOffice, request: Request, seen: Reader, name: str) -> Response:
    """Show one account."""
    return _page(office, request, seen, name)


@router.post("/channels/accounts/{name}/test")
def try_out(
    office: InOffice, request: Request, seen: Writer, name: str, to: Text = "", text: Text = ""
) -> Response:
    """Send one real message through an account, and show what was answered."""
    given = {"to": to, "text": text}
    try:
        tried = accounts.try_out(office, name, TrialMessage(to, text=text))
    except Invalid as error:
        return _page(office, request, seen, name, given=given, problems={"to": error.worded[0]})
    note(office, seen, "POST /accounts/{name}/test", name)
    return _page(office, request, seen, name, given=given, tried=tried)


@router.post("/channels/accounts/{name}/enable")
def resume(office: InOffice, request: Request, seen: Writer, name: str) -> Response:
    """Let messages go through an account again."""
    accounts.enable(office, name, True)
    note(office, seen, "POST /accounts/{name}/enable", name)
    look = look_of(request, seen)
    return go(f"/channels/accounts/{name}", look._("%(name)s carries messages again.", name=name))


@router.post("/channels/accounts/{name}/disable")
def pause(office: InOffice, request: Request, seen: Writer, name: str) -> Response:
    """Let no more messages go through an account."""
    accounts.enable(office, name, False)
    note(office, seen, "POST /accounts/{name}/disable", name)
    return go(f"/channels/accounts/{name}", look_of(request, seen)._("%(name)s is paused.", name=name))


@router.post("/channels/accounts/{name}/resume")
def release(office: InOffice, request: Request, seen: Writer, name: str) -> Response:
    """Let a mail account send again that is held because servers refused its mails."""
    accounts.resume(office, name, by=seen.caller.name)
    note(office, seen, "POST /accounts/{name}/resume", name)
    look = look_of(request, seen)
    return go(f"/channels/accounts/{name}", look._("%(name)s carries messages again.", name=name))


@router.post("/channels/accounts/{name}/remove")
def remove(office: InOffice, request: Request, seen: Writer, name: str, force: Text = "") -> Response:
    """Remove an account and its secrets; where cascades need it only if that is said again."""
    try:
        accounts.delete(office, name, force == "yes")
    except Conflict as error:
        return _page(office, request, seen, name, needed=wording(error), code=409)
    note(office, seen, "DELETE /accounts/{name}", name)
    return go("/channels", look_of(request, seen)._("%(name)s is removed.", name=name))


@router.post("/channels/accounts/{name}/prices")
async def bring_prices(
    office: InOffice, request: Request, seen: Writer, name: str, file: UploadFile
) -> Response:
    """Take a price list from a file, in place of what the account had; or nothing of it."""
    data = await file.read()
    called = "".join(sign for sign in file.filename or "" if sign.isprintable())[:200] or "prices.csv"
    return await run_in_threadpool(_bring, office, request, seen, name, data, called)


def _bring(office: Office, request: Request, seen: Visitor, name: str, data: bytes, called: str) -> Response:
    try:
        listed = prices.bring(office, name, data, called)
    except Invalid as error:
        look = look_of(request, seen)
        wrong = [look.told(problem) for problem in error.worded]
        return _page(office, request, seen, name, wrong_prices=wrong)
    note(office, seen, "PUT /accounts/{name}/prices", name)
    look = look_of(request, seen)
    count = len(listed.rows)
    told = look.words.ngettext(
        "The list is in force: %(num)s row.", "The list is in force: %(num)s rows.", count
    )
    return go(f"/channels/accounts/{name}#prices", told % {"num": look.n(count)})


@router.post("/channels/accounts/{name}/prices/clear")
def clear_prices(office: InOffice, request: Request, seen: Writer, name: str) -> Response:
    """Take the price list away."""
    prices.clear(office, name)
    note(office, seen, "DELETE /accounts/{name}/prices", name)
    return go(f"/channels/accounts/{name}#prices", look_of(request, seen)._("The price list is gone."))


@router.get("/channels/accounts/{name}/prices.csv")
def export_prices(office: InOffice, seen: Reader, name: str) -> Response:
    """Return the price list as a file."""
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}-prices.csv"'}
    return Response(prices.export(office, name), media_type="text/csv", headers=headers)


def _page(
    office: Office, request: Request, seen: Visitor, name: str, *, given: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None, tried: Trial | None = None, needed: str = "",
    wrong_prices: list[str] | None = None, code: int = 200,
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    shows = shown(office, request, look, "accounts")
    stands = figures_of(request).status.get("", lambda: status.status(office))
    rows = _rows(look, accounts.listing(office), stands, list(alarms.of_others(office)))
    row = next((each for each in rows if each.shown.account.name == name), None)
    if row is None:
        accounts.get(office, name)  # says that there is none
        raise NotFound(name)
    provider = PROVIDERS.get(row.shown.account.provider)
    wrong = {field: look.told(text) for field, text in (problems or {}).items()}
    return render(
        request, look, "channel.html", 422 if wrong or wrong_prices else code, seen=seen, shows=shows,
        row=row, provider=provider, steps=steps_of(look, provider, row.shown.webhook_url), given=given or {},
        problems=wrong, tried=tried, needed=look.told(needed), listed=_listed(office, name),
        priced=bool(row.shown.account.prices), wrong_prices=wrong_prices or [],
        amount=partial(_amount, look),
        most=PRICES, now=office.now(), labels=_labels(look, provider),
        values=_values(look, provider, row.shown.account.settings),
        placeholder=PLACES.get(row.shown.account.channel, ""),
    )  # fmt: skip


def _amount(look: Look, micros: int, currency: str) -> str:
    return look.fine(amount_text(micros), currency)


def _labels(look: Look, provider: Provider | None) -> Mapping[str, str]:
    labels = {one.name: label_of(look, one) for one in provider.settings} if provider else {}
    return defaultdict(str, labels)


def _values(look: Look, provider: Provider | None, kept: Mapping[str, str]) -> Mapping[str, str]:
    """Return the values of settings as they are called."""
    known = {one.name: one for one in provider.settings} if provider else {}
    return {
        name: choice_of(look, known[name], value) if name in known else value
        for name, value in kept.items() if value
    }  # fmt: skip


def _listed(office: Office, name: str) -> Listed | None:
    try:
        return prices.show(office, name)
    except NotFound:
        return None


def _rows(look: Look, shown: list[Shown], stands: Status, elsewhere: list[Alarm]) -> list[Row]:
    """Return accounts as the list shows them; what other processes see of them counts too."""
    seen = _by_account(elsewhere)
    return [_row(look, each, shown, stands, seen.get(each.account.name)) for each in shown]


def states_of(shown: list[Shown], stands: Status, elsewhere: list[Alarm]) -> list[tuple[Shown, str]]:
    """Return accounts, each with how it does here and as other processes see it."""
    seen = _by_account(elsewhere)
    return [(each, _state(each, stands, seen.get(each.account.name))) for each in shown]


def _by_account(elsewhere: list[Alarm]) -> dict[str, Alarm]:
    return {each.name: each for each in elsewhere if each.kind in _STATES}


def _row(
    look: Look, shown: Shown, everything: list[Shown], stands: Status, elsewhere: Alarm | None
) -> Row:  # fmt: skip
    account = shown.account
    rivals = [each.account for each in everything
              if each.account.channel is account.channel and each.account.enabled]  # fmt: skip
    equals = [each for each in rivals if each.priority == account.priority]
    best = min((each.priority for each in rivals), default=account.priority)
    place = "backup" if account.priority > best else "shares" if len(equals) > 1 else "first"
    provider = PROVIDERS.get(account.provider)
    return Row(
        shown, title_of(look, provider) if provider else account.provider, _state(shown, stands, elsewhere),
        place if len(rivals) > 1 and account.enabled else "",
        account.weight / max(1, sum(each.weight for each in equals)), _price(look, shown),
        _limits(shown, provider), stands.by_account.get(account.id, 0), _why(look, shown, elsewhere),
    )  # fmt: skip


def title_of(look: Look, provider: Provider) -> str:
    """Return how a provider is called; what is no name of a service is said in the reader's language."""
    return look._(provider.title) if provider.own else provider.title


def _state(shown: Shown, stands: Status, elsewhere: Alarm | None) -> str:
    if not shown.account.enabled:
        return "paused"
    if shown.doing.breaker in ("open", "probing", "held"):
        return {"open": "down", "probing": "probing", "held": "held"}[shown.doing.breaker]
    if elsewhere is not None:
        return _STATES[elsewhere.kind]
    if shown.doing.silent or shown.doing.trouble:
        return "silent" if shown.doing.silent else "trouble"
    return "up" if shown.account.id in stands.carriers else "unused"  # of that nobody knows that it works


def _why(look: Look, shown: Shown, elsewhere: Alarm | None) -> str:
    """Return in words why an account does not do well, or why it last failed; "" where nothing is known."""
    last = shown.doing.last_failure
    if shown.doing.held is not None:
        return look.told(shown.doing.held.why)
    if shown.doing.trouble:
        return look.told(shown.doing.trouble)
    if elsewhere is not None and elsewhere.kind == "account_trouble":
        return look.told(elsewhere.detail)
    if last is None:
        return ""
    reason = look.word("reason", last.reason.value)
    detail = look.coded(last.detail)
    return f"{reason}: {detail}" if detail and detail != reason else reason


def _price(look: Look, shown: Shown) -> str:
    told = price_text(shown.account.prices)
    if told is None:
        return ""
    amount = look.money({shown.account.prices["currency"]: int(shown.account.prices["minor"])})
    if shown.account.prices.get("per") == "part":
        return look._("%(money)s a part", money=amount)
    if shown.account.prices.get("per") == "thousand":
        return look._("%(money)s for a thousand messages", money=amount)
    if shown.account.channel in (Channel.ROBOT_CALL, Channel.AGENT_CALL):
        return look._("%(money)s a call", money=amount)
    return look._("%(money)s a message", money=amount)


def _limits(shown: Shown, provider: Provider | None) -> Limits:
    account = to_send_by(shown.account)
    if provider is None:
        return account.limits
    limits = limits_of(account, provider.capabilities)
    if not provider.own:
        return limits
    return Limits(plan_of(account).capacity, limits.per_second, limits.burst)
