"""One message through an account to look at it: no run, no limits, no figures, nothing kept."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, Queue
from time import monotonic

import structlog
from msgspec import Struct

from kaskad.domain.cascade import Money
from kaskad.domain.errors import Unavailable
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.tokens import Signer
from kaskad.domain.worded import worded
from kaskad.engine.dispatch import Dispatcher
from kaskad.engine.parcel import Parcel, Result
from kaskad.providers.base import Account, Outgoing

log = structlog.get_logger()

TIMEOUT_S = 25.0
NOBODY = (0, 0, 0)  # contact, run, step: receipts of a test find no message, and change nothing
SUBJECT = "Kaskad: test message"
TEXT = "This is a test message from Kaskad. / Это проверочное сообщение от Kaskad."


class TrialMessage(Struct, frozen=True):
    """What to send to whom; empty texts become a plain word of ours."""

    to: str
    subject: str = ""
    text: str = ""
    html: str = ""
    say: str = ""


class Trial(Struct, frozen=True):
    """What the provider did. `accepted` None: it may have taken the message, the answer was lost."""

    accepted: bool | None
    took_ms: int
    provider_id: str = ""
    cost: Money | None = None
    reason: str = ""
    code: str = ""
    detail: str = ""


def send_trial(
    account: Account, message: TrialMessage, signer: Signer, clock: Callable[[], int], status_url: str
) -> Trial:
    """Hand words of ours to the account's provider, from this process, and return what came of it."""
    return send_out(account, _outgoing(account, message, signer, clock(), status_url), clock)


def send_out(account: Account, outgoing: Outgoing, clock: Callable[[], int]) -> Trial:
    """Hand one message to the account's provider, from this process, and return what came of it."""
    answers: Queue[list[Result]] = Queue()
    dispatcher = Dispatcher({account.id: account}, clock, answers.put, timeout_s=TIMEOUT_S)
    began = monotonic()
    try:
        dispatcher.submit([Parcel(*NOBODY, 1, account.id, outgoing)])
        result = answers.get(timeout=2 * TIMEOUT_S)[0]
    except Empty:
        raise Unavailable(worded("%(name)s has not answered in time.", name=account.name)) from None
    finally:
        dispatcher.close(0)
    trial = Trial(
        accepted=True if result.reason is None else result.accepted,
        took_ms=round((monotonic() - began) * 1000),
        provider_id=result.provider_id,
        cost=result.cost,
        reason=result.reason.value if result.reason else "",
        code=result.code,
        detail=result.detail,
    )
    log.info("test message", account=account.name, provider=account.provider, accepted=trial.accepted,
             reason=trial.reason, ms=trial.took_ms)  # fmt: skip
    return trial


def _outgoing(account: Account, told: TrialMessage, signer: Signer, now: int, status_url: str) -> Outgoing:
    words = told.text or told.say or TEXT
    return Outgoing(
        reference=signer.reference(*NOBODY, account.id),
        key=f"test:{now}",
        channel=account.channel,
        to=told.to,
        at=now,
        message_class=MessageClass.TRANSACTIONAL,
        subject=told.subject or SUBJECT,
        html=told.html,
        text="" if account.channel is Channel.ROBOT_CALL and not told.text else words,
        say=told.say or words,
        script=words if account.channel is Channel.AGENT_CALL else "",
        status_url=status_url,
    )
