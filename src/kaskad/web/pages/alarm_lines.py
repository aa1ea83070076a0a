"""Alarms in the reader's words, each with where something can be done about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from kaskad.actions.alarm_words import page
from kaskad.actions.alarms import Alarm
from kaskad.web.pages.look import Look


class ShownAlarm(Struct, frozen=True):
    """An alarm in the reader's words, and where something can be done about it; "" where that is no page."""

    kind: str
    text: str
    path: str = ""
    act: str = ""


def lines_of(look: Look, found: Iterable[Alarm]) -> Iterator[ShownAlarm]:
    """Yield the alarms as they are shown, in their order."""
    for each in found:
        yield from (*_of_cascade(look, each), *_of_account(look, each), *_of_all(look, each))


def _of_cascade(look: Look, each: Alarm) -> Iterator[ShownAlarm]:
    why, path = look.told(each.detail), page(each.kind, each.name)
    why = why[:1].upper() + why[1:]  # a sentence of its own
    match each.kind:
        case "unread":
            slug, _, number = each.name.partition("/")
            text = look._(
                "Version %(number)s of %(name)s does not read: its runs wait, nobody enters it, and what its "
                "people do is set aside. %(why)s", number=number, name=slug, why=why,
            )  # fmt: skip
            yield ShownAlarm("bad", text, path, look._("Versions"))
        case "guard":
            text = look._("%(name)s is paused by a guardrail. %(why)s.", name=each.name, why=why)
            yield ShownAlarm("bad", text, path, look._("Guardrails"))
        case "guard_step":
            slug, _, step = each.name.partition("/")
            text = look._("Step %(step)s of %(name)s is paused by a guardrail, the rest goes on. %(why)s.",
                          step=step, name=slug, why=why)  # fmt: skip
            yield ShownAlarm("bad", text, path, look._("Guardrails"))
        case "guard_told":
            text = look._("%(name)s is beyond a bound. %(why)s.", name=each.name, why=why)
            yield ShownAlarm("warn", text, path, look._("Guardrails"))
        case "launch_missed":
            text = look._("A launch of %(name)s did not begin at its date: %(why)s", name=each.name, why=why)
            yield ShownAlarm("bad", text, path, look._("Launches"))
        case "canary":
            text = look._("The canary of %(name)s was stopped. %(why)s.", name=each.name, why=why)
            yield ShownAlarm("bad", text, path, look._("Guardrails"))
        case "canary_version":
            slug, _, number = each.name.partition("/")
            text = look._("The canary of version %(n)s of %(name)s was stopped; everybody enters the one "
                          "before. %(why)s.", n=number, name=slug, why=why)  # fmt: skip
            yield ShownAlarm("bad", text, path, look._("Guardrails"))
        case "stranded":
            text = look._("People in %(name)s cannot be carried on: %(why)s",
                          name=each.name, why=why)  # fmt: skip
            yield ShownAlarm("bad", text, path, look._("Report"))
        case "uneven" | "uneven_trial":
            slug, _, step = each.name.partition("/")
            name = look._("step %(step)s of %(name)s", step=step, name=slug) if step else slug
            text = look._("The lot of %(name)s does not fall as it should. %(why)s. Compare nothing there "
                          "until the cause is found; no rule decides meanwhile.",
                          name=name, why=why)  # fmt: skip
            act = look._("Trials") if each.kind == "uneven_trial" else look._("Does it work?")
            yield ShownAlarm("warn", text, path, act)
        case "winner":
            text = look._("The best of %(name)s is found by its rule. %(what)s", name=each.name, what=why)
            yield ShownAlarm("info", text, path, look._("Trials"))


def _of_account(look: Look, each: Alarm) -> Iterator[ShownAlarm]:
    path = page(each.kind, each.name)
    match each.kind:
        case "account_told":
            text = look._("Account %(name)s is beyond a bound, and goes on: %(why)s.",
                          name=each.name, why=look.told(each.detail))  # fmt: skip
            yield ShownAlarm("warn", text, path, look._("Account"))
        case "account_down":
            text = look._("Account %(name)s does not answer; messages wait for it: %(count)s.",
                          name=each.name, count=_waiting(look, each.detail))  # fmt: skip
            yield ShownAlarm("bad", text, path, look._("Channels"))
        case "account_silent":
            text = look._("Account %(name)s has taken nothing for half a minute, though it is asked; "
                          "messages wait for it: %(count)s.", name=each.name,
                          count=_waiting(look, each.detail))  # fmt: skip
            yield ShownAlarm("bad", text, path, look._("Channels"))
        case "account_held":
            text = look._("Account %(name)s is held and sends nothing: %(why)s. Mend that, then let it send "
                          "again.", name=each.name, why=look.told(each.detail))  # fmt: skip
            yield ShownAlarm("bad", text, path, look._("Account"))
        case "account_trouble":
            text = look._("Account %(name)s: %(why)s", name=each.name, why=look.told(each.detail))
            yield ShownAlarm("warn", text, path, look._("Channels"))
        case "budget_used":
            text = look._("The budget of %(name)s is used up: steps wait or are passed over.",
                          name=_whose(look, each))  # fmt: skip
            yield ShownAlarm("bad", text)
        case "budget_near":
            share = look.pct(int(each.detail) / 100)
            text = look._("The budget of %(name)s is used up by %(share)s.",
                          name=_whose(look, each), share=share)  # fmt: skip
            yield ShownAlarm("warn", text)


def _waiting(look: Look, count: str) -> str:
    """Return how many messages wait; of very many that they are at least so many."""
    return look.n(int(count.rstrip("+"))) + ("+" if count.endswith("+") else "")


def _whose(look: Look, budget: Alarm) -> str:
    return look._("all accounts") if budget.name == "installation" else budget.name


def _of_all(look: Look, each: Alarm) -> Iterator[ShownAlarm]:
    match each.kind:
        case "engine":
            yield ShownAlarm("bad", look._("The engine has stopped: %(why)s", why=look.told(each.detail)))
        case "inbox":
            text = look._("What has arrived waits too long: the engine does not keep up.")
            yield ShownAlarm("bad", text)
        case "set_aside":
            count = int(each.name)
            text = look.words.ngettext(
                "%(num)s entry that has arrived could not be applied, because of a defect in Kaskad: it is "
                "kept, and its person gets nothing until somebody has looked.",
                "%(num)s entries that have arrived could not be applied, because of a defect in Kaskad: they "
                "are kept, and their people get nothing until somebody has looked.", count,
            ) % {"num": look.n(count)}  # fmt: skip
            yield ShownAlarm("bad", text, page(each.kind, each.name), look._("Health"))
        case "runs_set_aside":
            count = int(each.name)
            text = look.words.ngettext(
                "%(num)s run cannot be moved, or its clicks cannot be judged, because of a defect in Kaskad "
                "(%(why)s): it is tried again every hour.",
                "%(num)s runs cannot be moved, or their clicks cannot be judged, because of a defect in "
                "Kaskad (%(why)s): they are tried again every hour.", count,
            ) % {"num": look.n(count), "why": each.detail}  # fmt: skip
            yield ShownAlarm("bad", text, page(each.kind, each.name), look._("Health"))
        case "entries_rest":
            text = look._("Nobody enters by launches or dates for now, because of a defect in Kaskad: it is "
                          "tried again every hour; %(why)s.", why=each.detail)  # fmt: skip
            yield ShownAlarm("bad", text, page(each.kind, each.name), look._("Health"))
        case "counting_rests":
            text = look._("Figures are not counted and nothing is tidied up for now, because of a defect in "
                          "Kaskad: it is tried again every hour; %(why)s.", why=each.detail)  # fmt: skip
            yield ShownAlarm("warn", text, page(each.kind, each.name), look._("Health"))
        case "webhook":
            text = look._("Webhook %(number)s does not take what it is told: %(why)s",
                          number=each.name, why=look.told(each.detail))  # fmt: skip
            yield ShownAlarm("warn", text, page(each.kind, each.name), look._("Webhook"))
        case "stops":
            count = int(each.name)
            text = look.words.ngettext(
                "%(num)s reply may mean “stop” and wants a person to look at it.",
                "%(num)s replies may mean “stop” and want a person to look at them.", count,
            ) % {"num": look.n(count) + ("+" if each.detail else "")}  # fmt: skip
            yield ShownAlarm("warn", text, page(each.kind, each.name), look._("Inbox"))
        case "no_address":
            text = look._("Nobody outside can reach this installation: links, unsubscribing and receipts "
                          "need its public address (setting base_url).")  # fmt: skip
            yield ShownAlarm("info", text)
