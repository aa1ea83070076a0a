"""What the selects of the editor offer: pairs of a value and its words."""

from __future__ import annotations

from collections.abc import Mapping

from kaskad.actions import lists, policy, rhythms, segments
from kaskad.actions.audience import ALL
from kaskad.actions.office import Office
from kaskad.domain.channels import CHANNELS, tells
from kaskad.domain.definition.rewrite import Tree
from kaskad.domain.definition.schema import ACTIONS
from kaskad.domain.rhythm import Favourite
from kaskad.domain.terms import Channel, MessageClass, Reaction
from kaskad.store import templates
from kaskad.store.templates import PART
from kaskad.web.pages import flow
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look

Pairs = list[tuple[str, str]]


def choices(look: Look, office: Office, step: Mapping[str, Tree], drawn: flow.Flow) -> dict[str, Pairs]:
    """Return by the name of a select what it offers for this step."""
    _ = look._
    channels = [flow.KNOWN[name] for name in flow.channels_of(step)]
    told = [
        each for each in Reaction if each is not Reaction.NONE and all(tells(one, each) for one in channels)
    ]
    reactions = [(each.value, look.word("waited", each.value)) for each in told]
    usual = look.word("waited", CHANNELS[channels[0]].default_success.value) if channels else ""
    wait = step.get("wait")
    used = {flow.text(step.get("success")), *_used(wait)}
    reactions += [(name, name) for name in sorted(used) if name and name not in {*told, "none"}]
    return {
        "successes": [("", _("As usual: %(what)s", what=usual)), *reactions,
                      ("none", _("Nothing ends it here"))],
        "unless": [("", "—"), *reactions],
        "counted": [("", _("the sending")), *reactions],
        "wait_modes": [("default", _("As is usual on the channel")), ("bare", _("So long, whatever happens")),
                       ("clocks", _("Clocks with conditions"))],
        "fails": [("", _("As is usual")), ("next", _("The next step, at once")), ("retry", _("Try it again")),
                  ("stop", _("End the run"))],
        "due_kinds": [("", _("After the step before")), ("before", _("Before an instant")),
                      ("after", _("After an instant")), ("on", _("On a day of the run"))],
        "presses": [("", "—"), *((each, look.word("press", each)) for each in ACTIONS)],
        "class_options": [(each.value, look.word("class", each.value)) for each in MessageClass],
        "trigger_kinds": [("event", _("An event of the shop")),
                          ("broadcast", _("A launch to a segment or list")),
                          ("segment", _("Entering a segment")), ("date", _("A date of the contact"))],
        "reentries": [("after", _("After a while")), ("once_ever", _("Never")),
                      ("after_finish", _("7 days after the end")),
                      ("restart", _("At any time: it begins anew")),
                      ("parallel_by_key", _("Beside it, for each key"))],
        "step_names": [("", "—"), *((card.id, card.id) for card in drawn.cards if card.id)],
        "accounts": _accounts(look, office, channels),
        "templates": _templates(look, office, channels, flow.text(step.get("template"))),
    }  # fmt: skip


def audiences(look: Look, office: Office, trigger: Tree) -> dict[str, Pairs]:
    """Return for whom a cascade can be launched, and by whom entered; whom it names now is there."""
    told = trigger if isinstance(trigger, Mapping) else {}
    of_segments = segments.names(office, limit=200)
    asked = [*of_segments, *lists.to_choose(office, 200)]
    return {
        "broadcasts": [
            (ALL, look._("Everybody in the base")),
            *_and(asked, flow.text(told.get("broadcast"))),
        ],
        "entered": [("", "—"), *_and(of_segments, flow.text(told.get("segment")))],
    }


def _and(names: list[str], now: str) -> Pairs:
    return [(name, name) for name in dict.fromkeys((*names, now)) if name not in ("", ALL)]


def _used(wait: Tree) -> set[str]:
    rows = wait if isinstance(wait, list) else []
    return {flow.text(row.get(key)) for row in rows if isinstance(row, Mapping) for key in ("unless", "from")}


def _accounts(look: Look, office: Office, channels: list[Channel]) -> Pairs:
    names = sorted(each.name for each in office.engine.world.accounts.values() if each.channel in channels)
    return [("", look._("The channel's first")), *((name, name) for name in names)] if names else []


def _templates(look: Look, office: Office, channels: list[Channel], now: str) -> Pairs:
    with office.read() as tx:
        kept = templates.all_texts(tx)
    codes = {channel.code for channel in channels}
    names = {one.name for one in kept if one.channel != PART and one.channel in codes} | (
        {now} if now else set()
    )
    return [("", look._("None: written here")), *((name, name) for name in sorted(names))] if names else []


def hours(look: Look, office: Office, step: Mapping[str, Tree], message_class: str) -> list[tuple[str, str]]:
    """Return for each channel of a step when the policy lets such a message go, in words."""
    rules = policy.show(office)
    kind = {each.value: each for each in MessageClass}.get(message_class, MessageClass.SERVICE)
    found = []
    for name in flow.channels_of(step):
        windows = rules.rule(flow.KNOWN[name], kind, rules.country, urgent=step.get("urgent") is True)
        told = [" ".join((", ".join(each.hours), look.word("days", each.days.value))) for each in windows]
        found.append((name, "; ".join(told) or look._("at any hour")))
    return found


def best_hour(office: Office, step: Mapping[str, Tree], message_class: str) -> tuple[Favourite | None, int]:
    """Return at which hour all people react most, when the step would go by it, and when that was counted."""
    kind = {each.value: each for each in MessageClass}.get(message_class, MessageClass.SERVICE)
    return rhythms.of_all(office, [flow.KNOWN[name] for name in flow.channels_of(step)], kind)


EXAMPLES = (
    ("trigger.total >= 50000", N_("the event says so much")),
    ("contact.vip", N_("an attribute of the contact")),
    ("not steps.{step}.opened", N_("an earlier step was not opened")),
    ('segment("vip")', N_("is in a segment")),
    ('event("purchase").count(30d) > 0', N_("something happened lately")),
)


def examples(look: Look, drawn: flow.Flow, at: int) -> Pairs:
    """Return conditions to begin from, with what they ask."""
    before = [card.id for card in drawn.cards if card.index < at and card.id]
    return [
        (text.format(step=before[-1] if before else ""), look._(words))
        for text, words in EXAMPLES
        if before or "{step}" not in text
    ]
