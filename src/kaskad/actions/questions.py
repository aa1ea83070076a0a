"""Questions about segments that may take long: answered in the background, with progress; can be given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from secrets import token_hex
from time import monotonic

from msgspec import Struct

from kaskad.domain.errors import KaskadError, NotFound
from kaskad.domain.worded import worded
from kaskad.log import get_logger
from kaskad.store.segments import Preview

log = get_logger(__name__)

RUNNING, DONE, CANCELLED, FAILED = "running", "done", "cancelled", "failed"
_EVERY_S = 0.05
_KEPT = 200  # questions that are answered

Progress = Callable[[int, int], None]


class Asked(Struct):
    """A question and how far it is. `done` and `of` count parts of all contacts."""

    id: str
    text: str
    state: str = RUNNING
    done: int = 0
    of: int = 0
    answer: Preview | None = None
    problem: str = ""
    given_up: bool = False
    remarks: tuple[str, ...] = ()  # on what was asked


class _GivenUpError(Exception):
    pass


class Questions:
    """The questions of one process; any thread may use it."""

    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}
        self._lock = threading.Lock()

    def ask(
        self, text: str, answer: Callable[[Progress], Preview], wait_s: float, remarks: tuple[str, ...] = ()
    ) -> Asked:  # fmt: skip
        """Begin to answer; return how it stands when it is answered, or after `wait_s`."""
        asked = Asked(f"ask_{token_hex(8)}", text, remarks=remarks)
        with self._lock:
            ended = [each.id for each in self._asked.values() if each.state != RUNNING]
            for each in ended[: max(0, len(self._asked) - _KEPT)]:
                del self._asked[each]
            self._asked[asked.id] = asked
        thread = threading.Thread(target=_answered, args=(asked, answer), name=asked.id, daemon=True)
        thread.start()
        thread.join(wait_s)
        return asked

    def show(self, question_id: str) -> Asked:
        """Return how a question stands; raises NotFound."""
        found = self._asked.get(question_id)
        if found is None:
            raise NotFound(
                worded(
                    "There is no question %(question_id)r: it is too old, or the server has started anew.",
                    question_id=question_id[:40],
                )
            )
        return found

    def give_up(self, question_id: str) -> Asked:
        """End a question that is not answered yet, within a part; raises NotFound."""
        found = self.show(question_id)
        found.given_up = True
        return found


def _answered(asked: Asked, answer: Callable[[Progress], Preview]) -> None:
    def told(done: int, of: int) -> None:
        asked.done, asked.of = done, of
        if asked.given_up:
            raise _GivenUpError

    try:
        asked.answer = answer(_seldom(told))
        asked.state = DONE
    except _GivenUpError:
        asked.state = CANCELLED
    except KaskadError as error:
        asked.problem, asked.state = str(error), FAILED
    except Exception as error:
        log.exception("segment failed", question=asked.id)
        asked.problem, asked.state = (
            worded("A defect in kaskad: %(name)s; the log says more.", name=type(error).__name__),
            FAILED,
        )


def _seldom(progress: Progress) -> Progress:
    """Return a progress that passes on what it is told, twenty times a second at most."""
    last = monotonic()

    def told(done: int, of: int) -> None:
        nonlocal last
        if done == of or monotonic() - last >= _EVERY_S:
            last = monotonic()
            progress(done, of)

    return told
