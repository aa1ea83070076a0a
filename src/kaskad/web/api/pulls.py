"""People from a CRM: `POST /contacts/pull/{account}`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from kaskad.actions import pulls
from kaskad.actions.imports import Wishes
from kaskad.engine.people import Reading, Typos
from kaskad.web.api.fields import PLAIN, Country, InPath, Instant, Name, Text, in_ms
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.imports import ImportView, NumbersOn, channels_of, mapping_of
from kaskad.web.api.views import View
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1", tags=["contacts"], route_class=IdempotentRoute)


class PullView(View):
    """How many people were fetched; `found` is the import of them, null while there are more to fetch."""

    people: int
    found: ImportView | None


@router.post("/contacts/pull/{account}", dependencies=[may("contacts:write")])
def pull_contacts(
    office: InOffice,
    account: InPath,
    country: Annotated[
        Country | None, Query(description="Where numbers without country code are from.")
    ] = None,
    consent: Annotated[
        str, Query(max_length=500, pattern=PLAIN, description="Where everybody agreed: kept as the proof.")
    ] = "",
    list_name: Annotated[Name | None, Query(alias="list", description="The list to add them to.")] = None,
    mapping: Annotated[
        list[Text] | None,
        Query(alias="map", description="What a field is, as `uf_crm_1=consent`; or `skip`."),
    ] = None,
    numbers_on: NumbersOn = None,
    typos: Annotated[
        Typos, Query(description="Addresses with domains such as gmial.com: ask (leave out), keep, fix.")
    ] = Typos.ASK,
    consent_text: Annotated[
        str, Query(max_length=2_000, pattern=PLAIN, description="What they agreed to, word for word.")
    ] = "",
    consent_at: Annotated[Instant | None, Query(description="When they agreed.")] = None,
    dry_run: Annotated[bool, Query(description="Only say what would happen.")] = False,
    wait_s: Annotated[
        float, Query(ge=0, le=30, description="How long to fetch, and to wait for the end.")
    ] = 10.0,
) -> PullView:
    """Fetch people from an account of a CRM, then bring them in as a file of them would be.

    A call fetches for `wait_s` and says how many there are so far. Send it again until `found` is there: it
    goes on where it was, also after a crash. Then `GET /imports/{id}` tells of the import. What was fetched
    serves for an hour, so that the import after a dry run sees the same people.
    """
    reading = Reading(
        country.upper() if country else None,
        mapping_of(mapping or []),
        typos,
        numbers_on=channels_of(numbers_on),
    )
    wishes = Wishes(
        account,
        reading,
        consent.strip(),
        consent_text.strip(),
        in_ms(consent_at) or 0,
        list_name or "",
        dry_run,
    )
    pulled = pulls.go_on(office, account, wishes, wait_s)
    found = None if pulled.found is None else ImportView.of(pulled.found)
    return PullView(people=pulled.people, found=found)
