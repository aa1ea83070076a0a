"""Make the README's picture: run the demo until its launch is over, and draw what its terminal shows.

python docs/pictures/make.py [SECONDS]
"""

import sys
import tempfile
import time
from io import StringIO
from pathlib import Path

from rich.console import Console

from kaskad import log
from kaskad.cli.screens.demo import WIDE, as_panel
from kaskad.demo.play import Plan, playing

HERE = Path(__file__).parent


def main(seconds: float) -> None:
    """Write demo.svg beside this file."""
    log.configure("error")
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder) / "demo", english=True)
        with playing(plan, print) as play:
            time.sleep(seconds)
            picture = play.picture()
    console = Console(record=True, width=WIDE, file=StringIO())
    console.print(as_panel(picture))
    console.save_svg(str(HERE / "demo.svg"), title="kaskad demo")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 240.0)
