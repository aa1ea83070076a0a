"""Whatever has a time is kept for a time, or is on the list of what stays, with the reason."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import kaskad
from kaskad.store.db import open_database
from kaskad.store.migrate import upgrade
from kaskad.store.statements import statements

SOURCES = Path(kaskad.__file__).parent

# Which statement, run by itself, takes away or empties what has become too old.
GOES = {
    "alarms": "drop_old_alarms",
    "resting": "drop_rested",
    "attempts": "empty_old_attempts",
    "consents": "drop_old_proofs",
    "contact_changes": "drop_old_changes",
    "crm_jobs": "drop_old_crm_jobs",
    "deliveries": "drop_old_deliveries",
    "due_runs": "drop_due",
    "events": "drop_old_events",
    "facts": "empty_old_replies",
    "hits": "drop_old_hits",
    "idempotency_keys": "drop_old_idempotent",
    "imports": "empty_old_import_notes",
    "inbox": "clear_inbox",
    "look_ups": "drop_look_up",
    "opt_ins": "drop_old_opt_ins",
    "orphans": "drop_old_orphans",
    "outbox": "clear_outbox",
    "raw_webhooks": "drop_old_raw_webhooks",
    "sessions": "end_old_sessions",
    "short_links": "drop_old_short_links",
    "sign_in_failures": "drop_old_sign_in_failures",
    "sign_ins": "drop_old_sign_ins",
    "sign_ups": "drop_sign_up",
    "stops": "drop_old_stops",
    "tasks": "empty_old_notes",
    "tellings": "drop_old_tellings",
    "thread_texts": "drop_old_thread_texts",
    "threads": "drop_old_threads",
    "user_links": "drop_user_links",
}
_WRITTEN = "written by those who run the installation, and theirs to delete"
_PERSON = "of a person as it is now: goes with their erasure"
_FIGURES = "what reports count, without words or addresses"
_WORK = "where a job stands: overwritten each time"
STAYS = {
    "account_holds": "why an account stands still: until somebody lets it go on",
    "accounts": _WRITTEN,
    "addresses": _PERSON,
    "amounts": _FIGURES,
    "api_keys": "the audit names keys, also those that were revoked",
    "approved_texts": "what a service says of templates, overwritten each time",
    "audit": "who did what must be answered years later; people stand there by their number only",
    "bills": "what providers have asked for is answered for years later, by amounts alone",
    "canaries": _FIGURES,
    "cascades": _WRITTEN,
    "contacts": _PERSON,
    "approvals": _WRITTEN,
    "crm_pulls": _WORK,
    "date_looks": _WORK,
    "decisions": _FIGURES,
    "dialogues": _PERSON,
    "drafts": _WRITTEN,
    "erasures": "the act: proves that the person was erased, and names them as hashes only",
    "files": _WRITTEN,
    "forms": _WRITTEN,
    "guard_stops": "who has looked at what, and when, is asked later",
    "invites": _PERSON,
    "ip_ranges": _WRITTEN,
    "launches": _FIGURES,
    "launch_dates": _FIGURES,
    "launch_parts": _WORK,
    "mail_domains": "nobody's data while somebody has such an address; goes with the last who has",
    "merged_contacts": "links in old messages lead by it to the person",
    "messages": _FIGURES,
    "price_lists": "what messages of that time have cost",
    "run_courses": _FIGURES,
    "double_messages": _FIGURES,
    "runs": _FIGURES,
    "segment_blocks": _WORK,
    "segment_watches": _WORK,
    "segments": _WRITTEN,
    "sites": _WRITTEN,
    "suppressions": "for ever: keyed hashes of whom nothing may be sent to",
    "template_history": _WRITTEN,
    "templates": _WRITTEN,
    "users": _WRITTEN,
    "versions": "what was sent is explained by it",
    "webhooks": _WRITTEN,
    "choices": _WORK,
    "channel_chances": _WORK,
    "trials": _FIGURES,
    "version_canaries": _FIGURES,
    "week_forecasts": _FIGURES,
    "step_holds": "until a person lets the step go on",
    "verdicts": _FIGURES,
}


def test_every_table_with_a_time_goes_or_has_a_reason_to_stay(tmp_path: Path) -> None:
    file = tmp_path / "kaskad.db"
    with closing(open_database(f"sqlite:{file}")) as db:
        upgrade(db)
    with closing(sqlite3.connect(file)) as connection:
        columns = connection.execute(
            "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        ).fetchall()
    timed = {table for table, column in columns if column == "at" or column.endswith("_at")}
    assert not GOES.keys() & STAYS.keys()
    assert timed == GOES.keys() | STAYS.keys(), "say in this file how long a new table is kept"


@pytest.mark.parametrize(("table", "statement"), GOES.items())
def test_what_goes_is_taken_away_by_a_statement_that_something_runs(table: str, statement: str) -> None:
    text = statements("sqlite")[statement].text
    assert re.search(rf"(DELETE FROM|UPDATE) {table}\b", text)
    assert any(f'"{statement}"' in path.read_text("utf-8") for path in SOURCES.rglob("*.py"))
