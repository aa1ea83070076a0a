"""Amazon SES, API v2: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html

Our reference travels as a message tag and comes back in the events of a configuration set; identities without
one report by SES's own id. Events come over an SNS topic with an HTTPS subscription to
`https://…/hooks/<account>` (without raw delivery, which is not signed); Kaskad confirms it by itself, once
the topic is the account's `topic_arn`. Every message is signed with a certificate of SNS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.terms import Kind, Reaction, Reason
from kaskad.providers.base import (
    Accepted,
    Account,
    Capabilities,
    File,
    Inbound,
    Outgoing,
    Receipt,
    Request,
    Response,
    Setting,
    decode,
    status_error,
)
from kaskad.providers.mail import (
    REPLY_TO,
    MailService,
    answer_of,
    clicked,
    dict_of,
    encoded,
    files_of,
    headers,
    iso_instant,
    opened,
    recipient,
    sender_of,
    taken,
    text_of,
    words_of,
)
from kaskad.providers.mime import named, on_one_line
from kaskad.providers.signatures import check_rsa
from kaskad.providers.sigv4 import Credentials, signed

PATH = "/v2/email/outbound-emails"
TAG = "kaskad"
DAY_FULL_MS = 3_600_000  # how long to leave it alone once the day's quota is used up

ERRORS: dict[str, Reason] = {  # SendEmail's errors in the service's published model, sesv2-2019-09-27
    "TooManyRequestsException": Reason.RATE_LIMITED,
    "LimitExceededException": Reason.RATE_LIMITED,
    "ThrottlingException": Reason.RATE_LIMITED,
    "Throttling": Reason.RATE_LIMITED,
    "AccountSuspendedException": Reason.AUTH,
    "SendingPausedException": Reason.AUTH,
    "MailFromDomainNotVerifiedException": Reason.AUTH,
    "NotFoundException": Reason.AUTH,  # the configuration set
    "MessageRejected": Reason.CONTENT,
    "BadRequestException": Reason.CONTENT,
}
# eventType, or notificationType of an identity; None changes nothing.
# https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
EVENTS: dict[str, Kind | None] = {
    "Send": Kind.SENT,
    "Delivery": Kind.DELIVERED,
    "Bounce": Kind.BOUNCED,  # the type and the subtype tell which
    "DeliveryDelay": Kind.SOFT_BOUNCED,  # still tried
    "Complaint": Kind.COMPLAINED,
    "Reject": Kind.REJECTED,  # a virus
    "Rendering Failure": Kind.FAILED,
    "Open": Kind.OPENED,
    "Click": Kind.CLICKED,
    "Subscription": Kind.UNSUBSCRIBED,
}
# bounceType and bounceSubType; SES has stopped trying in every case.
# https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-types
BOUNCES: dict[tuple[str, str], tuple[Kind, Reason]] = {
    ("Permanent", "General"): (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    ("Permanent", "NoEmail"): (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    ("Permanent", "Suppressed"): (Kind.REJECTED, Reason.INVALID_ADDRESS),  # bounced with others before
    ("Permanent", "OnAccountSuppressionList"): (Kind.REJECTED, Reason.WINDOW),  # bounce or complaint: untold
    ("Transient", "General"): (Kind.BOUNCED, Reason.TRANSIENT),
    ("Transient", "MailboxFull"): (Kind.BOUNCED, Reason.TRANSIENT),
    ("Transient", "MessageTooLarge"): (Kind.BOUNCED, Reason.CONTENT),
    ("Transient", "ContentRejected"): (Kind.BOUNCED, Reason.CONTENT),
    ("Transient", "AttachmentRejected"): (Kind.BOUNCED, Reason.CONTENT),
    ("Undetermined", "Undetermined"): (Kind.BOUNCED, Reason.OTHER),
}
DETAILS = {  # where an event's own part stands, if not under its name in small letters
    "DeliveryDelay": "deliveryDelay",
    "Rendering Failure": "failure",
}
# What SNS signs, in this order: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED = {
    "Notification": NOTIFICATION,
    "SubscriptionConfirmation": CONFIRMATION,
    "UnsubscribeConfirmation": CONFIRMATION,
}
DIGESTS = {"1": "sha1", "2": "sha256"}  # SignatureVersion

_SNS = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?").fullmatch
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}").fullmatch


class AmazonSes(MailService):
    """E-mail through Amazon SES; its events over SNS."""

    name = "amazon_ses"
    title = "Amazon SES"
    settings = (
        Setting("region", help="Such as eu-central-1"),
        Setting("access_key_id", help="Of a user that may ses:SendEmail"),
        Setting("secret_access_key", secret=True),
        Setting("session_token", secret=True, required=False, help="Of temporary keys"),
        Setting("sender", help="Name <name@example.org>, a verified identity"),
        REPLY_TO,
        Setting("configuration_set", required=False, help="With an SNS destination: all events, our tags"),
        Setting("topic_arn", required=False, help="The SNS topic whose events are believed"),
        Setting("tracking", required=False, default="off", choices=("off", "on"),
                help="on: as the configuration set says"),
        Setting("base_url", required=False, help="Of another endpoint; empty: the region's"),
    )  # fmt: skip
    connect = (
        "Verify the sender's domain, and create a user that may `ses:SendEmail`.",
        "Create a configuration set with an SNS topic for all events; its ARN is `topic_arn`.",
        "Subscribe `https://…/hooks/<account>` to the topic by HTTPS, without raw delivery. Kaskad "
        "confirms it by itself.",
    )
    judges = ("botocore",)
    capabilities = Capabilities(
        receipts=frozenset({*(kind for kind in EVENTS.values() if kind), Kind.MACHINE_OPENED,
                            Kind.MACHINE_CLICKED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.OPENED, Reaction.CLICKED}),
        files=True,
        concurrency=16,
        per_second=14.0,  # the first quota outside the sandbox
        burst=14,
    )  # fmt: skip
    unverified = (
        "that the events of an identity without a configuration set carry no tags (they are matched by id)",
        "that an appointment in an attachment (text/calendar; method=REQUEST) is offered to be accepted",
        "the words of the day's quota in a throttling error",
        "the region's address with dual stack or in other partitions: give `base_url` there",
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        name, address = sender_of(account)
        texts = (("Text", outgoing.text), ("Html", outgoing.html))
        handed = headers(outgoing, "")
        handed.pop("Message-ID", None)  # SES makes its own
        mail: dict[str, Any] = {
            "FromEmailAddress": _ascii(name, address),
            "Destination": {"ToAddresses": [_ascii(outgoing.contact_name, recipient(outgoing))]},
            "Content": {
                "Simple": {
                    "Subject": _content(on_one_line(outgoing.subject)),
                    "Body": {part: _content(text) for part, text in texts if text},
                    "Headers": [{"Name": header, "Value": value} for header, value in handed.items()],
                }
            },
        }
        if files := files_of(outgoing, (name, address), recipient(outgoing)):
            mail["Content"]["Simple"]["Attachments"] = [_attachment(file) for file in files]
        if account["reply_to"]:
            mail["ReplyToAddresses"] = [_ascii(*parseaddr(account["reply_to"]))]
        if _TAG(outgoing.reference):
            mail["EmailTags"] = [{"Name": TAG, "Value": outgoing.reference}]
        if account["configuration_set"]:
            mail["ConfigurationSetName"] = account["configuration_set"]
        if account["tracking"] != "on":
            off = {"OpenTrackingEnabled": "DISABLED", "ClickTrackingEnabled": "DISABLED"}
            mail["ConfigurationOverrides"] = {"Tracking": off}
        by = Credentials(account["access_key_id"], account["secret_access_key"], account["session_token"])
        request = Request.of_json(_endpoint(account) + PATH, mail)
        return signed(request, by, account["region"], "ses", outgoing.at)

    def read_response(self, response: Response) -> Accepted:
        told = answer_of(response)
        if response.ok:
            return taken(text_of(told.get("MessageId")))
        raise _refusal(response, told)

    def key_request(self, hook: Request, account: Account) -> Request | None:
        url = text_of(_envelope(hook).get("SigningCertURL"))
        if not (_is_of_sns(url, account) and urlsplit(url).path.endswith(".pem")):
            raise BadSignature("the certificate is not one of SNS")
        return Request("GET", url)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        told = _envelope(hook)
        kind = text_of(told.get("Type"))
        if hook.headers.get("x-amz-sns-message-type", kind) != kind:
            raise BadSignature("the header and the body name different types")
        topic = account["topic_arn"]
        if not topic or text_of(told.get("TopicArn")) != topic:
            raise BadSignature("the topic is not the account's topic_arn")
        version = text_of(told.get("SignatureVersion"))
        if kind not in SIGNED or version not in DIGESTS or not hook.key:
            raise BadSignature("nothing that SNS signs")
        lines = [f"{name}\n{text_of(told[name])}\n" for name in SIGNED[kind] if told.get(name) is not None]
        check_rsa(hook.key, DIGESTS[version], "".join(lines).encode(), text_of(told.get("Signature")))

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        told = _envelope(hook)
        kind, event = text_of(told.get("Type")), text_of(told.get("MessageId"))
        try:
            inner = decode(text_of(told.get("Message")).encode())
        except ValueError:
            inner = None
        if kind != "Notification" or not isinstance(inner, dict):
            # A confirmation, or the words that SES publishes to try a topic
            return [Receipt(kind=None, event=event, name=kind, raw=hook.body)]
        return [_event(inner, event, hook.body)]

    def follow_up(self, told: Sequence[Receipt | Inbound], account: Account) -> list[Request]:
        """SNS sends nothing before its SubscribeURL has been called."""
        wanted = [decode(one.raw) for one in told if _is_confirmation(one)]
        urls = [text_of(each.get("SubscribeURL")) for each in wanted]
        return [Request("GET", url) for url in urls if _is_of_sns(url, account)]


def _endpoint(account: Account) -> str:
    return account["base_url"].rstrip("/") or f"https://email.{account['region']}.amazonaws.com"


def _ascii(name: str, address: str) -> str:
    """Return an address with its name in RFC 2047 words, which SES wants, on one line."""
    return named(name, address).replace("\r\n", "")


def _attachment(file: File) -> dict[str, str]:
    # https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Attachment.html
    told = {
        "FileName": file.name, "RawContent": encoded(file), "ContentType": file.kind,
        "ContentTransferEncoding": "BASE64", "ContentDisposition": "INLINE" if file.cid else "ATTACHMENT",
    }  # fmt: skip
    return {**told, "ContentId": file.cid} if file.cid else told


def _content(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}


def _refusal(response: Response, told: dict[str, Any]) -> SendError:
    """Return why it was refused: the type stands in a header or in the body, with an address around it."""
    kind = response.headers.get("x-amzn-errortype") or text_of(told.get("__type"))
    code = kind.partition(":")[0].rpartition("#")[2]
    words = words_of(told.get("message") or told.get("Message"))
    general = status_error(response, words or code, code=code)
    if general.accepted is None:
        return general
    reason = ERRORS.get(code, general.reason)
    wait_ms = general.retry_after_ms
    if code == "MessageRejected" and "address is not verified" in words:
        reason = Reason.AUTH
    if reason is Reason.RATE_LIMITED and "daily" in words.lower():
        wait_ms = wait_ms or DAY_FULL_MS
    return SendError(reason, general.detail, code=code, retry_after_ms=wait_ms)


def _envelope(hook: Request) -> dict[str, Any]:
    told = hook.json()
    if not isinstance(told, dict):
        raise ValueError("the webhook is no message of SNS")
    return told


def _is_of_sns(url: str, account: Account) -> bool:
    """Return whether an address is one of SNS, or of the endpoint that the account names instead."""
    parts = urlsplit(url)
    own = urlsplit(account["base_url"])
    if own.netloc and (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
        return True
    return parts.scheme == "https" and bool(_SNS(parts.netloc))


def _is_confirmation(told: Receipt | Inbound) -> bool:
    return isinstance(told, Receipt) and told.kind is None and told.name == "SubscriptionConfirmation"


def _event(told: dict[str, Any], event: str, raw: bytes) -> Receipt:
    name = text_of(told.get("eventType")) or text_of(told.get("notificationType"))
    part, mail = dict_of(told.get(DETAILS.get(name, name.lower()))), dict_of(told.get("mail"))
    kind, reason, code = EVENTS.get(name), None, ""
    agent = text_of(part.get("userAgent"))
    match kind:
        case Kind.BOUNCED:
            types = text_of(part.get("bounceType")), text_of(part.get("bounceSubType"))
            kind, reason = BOUNCES.get(types, (Kind.BOUNCED, Reason.OTHER))
            code = _status(part) or types[1]
        case Kind.SOFT_BOUNCED:
            reason, code = Reason.TRANSIENT, text_of(part.get("delayType"))
        case Kind.COMPLAINED:
            if part.get("complaintSubType") == "OnAccountSuppressionList":  # of before: not even tried
                kind, reason, code = Kind.REJECTED, Reason.OPTED_OUT, "OnAccountSuppressionList"
        case Kind.REJECTED | Kind.FAILED:
            reason = Reason.CONTENT
        case Kind.OPENED:
            kind = opened(agent)
        case Kind.CLICKED:
            kind = clicked(agent)
        case Kind.UNSUBSCRIBED:
            kind = Kind.UNSUBSCRIBED if _has_left(part) else None
    tags = dict_of(mail.get("tags")).get(TAG)
    return Receipt(
        kind=kind,
        event=event,
        name=name,
        reference=text_of(tags[0]) if isinstance(tags, list) and tags else "",
        provider_id=text_of(mail.get("messageId")),
        at=iso_instant(part.get("timestamp") or mail.get("timestamp")),
        reason=reason,
        code=code,
        raw=raw,
    )


def _status(bounce: dict[str, Any]) -> str:
    """Return the enhanced code of the first recipient; there is only one of ours."""
    recipients = bounce.get("bouncedRecipients")
    first = recipients[0] if isinstance(recipients, list) and recipients else None
    return text_of(dict_of(first).get("status"))


def _has_left(subscription: dict[str, Any]) -> bool:
    """Return whether somebody has left all topics, or one of them."""
    now = dict_of(subscription.get("newTopicPreferences"))
    listed = now.get("topicSubscriptionStatus")
    topics = listed if isinstance(listed, list) else []
    left = any(dict_of(topic).get("subscriptionStatus") == "OptOut" for topic in topics)
    return now.get("unsubscribeAll") is True or left
