"""Moving all live runs of a cascade to another version, in the background."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from kaskad.actions import migrations
from kaskad.actions.moves import Migration
from kaskad.web.api.cascades import READ, WRITE, Slug
from kaskad.web.api.fields import PLAIN
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Told, View
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1", tags=["runs"], route_class=IdempotentRoute)

MigrationId = Annotated[str, Path(max_length=40, pattern=PLAIN, description="Such as mig_0f3a….")]


class MoveTold(Told):
    """Which version all runs go on in; `map` names steps by their new ids."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    map: Annotated[dict[str, str], Field(default_factory=dict, max_length=50)]


class MigrationView(View):
    """A move in the background: `running`, `done`, `cancelled` or `failed`; `seen` of about `total` runs."""

    id: str
    version: int
    state: str
    total: int
    seen: int
    moved: int
    places: Annotated[dict[str, int], Field(description="Such as “letter -> chat”: how many runs.")]
    stay: Annotated[dict[str, int], Field(description="Why runs stay on their version: how many.")]
    problem: str

    @classmethod
    def of(cls, found: Migration) -> MigrationView:
        return cls(
            id=found.id, version=found.version, state=found.state, total=found.total, seen=found.seen,
            moved=found.moved, places=dict(found.places), stay=dict(found.stay), problem=found.problem,
        )  # fmt: skip


@router.post("/cascades/{slug}/migrations", status_code=202, dependencies=[may(WRITE)])
def begin_migration(office: InOffice, slug: Slug, told: MoveTold) -> MigrationView:
    """Begin to move all live runs to another version, in the background; one at a time of a cascade."""
    return MigrationView.of(migrations.begin(office, slug, told.version, told.map))


@router.get("/cascades/{slug}/migrations/{migration}", dependencies=[may(READ)])
def show_migration(office: InOffice, slug: Slug, migration: MigrationId) -> MigrationView:
    """Show how far a move is, and what has become of the runs."""
    return MigrationView.of(migrations.show(office, slug, migration))


@router.post("/cascades/{slug}/migrations/{migration}/stop", dependencies=[may(WRITE)])
def stop_migration(office: InOffice, slug: Slug, migration: MigrationId) -> MigrationView:
    """Let a move end; who was moved stays moved, and begun again it goes on with those who are left."""
    return MigrationView.of(migrations.stop(office, slug, migration))
