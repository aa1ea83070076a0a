"""Negative numbers as arguments: `kaskad rates set USD KZT -5` is about a rate, and names no option `-5`."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from typer.core import TyperCommand, TyperGroup

_NUMBER = re.compile(r"-[.,]?\d")


def take_numbers(command: object) -> None:
    """Let a command, and all below it, take a negative number as a value, and say what is wrong with that."""
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            take_numbers(below)
    elif isinstance(command, TyperCommand):
        command.make_parser = partial(_parser, command.make_parser)  # type: ignore[method-assign]


def _parser(make: Any, context: Any) -> Any:
    parser = make(context)
    options = parser._process_opts

    def process(argument: str, state: Any) -> None:
        if _NUMBER.match(argument):
            state.largs.append(argument)
        else:
            options(argument, state)

    parser._process_opts = process
    return parser
