"""What is a verdict, what is a failure, and which of the two a response's extra info says."""

import math

import pytest

from groupwise.errors import GroupwiseError
from groupwise.hook.verdicts import (
    KINDS,
    MAX_SENTENCE_CHARS,
    Failure,
    check_verdict,
    describe_failure,
    failure_of,
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
