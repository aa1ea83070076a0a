"""An account's form, made from what its provider asks for: chosen from a gallery, filled in, changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Request, Response
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from kaskad.actions import accounts, brand
from kaskad.actions.accounts import Shown
from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel
from kaskad.domain.worded import Worded, worded
from kaskad.engine.account_form import price_text
from kaskad.providers import provider as provider_named
from kaskad.providers.base import Provider, Setting
from kaskad.providers.evidence import evidence
from kaskad.web.auth import InOffice
from kaskad.web.pages.channel_words import LEVELS, choice_of, label_of, steps_of
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render
from kaskad.web.pages.spoken import amount

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Writer = Annotated[Visitor, needs("accounts:write")]


class Offered(Struct, frozen=True):
    """A provider in the gallery."""

    provider: Provider
    channels: list[str]
    level: str
    kind: str


class Field(Struct, frozen=True):
    """One field of the form."""

    setting: Setting
    name: str
    label: str
    value: str
    hint: str
    problem: str
    kept: bool  # a secret that is there already
    words: Mapping[str, str]  # how the values to choose from are called


@router.get("/channels/providers")
def gallery(request: Request, seen: Writer, channel: str = "") -> Response:
    """Show the services that can carry messages, those of one channel where it is named."""
    look = look_of(request, seen)
    known = [each for each in accounts.providers() if not channel or channel in each.channels]
    by_title = sorted(known, key=lambda each: (len(each.channels) > 1, each.title.lower()))
    offered = [_offered(look, each) for each in by_title]
    return render(
        request, look, "providers.html", seen=seen, offered=offered, channel=channel,
        channels=[each.value for each in Channel],
    )  # fmt: skip


@router.get("/channels/providers/{provider}")
def new(office: InOffice, request: Request, seen: Writer, provider: str, channel: str = "") -> Response:
    """Show the form of a new account."""
    carrying = provider_named(provider)
    told = {"channel": channel, "name": _free_name(office, carrying)}
    return _page(office, request, seen, carrying, told)


@router.post("/channels/providers/{provider}")
async def add(office: InOffice, request: Request, seen: Writer, provider: str) -> Response:
    """Keep a new account."""
    return await run_in_threadpool(_add, office, request, seen, provider, await request.form())


@router.get("/channels/accounts/{name}/edit")
def edit(office: InOffice, request: Request, seen: Writer, name: str) -> Response:
    """Show the form of an account; of its secrets only that they are there."""
    shown = accounts.get(office, name)
    return _page(office, request, seen, provider_named(shown.account.provider), _told_of(shown), shown)


@router.post("/channels/accounts/{name}/edit")
async def change(office: InOffice, request: Request, seen: Writer, name: str) -> Response:
    """Keep an account as it was changed."""
    return await run_in_threadpool(_change, office, request, seen, name, await request.form())


def _add(office: Office, request: Request, seen: Visitor, provider: str, form: FormData) -> Response:
    carrying, told = provider_named(provider), _told(office, form)
    name = told.get("name", "").strip()
    try:
        if name in {each.account.name for each in accounts.listing(office)}:
            taken = look_of(request, seen)._("There is an account of that name already: choose another.")
            raise Invalid([taken], ["/name"])
        accounts.save(office, name, _account_of(carrying, told, told.get("channel", "")))
    except Invalid as error:
        return _page(office, request, seen, carrying, told, wrong=error)
    note(office, seen, "PUT /accounts/{name}", name)
    look = look_of(request, seen)
    return go(f"/channels/accounts/{name}", look._("%(name)s is added: try it out now.", name=name))


def _change(office: Office, request: Request, seen: Visitor, name: str, form: FormData) -> Response:
    shown, told = accounts.get(office, name), _told(office, form)
    carrying = provider_named(shown.account.provider)
    try:
        wanted = _account_of(carrying, told, shown.account.channel.value)
        accounts.save(office, name, {**wanted, "enabled": shown.account.enabled})
    except Invalid as error:
        return _page(office, request, seen, carrying, told, shown, wrong=error)
    note(office, seen, "PUT /accounts/{name}", name)
    return go(f"/channels/accounts/{name}", look_of(request, seen)._("Saved."))


def _texts(form: FormData) -> dict[str, str]:
    return {name: value for name, value in form.multi_items() if isinstance(value, str)}


def _told(office: Office, form: FormData) -> dict[str, str]:
    """Return what a form tells; a price without a currency is in the brand's."""
    told = _texts(form)
    return {**told, "price": amount(told.get("price", ""), brand.show(office).currency)}


def _account_of(provider: Provider, told: Mapping[str, str], channel: str) -> dict[str, object]:
    """Return what a form tells, as `engine.account_form` reads it. Secrets left empty stay as they are."""
    settings, secrets = dict[str, str](), dict[str, str | None]()
    for one in provider.settings:
        value = told.get(f"set-{one.name}", "").strip()
        if not one.secret:
            settings[one.name] = value
        elif told.get(f"forget-{one.name}"):
            secrets[one.name] = None
        elif value:
            secrets[one.name] = value
    return {
        "provider": provider.name, "channel": channel or None, "settings": settings, "secrets": secrets,
        "price": told.get("price", "").strip() or None,
        "limits": {
            "per_second": _number(told.get("per_second", ""), float),
            "concurrency": _number(told.get("concurrency", ""), int),
            "burst": _number(told.get("burst", ""), int),
        },
        "priority": _number(told.get("priority", ""), int),
        "weight": _number(told.get("weight", "1") or "1", int),
    }  # fmt: skip


def _number(text: str, kind: type[int] | type[float]) -> object:
    """Return a number, or the text where it is none: the action says what is wrong with it."""
    try:
        return kind(text.replace(",", ".").strip() or 0)
    except ValueError:
        return text


def _told_of(shown: Shown) -> dict[str, str]:
    """Return an account as its form has it."""
    account = shown.account
    limits = {name: f"{value:g}" for name in ("per_second", "concurrency", "burst")
              if (value := account.limits.get(name))}  # fmt: skip
    price = (price_text(account.prices) or "").removesuffix(" per message")
    return {
        **{f"set-{name}": value for name, value in account.settings.items()}, **limits,
        "price": price, "priority": str(account.priority), "weight": str(account.weight),
    }  # fmt: skip


def _page(
    office: Office, request: Request, seen: Visitor, provider: Provider, told: Mapping[str, str],
    shown: Shown | None = None, wrong: Invalid | None = None,
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    labels = {one.name: label_of(look, one) for one in provider.settings}
    problems = _problems(look, wrong, labels)
    fields = [_field(look, one, told, shown, problems) for one in provider.settings]
    places = {field.name for field in fields} | {
        "name", "channel", "price", "priority", "weight", "per_second", "concurrency",
    }  # fmt: skip
    return render(
        request, look, "account_form.html", 422 if wrong else 200, seen=seen, provider=provider, told=told,
        shown=shown, channels=sorted(each.value for each in provider.channels), problems=problems,
        needed=[each for each in fields if _is_needed(each)],
        others=[each for each in fields if not _is_needed(each)],
        open_others=any(each.problem for each in fields if not _is_needed(each)),
        left=[text for where, text in problems.items() if where not in places],
        steps=steps_of(look, provider, _webhook_url(office, shown, told)), offered=_offered(look, provider),
        unverified=[look.told(text) for text in provider.unverified], defaults=provider.capabilities,
    )  # fmt: skip


def _is_needed(field: Field) -> bool:
    """Say whether a field stands open: what must be said, and what most services want to know."""
    return (field.setting.required and not field.setting.default) or field.setting.usual


def _problems(look: Look, wrong: Invalid | None, labels: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong by the name of the field, as the form calls it."""
    found: dict[str, str] = {}
    if wrong is None:
        return found
    for number, (pointer, problem) in enumerate(zip(wrong.pointers, wrong.worded, strict=True)):
        part, _, name = pointer[1:].partition("/")
        where = f"set-{name}" if part in ("settings", "secrets") and name else part or f"other-{number}"
        where = "per_second" if where == "limits" else where
        if isinstance(problem, Worded) and problem.values.get("name") == name in labels:
            problem = worded(problem.pattern, **{**problem.values, "name": labels[name]})
        found[where] = f"{found[where]} {look.told(problem)}" if where in found else look.told(problem)
    return found


def _field(
    look: Look, setting: Setting, told: Mapping[str, str], shown: Shown | None, problems: Mapping[str, str]
) -> Field:  # fmt: skip
    name = f"set-{setting.name}"
    return Field(
        setting, name, label_of(look, setting),
        "" if setting.secret else told.get(name, setting.default), look.told(setting.help),
        problems.get(name, ""), bool(shown and shown.account.secrets.get(setting.name)),
        {value: choice_of(look, setting, value) for value in setting.choices},
    )  # fmt: skip


def _offered(look: Look, provider: Provider) -> Offered:
    text, kind = LEVELS[evidence(provider.name).level(provider)]
    return Offered(provider, sorted(each.value for each in provider.channels), look._(text), kind)


def _free_name(office: Office, provider: Provider) -> str:
    """Return a name that no account has."""
    taken = {each.account.name for each in accounts.listing(office)}
    own = provider.name.replace("_", "-")
    return next(name for number in range(1, 10_000)
                if (name := own if number == 1 else f"{own}-{number}") not in taken)  # fmt: skip


def _webhook_url(office: Office, shown: Shown | None, told: Mapping[str, str]) -> str:
    if shown is not None:
        return shown.webhook_url
    name = told.get("name", "")
    return f"{office.base_url}/hooks/{name}" if office.base_url and name else ""
