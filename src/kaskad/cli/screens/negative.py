"""Negative numbers as arguments: `kaskad rates set USD KZT -5` is about a rate, and names no option `-5`."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_NUMBER = re.compile(r"-[.,]?\d")


def take_numbers(command: object) -> None:
    """Let a command, and all below it, take a negative number as a value, and say what is wrong with that."""
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            take_numbers(below)
    elif isinstance(command, TyperCommand):
        command.parse_args = partial(_parse_args, command.parse_args)  # type: ignore[method-assign]


def _parse_args(parse: Any, context: Any, args: list[str]) -> list[str]:
    """Parse what was typed, once more with what names no option as values where that is a number.

    Then only, since an option that does not exist is else told by its name, with those like it.
    """
    try:
        parsed: list[str] = parse(context, [*args])
    except typer.TyperException as error:
        if getattr(error, "option_name", "") not in {each[:2] for each in args if _NUMBER.match(each)}:
            raise
        context.ignore_unknown_options = True
        parsed = parse(context, args)
    return parsed
