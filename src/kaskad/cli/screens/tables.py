"""Tables of figures in the terminal: in columns where they fit, in several below one another where not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from kaskad.cli.screens.output import table
from kaskad.cli.screens.prose import ENDLESS


class Figures:
    """A table of figures; where a terminal is too narrow for it, several, or each row by itself, in lines.

    `summed`: the last row is the sum of those above. `left`: columns of names besides the first.
    """

    def __init__(
        self, head: Sequence[str], rows: Sequence[Sequence[object]], summed: bool = False, *,
        space: int = 2, left: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.head, self.rows = head, rows
        self._table = Table(box=None, padding=(0, space, 0, 0), header_style="bold")
        self._table.add_column(head[0], no_wrap=True)
        for title in head[1:]:
            self._table.add_column(title, justify="left" if title in left else "right", no_wrap=True)
        for at, row in enumerate(rows, 1):
            self._table.add_row(*map(str, row), style="bold" if summed and at == len(rows) else "")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield what fits."""
        wide = console.measure(self._table, options=options.update(max_width=ENDLESS)).maximum
        fits = wide <= options.max_width
        yield self._table if fits else Text(table(self.head, self.rows, options.max_width, compared=True))
