"""People sign in by password and code, are invited, change, and go; sessions end; who tries often waits."""

import re

import httpx2
import pyotp
import pytest

from kaskad.actions import sessions, users
from kaskad.domain.errors import Conflict
from kaskad.engine.clock import wall_ms
from kaskad.store import sessions as session_store
from support.site import PASSWORD


def token_in(page: httpx2.Response) -> str:
    return re.findall(r'name="csrf" value="([0-9a-f]+)"', page.text)[0]


def post(client: httpx2.Client, path: str, **fields: str) -> httpx2.Response:
    return client.post(path, data={"csrf": token_in(client.get("/account")), **fields})


@pytest.fixture
def stranger(site):
    with site.client("") as client:
        yield client


def entering(client: httpx2.Client, email: str, password: str = PASSWORD) -> httpx2.Response:
    return client.post("/sign-in", data={"email": email, "password": password, "next": "/account"})


def test_a_password_signs_in_and_signing_out_ends_the_session(site, stranger):
    assert entering(stranger, "viewer@example.org", "wrong").status_code == 401
    entered = entering(stranger, " Viewer@example.org")
    cookie = entered.headers["set-cookie"]
    assert entered.status_code == 303 and entered.headers["location"] == "/account"
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert "viewer@example.org" in stranger.get("/account").text
    kept = dict(stranger.cookies)
    assert post(stranger, "/sign-out").headers["location"] == "/sign-in"
    stranger.cookies.update(kept)
    assert stranger.get("/account").status_code == 303


def test_who_has_forgotten_the_password_is_told_who_makes_a_new_link(stranger):
    for language, words in (
        ("en", "Ask an owner for a new link"),
        ("ru", "Попросите у владельца новую ссылку"),
    ):
        assert words in stranger.get("/sign-in", headers={"Accept-Language": language}).text


def test_who_tries_often_waits_even_with_the_right_password(site, stranger):
    for _ in range(sessions.PER_ACCOUNT):
        assert entering(stranger, "nobody@example.org").status_code == 401
    refused = entering(stranger, "nobody@example.org")
    assert refused.status_code == 429 and "Wait 15 minutes" in refused.text
    assert entering(stranger, "viewer@example.org").status_code == 303  # others are not kept out
    site.service.office.write(lambda tx: tx.run("drop_old_sign_in_failures", before=2**62))


def test_an_address_that_tries_many_accounts_waits_too(site, stranger):
    office, who = site.service.office, sessions.Who("203.0.113.7")
    for number in range(sessions.PER_ADDRESS):
        sessions.Attempt.of(office, f"somebody{number}", who)
    with pytest.raises(sessions.TooOften):
        sessions.Attempt.of(office, "viewer@example.org", who)
    sessions.Attempt.of(office, "viewer@example.org", sessions.Who("203.0.113.8")).succeeded(office)


def test_an_invitation_works_once_and_gives_the_role(site, stranger):
    with site.client("owner") as owner:
        page = post(owner, "/settings/people", email="new@example.org", name="Аня", role="agent")
        link = re.findall(r"<code>([^<]+/invitation\?token=[^<]+)</code>", page.text)[0]
        again = post(owner, "/settings/people", email="new@example.org", role="agent")
        assert again.status_code == 409
        wrong = post(owner, "/settings/people", email="nonsense", role="agent")
        assert wrong.status_code == 422 and "nonsense" in wrong.text
    path = link.removeprefix(site.url)
    token = path.partition("=")[2]
    assert "new@example.org" in stranger.get(path).text
    weak = stranger.post("/invitation", data={"token": token, "password": "short"})
    assert weak.status_code == 422 and "at least 10" in weak.text
    entered = stranger.post("/invitation", data={"token": token, "password": PASSWORD, "name": "Аня"})
    assert entered.status_code == 303
    assert stranger.get("/settings/people").status_code == 403
    assert stranger.get(path).status_code == 404
    assert stranger.post("/invitation", data={"token": token, "password": PASSWORD}).status_code == 404


def test_a_changed_role_and_a_removed_person_count_at_once(site):
    office = site.service.office
    made = users.add(office, "gone@example.org", "", "viewer")
    site.users["gone"] = users.accept(office, made.link.partition("token=")[2], PASSWORD).id
    with site.client("gone") as client:
        assert client.get("/settings/people").status_code == 403
        users.set_role(office, "gone@example.org", "owner")
        assert client.get("/settings/people").status_code == 200
        users.remove(office, "gone@example.org")
        assert client.get("/account").status_code == 303
    with pytest.raises(Conflict, match="last owner"):
        users.remove(office, "owner@example.org")
    with pytest.raises(Conflict, match="last owner"):
        users.set_role(office, "owner@example.org", "viewer")


def test_a_new_password_ends_the_other_sessions(site):
    with site.client("agent") as here, site.client("agent") as there:
        assert post(here, "/account/password", old="wrong", new="x").status_code == 422
        changed = post(here, "/account/password", old=PASSWORD, new="another good one")
        assert changed.status_code == 303
        assert here.get("/account").status_code == 200 and there.get("/account").status_code == 303
        users.change_password(site.service.office, site.users["agent"], "another good one", PASSWORD, 0)


def test_a_session_can_be_ended_from_another_but_not_by_another_person(site):
    office = site.service.office
    with site.client("viewer") as here, site.client("viewer") as there, site.client("marketer") as other:
        place = sessions.listing(office, site.users["viewer"])[0]
        post(other, f"/account/sessions/{place.id}/end")
        assert there.get("/account").status_code == 200
        post(here, f"/account/sessions/{place.id}/end")
        assert there.get("/account").status_code == 303


def test_a_session_that_nobody_uses_ends(site):
    office, now = site.service.office, wall_ms()
    token = site.token("viewer")
    session = sessions.find(office, token)
    office.write(lambda tx: session_store.see(tx, session.id, now - sessions.IDLE_MS - 1))
    assert sessions.find(office, token) is None


def test_a_code_is_asked_for_after_the_password_and_counts_once(site, stranger, monkeypatch):
    with site.client("marketer") as client:
        page = client.get("/account?code=new")
        secret = re.findall(r"<code>([A-Z2-7]{32})</code>", page.text)[0]
        kept = re.findall(r'name="kept" value="([^"]+)"', page.text)[0]
        assert re.search(r'<svg [^>]*viewBox="0 0 (\d+) \1"', page.text)  # so that it can be scanned
        wrong = post(client, "/account/code", kept=kept, code="000000")
        assert wrong.status_code == 422
        shown = post(client, "/account/code", kept=kept, code=pyotp.TOTP(secret).now())
        codes = re.findall(r"[0-9a-f]{10}", re.findall(r"<pre><code>(.*?)</code>", shown.text, re.S)[0])
        assert len(codes) == users.CODES
    asked = entering(stranger, "marketer@example.org")
    assert asked.status_code == 200 and "set-cookie" not in asked.headers
    half = re.findall(r'name="half" value="([^"]+)"', asked.text)[0]
    now = wall_ms()
    monkeypatch.setattr(users, "wall_ms", lambda: now + 60_000)
    code = pyotp.TOTP(secret).at((now + 60_000) // 1000)
    assert stranger.post("/sign-in/code", data={"half": half, "code": "000000"}).status_code == 401
    assert stranger.post("/sign-in/code", data={"half": half, "code": code}).status_code == 303
    assert stranger.post("/sign-in/code", data={"half": half, "code": code}).status_code == 401  # used
    assert stranger.post("/sign-in/code", data={"half": half, "code": codes[0]}).status_code == 303
    assert stranger.post("/sign-in/code", data={"half": half, "code": codes[0]}).status_code == 401
    forged = stranger.post("/sign-in/code", data={"half": half[:-8] + half[-8:].swapcase(), "code": codes[1]})
    assert forged.status_code == 401
    made = users.reset(site.service.office, "marketer@example.org")  # ends the code, too
    users.accept(site.service.office, made.link.partition("token=")[2], PASSWORD)
    assert entering(stranger, "marketer@example.org").status_code == 303


def test_language_and_colours_are_kept_in_the_account(site):
    with site.client("viewer") as client:
        post(client, "/preferences", language="ru", theme="dark", next="//evil.example.org")
    with site.client("viewer") as elsewhere:
        page = elsewhere.get("/account", headers={"Accept-Language": "en"}).text
        assert 'lang="ru" data-theme="dark"' in page and "Моя учётная запись" in page
        post(elsewhere, "/preferences", language="en", theme="system")


def test_people_by_the_api(site):
    made = site.api.post("/users", {"email": "by-api@example.org", "role": "agent"})
    assert made["link"].startswith(f"{site.url}/invitation?token=")
    listed = {user["email"]: user for user in site.api.get("/users")["items"]}
    assert listed["by-api@example.org"]["active"] is False and listed["owner@example.org"]["active"]
    assert site.api.call("PATCH", "/users/by-api@example.org", {"role": "viewer"}).json()["role"] == "viewer"
    assert site.api.post("/users/by-api@example.org/reset")["link"] != made["link"]
    site.api.delete("/users/by-api@example.org")
    assert site.api.call("DELETE", "/users/by-api@example.org").status_code == 404
    assert site.api.call("POST", "/users", {"email": "x@example.org", "role": "king"}).status_code == 422
