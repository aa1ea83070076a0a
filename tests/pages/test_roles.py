"""Every page asks for a right, and each role may do just what its rights say."""

import re

from fastapi.routing import APIRoute

from kaskad.actions.keys import ALL
from kaskad.actions.roles import OPENS, ROLES
from kaskad.web.app import PAGES
from kaskad.web.pages.session import OPEN, SIGNED_IN, need_of

WITHOUT = {"/static/{version}/{name:path}"}  # the same for everybody, and nobody's
ROUTES = [route for router in PAGES for route in router.routes if isinstance(route, APIRoute)]
VALUES = {
    "number": "imp_999",
    "contact": "con_999",
    "slug": "nothing",
    "action": "pause",
    "user_id": "999",
    "session_id": "999",
    "webhook_id": "999",
}


def path_of(route: APIRoute) -> str:
    return re.sub(r"\{(\w+)\}", lambda part: VALUES.get(part[1], "nothing"), route.path)


def may(role: str, need: str) -> bool:
    return need == SIGNED_IN or bool({need, ALL} & OPENS[role])


def test_every_page_asks_for_a_right():
    assert [route.path for route in ROUTES if need_of(route) is None and route.path not in WITHOUT] == []
    assert {route.path for route in ROUTES if need_of(route) == OPEN} == {
        "/sign-in", "/sign-in/code", "/invitation",
    }  # fmt: skip


def test_each_role_may_do_just_what_its_rights_say(site):
    wrong = []
    for role in ("", *ROLES):
        with site.client(role) as client:
            found = re.findall(r'name="csrf" value="([0-9a-f]+)"', client.get("/account").text)
            form = {"csrf": found[0]} if found else {}
            for route in ROUTES:
                need = need_of(route)
                if need in (None, OPEN) or route.path in ("/sign-out", "/live"):
                    continue
                method = "POST" if "POST" in route.methods else "GET"
                data = form if method == "POST" else None
                got = client.request(method, path_of(route), data=data).status_code
                if role == "" and got != 303:
                    wrong.append((role, method, route.path, got))
                if role and may(role, need) == (got == 403):
                    wrong.append((role, method, route.path, got))
    assert wrong == []


def test_no_form_is_taken_without_the_pages_token(site):
    with site.client("owner") as client:
        for route in ROUTES:
            if "POST" in route.methods and need_of(route) != OPEN:
                assert client.post(path_of(route)).status_code == 403, route.path
                crossed = client.post(path_of(route), headers={"Sec-Fetch-Site": "cross-site"})
                assert crossed.status_code == 403, route.path
        assert client.get("/account").status_code == 200


def test_the_api_opens_to_a_pages_script_by_session_and_token_only(site):
    with site.client("marketer") as client:
        (token,) = re.findall(r'name="csrf" content="([0-9a-f]+)"', client.get("/").text)
        assert client.get("/api/v1/cascades").status_code == 403
        sent = {"X-CSRF-Token": token}
        assert client.get("/api/v1/cascades", headers=sent).json()["items"]
        refused = client.get("/api/v1/users", headers=sent)
        assert refused.status_code == 403 and "users:write" in refused.json()["detail"]
        key = {**sent, "Idempotency-Key": "one"}
        assert client.post("/api/v1/cascades/news/pause", headers=key).status_code == 200
        assert client.post("/api/v1/cascades/news/resume", headers=sent).status_code == 200
    with site.client("viewer") as client:
        (token,) = re.findall(r'name="csrf" content="([0-9a-f]+)"', client.get("/").text)
        assert client.post("/api/v1/cascades/news/pause", headers={"X-CSRF-Token": token}).status_code == 403


def test_an_agent_is_led_to_what_is_theirs(site):
    with site.client("agent") as client:
        assert client.get("/").headers["location"] == "/inbox"


def test_who_is_refused_a_page_reads_who_gives_roles(site):
    with site.client("viewer") as client:
        for language, title, words in (
            ("en", "Not open to you", "An owner gives roles"), ("ru", "Нет доступа", "Роли раздаёт владелец"),
        ):  # fmt: skip
            page = client.get("/settings/keys", headers={"Accept-Language": language})
            assert page.status_code == 403 and f"<h1>{title}</h1>" in page.text and words in page.text
