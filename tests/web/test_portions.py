"""Long webhooks: read and kept in portions, in their order, and answered once all of them are durable."""

import json
import threading
import time
from pathlib import Path

import msgspec
import pytest

from kaskad.domain.errors import Full
from kaskad.providers import provider
from kaskad.providers.base import Account, Request
from kaskad.web import portions as module
from kaskad.web.hooks import read_hook
from kaskad.web.portions import AHEAD, PORTION, portions
from support.faults import until

CASES = Path(__file__).parents[1] / "providers" / "cases"
ACCOUNTS = json.loads((CASES.parent / "accounts.json").read_text("utf-8"))
SIGNED = {"X-Secret": "s3cret"}


def arrays():
    """Yield the cases of webhooks that are arrays of several reports."""
    for path in sorted(CASES.glob("*/*.json")):
        case = json.loads(path.read_text("utf-8"))
        body = case.get("webhook", {}).get("body", "")
        read = case.get("read")
        if body.startswith("[") and isinstance(read, list) and len(read) > 1:
            yield pytest.param(path.parent.name, case, id=f"{path.parent.name}-{path.stem}")


@pytest.mark.parametrize("name, case", list(arrays()))
def test_reports_of_an_array_say_in_portions_what_they_say_together(name, case, monkeypatch):
    monkeypatch.setattr(module, "PORTION", 1)
    told = ACCOUNTS[name][case.get("account", "one")]
    account = msgspec.convert({"id": 1, "name": "one", "provider": name, **told}, Account)
    got = case["webhook"]
    hook = Request("POST", "https://k.example.org/hooks/one", got["headers"], got["body"].encode())
    whole, problem = read_hook(provider(name), hook, account)
    found = list(portions(hook, lambda part: read_hook(provider(name), part, account)))
    assert [one for each in found for one in each.told] == list(whole) and problem is None
    assert len(found) == len(whole) and [each.body for each in found] == [hook.body] + [None] * (
        len(whole) - 1
    )


def body_of(count, odd=()):
    told = [{"odd": n} if n in odd else {"ref": f"r{n}", "more": "x" * 60} for n in range(count)]
    return json.dumps(told).encode()


def test_a_long_webhook_is_told_in_portions_in_its_order_and_kept_raw_once(site):
    body = body_of(2 * PORTION + 1)
    assert site.call("POST", "/hooks/main", body, SIGNED).status == 200
    assert [len(told) for _, _, told, *_ in site.intake.told] == [PORTION, PORTION, 1]
    assert [one.reference for _, _, told, *_ in site.intake.told for one in told] == [
        f"r{n}" for n in range(2 * PORTION + 1)
    ]
    assert [kept for *_, kept, _ in site.intake.told] == [body, None, None]


def test_what_cannot_be_read_of_a_long_webhook_is_kept_with_its_problem_and_all_else_counts(site):
    body = body_of(3 * PORTION, odd=[PORTION + 7])
    assert site.call("POST", "/hooks/main", body, SIGNED).status == 200
    first, second, third = site.intake.told
    assert (len(first[2]), len(second[2]), len(third[2])) == (PORTION, 0, PORTION)
    assert [kept[-1] is None for kept in (first, second, third)] == [True, False, True]
    assert json.loads(second[-2]) == json.loads(body)[PORTION : 2 * PORTION]


@pytest.mark.parametrize("body", [b"[" + b" " * 70_000, b"[" * 70_000, b'{"a": 1}' + b" " * 70_000])
def test_a_long_webhook_that_is_no_array_is_read_and_kept_whole(site, body):
    assert site.call("POST", "/hooks/main", body, SIGNED).status == 200
    ((_, _, told, _, kept, problem),) = site.intake.told
    assert told == [] and kept == body and problem


def test_a_long_webhook_is_answered_once_its_last_portion_is_durable(site):
    site.intake.held = []
    answers = []
    asked = threading.Thread(
        target=lambda: answers.append(site.call("POST", "/hooks/main", body_of(4 * PORTION), SIGNED).status)
    )
    asked.start()
    for number in range(4):
        until(lambda number=number: len(site.intake.held) > number)
        time.sleep(0.02)
        assert len(site.intake.told) <= number + AHEAD and not answers, "no more are on their way at once"
        site.intake.held[number].set_result(None)
    asked.join(10)
    assert answers == [200]


def test_a_long_webhook_of_which_something_cannot_be_kept_is_refused(site):
    site.intake.error = Full("the disk is full")
    assert site.call("POST", "/hooks/main", body_of(4 * PORTION), SIGNED).status == 503
