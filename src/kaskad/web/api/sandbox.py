"""The sandbox inside of the running server."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import contacts, sandbox
from kaskad.actions.sandbox import State
from kaskad.web.api.fields import WhoInPath
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Told, View
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1", tags=["sandbox"], route_class=IdempotentRoute)


class SandboxView(View):
    """How the sandbox stands."""

    open: bool
    url: Annotated[str, Field(description="Where its phones are, on this machine; empty while it is closed.")]
    accounts: Annotated[list[str], Field(description="Accounts that were saved for it, and lead to it.")]
    at_once: Annotated[bool, Field(description="Messages go at once: no hours, gaps, caps, hold-outs.")]
    possible: Annotated[bool, Field(description="Whether the process that answers can run one.")]

    @classmethod
    def of(cls, state: State) -> SandboxView:
        return cls(
            open=state.open,
            url=state.url,
            accounts=list(state.accounts),
            possible=state.possible,
            at_once=state.at_once,
        )


class PhoneView(View):
    """Where a contact's phone is looked at."""

    url: str


class Opening(Told):
    """How it is opened."""

    currency: Annotated[
        str, Field(pattern="^([A-Z]{3})?$", description="Of its illustrative prices; empty: the brand's.")
    ] = ""
    at_once: Annotated[
        bool,
        Field(
            description="Set hours, gaps, caps and hold-outs aside while no account leads elsewhere; they "
            "come back when the sandbox closes, or another account is saved."
        ),
    ] = False


@router.get("/sandbox", dependencies=[may("accounts:read")])
def show_sandbox(office: InOffice) -> SandboxView:
    """Show whether the sandbox is open, and which accounts lead to it."""
    return SandboxView.of(sandbox.show(office))


@router.post("/sandbox/open", dependencies=[may("accounts:write")])
def open_sandbox(office: InOffice, told: Opening) -> SandboxView:
    """Open a local world of providers and phones, and save accounts that lead to it."""
    return SandboxView.of(sandbox.open_up(office, told.currency, hurry=told.at_once))


@router.post("/sandbox/close", dependencies=[may("accounts:write")])
def close_sandbox(office: InOffice) -> SandboxView:
    """Close the sandbox and delete its accounts; what was sent stays in the reports."""
    return SandboxView.of(sandbox.close(office))


@router.get("/sandbox/phones/{contact}", dependencies=[may("contacts:read")])
def show_phone(office: InOffice, contact: WhoInPath) -> PhoneView:
    """Tell where a contact's phone is looked at; `contact` is named as elsewhere."""
    return PhoneView(url=sandbox.phone(office, contacts.show(office, contact).card.id))
