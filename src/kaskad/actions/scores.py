"""RFM: which events are purchases, and the edges of the scores, counted once a day where somebody asks."""

from __future__ import annotations

from collections.abc import Collection

from kaskad.actions.office import Office
from kaskad.domain.condition import Node
from kaskad.domain.rfm import Rfm, RfmRule
from kaskad.domain.segment import asks_rfm
from kaskad.store import segments, settings

_DAY_MS = 86_400_000


def show(office: Office) -> Rfm:
    """Return the edges of the scores as they were last counted, or now."""
    with office.read() as tx:
        known = settings.get(tx, segments.RFM, Rfm)
    return known or count(office, RfmRule())


def count(office: Office, rule: RfmRule) -> Rfm:
    """Count the edges of the scores by a rule, and keep both."""
    from kaskad.store import segment_base

    with office.read() as tx:
        found = segment_base.edges(tx, rule, office.now())
    office.write(lambda tx: settings.put(tx, segments.RFM, found))
    return found


def ready(office: Office, trees: Collection[Node]) -> None:
    """Count the edges where conditions, or the segments that they name, ask for scores and there are none."""
    with office.read() as tx:
        below = segments.below(tx, trees)
        if not asks_rfm([*trees, *(each.tree for each in below.values())]):
            return
        known = settings.get(tx, segments.RFM, Rfm)
    if known is None:
        count(office, RfmRule())


def renew(office: Office) -> None:
    """Count the edges anew where they are a day old."""
    with office.read() as tx:
        known = settings.get(tx, segments.RFM, Rfm)
    if known is not None and office.now() - known.at >= _DAY_MS:
        count(office, known.rule)
