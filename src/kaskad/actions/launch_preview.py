"""What a launch would do, asked before it: whom it is for, who would not enter, what each step would send.

A sample of the audience is asked what the last look asks of everybody; nothing is decided here a second time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct, structs

from kaskad.actions.audience import Audience, People, people_of
from kaskad.actions.launches import active
from kaskad.actions.office import Office
from kaskad.domain import entering
from kaskad.domain.policy import Policy
from kaskad.domain.run import Run, Send
from kaskad.domain.terms import SkipReason
from kaskad.domain.timing import When
from kaskad.domain.version import Version
from kaskad.engine.catalog import POLICY, read_version
from kaskad.engine.enrol import would_enter
from kaskad.engine.look import Desk, look
from kaskad.store import cascades as store
from kaskad.store import settings
from kaskad.store.db import Transaction

SAMPLE = 200


class StepPreview(Struct, frozen=True):
    """What a step would do with the sample if it came to it now; `skips` by reason."""

    step: str
    send: int
    wait: int
    skips: Mapping[str, int]


class Preview(Struct, frozen=True):
    """A launch before it begins; `kept_out` is of the sample: who would not enter, by the engine's words."""

    audience: str
    size: int
    sample: int
    holdouts: int
    kept_out: Mapping[str, int]
    steps: tuple[StepPreview, ...]


def preview(office: Office, slug: str, audience: Audience, sample: int = SAMPLE) -> Preview:
    """Return what a launch to `audience` would do; "" means whom the trigger names. Nothing is changed.

    Raises NotFound, and Conflict for a cascade that is not active.
    """
    now = office.now()
    with office.read() as tx:
        _, version_id = active(tx, slug)
        policy = settings.get(tx, POLICY, Policy) or Policy()
        version = read_version(tx, store.version(tx, version_id), policy)
        people = people_of(
            tx, office, version.cascade, audience.list, audience.segment, audience.everybody
        )  # fmt: skip
        return _asked(office, tx, version, people, sample, now)


def _asked(
    office: Office, tx: Transaction, version: Version, people: People, sample: int, now: int
) -> Preview:  # fmt: skip
    ids = [contact_id for some in people.sample(sample) for contact_id in some]
    kept_out, runs = Counter[str](), []
    for contact_id in ids:
        run, refusal = would_enter(tx, version, contact_id, {}, now)
        if refusal is not None:
            kept_out[refusal] += 1
        else:
            runs.append(run)
    held = sum(run.holdout for run in runs)
    steps = _steps(office, tx, version, [run for run in runs if not run.holdout], now)
    return Preview(people.name, people.size, len(ids), held, dict(kept_out), steps)


def _steps(
    office: Office, tx: Transaction, version: Version, runs: list[Run], now: int
) -> tuple[StepPreview, ...]:  # fmt: skip
    world = office.engine.world
    desk = Desk(tx, world, now)
    seen = look(tx, [(version, run) for run in runs], now, world.accounts)
    desk.see(structs.replace(seen, properties={(run.contact_id, run.id): {} for run in runs}))
    answers = [(run, desk.answers(version, run, {})) for run in runs]
    found = []
    for step in version.cascade.steps:
        send, wait, skips = 0, 0, Counter[str]()
        for run, answer in answers:
            said = entering.asked(version, run, step, answer, now)
            if isinstance(said, Send):
                send += 1
            elif isinstance(said, When) and said.at is not None:
                wait += 1
            else:
                why = said.why if isinstance(said, When) else said[2]
                skips[why.value if isinstance(why, SkipReason) else SkipReason.POLICY_DENIED.value] += 1
        found.append(StepPreview(step.id, send, wait, dict(skips.most_common())))
    return tuple(found)
