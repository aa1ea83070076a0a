"""The whole API against its own description: whatever is sent, no 5xx, and answers as described.

`make fuzz` does the same with many examples: KASKAD_TEST_FUZZ is how many of each operation.
"""

import os
import re
import time
from collections import Counter
from itertools import count

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from kaskad.web.app import ROUTERS

EXAMPLES = int(os.environ.get("KASKAD_TEST_FUZZ", "4"))
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
ACCOUNT = {
    "provider": "generic_webhook",
    "channel": "sms",
    "settings": {"url": "http://127.0.0.1:1/"},
    "secrets": {"secret": "x" * 16},
}
YAML = {"Content-Type": "application/yaml"}
KEY = {"name": "shop", "scopes": ["events:write"]}
SEGMENT = {"name": "gold", "conditions": {"all": [{"attribute": "tier", "equals": "gold"}]}}
CASCADE = """
cascade: {slug}
title: Told
class: service
trigger: {{event: joined}}
reentry: restart
goal: {{event: bought}}
steps: [{{id: one, channel: sms, text: Hello, wait: 1d}}]
"""
NOT_DESCRIBED = {  # path begins with: why it is no part of the API
    "/hooks/": "providers call it, each in words of its own",
    "/o/": "for mail programs: an open pixel",
    "/l/": "for people: a tracked link",
    "/s/": "for people: a short tracked link",
    "/u/": "for people and mail programs: unsubscribing",
    "/t/": "for people: an opt-in link",
    "/f/": "for people: a sign-up form, by itself or within a page",
    "/c/": "for people: what a sign-up is confirmed by",
    "/d/": "for people: a file that a message links to",
    "/site/": "for shops' pages: the script, and what it tells under a public key",
    "/push/": "for people and their browsers: permission to notify",
    "/healthz": "for whoever runs it",
    "/readyz": "for whoever runs it",
    "/api/openapi.json": "the description itself",
}


@pytest.fixture(scope="module")
def described(api):
    return schemathesis.openapi.from_url(f"{api.service.url}/api/openapi.json", timeout=60)


OPERATIONS = [
    ("POST", "/api/v1/events"),
    *(
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ),
]


@pytest.fixture(scope="module")
def made():
    """Return the parts of the paths of what is there; a test that may have deleted some of it clears them."""
    return {}


@pytest.fixture
def known(api, made, method):
    """Return the parts of paths of one of everything, made again unless only GETs came since."""
    if not made:
        made |= _everything(api)
    yield dict(made)
    if method != "GET":
        made.clear()


def _everything(api):
    api.put("/accounts/sms", ACCOUNT)
    for path, body in (("/keys", KEY), ("/lists", {"name": "vip"}), ("/segments", SEGMENT)):
        assert api.call("POST", path, body).status_code in (201, 409)
    if not api.get("/webhooks")["items"]:
        api.post("/webhooks", {"url": "http://127.0.0.1:1/", "types": ["run.entered"]})
    slug = _cascade(api)
    api.put("/contacts/ann", {"addresses": [{"channel": "sms", "value": "+79000000001"}]})
    event = {"id": str(time.monotonic_ns()), "name": "joined", "contact": {"external_id": "ann"}}
    api.post("/events", event)
    runs = api.get("/runs")["items"]
    return {
        "accounts": {"name": "sms"}, "keys": {"name": "shop"}, "lists": {"name": "vip"},
        "segments": {"name": "gold"}, "webhooks": {"webhook_id": api.get("/webhooks")["items"][0]["id"]},
        "cascades": {"slug": slug, "number": 1}, "contacts": {"contact": "ann"},
        "runs": {"run": runs[0]["id"] if runs else "run_1_1"},
        "messages": {"run": runs[0]["id"] if runs else "run_1_1", "step": 0},
    }  # fmt: skip


def _cascade(api):
    """Return a cascade that works: one that was stopped never does again."""
    for number in count(1):
        slug = f"told-{number}"
        kept = api.call("PUT", f"/cascades/{slug}", content=CASCADE.format(slug=slug), headers=YAML)
        if kept.status_code < 300:
            api.post(f"/cascades/{slug}/activate")
            return slug
    raise AssertionError


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(one) for one in OPERATIONS])
def test_whatever_is_sent_the_answer_is_as_described(method, path, mode, described, api, known):
    operation = described[path][method]
    parts = known.get(path.removeprefix("/api/v1/").split("/")[0], {})
    headers = {"Authorization": f"Bearer {api.key}"}

    @given(case=operation.as_strategy(generation_mode=mode), real=strategies.integers(0, 3))
    @settings(
        max_examples=EXAMPLES, derandomize=EXAMPLES < 10, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def check(case, real):
        if real:  # else most paths would lead to nothing
            case.path_parameters = case.path_parameters | {
                name: value for name, value in parts.items() if name in case.path_parameters
            }
        case.call_and_validate(base_url=api.service.url, headers=headers, checks=CHECKS, timeout=60)

    try:
        check()
    except Unsatisfiable:
        pytest.skip("nothing of this kind can be sent")


def test_every_route_stands_in_the_description_or_among_the_exceptions(api, app):
    told = api.raw("GET", "/api/openapi.json").json()["paths"]
    known = {(path, method.upper()) for path, operations in told.items() for method in operations}
    missing = {
        (route.path, method)
        for route in app.routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
        and (route.path, method) not in known
        and not any(route.path.startswith(begin) for begin in NOT_DESCRIBED)
        and not _is_page(route)
    }
    assert not missing


def test_no_two_routes_take_the_same_requests(app):
    taken = Counter(
        (re.sub(r"{[^}]*}", "{}", route.path), method)
        for route in app.routes
        for method in getattr(route, "methods", None) or ()
    )
    assert [each for each, times in taken.items() if times > 1] == []


def _is_page(route: object) -> bool:
    """Say whether a route answers people with HTML."""
    return isinstance(route, APIRoute) and not route.include_in_schema


@pytest.fixture
def app(monkeypatch, tmp_path) -> FastAPI:
    """Return the routed application as the server has it."""
    from kaskad.config import Settings
    from kaskad.web import app as web
    from kaskad.web import service as module

    made = []
    real = web.build_app

    def build(*told, **more):
        made.append(real(*told, **more))
        return made[-1]

    monkeypatch.setattr(web, "build_app", build)
    with module.serving(Settings(database=f"sqlite:{tmp_path / 'k.db'}", listen="127.0.0.1:0"), "the tests"):
        return made[0]._routed
