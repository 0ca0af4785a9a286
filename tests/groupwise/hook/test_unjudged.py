"""Counting, logging and the limit of failures."""

import pytest

from groupwise.errors import GroupwiseError
from groupwise.hook.unjudged import FailureLog, failure_shares, stop_on_too_many
from groupwise.hook.verdicts import Failure


def rows(count: int, kind: str = "timeout") -> list[Failure]:
    return [Failure(kind, f"row {place} failed") for place in range(count)]


def test_shares_of_each_kind_are_always_there():
    found = [*rows(1), *rows(2, "unparsable_gold")]
    assert failure_shares(found, 8, prefix="reward") == {
        "reward/verifier_error": 0.0,
        "reward/timeout": 1 / 8,
        "reward/unparsable_gold": 2 / 8,
    }
    assert set(failure_shares([], 0, prefix="a").values()) == {0.0}


@pytest.mark.parametrize(
    ("count", "responses", "share"),
    # 29 of 100: in floating point 0.29 * 100 is 28.999999999999996.
    [(0, 1, 0.0), (1, 100, 0.01), (2, 200, 0.01), (2, 250, 0.01), (29, 100, 0.29), (12, 12, 1), (0, 0, 0.01)],
)
def test_a_share_up_to_the_limit_is_borne(count, responses, share):
    stop_on_too_many(rows(count), responses, max_share=share, where="training step")


@pytest.mark.parametrize(
    ("count", "responses", "share"), [(1, 1, 0.0), (1, 99, 0.01), (2, 100, 0.01), (30, 100, 0.29), (1, 16, 0.01)]
)
def test_more_than_the_limit_stops(count, responses, share):
    with pytest.raises(GroupwiseError, match=f"^{count} of {responses} responses of this training step"):
        stop_on_too_many(rows(count), responses, max_share=share, where="training step")


def test_kinds_count_together_and_the_sentence_says_all_there_is_to_know():
    found = [*rows(3), Failure("verifier_error", "row 9 broke"), Failure("unparsable_gold", "row 0 failed")]
    with pytest.raises(GroupwiseError) as raised:
        stop_on_too_many(found, 100, max_share=0.04, where="validation")
    assert str(raised.value) == (
        "5 of 100 responses of this validation could not be judged (verifier error: 1, timeout: 3, unparsable gold: 1),"
        " more than reward.reward_kwargs.max_failure_share=0.04 allows. row 0 failed row 1 failed row 2 failed (and 1 "
        "more like these) Correct these rows or the reward function (`python -m reward_score FILE` judges dumped "
        "responses again), or raise that key."
    )


def test_each_row_is_logged_once_and_many_are_cut_short(caplog):
    stop_on_too_many([*rows(2), *rows(1)], 100, max_share=1, where="training step")
    assert [record.getMessage() for record in caplog.records] == [
        "row 0 failed (2 of 100 responses of this training step)",
        "row 1 failed (1 of 100 responses of this training step)",
    ]
    caplog.clear()
    stop_on_too_many(rows(50), 100, max_share=1, where="training step")
    assert len(caplog.records) == 21
    assert caplog.messages[-1] == "30 further sentences about this training step are not shown."


def test_a_stop_is_logged_too(caplog):
    with pytest.raises(GroupwiseError):
        stop_on_too_many(rows(5), 5, max_share=0, where="validation")
    assert len(caplog.records) == 5


def test_a_workers_log_is_not_flooded(caplog):
    log = FailureLog()
    for place in range(350):
        log.add(f"row {place}")
    # 1 to 20 in full, then 100, 200 and 300.
    assert len(caplog.records) == 23
    assert caplog.messages[19:] == [
        "row 19 (failure 20 of this reward worker)",
        "row 99 (failure 100 of this reward worker)",
        "row 199 (failure 200 of this reward worker)",
        "row 299 (failure 300 of this reward worker)",
    ]
