"""What somebody should look at now: one list, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from kaskad.actions import accounts, guards, money, set_aside, step_holds, stops
from kaskad.actions.cascade_texts import definition_of
from kaskad.actions.office import Office
from kaskad.actions.readiness import missing_accounts
from kaskad.actions.winners import undone
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.worded import worded
from kaskad.store import accounts as account_store
from kaskad.store import alarms as alarm_store
from kaskad.store import canaries, launch_dates, uneven_lots, version_canaries, webhooks, winners
from kaskad.store import cascades as store
from kaskad.store import guards as guard_store
from kaskad.store import step_holds as hold_store
from kaskad.store.alarms import AlarmRow

MOST_STOPS = 100
MOST_RESTING = 10_000


class Alarm(Struct, frozen=True):
    """One thing to look at. `kind` is one of KINDS; `name` is the account, cascade or number it is about."""

    kind: str
    name: str = ""
    detail: str = ""


KINDS = (
    "engine", "inbox", "unread", "set_aside", "runs_set_aside", "entries_rest", "counting_rests", "guard",
    "guard_step", "launch_missed", "canary", "canary_version", "account_held", "account_down",
    "account_silent", "guard_told", "account_told", "account_trouble", "uneven", "uneven_trial",
    "budget_used", "budget_near", "stranded", "webhook", "stops", "no_address", "winner",
)  # fmt: skip
NEWS = ("winner",)  # told once, and not when it is over
DAY_MS = 86_400_000
# Each process knows its own only:
OF_PROCESS = ("engine", "inbox", "account_down", "account_silent", "account_trouble")
UNSEEN_MS = 60_000  # longer than between two looks of a process
NEWS_MS = 24 * 3_600_000  # how long it stands
NEAR = 80  # percent of a budget
FAILED = 3  # attempts: for so long, some minutes, a subscriber may be away


def alarms(office: Office) -> list[Alarm]:
    """Return what is wrong now, also with other processes, the worst first; nothing where all is well."""
    return _in_order([*seen_here(office), *of_others(office)])


def seen_here(office: Office) -> list[Alarm]:
    """Return what is wrong now as this process sees it, the worst first."""
    found = [Alarm("engine", detail=office.engine.problem() or "")] if office.engine.problem() else []
    if office.engine.world.work.old_inbox:
        found.append(Alarm("inbox"))
    if entries := set_aside.count(office):
        found.append(Alarm("set_aside", str(entries)))
    unread = office.engine.world.versions.unread.values()
    found += [Alarm("unread", f"{one.slug}/{one.number}", one.why) for one in unread]
    found += _of_resting(office)
    found += _of_guards(office)
    found += _of_canaries(office)
    found += _of_webhooks(office)
    found += _of_accounts(office)
    found += _of_budgets(office)
    found += _of_cascades(office)
    if waiting := stops.listing(office, after=0, limit=MOST_STOPS):
        found.append(Alarm("stops", str(len(waiting)), "more" if len(waiting) == MOST_STOPS else ""))
    if not office.base_url:
        found.append(Alarm("no_address"))
    found += _of_lots(office)
    found += _of_winners(office)
    return _in_order(found)


def lately_seen(office: Office, row: AlarmRow) -> bool:
    """Say whether another process may see an alarm of its own that this one does not see."""
    return office.engine.world.shared and row.kind in OF_PROCESS and row.seen_at + UNSEEN_MS > office.now()


def of_others(office: Office) -> Iterator[Alarm]:
    """Yield what is wrong with other processes only, such as a worker's accounts."""
    with office.read() as tx:
        standing = alarm_store.standing(tx) if office.engine.world.shared else []
    yield from (Alarm(row.kind, row.name, row.detail) for row in standing if lately_seen(office, row))


def _in_order(found: Iterable[Alarm]) -> list[Alarm]:
    once: dict[tuple[str, str], Alarm] = {}
    for each in found:
        once.setdefault((each.kind, each.name), each)  # a step may be paused in two versions
    return sorted(once.values(), key=lambda alarm: KINDS.index(alarm.kind))


_ENTRIES = ("entries", "launches", "dates")  # the first by older releases


def _of_resting(office: Office) -> Iterator[Alarm]:
    """Yield what a defect lets rest for an hour: runs and whose clicks wait together, and parts."""
    found = set_aside.resting(office, MOST_RESTING)
    if stuck := [one for one in found if not one.part or one.contact_id]:
        yield Alarm("runs_set_aside", str(len(stuck)), stuck[0].defect)
    for one in found:
        if one.part and not one.contact_id:
            yield Alarm("entries_rest" if one.part in _ENTRIES else "counting_rests", detail=one.defect)


def _of_accounts(office: Office) -> Iterator[Alarm]:
    for each in accounts.listing(office):
        if not each.account.enabled:
            continue
        if each.doing.held is not None:
            yield Alarm("account_held", each.account.name, each.doing.held.why)
        elif each.doing.breaker in ("open", "probing"):
            yield Alarm("account_down", each.account.name, _waiting(each.doing.queued))
        elif each.doing.silent:
            yield Alarm("account_silent", each.account.name, _waiting(each.doing.queued))
        elif each.doing.trouble:
            yield Alarm("account_trouble", each.account.name, each.doing.trouble)


def _waiting(count: int) -> str:
    return f"{count}+" if count >= account_store.MOST_QUEUED else str(count)


def _of_budgets(office: Office) -> Iterator[Alarm]:
    """Yield the budgets of accounts (of all: "installation") that are used up, or nearly."""
    for one in money.budgets(office):
        share = 100 * one.spent // one.minor if one.minor else 100
        if share >= NEAR:
            kind = "budget_used" if share >= 100 else "budget_near"
            yield Alarm(kind, one.account or "installation", str(share))


def _of_guards(office: Office) -> Iterator[Alarm]:
    """Yield what guardrails have stopped, each cascade with its first reason; held accounts say so."""
    named: set[tuple[str, str]] = set()
    with office.read() as tx:
        names = {row[0]: row[3] for row in tx.all("version_numbers")}
        paused = {(one.version_id, one.step) for one in hold_store.all_holds(tx)}
        for slug, step, why in step_holds.by_guards(office, tx):
            yield Alarm("guard_step", f"{slug}/{step}", why)
        held = {row.id: row.name for row in account_store.all_accounts(tx, office.vault)}
        for stop in guard_store.stops(tx):
            account = held.get(stop.stream.account_id, "")
            kind = "guard" if stop.paused else "account_told" if account else "guard_told"
            name = names.get(stop.stream.version_id, account)
            of_step = (stop.stream.version_id, stop.stream.step) in paused
            if (stop.paused and (account or of_step)) or (kind, name) in named:
                continue
            named.add((kind, name))
            yield Alarm(kind, name, guards.words_of(office, tx, stop))


def _of_canaries(office: Office) -> Iterator[Alarm]:
    """Yield what waits for a person: launches that missed their date, and canaries that were stopped."""
    with office.read() as tx:
        slugs = {row[1]: row[3] for row in tx.all("version_numbers")}
        for _, cascade_id, why in canaries.stopped(tx):
            yield Alarm("canary", slugs[cascade_id], why)
        for slug, why in dict(reversed(launch_dates.missed(tx))).items():
            yield Alarm("launch_missed", slug, why)
        for slug, number, why in version_canaries.stopped(tx):
            yield Alarm("canary_version", f"{slug}/{number}", why)


def _of_webhooks(office: Office) -> Iterator[Alarm]:
    """Yield the subscribers that are away: what is to be told waits, or will not be told any more."""
    with office.read() as tx:
        began = {row.name: row.began_at for row in alarm_store.standing(tx) if row.kind == "webhook"}
        failing = {row[0]: row[1:] for row in tx.all("failing_webhooks")}
        for one in webhooks.all_webhooks(tx, office.vault):
            name = str(one.id)
            if one.disabled_why and not one.enabled:
                yield Alarm("webhook", name, one.disabled_why)
            elif one.enabled and one.id in failing:
                answer, attempts, oldest_at = failing[one.id]
                # What is told again has all its attempts anew, and has not come through by that: an alarm
                # stands until what waited before it was raised has been taken.
                if attempts >= FAILED or oldest_at <= began.get(name, -1):
                    yield Alarm("webhook", name, answer)


def _of_cascades(office: Office) -> Iterator[Alarm]:
    """Yield the running cascades with steps that no account in service carries: people are stranded."""
    usable = [each.account for each in accounts.listing(office) if each.account.enabled]
    with office.read() as tx:
        for row in store.all_cascades(tx):
            if row.state != store.ACTIVE:
                continue
            try:
                lacking = missing_accounts(
                    definition_of(office, tx, row), usable, rates=office.engine.world.money.rates,
                    day=office.now() // DAY_MS,
                )  # fmt: skip
            except (Conflict, Invalid):  # a draft, or its alarm says that it does not read
                continue
            if lacking:
                yield Alarm("stranded", row.slug, lacking[0])


def _of_lots(office: Office) -> Iterator[Alarm]:
    """Yield the lots that do not fall as they should: what they share out cannot be compared."""
    with office.read() as tx:
        for one in uneven_lots.standing(tx):
            kind = "uneven_trial" if one.kind == uneven_lots.OF_TRIAL else "uneven"
            yield Alarm(kind, f"{one.slug}/{one.step}" if one.step else one.slug, one.why)


def _of_winners(office: Office) -> Iterator[Alarm]:
    """Yield what has won by a rule, for a day; a version until somebody promotes one or ends the trial."""
    with office.read() as tx:
        won = winners.lately(tx, office.now() - NEWS_MS)
    for one in won:
        if one.version_id is not None and one.step is not None:
            version = office.engine.world.versions.get(one.version_id)
            if version is None or undone(version, one.step):
                continue
            step = version.cascade.steps[one.step].id
            said = worded("Variant %(name)s has won.", name=one.winner)
            yield Alarm("winner", f"{one.slug}/{step}", said)
        elif one.promoted:
            yield Alarm(
                "winner", one.slug, worded("Everybody enters version %(number)s now.", number=one.winner)
            )
        else:
            said = worded("Version %(number)s is the best: promote it, or end the trial.", number=one.winner)
            yield Alarm("winner", one.slug, said)
