"""Settings of the brand: whom letters come from, what links get for the shop's figures, further brands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from kaskad.actions import accounts, policy
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.utm import NAMES
from kaskad.web.auth import InOffice
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.settings_brand import PATH, Form, page
from kaskad.web.pages.shell import Visitor, go

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Writer = Annotated[Visitor, needs("settings:write")]
Keeper = Annotated[Visitor, needs("accounts:write")]
_APART = re.compile(r"[,;\s]+")


@router.post(f"{PATH}/sender")
def sender(office: InOffice, request: Request, seen: Keeper, form: Form) -> Response:
    """Say whom the letters of an account come from, and where answers go."""
    look, told = look_of(request, seen), _texts(form)
    name = told.get("account", "")
    try:
        accounts.set_sender(office, name, told.get("sender", ""), told.get("reply_to", ""))
    except Invalid as error:
        wrong = look.refusals(error) if error.pointers else {"": " ".join(map(look.told, error.worded))}
        return page(office, request, seen, part=f"sender {name}", told=told, wrong=wrong)
    note(office, seen, "PUT /accounts/{name}/sender", name)
    return go(PATH, look._("Saved."))


@router.post(f"{PATH}/links")
def links(office: InOffice, request: Request, seen: Writer, form: Form) -> Response:
    """Say what links get where neither brand nor cascade nor step says otherwise."""
    told = _texts(form)
    return _keep(office, request, seen, "links", told, {"utm": _parameters(told)}, "utm.")


@router.post(f"{PATH}/brands")
def brands(office: InOffice, request: Request, seen: Writer, form: Form) -> Response:
    """Keep a further brand, new or in place of the one that was shown; or take that away."""
    told, rows = _texts(form), list(policy.show(office).brands)
    was, name = told.get("was", ""), told.get("name", "")
    at = next((place for place, row in enumerate(rows) if row.name == was), None)
    if was and at is None:
        raise Conflict(look_of(request, seen)._("Somebody has changed this meanwhile: look at it anew."))
    kept: list[dict[str, Any]] = [msgspec.to_builtins(row) for row in rows]
    if told.get("do") == "remove" and at is not None:
        del kept[at]
    else:
        row = {"name": name, "link_domain": told.get("link_domain", ""), "utm": _parameters(told)}
        kept = [*kept, row] if at is None else [*kept[:at], row, *kept[at + 1 :]]
    return _keep(office, request, seen, f"brand {was}", told, {"brands": kept}, f"brands.{name}.")


def _keep(
    office: Office, request: Request, seen: Visitor, part: str, told: Mapping[str, str],
    change: Mapping[str, object], begins: str,
) -> Response:  # fmt: skip
    """Keep a part of the policy, or show the form as it was filled in, with what is wrong at its fields."""
    look = look_of(request, seen)
    try:
        policy.change(office, change)
    except Invalid as error:
        wrong: dict[str, str] = {}
        for text in error.worded:
            where = str(text).partition(":")[0].removeprefix(begins).removeprefix("utm.")
            field = where if where in (*NAMES, "domains", "link_domain") else "name"
            wrong[field] = look.told(text)
        return page(office, request, seen, part=part, told=told, wrong=wrong)
    note(office, seen, "PATCH /policy", ", ".join(change))
    return go(PATH, look._("Saved."))


def _parameters(told: Mapping[str, str]) -> dict[str, object]:
    domains = [each for each in _APART.split(told.get("domains", "")) if each]
    return {**{name: told.get(name, "") for name in NAMES}, "domains": domains}


def _texts(form: FormData) -> dict[str, str]:
    return {name: value.strip() for name, value in form.multi_items() if isinstance(value, str)}
