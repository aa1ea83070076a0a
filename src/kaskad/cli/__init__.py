"""The command line. Each file but `root` is one group of commands and exports `register(app)`."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    gc.set_threshold(20_000, 20, 20)  # what is loaded stays: the collector took a tenth of a command's start
    from kaskad.cli.root import run

    sys.exit(run(sys.argv[1:]))
