"""MTS Exolve: a call that reads a text aloud (голосовое SMS). https://docs.exolve.ru/docs/ru/api-reference/voice-api/

How a call ended is asked for (`GetInfo`) until it is known. Keys have no meaning in such a call, and nothing
tells a voicemail from a person who listens to the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from kaskad.domain.errors import SendError
from kaskad.domain.terms import CallResult, Channel, Kind, Reaction, Reason
from kaskad.providers import exolve_api as exolve
from kaskad.providers.base import (
    Accepted,
    Account,
    Capabilities,
    Inbound,
    Outgoing,
    Provider,
    Receipt,
    Request,
    Response,
    Sent,
    Setting,
)
from kaskad.providers.calls import REASONS
from kaskad.providers.signatures import check_url_key

STATUSES: dict[str, Kind | None] = {  # a word of the status; the first that stands in it counts
    "NO_ANSWER": Kind.FAILED,
    "TIMEOUT": Kind.FAILED,
    "CANCELED": Kind.FAILED,
    "CANCELLED": Kind.FAILED,
    "BUSY": Kind.FAILED,
    "REJECTED": Kind.FAILED,
    "INVALID": Kind.FAILED,
    "FAILED": Kind.FAILED,
    "VOICEMAIL": Kind.MACHINE_ANSWERED,
    "COMPLETED": Kind.ANSWERED,  # listened to the end
    "ANSWERED": Kind.SENT,  # somebody or something has picked up; the end tells more
    "IN_PROGRESS": Kind.SENT,
    "RINGING": Kind.SENT,
    "DIALING": None,
    "CREATED": None,
}
RESULTS: dict[str, CallResult] = {  # of those that nobody took
    "NO_ANSWER": CallResult.NO_ANSWER,
    "TIMEOUT": CallResult.NO_ANSWER,
    "CANCELED": CallResult.NO_ANSWER,
    "CANCELLED": CallResult.NO_ANSWER,
    "BUSY": CallResult.BUSY,
    "REJECTED": CallResult.REJECTED,
    "INVALID": CallResult.INVALID_NUMBER,
    "FAILED": CallResult.UNREACHABLE,
}
_ENDS = (Kind.FAILED, Kind.MACHINE_ANSWERED, Kind.ANSWERED)


class MtsExolveVoice(Provider):
    """A call through MTS Exolve that reads a text aloud, or plays a message prepared there."""

    name = "mts_exolve_voice"
    title = "MTS Exolve voice messages"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.ROBOT_CALL})
    settings = (
        *exolve.SETTINGS,
        Setting("service_id", required=False, help="A voice message prepared there, instead of the text"),
        exolve.HOOK_SETTING,
        Setting("base_url", default=exolve.BASE_URL),
    )
    connect = (
        "Take the API key of the application and a number rented there as `sender`.",
        "Leave `keys` out of the steps: such a call takes none. To play a recording instead of the text, "
        "prepare it there and give its number as `service_id`.",
        "How a call ended is asked for. A webhook may tell it sooner: `https://…/hooks/<account>?key=` with "
        "the text that is `webhook_secret` here.",
    )
    capabilities = Capabilities(
        receipts=frozenset({Kind.SENT, Kind.ANSWERED, Kind.MACHINE_ANSWERED, Kind.FAILED}),
        reactions=frozenset({Reaction.ANSWERED}),
        reports_sent=True,
        look_ups=(30_000, 60_000, 120_000, 300_000, 900_000),
        concurrency=4,
        per_second=1.0,
        burst=1,
    )
    unverified = (
        "The words of statuses besides `completed`, which a public script takes for listened to the end.",
        "The fields of the webhook: one with `call_id` and `status` is read.",
        "Voices and languages: no number of a voice is confirmed, so the text is read by the default one.",
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        if outgoing.keys:
            why = "MTS Exolve takes no keys: leave `keys` out of the step, or call by another provider"
            raise SendError(Reason.CONTENT, why)
        told: dict[str, Any] = {
            "source": exolve.digits(account["sender"]),
            "destination": exolve.digits(outgoing.to),
        }
        if account["service_id"]:
            told["service_id"] = account["service_id"]
        else:
            told["tts"] = {"text": outgoing.say}
        return exolve.post(account, "call/v1/MakeVoiceMessage", told)

    def read_response(self, response: Response) -> Accepted:
        identity = exolve.text(exolve.read(response).get("call_id"))
        if not identity:  # a client in production takes such an answer for a refusal; we would not call again
            raise SendError(Reason.AMBIGUOUS, "the answer names no call", accepted=None)
        return Accepted(identity, kind=None)

    def look_up(self, sent: Sent, account: Account, now: int) -> Request:
        return exolve.post(account, "call/v1/GetInfo", {"call_id": sent.provider_id})

    def read_look_up(self, response: Response, sent: Sent, account: Account) -> tuple[list[Receipt], bool]:
        receipt = _receipt(exolve.read(response), sent.provider_id, response.body)
        return [receipt], receipt.kind in _ENDS

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        check_url_key(hook.url, account["webhook_secret"])

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        told = hook.json()
        identity = exolve.text(told.get("call_id")) if isinstance(told, dict) else ""
        if not identity:
            raise ValueError("the webhook names no call")
        return [_receipt(told, identity, hook.body)]


def _receipt(told: Mapping[str, Any], identity: str, raw: bytes) -> Receipt:
    name = exolve.text(told.get("status")).replace("-", "_")
    kind = exolve.word(STATUSES, name)
    result = exolve.word(RESULTS, name) if kind is Kind.FAILED else None
    return Receipt(
        kind=kind,
        event=f"{identity} {name}",
        name=name,
        provider_id=identity,
        reason=REASONS[result] if result else None,
        code=result or "",
        raw=raw,
    )
