"""Which option, as it was typed, a failure is about: what asks and what answers call it otherwise."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from typer.core import TyperCommand, TyperGroup

# Where in what was sent, or which parameter, and what is wrong there.
_WHERE = re.compile(r"(?:\w+ parameter (?P<parameter>[\w.]+)|(?P<pointer>\w+(?:/\w+)*)): (?P<what>.+)", re.S)
_QUOTED = re.compile(r"'([^']*)'")
# Where option and field have names that do not tell of one another.
_CALLED = {
    "call_back_at": "at",
    "consent_at": "consent-date",
    "purposes": "for",
    "slug": "cascade",
    "types": "event",
}
_DEEPEST = 2  # names of a pointer: what lies deeper stands in a file


def named(problem: str, root: TyperGroup, arguments: Sequence[str]) -> str:
    """Return a problem with the option or argument that it is about, where that can be told."""
    command = _meant(root, arguments)
    if command is None or problem.startswith("-"):
        return problem
    if (found := _WHERE.fullmatch(problem)) is not None:
        place = found["parameter"] or found["pointer"]
        names = [part for part in re.split(r"[./]", place) if not part.isdigit()]
        if len(names) <= _DEEPEST and names and names[0] != "steps" and (option := _option(names, command)):
            return f"{option}: {found['what'].removeprefix(f'{names[-1]}: ')}"
        problem = f"{place}: {found['what'].removeprefix(f'{place}: ')}"
    option = _typed_for(problem, command, arguments)
    return f"{option}: {problem}" if option else problem


def _meant(root: TyperGroup, arguments: Sequence[str]) -> TyperCommand | TyperGroup | None:
    """Return the command that was called."""
    command: object = root
    for word in arguments:
        if isinstance(command, TyperGroup) and word in command.commands:
            command = command.commands[word]
    return command if isinstance(command, TyperCommand | TyperGroup) and command is not root else None


def _option(names: Sequence[str], command: TyperCommand | TyperGroup) -> str:
    """Return the option or argument that sends what is called so; "": none does."""
    known = {name.lstrip("-"): name for each in command.params for name in each.opts if name.startswith("--")}
    for each in command.params:
        if each.param_type_name == "argument" and each.metavar:
            known |= {str(each.name).replace("_", "-"): each.metavar, each.metavar.lower(): each.metavar}
    for name in reversed(names):
        one = _CALLED.get(name, name.replace("_", "-"))
        for called in (one, one.removesuffix("es"), one.removesuffix("s")):
            if called in known:
                return known[called]
    return ""


def _typed_for(problem: str, command: TyperCommand | TyperGroup, arguments: Sequence[str]) -> str:
    """Return the only option that was given the value which the problem quotes; "": there is none."""
    flags = {
        name
        for each in command.params
        if getattr(each, "is_flag", False)
        for name in (*each.opts, *each.secondary_opts)
    }
    given = defaultdict[str, set[str]](set)
    option = ""
    for word in arguments:
        name, equals, value = word.partition("=")
        if option or not word.startswith("--"):
            given[word].add(option)
            option = ""
        elif equals:
            given[value].add(name)
        elif word not in flags:
            option = word
    options = [given[value] for value in _QUOTED.findall(problem) if value in given]
    return options[0].copy().pop() if options and len(options[0]) == 1 else ""
