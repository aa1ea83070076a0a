"""Cascades: drafted, checked, compared, activated, paused, resumed and stopped."""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions import approving, law, scores
from kaskad.actions.approved_texts import wrong_texts
from kaskad.actions.cascade_texts import cascade_of, differing, next_text, revision_of
from kaskad.actions.guard_counts import forgive
from kaskad.actions.held import approved, held_against_accounts
from kaskad.actions.office import Office
from kaskad.actions.readiness import missing_accounts
from kaskad.actions.step_pauses import PausedStep, pauses_of, told_in, told_of
from kaskad.analytics.courses import standings, uncounted
from kaskad.domain.approval import pieces_of
from kaskad.domain.cascade import Cascade
from kaskad.domain.definition import Loaded, Problem, load
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.policy import DAY, Policy
from kaskad.domain.segment import asked_by
from kaskad.domain.worded import worded
from kaskad.engine import control, launch
from kaskad.engine.catalog import POLICY, to_send_by
from kaskad.engine.wording import look_up
from kaskad.store import accounts as account_store
from kaskad.store import cascades as store
from kaskad.store import settings as setting_store
from kaskad.store import step_holds, templates
from kaskad.store.cascades import CascadeRow, DraftRow
from kaskad.store.db import Transaction


class StepOutline(Struct, frozen=True):
    """A step as lists and pages name it."""

    id: str
    channels: tuple[str, ...]


class Overview(Struct, frozen=True):
    """A cascade and where it stands. `entered` and `under_way` count runs without hold-outs."""

    slug: str
    title: str
    state: str
    message_class: str
    trigger: str  # event, broadcast, segment or date; "" where no definition can be read
    steps: tuple[StepOutline, ...]
    version: int | None
    activated_at: int | None
    drafted: bool
    entered: int
    under_way: int
    changed_at: int
    uncounted: int = 0  # so many runs that have changed, or more, are not in these counts yet
    paused_steps: tuple[str, ...] = ()  # while the rest goes on


class Whole(Struct, frozen=True):
    """A cascade with its texts: `source` is what runs, `draft` what would be activated next."""

    overview: Overview
    source: str | None
    draft: DraftRow | None

    @property
    def text(self) -> str:
        """Return what would be activated next: the draft, else what runs already."""
        return self.draft.source if self.draft is not None else self.source or ""

    @property
    def revision(self) -> str:
        """Return what names this state of the text."""
        return revision_of(self.text)


class Overtaken(Conflict):
    """Somebody else has saved the draft meanwhile: `by` (\"\": not known) at `at`."""

    def __init__(self, slug: str, by: str, at: int) -> None:
        who = by or "Somebody"
        super().__init__(
            worded("%(who)s has changed %(slug)r since you read it: read it anew, or save yours "
                   "under another name.", who=who, slug=slug)
        )  # fmt: skip
        self.by = by
        self.at = at


class Saved(Struct, frozen=True):
    """A definition that was saved, and all that is wrong with it."""

    slug: str
    state: str
    ok: bool
    problems: tuple[Problem, ...]
    revision: str = ""


class InFlight(Struct, frozen=True):
    """How many runs stand at one step of one version; step "" is before the first."""

    version: int
    step: str
    runs: int


class Plan(Struct, frozen=True):
    """What activating would change."""

    slug: str
    version: int  # the number it would get, or that of what runs already
    changes: bool
    diff: str
    problems: tuple[Problem, ...]
    missing: tuple[str, ...]
    in_flight: tuple[InFlight, ...]
    spared: tuple[str, ...]  # steps that the law leaves out for people of other countries
    unapproved: int = 0  # texts; each is one of `problems`
    paused: tuple[PausedStep, ...] = ()  # what becomes of paused steps

    @property
    def ok(self) -> bool:
        """Say whether it can be activated."""
        return not self.missing and all(problem.severity != "error" for problem in self.problems)


class Controlled(Struct, frozen=True):
    """What a cascade is now, and how many runs that concerns."""

    slug: str
    state: str
    runs: int
    version: int | None = None
    paused: tuple[PausedStep, ...] = ()  # what has become of them in the version that was activated


def check(text: str, office: Office | None = None, name: str = "definition") -> Loaded:
    """Return what the text holds and all that is wrong with it; nothing is saved.

    With an `office` also what its accounts cannot do of it.
    """
    loaded = load(text, name=name)
    return loaded if office is None else held_against_accounts(office, loaded, text)


def put(office: Office, slug: str, text: str, *, by: str = "", revision: str = "") -> Saved:
    """Save a definition as the cascade's draft, with its mistakes if it has some; nothing runs by it yet.

    With a `revision` only where nobody has saved another text since. Raises Invalid for a text that cannot be
    kept or names another cascade, Conflict for a stopped one, Overtaken.
    """
    if "\0" in text:
        raise Invalid([worded("The text has the character U+0000 in it: take it out.")])
    loaded = _load(slug, text)

    def change(tx: Transaction) -> CascadeRow:
        if revision:
            _unchanged(tx, slug, revision)
        if loaded.cascade is not None:
            approving.note_written(tx, pieces_of(loaded.cascade, ()), by, office.now())
        return store.save_draft(tx, slug, text, office.now(), by)

    row = office.write(change)
    return Saved(slug, row.state, not loaded.errors, loaded.problems, revision_of(text))


def _unchanged(tx: Transaction, slug: str, revision: str) -> None:
    row = store.by_slug(tx, slug)
    draft = store.draft(tx, row.id)
    if draft is not None:
        text, by, at = draft.source, draft.saved_by, draft.saved_at
    else:
        current = store.version(tx, row.version_id) if row.version_id is not None else None
        text, by, at = (current.source, "", current.activated_at) if current else ("", "", row.changed_at)
    if revision_of(text) != revision:
        raise Overtaken(slug, by, at)


def listing(office: Office, *, counted: bool = True) -> list[Overview]:
    """Return all cascades, by name; unless `counted`, without how many entered: that looks at every run."""
    with office.read() as tx:
        drafted, counts = store.drafted(tx), standings(tx) if counted else {}
        late = uncounted(tx) if counted else 0
        held = step_holds.names(tx)
        return [
            _overview(office, tx, row, row.id in drafted, counts, late, held)
            for row in store.all_cascades(tx)
        ]


def titles(office: Office) -> dict[str, str]:
    """Return how each cascade is called, by its slug."""
    return {each.slug: each.title for each in listing(office, counted=False)}


def find(office: Office, slug: str) -> Whole:
    """Return one cascade; raises NotFound."""
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        draft = store.draft(tx, row.id)
        source = None if row.version_id is None else store.version(tx, row.version_id).source
        stands = _overview(
            office, tx, row, draft is not None, standings(tx, row.id), uncounted(tx), step_holds.names(tx)
        )
        return Whole(stands, source, draft)


def activate(office: Office, slug: str, *, ours: bool = False) -> Controlled:
    """Let people enter by the draft from now on; runs under way keep their version.

    Without a draft the current version stays. A paused cascade stays paused. `ours`: nobody has written its
    texts, so nobody need approve them. Raises NotFound, Conflict, and Invalid for a draft with errors or
    without the accounts or approvals that it needs.
    """
    cascade, text = ready(office, slug, ours=ours)
    with office.read() as tx:
        before = store.by_slug(tx, slug).version_id
    made = launch.activate(office.engine, cascade, text, resume=False)
    with office.read() as tx:
        now = store.by_slug(tx, slug)
        paused = told_in(tx, slug, made.number, before)
        return Controlled(slug, now.state, standings(tx, now.id).get(now.id, (0, 0))[1], made.number, paused)


def ready(office: Office, slug: str, *, ours: bool = False) -> tuple[Cascade, str]:
    """Return what would be activated next, with its text, once nothing forbids it; see `activate`."""
    with office.read() as tx:
        text = next_text(tx, store.by_slug(tx, slug))
    loaded = _load(slug, text)
    if loaded.cascade is None:
        raise Invalid([problem.text(slug) for problem in loaded.errors])
    able = held_against_accounts(office, loaded, text)
    if not ours:
        able = approved(office, able, text)
    if able.errors:
        raise Invalid([problem.text(slug) for problem in able.errors])
    if missing := _missing(office, loaded.cascade):
        raise Invalid(missing)
    scores.ready(office, asked_by(loaded.cascade))
    return loaded.cascade, text


def plan(office: Office, slug: str, text: str | None = None) -> Plan:
    """Return what activating `text`, or else the draft, would change; nothing is saved."""
    with office.read() as tx:
        row = _known(tx, slug)
        if text is None and row is None:
            raise NotFound(worded("There is no cascade %(slug)r: `kaskad cascades` shows them.", slug=slug))
        wanted = text if text is not None or row is None else next_text(tx, row)
        assert wanted is not None
        current = store.version(tx, row.version_id) if row and row.version_id is not None else None
        numbers = [each.number for each in store.versions_of(tx, row.id)] if row else []
        flying = _in_flight(office, tx, row) if row else ()
        wished = _load(slug, wanted).cascade
        paused = told_of(wished, pauses_of(tx, row, wished)) if row and wished else ()
    loaded = held_against_accounts(office, _load(slug, wanted), wanted)
    told = len(loaded.errors)
    loaded = approved(office, loaded, wanted)
    unapproved = len(loaded.errors) - told
    spared = _spared(office, loaded.cascade) if loaded.cascade else ()
    same = current is not None and current.source == wanted and _same_texts(office, loaded, current.id)
    missing = tuple(_missing(office, loaded.cascade)) if loaded.cascade else ()
    if row is not None and row.state == store.STOPPED:
        missing = (worded("Cascade %(slug)r was stopped: give the new one another name.", slug=slug),)
    number = current.number if same and current else max(numbers, default=0) + 1
    before = current.source if current else ""
    change = differing(
        before, wanted, f"{slug} {current.number if current else '(nothing)'}", f"{slug} {number}"
    )
    return Plan(slug, number, not same, change, loaded.problems, missing, flying, spared, unapproved, paused)


def pause(office: Office, slug: str) -> Controlled:
    """Send nothing from now on; runs keep their places and clocks. Raises NotFound, Conflict."""
    row = _begun(office, slug)
    control.pause(office.engine, row.id)
    return _controlled(office, slug)


def resume(office: Office, slug: str, *, by: str = "") -> Controlled:
    """Let a paused cascade send again; `runs` wanted to meanwhile. Raises NotFound, Conflict.

    Where a guardrail has paused it, `by` has looked: it watches anew from here.
    """
    row = _begun(office, slug)
    forgive(office, cascade_id=row.id, by=by)
    woken = control.resume(office.engine, row.id)
    return Controlled(slug, store.ACTIVE, woken)


def stop(office: Office, slug: str) -> Controlled:
    """End a cascade for good; `runs` were under way and are cancelled. Raises NotFound, Conflict."""
    with office.read() as tx:
        row = store.by_slug(tx, slug)
    return Controlled(slug, store.STOPPED, control.stop(office.engine, row.id))


def _load(slug: str, text: str) -> Loaded:
    """Return what the text holds; raises Invalid where it is the definition of another cascade."""
    loaded = load(text, name=slug)
    if loaded.cascade is not None and loaded.cascade.id != slug:
        raise Invalid(
            [
                worded("The definition is of cascade %(cascade)r, and was sent for %(slug)r.",
                       cascade=loaded.cascade.id, slug=slug)
            ]
        )  # fmt: skip
    return loaded


def _same_texts(office: Office, loaded: Loaded, version_id: int) -> bool:
    """Say whether a version has frozen the templates as they are now."""
    if loaded.cascade is None:
        return True
    with office.read() as tx:
        texts, wrong = look_up(tx, loaded.cascade)
        return bool(wrong) or texts == templates.frozen(tx, version_id)


def _missing(office: Office, cascade: Cascade) -> list[str]:
    with office.read() as tx:
        kept = account_store.all_accounts(tx, office.vault)
        usable = [account for account in kept if account.enabled]
        wrong = wrong_texts(tx, cascade, [to_send_by(account) for account in usable])
        denied = law.forbidden(setting_store.get(tx, POLICY, Policy) or Policy(), cascade, office.now())
    rates, today = office.engine.world.money.rates, office.now() // DAY
    return missing_accounts(cascade, usable, rates=rates, day=today) + wrong + denied


def _spared(office: Office, cascade: Cascade) -> tuple[str, ...]:
    with office.read() as tx:
        policy = setting_store.get(tx, POLICY, Policy) or Policy()
        return tuple(law.elsewhere(tx, policy, cascade, office.now()))


def _known(tx: Transaction, slug: str) -> CascadeRow | None:
    try:
        return store.by_slug(tx, slug)
    except NotFound:
        return None


def _begun(office: Office, slug: str) -> CascadeRow:
    with office.read() as tx:
        row = store.by_slug(tx, slug)
    if row.version_id is None:
        raise Conflict(worded("Cascade %(slug)r is a draft: activate it first.", slug=slug))
    return row


def _controlled(office: Office, slug: str) -> Controlled:
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        return Controlled(slug, row.state, standings(tx, row.id).get(row.id, (0, 0))[1])


def _in_flight(office: Office, tx: Transaction, row: CascadeRow) -> tuple[InFlight, ...]:
    numbers = {version.id: version.number for version in store.versions_of(tx, row.id)}
    found = []
    for version_id, step, runs in tx.all("runs_in_flight", cascade_id=row.id):
        if version_id in office.engine.world.versions.unread:
            name = str(step + 1)
        else:
            name = "" if step < 0 else cascade_of(office, tx, version_id).steps[step].id
        found.append(InFlight(numbers[version_id], name, runs))
    return tuple(found)


def _overview(
    office: Office, tx: Transaction, row: CascadeRow, drafted: bool, counts: dict[int, tuple[int, int]],
    late: int, held: dict[int, tuple[str, ...]],
) -> Overview:  # fmt: skip
    current = None if row.version_id is None else store.version(tx, row.version_id)
    draft = store.draft(tx, row.id) if current is None else None
    cascade = load(draft.source, name=row.slug).cascade if draft else None
    if current is not None and current.id not in office.engine.world.versions.unread:
        cascade = cascade_of(office, tx, current.id)
    entered, under_way = counts.get(row.id, (0, 0))
    outline = [StepOutline(step.id, tuple(step.channels)) for step in cascade.steps] if cascade else []
    return Overview(
        slug=row.slug,
        title=cascade.title if cascade else row.slug,
        state=row.state,
        message_class=cascade.message_class.value if cascade else "",
        trigger=_trigger(cascade) if cascade else "",
        steps=tuple(outline),
        version=current.number if current else None,
        activated_at=current.activated_at if current else None,
        drafted=drafted,
        entered=entered,
        under_way=under_way,
        changed_at=row.changed_at,
        uncounted=late,
        paused_steps=held.get(row.id, ()) if row.state != "stopped" else (),
    )


def _trigger(cascade: Cascade) -> str:
    trigger = cascade.trigger
    return (
        "event"
        if trigger.event
        else "date"
        if trigger.date
        else "segment"
        if trigger.segment
        else "broadcast"
    )
