"""What each role may do: the one place where it stands, for pages and API alike."""

from __future__ import annotations

from typing import Literal, get_args

from kaskad.actions.keys import ALL, SCOPES

Role = Literal["owner", "marketer", "approver", "agent", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)
_READING = frozenset(scope for scope in SCOPES if scope.endswith(":read")) - {"audit:read"}
_CALLS = frozenset({"tasks:read", "tasks:write", "threads:read", "threads:write"})
OPENS: dict[Role, frozenset[str]] = {
    "owner": frozenset({ALL}),
    # whatever makes and runs cascades; not accounts, policy, brand, keys, people, audit
    "marketer": _READING | _CALLS | {"contacts:write", "events:write", "cascades:write"},
    "approver": _READING | {"texts:approve"},  # of texts that somebody else has written
    "agent": _CALLS,  # of people only those whom they call
    "viewer": _READING,
}


def scopes_of(role: str) -> frozenset[str]:
    """Return the scopes of a role; none for a word that is no role."""
    return next((scopes for name, scopes in OPENS.items() if name == role), frozenset())
