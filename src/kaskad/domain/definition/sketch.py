"""A cascade out of a definition with mistakes in it: what is wrong is left out, the rest can be shown."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping

from msgspec import Struct

from kaskad.domain.cascade import Cascade
from kaskad.domain.channels import CHANNELS, Needs
from kaskad.domain.definition import UnreadableError, load
from kaskad.domain.definition.edit import tree_of
from kaskad.domain.definition.rewrite import Tree
from kaskad.domain.definition.schema import CONTENT
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel

_STEP = re.compile(r"steps\[(\d+)\]")
_SAID = {
    Needs.MAIL: ("subject", "text"), Needs.TEXT: ("text",), Needs.SAY: ("say",), Needs.SCRIPT: ("script",),
}  # fmt: skip
_KEPT = ("id", "channel", "account", "variants", "only")
_KNOWN = {channel.value: channel for channel in Channel}


class Sketch(Struct, frozen=True):
    """A cascade that is never to be run, and its steps whose messages could not be kept, by number."""

    cascade: Cascade
    wordless: frozenset[int] = frozenset()


def sketch(text: str, name: str) -> Sketch | None:
    """Return the cascade of a text, steps with mistakes reduced to what they send, or else to their channels;
    None: nothing can be made. It has as many steps as the text.
    """
    loaded = load(text, name=name)
    if loaded.cascade is not None:
        return Sketch(loaded.cascade)
    try:
        top = _map(tree_of(text))
    except UnreadableError:
        return None
    steps = _list(top.get("steps"))
    wrong = {int(found[1]) for each in loaded.errors if (found := _STEP.match(each.path))}
    whole = {each.path.partition(".")[0].partition("[")[0] for each in loaded.errors}
    for rough in (_wordless(top, steps, wrong, whole, name), set(range(len(steps)))):
        sent = [_sent(_map(step)) if n in wrong else step for n, step in enumerate(steps)]
        made = load(json.dumps(_reduced(top, sent, rough, whole, name)), name=name).cascade
        if made is not None:
            return Sketch(made, frozenset(rough))
    return None


def _wordless(
    top: Mapping[str, Tree], steps: list[Tree], wrong: set[int], whole: set[str], name: str
) -> set[int]:
    """Return of the steps with mistakes those that have them in what they send."""
    found = set()
    for n in wrong:
        alone = _reduced(top, [_sent(_map(steps[n]))], (), whole | {"branches"}, name)
        if load(json.dumps(alone), name=name).cascade is None:
            found.add(n)
    return found


def _sent(step: Mapping[str, Tree]) -> dict[str, Tree]:
    """Return what of a step says what it sends, and who comes to it."""
    quiet: dict[str, Tree] = {"success": "none"} if step.get("success") == "none" else {}
    return quiet | {key: step[key] for key in (*_KEPT, *CONTENT) if key in step}


def readable(text: str, name: str, step: str) -> Cascade:
    """Return the cascade of a text; where something is wrong with it, as if it had this one step only.

    Of the step what it says is kept, and what is wrong with that is raised as Invalid.
    """
    loaded = load(text, name=name)
    if loaded.cascade is not None:
        return loaded.cascade
    try:
        top = _map(tree_of(text))
    except UnreadableError as error:
        raise Invalid([error.problem.text(name)]) from None
    found = next((each for each in map(_map, _list(top.get("steps"))) if each.get("id") == step), None)
    if found is None:
        raise Invalid([problem.text(name) for problem in loaded.errors])
    wrong = {each.path.partition(".")[0].partition("[")[0] for each in loaded.errors}
    made = _reduced(top, [], (), wrong, name)
    made["steps"] = [{key: value for key, value in _sent(found).items() if key not in ("only", "success")}]
    alone = load(json.dumps(made), name=name)
    if alone.cascade is None:
        place = f"steps[{_list(top.get('steps')).index(found)}]"
        raise Invalid([each.message for each in loaded.errors if each.path.startswith(place)]
                      or [each.message for each in alone.errors])  # fmt: skip
    return alone.cascade


def first_step(text: str) -> str:
    """Return the id of the first step in a text, whatever else is wrong with it; "": none can be read."""
    try:
        steps = _list(_map(tree_of(text)).get("steps"))
    except UnreadableError:
        return ""
    said = _map(steps[0]).get("id") if steps else None
    return said if isinstance(said, str) else ""


def _reduced(
    top: Mapping[str, Tree], steps: list[Tree], rough: Collection[int], wrong: set[str], name: str
) -> dict[str, Tree]:
    kept = ("class", "topic", "brand", "utm", "trigger", "holdout")
    made: dict[str, Tree] = {"cascade": name, "class": "service", "trigger": {"event": "something"}}
    made |= {key: top[key] for key in kept if key in top and key not in wrong}
    made["steps"] = [_rough(_map(step), n) if n in rough else step for n, step in enumerate(steps)]
    if "branches" in top and "branches" not in wrong and not rough:
        made["branches"] = top["branches"]
    return made


def _rough(step: Mapping[str, Tree], number: int) -> dict[str, Tree]:
    told = step.get("channel")
    names = [told] if isinstance(told, str) else [each for each in _list(told) if isinstance(each, str)]
    channels = [name for name in dict.fromkeys(names) if name in _KNOWN]
    made: dict[str, Tree] = {"id": f"step-{number + 1}", "channel": list(channels)}
    for needs in {CHANNELS[_KNOWN[channel]].needs for channel in channels}:
        for key in _SAID[needs]:
            said = step.get(key)
            words = said if isinstance(said, str) and said.strip() else "…"
            made[key] = words.replace("{", "(").replace("}", ")")  # of the same length, and no template
    if step.get("only") == "branch":
        made["only"] = "branch"
    if step.get("success") == "none":
        made["success"] = "none"
    return made


def _map(value: Tree) -> Mapping[str, Tree]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Tree) -> list[Tree]:
    return list(value) if isinstance(value, list) else []
