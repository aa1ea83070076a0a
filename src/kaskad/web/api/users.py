"""The people who sign in to pages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import Field

from kaskad.actions import users
from kaskad.actions.roles import Role
from kaskad.actions.users import Invited
from kaskad.store.users import User
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View, instant
from kaskad.web.auth import InOffice, may

router = APIRouter(
    prefix="/api/v1/users", tags=["users"], route_class=IdempotentRoute, dependencies=[may("users:write")]
)
Email = Annotated[str, Path(min_length=3, max_length=254)]


class UserView(View):
    """Somebody who may sign in; `active` is false until they have chosen a password."""

    email: str
    name: str
    role: str
    active: bool
    second_factor: bool
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> UserView:
        return cls(
            email=user.email, name=user.name, role=user.role, active=user.active, second_factor=user.has_totp,
            created_at=instant(user.created_at),
        )  # fmt: skip


class NewUser(Told):
    """Somebody to invite."""

    email: Annotated[str, Field(min_length=3, max_length=254)]
    name: Annotated[str, Field(max_length=100)] = ""
    role: Role = "viewer"


class NewRole(Told):
    """What somebody may do from now on."""

    role: Role


class InvitedView(View):
    """A user, and the link by which they choose a password: shown this once, good for a week and one use."""

    email: str
    name: str
    role: str
    link: str

    @classmethod
    def of(cls, made: Invited) -> InvitedView:
        return cls(email=made.user.email, name=made.user.name, role=made.user.role, link=made.link)


@router.get("")
def list_users(office: InOffice) -> Page[UserView]:
    """List the people who may sign in."""
    return Page(items=[UserView.of(user) for user in users.listing(office)])


@router.post("", status_code=201)
def invite_user(office: InOffice, told: NewUser) -> InvitedView:
    """Invite somebody; the answer's link lets them choose a password."""
    return InvitedView.of(users.add(office, told.email, told.name, told.role))


@router.patch("/{email}")
def change_user(office: InOffice, email: Email, told: NewRole) -> UserView:
    """Change what somebody may do, from their next request on."""
    return UserView.of(users.set_role(office, email, told.role))


@router.post("/{email}/reset")
def reset_user(office: InOffice, email: Email) -> InvitedView:
    """End somebody's password, second factor and sessions; the answer's link lets them choose a new one."""
    return InvitedView.of(users.reset(office, email))


@router.delete("/{email}", status_code=204)
def remove_user(office: InOffice, email: Email) -> Response:
    """Show somebody out: they are signed out at once."""
    users.remove(office, email)
    return Response(status_code=204)
