"""A name with a slash in an address: `/contacts/crm%2F17` is about `crm/17`, and leads nowhere else.

Servers hand a path on decoded, where the slash of a name is as those between its parts. Such a path is taken
to its route as it was written, and the names in it are read there.
"""

from __future__ import annotations

from urllib.parse import unquote

from starlette.types import Scope

_WRITTEN = "kaskad.written"


def as_written(scope: Scope) -> str:
    """Return and keep the path by which a request is routed: as it was written where a name has a slash."""
    raw: bytes = scope["raw_path"]
    if b"%2F" in raw or b"%2f" in raw:
        scope["path"], scope[_WRITTEN] = raw.decode("latin-1"), True
    path: str = scope["path"]
    return path


def read_names(scope: Scope) -> None:
    """Read the names in the path of a request that has come to its route."""
    if _WRITTEN in scope:
        scope["path_params"] = {name: unquote(written) for name, written in scope["path_params"].items()}
