"""Several messages in one request: what is asked is what each would ask alone, and each has its own fate."""

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Accepted, Account, Outgoing, Response

HERE = Path(__file__).parent
ACCOUNTS = json.loads((HERE / "accounts.json").read_text())
BATCHING = sorted(name for name, one in PROVIDERS.items() if one.capabilities.batch > 1)
OK = {"To": "a@example.org", "MessageID": "m-1", "ErrorCode": 0, "Message": "OK"}
INACTIVE = {"ErrorCode": 406, "Message": "You tried to send to a recipient that has been marked as inactive."}
WRONG = {"ErrorCode": 300, "Message": "Invalid 'To' address: 'x'."}


@dataclass
class Post:
    """https://postmarkapp.com/developer/user-guide/send-email-with-api/batch-emails"""

    provider = PROVIDERS["postmark"]
    account = msgspec.convert(
        {"id": 1, "name": "post", "provider": "postmark", **ACCOUNTS["postmark"]["one"]}, Account
    )

    def requests(self, count):
        told = {"channel": "email", "at": 1, "subject": "Hi", "text": "Hi"}
        messages = [
            msgspec.convert(
                {**told, "reference": f"r{n}", "key": f"k{n}", "to": f"p{n}@example.org"}, Outgoing
            )
            for n in range(count)
        ]
        return [self.provider.build_request(message, self.account) for message in messages]

    def read(self, body, count, status=200):
        return self.provider.read_batch(Response(status, {}, json.dumps(body).encode()), count)


def test_a_batch_holds_what_its_messages_would_send_alone():
    post = Post()
    alone = post.requests(3)
    batch = post.provider.build_batch(alone, post.account)
    assert batch.url == "https://api.postmarkapp.com/email/batch" and batch.headers == alone[0].headers
    assert batch.json() == [request.json() for request in alone]


def test_each_message_has_the_fate_that_stands_at_its_place():
    first, second, third = Post().read([OK, INACTIVE, WRONG], 3)
    assert first == Accepted("m-1")
    assert isinstance(second, SendError) and second.code == "406" and second.accepted is False
    assert isinstance(third, SendError) and third.reason is Reason.INVALID_ADDRESS


@pytest.mark.parametrize(
    ("body", "status", "reason", "accepted"),
    [
        ({"ErrorCode": 10, "Message": "Bad or missing Server API token."}, 401, Reason.AUTH, False),
        ({"ErrorCode": 429, "Message": "Rate limit exceeded"}, 429, Reason.RATE_LIMITED, False),
        ({"Message": "oops"}, 500, Reason.AMBIGUOUS, None),
        ([OK], 200, Reason.AMBIGUOUS, None),  # of two
        ({"ErrorCode": 0, "Message": "OK"}, 200, Reason.AMBIGUOUS, None),
    ],
)
def test_an_answer_that_is_that_of_all_is_an_error_for_all(body, status, reason, accepted):
    with pytest.raises(SendError) as error:
        Post().read(body, 2, status)
    assert (error.value.reason, error.value.accepted) == (reason, accepted)


def test_who_batches_can_read_the_fate_of_each():
    assert BATCHING == ["postmark"]
