"""What is a verdict, what a failure, and which of the two a response's extra info says; counting failures, a limit."""

import math

import pytest

from groupwise.errors import GroupwiseError
from groupwise.hook.verdicts import (
    KINDS,
    MAX_SENTENCE_CHARS,
    Failure,
    FailureLog,
    FailureWindow,
    check_verdict,
    describe_failure,
    failure_of,
    failure_shares,
    one_line,
    read_verdicts,
)
from reward_score.verdict import FAILURES

NAN = math.nan


def test_the_words_are_reward_scores():
    # The recipe may import compute_score alone, so it has the words a second time.
    assert tuple(KINDS) == FAILURES


class TestCheckVerdict:
    def test_gives_floats_and_keeps_what_else_there_is(self):
        assert check_verdict({"score": 2, "acc": True, "note": "x", "error": ""}) == {
            "score": 2.0,
            "acc": 1.0,
            "note": "x",
            "error": "",
        }

    @pytest.mark.parametrize(
        ("verdict", "found"),
        [
            (1.0, "returned float"),
            (None, "returned NoneType"),
            ({"score": 1.0}, "no 'acc'"),
            ({"acc": 1.0}, "no 'score'"),
            ({"score": 1.0, "acc": 0.5}, "`acc` is 0.5"),
            ({"score": 1.0, "acc": None}, "`acc` is None"),
            ({"score": "high", "acc": 1}, "`score` is 'high'"),
            ({"score": NAN, "acc": 1}, "`score` is nan"),
            ({"score": math.inf, "acc": 1}, "`score` is inf"),
            ({"score": None, "acc": 1}, "`score` is None"),
            # A number under "error" is a measure of something: it must not pass for "no error" where it is 0.
            ({"score": 1.0, "acc": 1, "error": 0.0}, "`error` is kept for a sentence .* is 0.0"),
        ],
    )
    def test_refuses_what_is_none(self, verdict, found):
        with pytest.raises(ValueError, match=found):
            check_verdict(verdict)


class TestFailureOf:
    @pytest.mark.parametrize(
        "info",
        [
            {},
            {"score": 1.0, "acc": 1.0},
            {"acc": 0.0, "reason": "wrong answer", "error": ""},
            {"acc": 0.0, "reason": "no answer: timeout"},
            {"acc": 0.0, "reason": None, "error": None},
            {"acc": 0.0, "reason": 3},
        ],
    )
    def test_a_judged_response_has_none(self, info):
        assert failure_of(info) is None

    @pytest.mark.parametrize(
        ("word", "kind"),
        [("verifier error", "verifier_error"), ("timeout", "timeout"), ("unparsable gold", "unparsable_gold")],
    )
    def test_the_kind_is_read_from_the_reason_and_the_sentence_from_the_error(self, word, kind):
        assert failure_of({"reason": f"{word}: x", "error": "row 7: x"}) == Failure(kind, "row 7: x")
        # Another manager than "dipo" gives the reason alone.
        assert failure_of({"reason": word}) == Failure(kind, word)

    def test_an_error_without_a_reason_is_the_verifiers(self):
        assert failure_of({"error": "it died"}) == Failure("verifier_error", "it died")

    def test_an_unknown_data_source_stops_at_once(self):
        with pytest.raises(GroupwiseError, match=r"^row 7: no verifier$"):
            failure_of({"reason": "unknown data source: no verifier", "error": "row 7: no verifier"})


class TestReadVerdicts:
    def test_reads_verdicts_of_every_numeric_type(self):
        found = read_verdicts([{"acc": 1.0}, {"acc": 0}, {"acc": True}, {"acc": False}])
        assert found.correct.tolist() == [True, False, True, False]
        assert found.failed.tolist() == [False] * 4
        assert found.failures == ()

    def test_tells_failures_from_wrong_answers_whatever_their_acc(self):
        infos = [
            {"acc": 0.0, "reason": "wrong answer"},
            {"acc": 1.0, "reason": "timeout: 3 s"},
            {"acc": NAN, "reason": "unparsable gold"},
            {"error": "the verifier died"},
            {"acc": 1.0, "error": ""},
        ]
        found = read_verdicts(infos)
        assert found.correct.tolist() == [False, False, False, False, True]
        assert found.failed.tolist() == [False, True, True, True, False]
        assert [failure.kind for failure in found.failures] == ["timeout", "unparsable_gold", "verifier_error"]

    @pytest.mark.parametrize("acc", [0.5, 2, -1, NAN, None, "1"])
    def test_refuses_what_is_no_verdict(self, acc):
        with pytest.raises(GroupwiseError, match="must be 0 or 1"):
            read_verdicts([{"acc": 1.0}, {"acc": acc}])

    def test_refuses_a_reward_without_a_verdict_and_says_what_it_found(self):
        with pytest.raises(GroupwiseError, match=r"only \['score'\].*reward manager `groupwise`"):
            read_verdicts([{"score": 1.0}])


class TestSentence:
    def test_names_the_row(self):
        row = {"data_source": "math", "extra_info": {"id": "m-1", "index": 7, "split": "train"}}
        assert describe_failure(row, "timeout: 3 s") == (
            "A response could not be judged (data source 'math', id 'm-1', index 7): timeout: 3 s"
        )

    @pytest.mark.parametrize("row", [{}, {"extra_info": None}, {"extra_info": {}}, {"extra_info": "text"}])
    def test_a_row_without_a_name_is_no_obstacle(self, row):
        assert describe_failure(row, "x") == "A response could not be judged (of an unnamed row): x"

    def test_is_one_bounded_line(self):
        sentence = describe_failure({"data_source": "a\nb"}, "\x1b[31m" + "x\n" * 10**6)
        assert len(sentence) == MAX_SENTENCE_CHARS
        assert sentence.isprintable()
        assert one_line("a\n\tb", 10) == "a b"
        assert one_line("a" * 11, 10) == "a" * 7 + "..."
        assert one_line("a" * 10, 10) == "a" * 10


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
    [
        (0, 1, 0.0),
        (1, 100, 0.01),
        (2, 200, 0.01),
        (2, 250, 0.01),
        (29, 100, 0.29),
        (12, 12, 1),
        (0, 0, 0.01),
        (2, 30, 0.01),
    ],
)
def test_a_share_up_to_the_limit_is_borne(count, responses, share):
    FailureWindow("training step").add(rows(count), responses, max_share=share)


@pytest.mark.parametrize(
    ("count", "responses", "share"), [(1, 1, 0.0), (3, 299, 0.01), (30, 100, 0.29), (3, 16, 0.01), (11, 1000, 0.01)]
)
def test_more_than_the_limit_stops(count, responses, share):
    with pytest.raises(GroupwiseError, match=f"^{count} of {responses} responses of this training step"):
        FailureWindow("training step").add(rows(count), responses, max_share=share)


def test_kinds_count_together_and_the_sentence_says_all_there_is_to_know():
    found = [*rows(3), Failure("verifier_error", "row 9 broke"), Failure("unparsable_gold", "row 0 failed")]
    with pytest.raises(GroupwiseError) as raised:
        FailureWindow("validation").add(found, 100, max_share=0.04)
    assert str(raised.value) == (
        "5 of 100 responses of this validation could not be judged (verifier error: 1, timeout: 3, unparsable gold: 1),"
        " more than reward.reward_kwargs.max_failure_share=0.04 allows. row 0 failed row 1 failed row 2 failed (and 1 "
        "more like these) Correct these rows or the reward function (`python -m reward_score FILE` judges dumped "
        "responses again), or raise that key."
    )


def test_small_batches_are_counted_together():
    window = FailureWindow("validation")
    # One of 30 is a warning, and so is a second one; a third within a thousand responses is not.
    for count in (1, 0, 1, 0):
        window.add(rows(count), 30, max_share=0.01)
    with pytest.raises(GroupwiseError, match=r"^3 of 150 responses of the last 5 validations could not be judged"):
        window.add(rows(1), 30, max_share=0.01)
    window = FailureWindow("validation")
    for count in [1, *[0] * 40] * 4:
        window.add(rows(count), 30, max_share=0.01)
    assert sum(size for _, size in window.batches) == 1020


def test_each_row_is_logged_once_and_many_are_cut_short(caplog):
    FailureWindow("training step").add([*rows(2), *rows(1)], 100, max_share=1)
    assert [record.getMessage() for record in caplog.records] == [
        "row 0 failed (2 of 100 responses of this training step)",
        "row 1 failed (1 of 100 responses of this training step)",
    ]
    caplog.clear()
    FailureWindow("training step").add(rows(50), 100, max_share=1)
    assert len(caplog.records) == 21
    assert caplog.messages[-1] == "30 further sentences about this training step are not shown."


def test_a_stop_is_logged_too(caplog):
    with pytest.raises(GroupwiseError):
        FailureWindow("validation").add(rows(5), 5, max_share=0)
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
