"""Shops' pages and their public keys, over the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import Field

from kaskad.actions import sites
from kaskad.domain.site import Site
from kaskad.web.api.fields import NAMED, Text
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View
from kaskad.web.auth import InOffice, may
from kaskad.web.site import script_source

router = APIRouter(prefix="/api/v1/sites", tags=["sites"], route_class=IdempotentRoute)

Name = Annotated[str, Path(min_length=1, max_length=100, pattern=NAMED)]


class SiteTold(Told):
    """Where the key may be used, and what its pages may tell."""

    origins: Annotated[list[Text], Field(max_length=50, description="Such as https://shop.example.org.")]
    events: Annotated[
        list[Text],
        Field(default_factory=list, max_length=50, description="Events that pages may send of visitors."),
    ]
    per_minute: Annotated[int, Field(ge=1, le=100_000, description="Requests of one address.")] = 60


class SiteView(View):
    """A shop's pages; `key` is public, `tag` the line for its pages."""

    name: str
    key: str
    origins: list[str]
    events: list[str]
    per_minute: int
    tag: str

    @classmethod
    def of(cls, office: InOffice, site: Site) -> SiteView:
        source = script_source(sites.VERSION) or ""
        return cls(
            name=site.name, key=site.write_key, origins=list(site.origins), events=list(site.events),
            per_minute=site.per_minute, tag=sites.tag(office, site, source),
        )  # fmt: skip


class SecretView(View):
    """The secret by which the shop's server signs who a visitor is."""

    secret: str
    webhook_secret: Annotated[
        str,
        Field(description="The same, for libraries of Standard Webhooks."),
    ]
    webhook_url: Annotated[str, Field(description="Where the shop's server posts events so signed.")]


@router.get("", dependencies=[may("accounts:read")])
def list_sites(office: InOffice) -> Page[SiteView]:
    """List the sites."""
    return Page(items=[SiteView.of(office, site) for site in sites.listing(office)])


@router.get("/{name}", dependencies=[may("accounts:read")])
def get_site(office: InOffice, name: Name) -> SiteView:
    """Show a site."""
    return SiteView.of(office, sites.find(office, name))


@router.put("/{name}", dependencies=[may("accounts:write")])
def put_site(office: InOffice, name: Name, told: SiteTold) -> SiteView:
    """Add a site, or change one, which keeps its key and its secret."""
    return SiteView.of(office, sites.save(office, name, told.origins, told.events, told.per_minute))


@router.get("/{name}/secret", dependencies=[may("accounts:write")])
def get_site_secret(office: InOffice, name: Name) -> SecretView:
    """Show the secret that the shop's server needs: keep it off pages."""
    site = sites.find(office, name)
    url = f"{office.base_url}/site/{site.write_key}/webhook"
    return SecretView(secret=site.secret, webhook_secret=site.webhook_secret, webhook_url=url)


@router.delete("/{name}", status_code=204, dependencies=[may("accounts:write")])
def delete_site(office: InOffice, name: Name) -> Response:
    """Let the site's key open nothing any more."""
    sites.remove(office, name)
    return Response(status_code=204)
