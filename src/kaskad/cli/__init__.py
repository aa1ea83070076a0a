"""The command line. Each file but `root` is one group of commands and exports `register(app)`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    from kaskad.cli.root import run

    sys.exit(run(sys.argv[1:]))
