"""What pages can be told about while they are open: a topic is a name, a right, and what is told now.

A topic tells the whole state each time, so a reader that was away has missed nothing. It is asked about once
a second while somebody looks, however many do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from kaskad.actions import (
    accounts,
    alarms,
    approvals,
    cascades,
    imports,
    launches,
    migrations,
    runs,
    tasks,
    threads,
    timeline,
)
from kaskad.actions.office import Office
from kaskad.domain.errors import NotFound
from kaskad.domain.ids import read_import, read_launch, read_task
from kaskad.domain.worded import worded
from kaskad.web.pages.figures import Figures
from kaskad.web.pages.look import Look

Told = Mapping[str, object]


class Sight(Struct, frozen=True):
    """Of what a topic tells, in whose language; of figures that pages remember it tells the same."""

    office: Office
    figures: Figures
    look: Look


class Topic(Struct, frozen=True):
    """A kind of topic: `name` before the colon, the rest is the argument of `tell`."""

    name: str
    scope: str
    tell: Callable[[Sight, str], Told]


def _cascades(seen: Sight, _: str) -> Told:
    """Tell how many are under way in each cascade, and its state."""
    return {
        each.slug: [each.state, each.entered, each.under_way] for each in seen.figures.cascades(seen.office)
    }


def _cascade(seen: Sight, slug: str) -> Told:
    """Tell how many have entered a cascade and are under way."""
    found = cascades.find(seen.office, slug).overview
    return {"state": found.state, "entered": found.entered, "under_way": found.under_way}


def _import(seen: Sight, name: str) -> Told:
    """Tell how far an import has come."""
    number = read_import(name)
    if number is None:
        raise NotFound(worded("There is no import %(name)r.", name=name))
    found = imports.show(seen.office, number)
    look = seen.look
    words = look._("%(done)s rows of about %(total)s", done=look.n(found.seen), total=look.n(found.size))
    return {"done": found.seen, "total": found.size, "over": found.state != "running", "words": words}


def _launch(seen: Sight, name: str) -> Told:
    """Tell how far a launch has come; `name` is its cascade, a colon, its id."""
    slug, _, told = name.partition(":")
    found = launches.find(seen.office, slug, read_launch(told) or 0)
    look = seen.look
    words = look._("%(done)s people of %(total)s", done=look.n(found.enrolled), total=look.n(found.size or 0))
    return {
        "done": found.enrolled,
        "total": found.size,
        "over": found.state in ("done", "stopped"),
        "words": words,
    }


def _migration(seen: Sight, name: str) -> Told:
    """Tell how far moving runs to another version has come; `name` is their cascade, a colon, its id."""
    slug, _, migration = name.partition(":")
    found = migrations.show(seen.office, slug, migration)
    look = seen.look
    words = look._("%(done)s people of %(total)s", done=look.n(found.seen), total=look.n(found.total))
    return {"done": found.seen, "total": found.total, "over": found.state != "running", "words": words}


def _calls(seen: Sight, _: str) -> Told:
    """Tell how many calls wait for an agent."""
    found = tasks.queue(seen.office)
    return {"waiting": found.waiting or "", "taken": found.taken, "mark": found.mark}


def _call(seen: Sight, name: str) -> Told:
    """Tell how one call stands: whose it is, whether it is still wanted."""
    key = read_task(name)
    if key is None:
        raise NotFound(worded("There is no task %(name)r.", name=name))
    task = tasks.brief(seen.office, key).task
    return {"state": task.state, "agent": task.agent, "dialled": task.dialled_at, "notes": len(task.notes)}


def _inbox(seen: Sight, _: str) -> Told:
    """Tell how many people have written what nobody has looked at."""
    count, mark = threads.waiting(seen.office)
    return {"waiting": count or "", "mark": mark}


def _approvals(seen: Sight, _: str) -> Told:
    """Tell how many texts wait for an approval."""
    return {"waiting": approvals.count(seen.office) or ""}


def _thread(seen: Sight, who: str) -> Told:
    """Tell how one conversation stands."""
    return {"mark": threads.mark(seen.office, who)}


def _accounts(seen: Sight, _: str) -> Told:
    """Tell how each account does."""
    told: dict[str, object] = {
        each.account.name: [each.account.enabled, each.doing.breaker, each.doing.queued, each.doing.failed,
                            each.doing.trouble, each.doing.silent]
        for each in accounts.listing(seen.office)
    }  # fmt: skip
    return told | {" elsewhere": [[each.kind, each.name] for each in alarms.of_others(seen.office)]}


def _contact(seen: Sight, who: str) -> Told:
    """Tell the last that happened to a contact, and when something is to happen next."""
    last = timeline.timeline(seen.office, who, until=2**53, limit=3)
    found = runs.listing(seen.office, runs.Filter(contact=who), limit=50).runs
    return {
        "last": [[each.at, each.what, each.text] for each in last],
        "next": [[each.run_id, each.wake_at, each.step] for each in found if each.outcome is None],
    }


TOPICS = {
    topic.name: topic
    for topic in (
        Topic("cascades", "cascades:read", _cascades),
        Topic("cascade", "cascades:read", _cascade),
        Topic("import", "contacts:read", _import),
        Topic("launch", "cascades:read", _launch),
        Topic("migration", "cascades:read", _migration),
        Topic("accounts", "accounts:read", _accounts),
        Topic("calls", "tasks:read", _calls),
        Topic("call", "tasks:read", _call),
        Topic("inbox", "threads:read", _inbox),
        Topic("approvals", "texts:approve", _approvals),
        Topic("contact", "contacts:read", _contact),
        Topic("thread", "threads:read", _thread),
    )
}
