"""`kaskad demo`: an empty folder becomes a running installation, and people move through its channels."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(demo)


def demo(
    folder: Annotated[
        Path, typer.Option(help="Where it lives; what an earlier demo left there goes.")
    ] = Path("kaskad-demo"),
    people: Annotated[int, typer.Option(min=20, max=100_000, help="How many people there are.")] = 2_000,
    time_factor: Annotated[
        float, typer.Option(min=1.0, max=20_000.0, help="Let time pass so much faster.")
    ] = 3_600.0,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Of Kaskad; 0: 8000, or any free one where that is taken.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Another seed, other people.")] = 1,
    seconds: Annotated[float, typer.Option(min=0.0, help="End by itself after so long; 0: by Ctrl-C.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print each look as a line of JSON.")] = False,
) -> None:
    """Show cascades at work: a shop, 2 000 people, ten channels, four cascades, and nothing that is real.

    Everything is as in an installation of yours, but providers and people are those of the sandbox, and time
    runs faster. The folder keeps it all: cascades, accounts, people and the database.
    """
    from kaskad.cli.screens.demo import Screen
    from kaskad.demo.play import Plan, playing

    screen = Screen(as_json)
    screen.log_to_screen()
    ending = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: ending.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        plan = Plan(folder, people, time_factor, port, seed, english=not _reads_russian())
        with playing(plan, screen.say) as play, screen.watching() as show:
            left_s, pauses_s = seconds or float("inf"), screen.pauses_s()
            while not ending.is_set() and left_s > 0:
                show(play.picture())
                pause_s = next(pauses_s)
                ending.wait(min(pause_s, left_s))
                left_s -= pause_s
            show(play.picture())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    screen.say(f"Ended. {folder} keeps it: `cd {folder} && kaskad report abandoned-cart`.")


def _reads_russian() -> bool:
    """Say whether the environment is Russian: the first of these that is set counts, as everywhere."""
    told = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return told.startswith("ru")
