"""Messages and all the rest as files, on both databases."""

import json

from kaskad.actions.export import Form, Wanted, What, export
from support.marked import lived, staged


def test_messages_come_out_with_facts_and_cost(either):
    stage, office = staged(either)
    person = lived(stage)
    found = [
        json.loads(line)
        for line in b"".join(export(office, What.MESSAGES, Form.JSONL, Wanted())).splitlines()
    ]
    assert found and {each["contact"] for each in found} == {f"con_{person}"}
    kinds = {fact["kind"] for each in found for fact in each["facts"]}
    assert kinds == {"delivered", "machine_opened"}
    assert not any("price" in each for each in found), "a price that nobody knows is not nothing"
    with stage.db.write() as tx:
        tx._connection.execute("""UPDATE accounts SET prices = '{"minor": 0, "currency": "KZT"}'""")
    assert b'"price":0.0' in b"".join(export(office, What.MESSAGES, Form.JSONL, Wanted()))
    late = Wanted(since=stage.clock.now() + 1)
    assert b"".join(export(office, What.MESSAGES, Form.JSONL, late)) == b""
    for what in What:
        assert b"".join(export(office, what, Form.CSV, Wanted())).count(b"\n") >= 1, what
