"""Declared attributes of contacts."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from kaskad.actions import attributes
from kaskad.domain.attributes import Attribute, Type
from kaskad.web.api.fields import NameInPath, Text
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/attributes", tags=["contacts"], route_class=IdempotentRoute)

READ, WRITE = may("contacts:read"), may("contacts:write")


class AttributeIn(Told):
    """What values an attribute has; `choices` with type choice, `currency` with type money."""

    type: Type
    labels: dict[Literal["ru", "en"], Text] = Field(default_factory=dict)
    choices: Annotated[list[Text], Field(max_length=200)] = Field(default_factory=list)
    currency: Annotated[str, Field(pattern="^([A-Z]{3})?$")] = ""


class AttributeView(View):
    name: str
    type: Type
    labels: dict[str, str]
    choices: list[str]
    currency: str

    @classmethod
    def of(cls, name: str, attribute: Attribute) -> AttributeView:
        return cls(name=name, type=attribute.type, labels=dict(attribute.labels),
                   choices=list(attribute.choices), currency=attribute.currency)  # fmt: skip


@router.get("", dependencies=[READ])
def list_attributes(office: InOffice) -> Page[AttributeView]:
    """List the declared attributes; others are free."""
    found = attributes.listing(office)
    return Page(items=[AttributeView.of(name, attribute) for name, attribute in found.items()])


@router.put("/{attribute}", dependencies=[WRITE])
def declare_attribute(office: InOffice, attribute: NameInPath, told: AttributeIn) -> AttributeView:
    """Declare an attribute, or change what was declared; values that contacts have stay as they are."""
    labels = {str(language): label for language, label in told.labels.items()}
    declared = Attribute(type=told.type, labels=labels, choices=tuple(told.choices), currency=told.currency)
    attributes.declare(office, attribute, declared)
    return AttributeView.of(attribute, declared)


@router.delete("/{attribute}", status_code=204, dependencies=[WRITE])
def drop_attribute(office: InOffice, attribute: NameInPath) -> Response:
    """Let an attribute be free again."""
    attributes.drop(office, attribute)
    return Response(status_code=204)
