"""A definition held against what there is: accounts, templates, segments, attributes, approvals."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from kaskad.actions import abilities, approving, attributes
from kaskad.actions.office import Office
from kaskad.domain.attributes import doubts
from kaskad.domain.cascade import Cascade
from kaskad.domain.definition import Loaded, with_more
from kaskad.domain.definition.checks import longest
from kaskad.domain.form import CONFIRMED, REQUESTED
from kaskad.domain.leaving import unsaid_by
from kaskad.domain.segment import events_by, named_by
from kaskad.domain.shown import misfits
from kaskad.domain.speech import spoken_by
from kaskad.domain.worded import worded
from kaskad.engine.wording import look_up
from kaskad.store import segments as segment_store
from kaskad.store.db import Transaction

_OWN = frozenset({REQUESTED, CONFIRMED})  # Kaskad tells these itself
_LOOKED_AT = 10_000  # events


def held_against_accounts(office: Office, loaded: Loaded, text: str) -> Loaded:
    """Return what was loaded with what the accounts in use cannot do of it."""
    if loaded.cascade is None:
        return loaded
    accounts = [account for account in office.engine.world.accounts.values() if account.enabled]
    found = abilities.findings(loaded.cascade, accounts)
    with office.read() as tx:
        wordings, wrong = look_up(tx, loaded.cascade)
        wrong = [*wrong, *_unknown_segments(tx, loaded.cascade)]
        declared = attributes.declared(tx)
        places = events_by(loaded.cascade)
        strange = unheard_of(tx, places)
    more = [(f.path, f.message, f.remedy, f.severity) for f in found]
    more += [
        (path, doubt, worded("Compare it with a value that it can have, or declare it otherwise."), "warning")
        for path, doubt in doubts(declared, loaded.cascade)
    ]
    more += [(*finding, "error") for finding in misfits(declared, loaded.cascade, wordings)]
    more += [(path, *strange[name], "warning") for name in strange for path in places[name]]
    more += [(*finding, "warning") for finding in unsaid_by(loaded.cascade, wordings)]
    more += [(*finding, "warning") for finding in spoken_by(loaded.cascade, wordings, longest)]
    return with_more(loaded, text, [*more, *((*finding, "error") for finding in wrong)])


def approved(office: Office, loaded: Loaded, text: str) -> Loaded:
    """Return what was loaded with what nobody has approved of it, where that is needed."""
    if loaded.cascade is None:
        return loaded
    with office.read() as tx:
        lacking = approving.unapproved(tx, loaded.cascade)
    return with_more(loaded, text, [(*one, "error") for one in lacking]) if lacking else loaded


def unheard_of(tx: Transaction, names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return of these events those that seem never to have come, each with what is odd and what to do.

    Of very many events only some are looked at: then a name is odd only where it is nearly one of theirs.
    """
    if not (wanted := sorted(set(names) - _OWN)):
        return {}
    known = {str(row[0]): int(row[1]) for row in tx.all("event_names_among", limit=_LOOKED_AT)}
    looked, others = sum(known.values()), sorted(known.keys() - _OWN)
    found: dict[str, tuple[str, str]] = {}
    for name in wanted if others else ():
        near = get_close_matches(name, others, n=1)
        if name in known or (looked == _LOOKED_AT and not near):
            continue
        said = worded("no event `%(name)s` was found among %(looked)s", name=name, looked=looked)
        todo = worded("compare it with the name that your site or CRM sends")
        found[name] = said, worded("is `%(near)s` meant, which has come?", near=near[0]) if near else todo
    return found


def _unknown_segments(tx: Transaction, cascade: Cascade) -> list[tuple[str, str, str]]:
    """Return where a segment is named that is not there: path, what is wrong, and what to do.

    Whom a broadcast names is asked at the launch, which may name others.
    """
    return [
        (
            path,
            worded("there is no segment `%(name)s`", name=name),
            worded("make it first: `kaskad segment create`"),
        )
        for name, paths in named_by(cascade).items()
        for path in paths
        if path != "trigger.broadcast" and segment_store.find(tx, name) is None
    ]
