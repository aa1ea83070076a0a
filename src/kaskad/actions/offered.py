"""What a question about contacts can name: attributes, events, cascades, lists and segments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from kaskad.actions import attributes
from kaskad.actions.office import Office
from kaskad.domain.attributes import Attribute
from kaskad.domain.cascade import Cascade
from kaskad.domain.definition import load
from kaskad.domain.rfm import Rfm, RfmRule
from kaskad.store import cards, lists, segments, settings
from kaskad.store import cascades as launch_store

MOST = 300  # of a kind
_LOOKED_AT = 50  # contacts whose attributes are offered beside those that are declared


class Offered(Struct, frozen=True):
    """Names to choose from. An attribute that is not declared has None; `cascades` are slugs with titles."""

    attributes: Mapping[str, Attribute | None]
    events: list[str]
    cascades: list[tuple[str, str]]
    lists: list[str]
    segments: list[str]


def show(office: Office) -> Offered:
    """Return what there is to name; of undeclared attributes and events those that are near at hand."""
    with office.read() as tx:
        declared = attributes.declared(tx)
        some = cards.page(tx, said="", country="", after=0, limit=_LOOKED_AT)
        seen = sorted({name for card in some for name in card.attributes if name not in declared})
        rfm = settings.get(tx, segments.RFM, Rfm)
        events = set((rfm.rule if rfm else RfmRule()).events)
        cascades = []
        for row in launch_store.all_cascades(tx)[:MOST]:
            if row.version_id is None:
                continue
            known = office.engine.world.versions.get(row.version_id)
            title, named = (
                _told(known.cascade)
                if known
                else _read(launch_store.version(tx, row.version_id).source, row.slug)
            )
            cascades.append((row.slug, title or row.slug))
            events |= named
        made = [each.name for each in segments.page(tx, after="", limit=MOST)]
        ready = [each.name for each in segments.ready() if each.name not in made]
        return Offered(
            {**dict(sorted(declared.items())), **dict.fromkeys(seen[:MOST])},
            sorted(events - {""}), cascades, lists.names(tx, limit=MOST), made + ready,
        )  # fmt: skip


def _told(cascade: Cascade) -> tuple[str, frozenset[str]]:
    """Return the title of a cascade, and the events that it waits for."""
    return cascade.title, frozenset({cascade.trigger.event, cascade.goal.event if cascade.goal else ""})


@lru_cache(maxsize=500)
def _read(text: str, slug: str) -> tuple[str, frozenset[str]]:
    """Return the same of a definition that the engine does not hold; to read one takes long."""
    cascade = load(text, name=slug).cascade
    return _told(cascade) if cascade else ("", frozenset())
