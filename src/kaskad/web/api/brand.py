"""Who sends: the brand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import brand
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Told, View
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/brand", tags=["policy and law"], route_class=IdempotentRoute)


class BrandView(View):
    """Who sends; empty until somebody has said so."""

    name: str
    currency: Annotated[str, Field(description="ISO 4217, of the prices and budgets that are made here.")]


class BrandTold(Told):
    """Who sends."""

    name: Annotated[str, Field(max_length=200)]
    currency: Annotated[str, Field(max_length=10)]


@router.get("", dependencies=[may("settings:read")])
def show_brand(office: InOffice) -> BrandView:
    """Show who sends."""
    found = brand.show(office)
    return BrandView(name=found.name, currency=found.currency)


@router.put("", dependencies=[may("settings:write")])
def put_brand(office: InOffice, told: BrandTold) -> BrandView:
    """Keep who sends: the name in the sandbox's letters, the currency of templates' budgets."""
    found = brand.put(office, told.name, told.currency)
    return BrandView(name=found.name, currency=found.currency)
