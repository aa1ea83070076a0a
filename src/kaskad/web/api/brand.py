"""Who sends: the brand."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import brand, brand_parts
from kaskad.actions.brand import LONGEST_FOOT, LONGEST_URL, Brand
from kaskad.actions.brand_parts import Piece
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Told, View
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1/brand", tags=["policy and law"], route_class=IdempotentRoute)

Name = Annotated[str, Field(max_length=200)]
Code = Annotated[str, Field(max_length=10, description="ISO 4217, of prices and budgets that are made here.")]
Url = Annotated[str, Field(max_length=LONGEST_URL, description="Where the logo leads.")]
Logo = Annotated[
    str, Field(max_length=LONGEST_URL, description="A web address, or the name of a saved picture.")
]
Colour = Annotated[str, Field(max_length=20, description="Such as #0b6e4f.")]
Foot = Annotated[str, Field(max_length=2 * LONGEST_FOOT, description="Lines at the foot of letters.")]


class BrandView(View):
    """Who sends; empty until somebody has said so."""

    name: str
    currency: Code
    site: str
    logo: str
    colour: str
    ground: str
    address: str
    legal: str

    @classmethod
    def of(cls, found: Brand) -> BrandView:
        return cls(**msgspec.to_builtins(found))


class BrandTold(Told):
    """Who sends; what is left out is empty. `colour` is that of buttons and links, `ground` lies behind."""

    name: Name
    currency: Code
    site: Url = ""
    logo: Logo = ""
    colour: Colour = ""
    ground: Colour = ""
    address: Foot = ""
    legal: Foot = ""


class BrandChange(Told):
    """What changes; the rest stays."""

    name: Name | None = None
    currency: Code | None = None
    site: Url | None = None
    logo: Logo | None = None
    colour: Colour | None = None
    ground: Colour | None = None
    address: Foot | None = None
    legal: Foot | None = None


class PartView(View):
    """A part of templates: `missing`, `written` as the brand is, `behind` it, or `changed` by hand."""

    name: str
    state: str


class PartsView(View):
    items: list[PartView]

    @classmethod
    def of(cls, found: list[Piece]) -> PartsView:
        return cls(items=[PartView(name=each.name, state=each.state) for each in found])


class WriteTold(Told):
    """Whether parts that were changed by hand are written over too; their history has them still."""

    replace: bool = False


class SampleTold(BrandTold):
    """A brand that need not be kept, and a language for the words of the letter."""

    language: Annotated[str, Field(max_length=8)] = "en"


class SampleView(View):
    html: str


@router.get("", dependencies=[may("settings:read")])
def show_brand(office: InOffice) -> BrandView:
    """Show who sends."""
    return BrandView.of(brand.show(office))


@router.put("", dependencies=[may("settings:write")])
def put_brand(office: InOffice, told: BrandTold) -> BrandView:
    """Keep who sends: the name in the sandbox's letters, the currency of budgets, the look of letters."""
    return BrandView.of(brand.put(office, Brand(**told.model_dump())))


@router.patch("", dependencies=[may("settings:write")])
def change_brand(office: InOffice, told: BrandChange) -> BrandView:
    """Change something of who sends, and leave the rest."""
    return BrandView.of(brand.change(office, told.model_dump(exclude_none=True)))


@router.post("/sample", dependencies=[may("settings:read")])
def sample_letter(office: InOffice, told: SampleTold) -> SampleView:
    """Return a letter in the look of a brand that need not be kept; nothing is sent and nothing kept."""
    look = Brand(**told.model_dump(exclude={"language"}))
    return SampleView(html=brand_parts.sample(office, look, told.language))


@router.get("/parts", dependencies=[may("settings:read")])
def show_brand_parts(office: InOffice) -> PartsView:
    """Show how the parts brand-head, brand-foot and brand-letter of templates stand to the brand."""
    return PartsView.of(brand_parts.states(office))


@router.put("/parts")
def write_brand_parts(
    office: InOffice, told: WriteTold, caller: Annotated[Caller, may("cascades:write")]
) -> PartsView:
    """Write the parts as the brand is now: head, foot and colours of letters that extend brand-letter."""
    return PartsView.of(brand_parts.write(office, caller.name, replace=told.replace))
