"""The editor's forms: a step, or what stands above the steps, to fields and back to values of a definition.

Only what a form shows is changed; an empty field takes its key away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import ascii_lowercase

from kaskad.domain.channels import CHANNELS, Needs
from kaskad.domain.definition.rewrite import Tree
from kaskad.domain.definition.source import typed
from kaskad.web.pages.flow import KNOWN, channels_of

Fields = Mapping[str, str]
NAMES = {
    "email": "letter", "sms": "sms", "robot_call": "robot", "agent_call": "agent", "push": "push",
}  # fmt: skip
MAIN = {Needs.MAIL: "text", Needs.TEXT: "text", Needs.SAY: "say", Needs.SCRIPT: "script"}
BODIES = ("text", "say", "script", "html", "mjml")
PLAIN = ("id", "template", "subject", "html", "mjml", "text", "say", "script", "success", "if", "holdout",
         "on_fail", "account")  # fmt: skip
TOP = ("title", "class", "topic", "exit_if", "holdout")
TRIGGER = ("event", "key", "delay", "if", "broadcast", "pace", "segment", "date", "before", "after", "at")
KINDS = {"event": ("event", "key", "delay", "if"), "broadcast": ("broadcast", "pace"),
         "segment": ("segment",),
         "date": ("date", "before", "after", "at", "every", "if")}  # fmt: skip


def new_step(channel: str, taken: Sequence[str]) -> dict[str, Tree]:
    """Return a step to begin with, under a name that no other step has."""
    base = NAMES.get(channel, "chat")
    name = base
    number = 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return {"id": name, "channel": channel}


def main_field(channels: Sequence[str]) -> str:
    """Return the key of what a step on these channels says."""
    return MAIN[CHANNELS[KNOWN[channels[0]]].needs] if channels else "text"


def step_from(old: Mapping[str, Tree], told: Fields, chosen: Sequence[str]) -> dict[str, Tree]:
    """Return a step with what the form says; `chosen` are its channels."""
    step = dict(old)
    for key in PLAIN:
        if key in told:
            _put(step, key, told[key])
    before = channels_of(old)
    kept = [name for name in before if name in chosen] + [name for name in chosen if name not in before]
    if kept and tuple(kept) != before:
        step["channel"] = kept[0] if len(kept) == 1 else kept
        _carry_over(step, kept)
    if "wait_mode" in told:
        _wait(step, told)
    if "urgent_shown" in told:
        _flag(step, "urgent", told)
    if "keys_shown" in told:
        keys: dict[str, Tree] = {key: told[f"key_{key}"] for key in "1234567890" if told.get(f"key_{key}")}
        _value(step, "keys", keys)
    if "at_kind" in told:
        _at(step, told)
    if "choose_shown" in told:
        asked = told.get("choose") and not isinstance(step.get("channel"), str)
        _value(step, "choose", (step.get("choose") or "learn") if asked else None)
    if "hour_shown" in told:
        _value(step, "send_at", "best_hour" if told.get("best_hour") else None)
    if "only_shown" in told:
        _value(step, "only", "branch" if told.get("only") else None)
    if "buttons_shown" in told:
        _value(step, "buttons", _rows(told, "button", ("text", "url", "reply"), old.get("buttons")))
    if "variants_shown" in told:
        keys_of = ("id", "weight", "subject", "html", "text", "say", "script")
        _value(step, "variants", _named(_rows(told, "variant", keys_of, old.get("variants"))))
    return step


def top_from(old: Mapping[str, Tree], told: Fields) -> dict[str, Tree]:
    """Return a definition with what the form about the whole says."""
    top = dict(old)
    for key in TOP:
        if key in told:
            _put(top, key, told[key])
    if "trigger_kind" in told:
        top["trigger"] = _trigger(_map(old.get("trigger")), told)
    if "goal_event" in told:
        goal = dict(_map(old.get("goal")))
        for key in ("event", "within", "value"):
            _put(goal, key, told.get(f"goal_{key}", ""))
        match = (
            {told["match_key"]: told["match_path"]}
            if told.get("match_key") and told.get("match_path")
            else {}
        )
        many = len(_map(goal.get("match"))) > 1
        if not many:
            _value(goal, "match", match)
        if "returned_event" in told:
            back = dict(_map(goal.get("returned")))
            for key in ("event", "value", "order"):
                _put(back, key, told.get(f"returned_{key}", ""))
            _value(goal, "returned", back)
        _value(top, "goal", goal if goal.get("event") else None)
    if "budget_total" in told:
        budget = dict(_map(old.get("budget")))
        for key in ("total", "per_contact"):
            _put(budget, key, told.get(f"budget_{key}", ""))
        _value(top, "budget", budget)
    if "reply_shown" in told:
        _value(top, "stop_on", ["reply"] if told.get("reply") else None)
    if "reentry" in told:
        rule, after = told["reentry"], told.get("reentry_after", "")
        _value(top, "reentry", {"after_finish": after or "7d"} if rule == "after" else rule)
    if "branches_shown" in told:
        _value(top, "branches", _rows(told, "branch", ("when", "unless_goal_in", "go"), old.get("branches")))
    return top


def _trigger(old: Mapping[str, Tree], told: Fields) -> dict[str, Tree]:
    kind = told["trigger_kind"]
    allowed = KINDS.get(kind, ())
    trigger = {key: value for key, value in old.items() if key in allowed}
    for key in TRIGGER:
        if key in allowed and f"trigger_{key}" in told:
            _put(trigger, key, told[f"trigger_{key}"])
    if kind == "date" and "every_shown" in told:
        _value(trigger, "every", "year" if told.get("every") else None)
    if kind == "broadcast":
        trigger.setdefault("broadcast", "all")
    return trigger


def _carry_over(step: dict[str, Tree], channels: Sequence[str]) -> None:
    """Let the words go along where a step changes its channel."""
    needs = {CHANNELS[KNOWN[name]].needs for name in channels}
    if Needs.MAIL in needs:
        return
    main = main_field(channels)
    words = next((str(step[key]) for key in BODIES if isinstance(step.get(key), str)), "")
    if words and not step.get(main):
        step[main] = re.sub(r"<[^>]+>", "", words).strip()
    for key in ("subject", "html", "mjml", *(body for body in ("text", "say", "script") if body != main)):
        if not (key == "subject" and "push" in channels):
            step.pop(key, None)
    if "robot_call" not in channels:
        step.pop("keys", None)
    if main != "text" or "sms" in channels:
        step.pop("buttons", None)


def _wait(step: dict[str, Tree], told: Fields) -> None:
    mode = told["wait_mode"]
    if mode == "default":
        step.pop("wait", None)
    elif mode == "bare":
        _put(step, "wait", told.get("wait", "") or "2h")
    else:
        clocks = _rows(told, "clock", ("unless", "for", "from"), step.get("wait"), need="unless")
        _value(step, "wait", clocks or [{"unless": "reacted", "for": told.get("wait", "") or "24h"}])


def _at(step: dict[str, Tree], told: Fields) -> None:
    kind = told["at_kind"]
    if not kind:
        step.pop("at", None)
        return
    old = _map(step.get("at"))
    at: dict[str, Tree] = {}
    if kind == "on":
        at["on"] = told.get("at_day", "") or "day 2"
    else:
        at[kind] = told.get("at_path", "") or "trigger.starts_at"
        if by := told.get("at_by", "") or ("24h" if kind == "before" else ""):
            at["by"] = by
        if "earliest_ok" in old:
            at["earliest_ok"] = old["earliest_ok"]
    step["at"] = at


def _rows(told: Fields, name: str, keys: Sequence[str], old: Tree, need: str = "") -> list[Tree]:
    """Return the rows of a table of fields (`clock_0_for`); a row without any word is left out."""
    kept = [_map(each) for each in old] if isinstance(old, Sequence) and not isinstance(old, str) else []
    found: list[Tree] = []
    for number in range(20):
        shown = [key for key in keys if f"{name}_{number}_{key}" in told]
        if not shown:
            continue
        row = dict(kept[number]) if number < len(kept) else {}
        for key in shown:
            value = told[f"{name}_{number}_{key}"]
            _value(row, key, typed(value) if key == "weight" else value)
        if row.get(need) if need else any(told[f"{name}_{number}_{key}"] for key in shown):
            found.append(row)
    return found


def _named(variants: Sequence[Tree]) -> list[Tree]:
    """Return variants with a letter for each that nobody has named: that of its field, or another."""
    taken = {row["id"] for row in map(_map, variants) if row.get("id")}
    named: list[Tree] = []
    for number, row in enumerate(map(_map, variants)):
        free = [each for each in (*ascii_lowercase[number:], *ascii_lowercase) if each not in taken]
        name = row.get("id") or free[0]
        taken.add(name)
        named.append({"id": name, **{key: value for key, value in row.items() if key != "id"}})
    return named


def _put(where: dict[str, Tree], key: str, value: str) -> None:
    """Set a text, or take it away where it is empty; line ends of forms become those of texts."""
    clean = value.replace("\r\n", "\n")
    old = where.get(key)
    if isinstance(old, str) and old.rstrip("\n") == clean.rstrip("\n"):
        return  # a field shows no empty line at the end
    if isinstance(old, (int, float)) and str(old).lower() == clean.lower():
        return
    _value(where, key, clean if clean.strip() else None)


def _flag(where: dict[str, Tree], key: str, told: Fields) -> None:
    _value(where, key, True if told.get(key) else None)


def _value(where: dict[str, Tree], key: str, value: Tree) -> None:
    if value in (None, "", [], {}):
        where.pop(key, None)
    elif isinstance(value, str) and isinstance(where.get(key), (int, float)) and str(where[key]) == value:
        return
    else:
        where[key] = value


def _map(value: Tree) -> Mapping[str, Tree]:
    return value if isinstance(value, Mapping) else {}
