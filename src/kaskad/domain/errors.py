"""The few ways in which Kaskad fails. A text says what, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from kaskad.domain.terms import Reason


class KaskadError(Exception):
    """What is told to the person as it stands; anything else is a defect of ours."""


class NotFound(KaskadError):
    """What was named does not exist."""


class Conflict(KaskadError):
    """The change does not fit what is there now (taken name, changed in between)."""


class Unfit(Conflict):
    """A rule or a key of the tables forbids the change."""


class GivenUp(Conflict):
    """Whoever asked for the change has given it up: whatever shares a transaction with it goes on."""


class Invalid(KaskadError):
    """What was given breaks rules; `problems` holds all of them, each a whole sentence.

    `worded` are the same in a form that can be said in another language. `pointers` tells of each where it
    stands in what was given: a JSON pointer, "" for the whole.
    """

    def __init__(self, problems: Sequence[str], pointers: Sequence[str] | None = None) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(str(problem) for problem in problems)
        self.worded = tuple(problems)
        self.pointers = ("",) * len(problems) if pointers is None else tuple(pointers)


class SendError(KaskadError):
    """A provider did not take a message, or nobody knows whether it did.

    `accepted` False: it is proven that nothing was accepted, so another attempt is safe.
    `accepted` None: unknown, the request may have had its effect; never sent again on a guess.
    `of_person`: it is refused for now for whom it is to, which tells nothing of the service.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        code: str = "",
        retry_after_ms: int | None = None,
        accepted: bool | None = False,
        of_person: bool = False,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.code = code
        self.retry_after_ms = retry_after_ms
        self.accepted = accepted
        self.of_person = of_person


class BadSignature(KaskadError):
    """A webhook or a link was not signed by whom it claims."""


class StoreError(KaskadError):
    """The database could not do its work; nothing of the transaction was kept, unless the text says
    that this is unknown."""


class Unavailable(StoreError):
    """The database cannot be reached or opened."""


class Uncertain(Unavailable):
    """The database was lost at a commit, or its turn has not come in time: nobody knows whether it was or
    will be kept, so nothing may be done again."""


class Full(StoreError):
    """There is no room left to write."""


class Locked(StoreError):
    """Another process holds the database; the same may work later."""


class Corrupted(StoreError):
    """The file is damaged or is no database of ours."""
