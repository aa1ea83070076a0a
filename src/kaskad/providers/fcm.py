"""Firebase Cloud Messaging, HTTP v1: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages

Push to apps for Android and iOS, and to web apps that use Firebase's own script. The account is a service
account's JSON file; tokens come from its `token_uri`. FCM reports nothing to a server: with `reports: on` the
app is told, in `data`, where to tell that it has shown or opened a notification.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.subscription import is_subscription
from kaskad.domain.terms import Channel, Reason
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
    Setting,
    status_error,
)
from kaskad.providers.jwt import check_key, rs256
from kaskad.providers.push import (
    REACTIONS,
    RECEIPTS,
    URGENCY,
    read_report,
    report_fields,
    tap_of,
    ttl_s,
    verify_report,
)

BASE_URL = "https://fcm.googleapis.com"
TOKEN_URL = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"  # https://developers.google.com/identity/protocols/oauth2/service-account
HOUR_S = 3600
QUOTA_MS = 60_000  # how long to wait where the answer does not say: at least a minute

# `errorCode` of google.firebase.fcm.v1.FcmError:
# https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
ERRORS: dict[str, Reason] = {
    "UNSPECIFIED_ERROR": Reason.OTHER,
    "INVALID_ARGUMENT": Reason.CONTENT,  # invalid_address where its words are about the token
    "UNREGISTERED": Reason.INVALID_ADDRESS,
    # The token is another project's. With a wrong service account that holds for everybody, and a wrong
    # setting must not cost all addresses: only this message has failed.
    "SENDER_ID_MISMATCH": Reason.OTHER,
    "QUOTA_EXCEEDED": Reason.RATE_LIMITED,
    # "The server couldn't process the request in time. Retry the same request": documented as not done, and
    # should it be done all the same, the second notification replaces the first by its tag.
    "UNAVAILABLE": Reason.TRANSIENT,
    "INTERNAL": Reason.AMBIGUOUS,
    "THIRD_PARTY_AUTH_ERROR": Reason.AUTH,  # the key for APNs or web push in the Firebase project
    "APNS_AUTH_ERROR": Reason.AUTH,  # its older name
}
BAD_TOKEN = ("registration token",)  # in words about INVALID_ARGUMENT


class Fcm(Provider):
    """Push notifications to apps through Firebase Cloud Messaging."""

    name = "fcm"
    title = "Firebase Cloud Messaging"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.PUSH})
    settings = (
        Setting("service_account", secret=True, lines=True,
                help="The JSON file of a service account that may send: Firebase console, Project settings"),
        Setting("title", required=False, help="Of notifications whose step has no `subject`"),
        Setting("android_channel", required=False, help="The app's notification channel on Android"),
        Setting("reports", required=False, default="off", choices=("on", "off"),
                help="on: the app itself reports what it has shown and opened"),
        Setting("base_url", required=False, default=BASE_URL),
    )  # fmt: skip
    connect = (
        "In the Firebase console: Project settings, Service accounts, Generate new private key. The file "
        "that comes is `service_account`: `--secret service_account=@FILE`.",
        "Let your server tell Kaskad the registration token of each person's app, as an address of `push`.",
        "With `reports: on`, let the app tell what it has shown and opened, as [Push](../push.md) says.",
    )
    capabilities = Capabilities(
        receipts=RECEIPTS,
        reactions=REACTIONS,
        echoes_reference=True,
        ttl=True,
        buttons=1,
        media=True,
        concurrency=32,
        per_second=500.0,  # of about 600 000 a minute and project
        burst=500,
    )
    unverified = (
        "the quota (about 600 000 messages a minute and project)",
        "that the address of tokens and messages is as public clients have it",
        "how FCM shows a notification: no phone was at hand",
    )

    def check(self, account: Account) -> list[str]:
        if not account["service_account"]:
            return []
        try:
            check_key(_service(account).private_key)
        except (SendError, Invalid) as error:
            return [f"setting 'service_account': {error}"]
        return []

    def takes(self, address: str) -> bool:
        return not is_subscription(address)

    def needs_token(self, account: Account) -> bool:
        return True

    def auth_request(self, account: Account, now: int) -> Request:
        service = _service(account)
        issued_s = now // 1000
        claims: dict[str, str | int] = {
            "iss": service.client_email,
            "scope": SCOPE,
            "aud": service.token_uri,
            "iat": issued_s,
            "exp": issued_s + HOUR_S,
        }
        try:
            assertion = rs256(claims, service.private_key, key_id=service.private_key_id)
        except Invalid as error:
            raise SendError(Reason.AUTH, f"service_account: {error}") from None
        asked = {"grant_type": ASSERTION, "assertion": assertion}
        return Request.form("POST", service.token_uri, asked)

    def read_auth(self, response: Response) -> tuple[str, int]:
        try:
            answer = msgspec.json.decode(response.body, type=_Token)
        except (ValueError, RecursionError):
            answer = _Token()
        if response.ok and answer.access_token:
            return answer.access_token, max(1, answer.expires_in) * 1000
        general = status_error(response, " ".join(filter(None, (answer.error, answer.error_description))))
        if general.accepted is None or general.reason is Reason.RATE_LIMITED:
            raise general
        raise SendError(Reason.AUTH, general.detail, code=answer.error)  # a wrong key, or a wrong clock

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        service = _service(account)
        if not self.takes(outgoing.to):
            told = "this is a browser's subscription, which an account of provider `webpush` sends to"
            raise SendError(Reason.OTHER, told)
        url = f"{(account['base_url'] or BASE_URL).rstrip('/')}/v1/projects/{quote(service.project_id)}"
        return Request.of_json(f"{url}/messages:send", {"message": _message(outgoing, account)})

    def read_response(self, response: Response) -> Accepted:
        if response.ok:
            try:
                return Accepted(msgspec.json.decode(response.body, type=_Sent).name)
            except (ValueError, RecursionError):
                raise status_error(response, "the answer is not FCM's") from None
        raise _refusal(response)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        verify_report(hook, account["service_account"])

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        return [read_report(hook)]


# What we send


class _Service(Struct):
    """A service account's file: https://cloud.google.com/iam/docs/keys-create-delete"""

    project_id: str
    client_email: str
    private_key: str
    private_key_id: str = ""
    token_uri: str = TOKEN_URL


def _service(account: Account) -> _Service:
    """Return the service account; raises SendError where the setting is none."""
    try:
        return _read_service(account["service_account"])
    except (ValueError, RecursionError):
        told = "it is not the JSON file of a service account, with project_id, client_email and private_key"
        raise SendError(Reason.AUTH, told) from None


@lru_cache(maxsize=64)
def _read_service(text: str) -> _Service:
    return msgspec.json.decode(text, type=_Service)


def _message(outgoing: Outgoing, account: Account) -> dict[str, Any]:
    text, url = tap_of(outgoing)
    ttl, urgent = ttl_s(outgoing), URGENCY[outgoing.message_class] == "high"
    notification = {"body": text}
    if title := outgoing.subject or account["title"]:
        notification["title"] = title
    if outgoing.media:
        notification["image"] = outgoing.media[0]
    data = {"url": url} if url else {}
    if account["reports"] == "on":
        data |= report_fields(outgoing, account["service_account"])
    # an extension of the app loads the picture, and reports
    mutable = {"mutable-content": 1} if outgoing.media or account["reports"] == "on" else {}
    shown = {"tag": outgoing.key}  # a repeat replaces what is shown
    if account["android_channel"]:
        shown["channelId"] = account["android_channel"]
    message: dict[str, Any] = {
        "token": outgoing.to,
        "notification": notification,
        "android": {"priority": "HIGH" if urgent else "NORMAL", "ttl": f"{ttl}s", "notification": shown},
        "apns": {
            "headers": {
                "apns-priority": "10" if urgent else "5",
                "apns-expiration": str(outgoing.at // 1000 + ttl),
                "apns-collapse-id": outgoing.key[:64],
            },
            "payload": {"aps": {"sound": "default", **mutable}},
        },
        "webpush": {"headers": {"TTL": str(ttl), "Urgency": URGENCY[outgoing.message_class]}},
    }
    if data:
        message["data"] = data
    if url.startswith("https://"):  # no other link is taken
        message["webpush"]["fcmOptions"] = {"link": url}
    return message


# What we read


class _Sent(Struct):
    name: str


class _Token(Struct):
    """https://www.rfc-editor.org/rfc/rfc6749#section-5"""

    access_token: str = ""
    expires_in: int = HOUR_S
    error: str = ""
    error_description: str = ""


class _Violation(Struct):
    field: str = ""
    description: str = ""


class _Detail(Struct, rename={"kind": "@type"}):
    kind: str = ""
    errorCode: str = ""  # noqa: N815
    fieldViolations: list[_Violation] = field(default_factory=list)  # noqa: N815


class _Error(Struct):
    message: str = ""
    status: str = ""
    details: list[_Detail] = field(default_factory=list)


class _Failed(Struct):
    """https://cloud.google.com/apis/design/errors#error_model, as JSON"""

    error: _Error


def _refusal(response: Response) -> SendError:
    try:
        error = msgspec.json.decode(response.body, type=_Failed).error
    except (ValueError, RecursionError):
        return _quota(status_error(response))
    code = next((detail.errorCode for detail in error.details if detail.errorCode), "")
    told = [error.message, *(f"{v.field}: {v.description}" for d in error.details for v in d.fieldViolations)]
    words = "; ".join(part for part in told if part)[:400]
    general = status_error(response, words, code=code or error.status)
    reason = ERRORS.get(code)
    if response.status == 400 and _about_the_token(error):
        reason = Reason.INVALID_ADDRESS
    sure = general.accepted is False or (response.status == 503 and reason is Reason.TRANSIENT)
    if reason is None or not sure:
        return _quota(general)
    return _quota(SendError(reason, general.detail, code=general.code, retry_after_ms=general.retry_after_ms))


def _about_the_token(error: _Error) -> bool:
    fields = [violation.field for detail in error.details for violation in detail.fieldViolations]
    return "message.token" in fields or any(words in error.message for words in BAD_TOKEN)


def _quota(error: SendError) -> SendError:
    if error.reason is Reason.RATE_LIMITED and error.retry_after_ms is None:
        error.retry_after_ms = QUOTA_MS
    return error
