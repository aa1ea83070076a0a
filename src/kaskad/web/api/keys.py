"""Keys of the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from kaskad.actions import keys
from kaskad.store.keys import ApiKey
from kaskad.web.api.fields import Name, NameInPath
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View, instant, when
from kaskad.web.auth import Caller, InOffice, Keys, may

router = APIRouter(prefix="/api/v1/keys", tags=["keys"], route_class=IdempotentRoute)


class KeyView(View):
    """A key without the key itself."""

    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: Annotated[datetime | None, Field(description="To within five minutes; null: never.")]

    @classmethod
    def of(cls, key: ApiKey) -> KeyView:
        return cls(name=key.name, scopes=sorted(key.scopes), created_at=instant(key.created_at),
                   last_used_at=when(key.used_at))  # fmt: skip


class NewKey(Told):
    """A key to make."""

    name: Name
    scopes: list[str]


class MadeKey(View):
    """A key just made; `key` is shown this once."""

    name: str
    key: str
    scopes: list[str]


@router.get("", dependencies=[may("keys:write")])
def list_keys(office: InOffice) -> Page[KeyView]:
    """List the keys that open something."""
    return Page(items=[KeyView.of(key) for key in keys.listing(office)])


@router.post("", status_code=201)
def create_key(office: InOffice, caller: Annotated[Caller, may("keys:write")], told: NewKey) -> MadeKey:
    """Make a key, with no scope that the caller's own has not; it is shown in this answer only."""
    made = keys.create(office, told.name, told.scopes, caller.scopes)
    return MadeKey(name=made.name, key=made.key, scopes=sorted(made.scopes))


@router.delete("/{name}", status_code=204, dependencies=[may("keys:write")])
def revoke_key(office: InOffice, request: Request, name: NameInPath) -> Response:
    """Revoke a key; it opens nothing from now on."""
    keys.revoke(office, name)
    known: Keys = request.app.state.keys
    known.forget()
    return Response(status_code=204)
