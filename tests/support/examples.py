"""How many examples a property is tried with."""

import os

EXPLORING = bool(os.environ.get("KASKAD_TEST_EXPLORE"))


def tries(examples: int) -> int:
    """Return how many of so many examples an ordinary run tries: half, the same ones each time.

    `make explore` tries as many as are told, others each time.
    """
    return examples if EXPLORING else examples // 2
