"""Whatever happens, in whatever order: drawn histories over the real engine, in which promises hold.

One that fails is shortened, and told with the acts that are left. `python -m support.histories FIRST COUNT`,
with `tests` in PYTHONPATH, lives as many more as one likes.
"""

import pytest

from support.histories import failing, made
from support.histories.__main__ import files

FEW = (1, 2, 27)  # of `make test`: 4 s each; the last saw what a restart left at the call desk


@pytest.mark.parametrize("seed", FEW)
def test_promises_hold_in_a_history(seed: int) -> None:
    with files() as databases:
        failure = failing(made(seed), databases)
    assert failure is None, str(failure)
