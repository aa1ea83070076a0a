"""The checker of the benchmark, by journals of one or two people written by hand."""

from hypothesis import given
from hypothesis import strategies as st

from kaskad.bench.checker import Verdict, check
from kaskad.bench.journal import STEPS, Entry, Journal, What, key_of

TIMEOUT = 1_000
SENT, ACCEPTED, FAILED, REACTED, RETURNED = What.SENT, What.ACCEPTED, What.FAILED, What.REACTED, What.RETURNED


def entries(*told: tuple[int, What, int]) -> list[Entry]:
    """Return the journal of contact 7: (instant, what, step) each."""
    journal = Journal()
    for at, what, step in told:
        journal.note(at, what, [key_of(7, step)])
    return journal.entries


def verdict(*told: tuple[int, What, int]) -> Verdict:
    return check(entries(*told), [7], TIMEOUT)


def wrong(found: Verdict) -> dict[str, int]:
    return {name: one.count for name, one in found.differences() if one.count}


SILENCE = [
    told for step in range(STEPS) for told in ((step * 2_000, SENT, step), (step * 2_000 + 5, ACCEPTED, step))
]
REACTION = [(0, SENT, 0), (5, ACCEPTED, 0), (900, REACTED, 0)]


def test_silence_makes_every_step_due_after_its_time_out() -> None:
    found = verdict(*SILENCE)
    assert found.right
    assert (found.sends_due, found.sends_made, found.lags) == (4, 4, [995, 995, 995])


def test_a_reaction_makes_nothing_more_due() -> None:
    found = verdict(*REACTION)
    assert found.right
    assert (found.sends_due, found.sends_made) == (1, 1)


def test_a_reaction_that_intake_confirms_after_the_next_send_does_not_blame_that_send() -> None:
    found = verdict(*REACTION[:2], (1_005, SENT, 1), (1_006, ACCEPTED, 1), (1_007, REACTED, 0))
    assert found.right
    assert (found.sends_due, found.sends_made, found.late) == (2, 2, 1)


def test_a_failed_step_makes_the_next_due_at_once() -> None:
    found = verdict((0, SENT, 0), (1, FAILED, 0), (2, SENT, 1), (3, ACCEPTED, 1), (9, REACTED, 1))
    assert found.right
    assert found.lags == []


def test_a_send_that_came_back_is_due_again() -> None:
    found = verdict((0, SENT, 0), (1, RETURNED, 0), (900, SENT, 0), (905, ACCEPTED, 0), (999, REACTED, 0))
    assert found.right
    assert (found.sends_due, found.sends_made) == (1, 1)


def test_a_send_that_came_back_and_was_forgotten_is_lost() -> None:
    assert wrong(verdict((0, SENT, 0), (1, RETURNED, 0))) == {"lost": 4}


def test_a_duplicate_is_found() -> None:
    found = verdict(*SILENCE, (9_000, SENT, 2))
    assert wrong(found) == {"sent twice": 1}
    assert (found.sends_due, found.sends_made) == (4, 5)
    assert found.twice.examples == [(7, 2)]


def test_a_loss_is_found() -> None:
    found = verdict(*SILENCE[:-2])
    assert wrong(found) == {"lost": 1}
    assert (found.sends_due, found.sends_made) == (4, 3)
    assert found.lost.examples == [(7, 3)]


def test_somebody_who_never_got_anything_is_lost_four_times() -> None:
    assert wrong(check(entries(*SILENCE), [7, 8], TIMEOUT)) == {"lost": 4}


def test_a_send_after_a_confirmed_reaction_is_found() -> None:
    found = verdict(*REACTION, (1_005, SENT, 1))
    assert wrong(found) == {"sent after a confirmed reaction": 1}
    assert (found.sends_due, found.sends_made) == (1, 2)


def test_a_send_before_its_time_out_is_found() -> None:
    assert wrong(verdict(*SILENCE[:2], (1_004, SENT, 1), (1_005, ACCEPTED, 1), (1_006, REACTED, 1))) == {
        "sent before its time-out": 1
    }


def test_a_step_that_was_passed_over_is_found() -> None:
    found = verdict(*SILENCE[:2], *SILENCE[4:])
    assert wrong(found) == {"sent out of order": 1}
    assert not found.right


def test_a_send_before_the_end_of_the_one_before_is_found() -> None:
    assert "sent out of order" in wrong(verdict((0, SENT, 0), (1_500, SENT, 1)))


def test_a_send_to_a_stranger_is_found() -> None:
    found = check(entries((0, SENT, 0)), [], TIMEOUT)
    assert not found.right


@given(st.data())
def test_any_one_send_left_out_or_repeated_is_noticed(data: st.DataObject) -> None:
    sends = [index for index, told in enumerate(SILENCE) if told[1] is SENT]
    index = data.draw(st.sampled_from(sends))
    if data.draw(st.booleans()):
        changed = [told for told in SILENCE if told[2] != SILENCE[index][2]]
    else:
        where = data.draw(st.integers(index + 1, len(SILENCE)))
        changed = [*SILENCE[:where], (SILENCE[where - 1][0], *SILENCE[index][1:]), *SILENCE[where:]]
    assert not verdict(*changed).right


def test_the_journal_keeps_what_it_was_told() -> None:
    journal = Journal()
    journal.note(5, SENT, [key_of(2**29, 3), key_of(1, 0)])
    journal.note(6, SENT, [])
    assert [list(entry.messages()) for entry in journal.entries] == [[(2**29, 3), (1, 0)]]
    assert journal.counts[SENT] == 2
