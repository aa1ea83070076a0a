"""Conversations with CRMs: kept once, begun by one process, ended by the attempt that was begun."""

import pytest

from kaskad.domain.errors import Conflict
from kaskad.domain.terms import Channel
from kaskad.store import accounts, crm
from kaskad.store.crm import DONE, GIVEN_UP, JOURNAL, LEARN, WAITING
from kaskad.store.statements import statements
from kaskad.store.vault import Vault

VAULT = Vault(["v" * 40])


def job(account_id=1, key="a", kind=LEARN, now=1000):
    return account_id, kind, key, "{}", now


def save_two(tx):
    for name in ("one", "two"):
        accounts.save(tx, VAULT, accounts.Account(name=name, provider="bitrix24", channel=Channel.AGENT_CALL))


def test_the_same_job_is_kept_once(db):
    with db.write() as tx:
        save_two(tx)
        crm.put(tx, [job(), job(), job(kind=JOURNAL), job(account_id=2)])
        crm.put(tx, [job(now=5000)])
        crm.put(tx, [])
        assert crm.due_accounts(tx, 999) == []
        assert sorted(crm.due_accounts(tx, 1000)) == [1, 2]
        claimed = [crm.claim(tx, 1, 1000, 5) for _ in range(3)]
        assert [one and one.kind for one in claimed] == [LEARN, JOURNAL, None]


def test_a_job_is_begun_once_and_comes_due_again_after_its_lease(db):
    with db.write() as tx:
        save_two(tx)
        crm.put(tx, [job(key="a"), job(key="b")])
        first, second = crm.claim(tx, 1, 2000, 500), crm.claim(tx, 1, 2000, 500)
        assert (first.key, second.key, first.attempts) == ("a", "b", 1)
        assert crm.claim(tx, 1, 2000, 500) is None and crm.claim(tx, 2, 2000, 500) is None
        again = crm.claim(tx, 1, 2500, 500)
        assert (again.key, again.attempts) == ("a", 2)
        crm.end(tx, first, state=DONE, next_at=None, now=2600, answer="too late")  # its turn was taken
        crm.end(tx, again, state=WAITING, next_at=9000, now=2600, answer="x" * 1000)
        crm.end(tx, second, state=GIVEN_UP, next_at=None, now=2600, answer="")
        assert crm.due_accounts(tx, 8999) == [] and crm.due_accounts(tx, 9000) == [1]
        assert tx.run("drop_old_crm_jobs", before=2601, limit=10) == 1


@pytest.mark.parametrize(("state", "next_at"), [(WAITING, None), (DONE, 5)])
def test_a_job_that_waits_has_a_next_instant_and_no_other_has(db, state, next_at):
    with pytest.raises(Conflict), db.write() as tx:
        crm.put(tx, [job()])
        crm.end(tx, crm.claim(tx, 1, 1000, 5), state=state, next_at=next_at, now=1000, answer="")


def test_a_deleted_account_has_nothing_to_do_any_more(db):
    with db.write() as tx:
        save_two(tx)
        crm.put(tx, [job(), job(account_id=2), job(account_id=2, key="b")])
        crm.end(tx, crm.claim(tx, 2, 1000, 5), state=DONE, next_at=None, now=1000, answer="")
        accounts.delete(tx, VAULT, "two", 2000)
        assert crm.due_accounts(tx, 9000) == [1]
        crm.forget(tx, 2)
        assert crm.claim(tx, 2, 9000, 5) is None and crm.claim(tx, 1, 9000, 5) is not None
        assert tx.run("drop_old_crm_jobs", before=1001, limit=10) == 1  # what was done is told for a while


def test_turns_are_found_without_a_look_at_all_that_waits(db):
    """A CRM takes two requests a second, so a launch makes it a queue of a day, asked about all the time."""
    if db.dialect != "sqlite":
        pytest.skip("the plan of SQLite, which has no statistics to go by")
    told = {}
    with db.write() as tx:
        for name in ("due_crm_accounts", "claim_crm_job"):
            text = f"EXPLAIN QUERY PLAN {statements('sqlite')[name].text}"
            rows = tx._connection.execute(text, {"now": 1, "account_id": 1, "again_at": 2})
            told[name] = " ".join(str(row[3]) for row in rows)
    assert "crm_jobs_due (account_id=? AND next_at<?)" in told["due_crm_accounts"]
    assert "crm_jobs_due (account_id=? AND next_at<?)" in told["claim_crm_job"]
    assert "B-TREE" not in told["claim_crm_job"]


def test_what_has_been_asked_for_is_asked_for_anew_and_an_entry_is_not_written_again(db):
    with db.write() as tx:
        crm.put(tx, [job(), job(), job(kind=JOURNAL)])
        question, entry = crm.claim(tx, 1, 1000, 500), crm.claim(tx, 1, 1000, 500)
        crm.put(tx, [job(now=1100), job(kind=JOURNAL, now=1100)])  # a second change, while the first is read
        crm.end(tx, question, state=DONE, next_at=None, now=1200, answer="")
        crm.end(tx, entry, state=DONE, next_at=None, now=1200, answer="")
        again = crm.claim(tx, 1, 1200, 500)
        assert (again.kind, again.key) == (LEARN, "a")
        crm.end(tx, again, state=DONE, next_at=None, now=1300, answer="")
        assert crm.claim(tx, 1, 9000, 500) is None
        crm.put(tx, [job(now=2000)])
        assert crm.claim(tx, 1, 2000, 500).kind == LEARN
