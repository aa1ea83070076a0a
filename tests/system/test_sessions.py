"""SMPP and Asterisk end to end: a running installation, and services that tell over its own connections."""

import shutil
from pathlib import Path

import pytest

from kaskad.domain.terms import Kind, MessageState, Outcome
from kaskad.sandbox.faults import Fault
from support.faults import until
from system.test_sms_and_calls import CALL, SMS, house

LONG = SMS.replace("Ваш заказ готов", "Ваш заказ собран и ждёт вас в пункте выдачи до завтра. " * 3)
SPEAKS = pytest.mark.skipif(
    not (shutil.which("espeak-ng") and shutil.which("sox")), reason="espeak-ng and sox are not installed"
)


def test_a_long_sms_is_delivered_with_its_last_part_and_answered_with_stop(tmp_path: Path) -> None:
    with house(tmp_path, "smpp", LONG, public=False) as one:
        one.sandbox.set_faults(
            Fault("smpp", "throttle", left=2),
            Fault("smpp", "reorder", left=1),
            Fault("smpp", "duplicate", left=1),
        )
        one.joins()
        until(lambda: Kind.DELIVERED in one.facts(), 30)
        phone = one.sandbox.phones[0]
        assert len(phone.texts) == 1 and phone.texts[0].parts == 3
        assert one.rows("SELECT count(*), max(part) FROM provider_ids") == [(3, 0)]
        one.sandbox.do(lambda deeds: deeds.send_sms(phone, "СТОП"))
        until(lambda: one.rows("SELECT granted FROM consents") == [(0,)])


def test_a_session_that_ends_before_the_answer_leaves_the_message_unknown_and_never_twice(
    tmp_path: Path,
) -> None:
    with house(tmp_path, "smpp", SMS, public=False) as one:
        one.sandbox.set_faults(Fault("smpp", "disconnect", left=1))
        one.joins()
        until(lambda: one.rows("SELECT state FROM messages") == [(MessageState.UNKNOWN.code,)], 30)
        one.joins("2")
        until(lambda: Kind.DELIVERED in one.facts(), 30)
        assert len(one.sandbox.phones[0].texts) == 2  # one a run: the first was taken, though nobody was told


@SPEAKS
@pytest.mark.parametrize(
    "deed, outcome", [("presses", Outcome.RESPONDED), ("refuses", Outcome.OPTED_OUT)], ids=["1", "9"]
)
def test_a_call_over_asterisk_is_answered_by_a_key(tmp_path: Path, deed: str, outcome: Outcome) -> None:
    with house(tmp_path, "asterisk", CALL, call=f"{deed}: 1", public=False) as one:
        one.joins()
        until(lambda: one.outcome() == outcome.code, 30)
        (call,) = one.sandbox.phones[0].calls
        assert "Ваш заказ собран" in call.heard[0] and Kind.KEYPRESS in one.facts()
        until(lambda: call.status == "completed")


@SPEAKS
def test_a_machine_and_a_busy_line_are_told_by_asterisk(tmp_path: Path) -> None:
    with house(tmp_path, "asterisk", CALL, call="machine: 1", public=False) as one:
        one.joins()
        until(lambda: Kind.MACHINE_ANSWERED in one.facts(), 30)
        (call,) = one.sandbox.phones[0].calls
        until(lambda: call.status == "completed")
        assert not call.heard and Kind.ANSWERED not in one.facts()
    (tmp_path / "busy").mkdir()
    with house(tmp_path / "busy", "asterisk", CALL, call="busy: 1", public=False) as one:
        one.joins()
        until(lambda: Kind.FAILED in one.facts(), 30)
        (value,) = one.rows(f"SELECT value FROM facts WHERE kind = {Kind.FAILED.value} LIMIT 1")[0]
        assert '"code":"busy"' in value
