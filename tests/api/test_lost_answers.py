"""A request under an `Idempotency-Key` whose answer was lost is never carried out twice."""

from contextlib import contextmanager

import pytest

from kaskad.domain.errors import Full, Unavailable, Uncertain
from kaskad.web.api import idempotent

TOLD = {"name": "once", "scopes": ["all"]}


@contextmanager
def losing(api, monkeypatch, name, error, *, kept):
    """Lose the database at the end of the transaction that makes the key of that name, `kept` or not."""
    db = api.service.office.engine._db
    real = type(db).write

    @contextmanager
    def write(self, *, synced=True):
        before = _keys(self) if self is db else []
        with real(self, synced=synced) as tx:
            yield tx
            made = self is db and name in {row[1] for row in tx.all("api_keys")} and name not in before
            if made and not kept:
                raise error
        if made:
            raise error

    def _keys(db):
        with db.read() as tx:
            return [row[1] for row in tx.all("api_keys")]

    monkeypatch.setattr(type(db), "write", write)
    yield
    monkeypatch.undo()


def post(api, name, key):
    return api.call("POST", "/keys", {**TOLD, "name": name}, headers={"Idempotency-Key": key})


def names(api):
    return [one["name"] for one in api.get("/keys")["items"]]


def test_what_was_kept_without_an_answer_is_not_done_again(api, monkeypatch):
    with losing(api, monkeypatch, "lost", Uncertain("cut"), kept=True):
        first = post(api, "lost", "a")
    assert first.status_code == 503 and "unknown" in first.text
    assert "under way" in post(api, "lost", "a").text
    api.delete("/keys/lost")  # else its name would refuse the second one
    monkeypatch.setattr(idempotent, "_LOST_MS", -1)
    for _ in range(2):
        again = post(api, "lost", "a")
        assert again.status_code == 409 and "never answered" in again.text
    assert "lost" not in names(api)


def test_what_was_not_kept_is_done_by_the_same_key_once_that_is_sure(api, monkeypatch):
    with losing(api, monkeypatch, "free", Uncertain("cut"), kept=False):
        assert post(api, "free", "b").status_code == 503
    again = post(api, "free", "b")
    assert again.status_code == 409 and "under way" in again.text
    monkeypatch.setattr(idempotent, "_LOST_MS", -1)
    assert post(api, "free", "b").status_code == 201 and names(api).count("free") == 1


@pytest.mark.parametrize("error", [Full("no room"), Unavailable("away")])
def test_what_provably_was_not_kept_may_be_sent_again_at_once(api, monkeypatch, error):
    name = type(error).__name__
    with losing(api, monkeypatch, name, error, kept=False):
        first = post(api, name, name)
    assert first.status_code == 503 and "Nothing was stored" in first.text
    assert post(api, name, name).status_code == 201


def test_a_change_that_comes_after_its_key_was_given_up_is_refused(api):
    office = api.service.office
    once = idempotent._Once(office, "local", "late", b"x")
    assert once.begin() is None
    once.forget()
    with pytest.raises(Exception, match="given up"):
        office.write(once.mark)


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(api, monkeypatch):
    real = type(api.service.office).write

    def write(office, change):
        if "end" in change.__qualname__:
            raise Unavailable("away")
        return real(office, change)

    monkeypatch.setattr(type(api.service.office), "write", write)
    assert post(api, "told", "d").status_code == 201
    monkeypatch.undo()
    again = post(api, "told", "d")
    assert again.status_code == 409 and "under way" in again.text


def test_a_look_is_not_told_that_nothing_was_stored(api, monkeypatch):
    def read(self):
        raise Unavailable("away")

    monkeypatch.setattr(type(api.service.office), "read", read)
    answer = api.call("GET", "/cascades")
    monkeypatch.undo()
    assert answer.status_code == 503 and "stored" not in answer.text and answer.headers["retry-after"]
