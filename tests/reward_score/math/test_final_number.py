"""GSM8K's "####" convention: right and wrong answers by table, real data, verl's own verifier, hostile input."""

import json
import re
from fractions import Fraction

import pytest

from reward_score import compute_score
from reward_score.math.final_number import final_line, read_ground_truth
from reward_score.verdict import (
    CORRECT,
    MAX_PRED_CHARS,
    NO_ANSWER,
    UNFINISHED_THINKING,
    UNPARSABLE,
    WRONG_ANSWER,
    GroundTruthError,
)

RIGHT = [
    ("#### 72", "72"),
    ("thinking aloud\n#### 72", "72"),
    ("####72", "72"),
    ("####   72  ", "72"),
    ("####\n72", "72"),
    ("####\r\n72\r\n", "72"),
    ("#### 72\nI hope that this helps: 5 apples.", "72"),
    ("#### 5\nWait, no.\n#### 72", "72"),
    ("#### 72" + "\nThank you!" * 100, "72"),
    ("#### 72.", "72"),
    ("#### 72.0", "72"),
    ("#### 72.00", "72"),
    ("#### 072", "72"),
    ("#### 72", "72.0"),
    ("#### +7", "7"),
    ("#### -7", "-7"),
    ("#### \N{MINUS SIGN}7", "-7"),
    ("#### $72", "72"),
    ("#### -$72", "-72"),
    ("#### $-72", "-72"),
    ("#### $72.00.", "72"),
    ("#### \\$72", "72"),
    ("#### 72€", "72"),
    ("#### 25%", "25"),
    ("#### 25\\%", "25"),
    ("#### 25 percent", "25"),
    ("#### 72 dollars", "72"),
    ("#### 72 miles/hour", "72"),
    ("#### 72 square-feet.", "72"),
    ("#### 72cm^2", "72"),
    ("#### 5 g", "5"),
    ("#### **72**", "72"),
    ("**#### 72**", "72"),
    ("#### **72** apples", "72"),
    ("#### `72`", "72"),
    ("#### $72$", "72"),
    ("#### \\(72\\)", "72"),
    ("#### \\[72\\]", "72"),
    ("#### \\boxed{72}", "72"),
    ("#### $\\boxed{\\text{72}}$", "72"),
    ("#### 72 \\text{ dollars}", "72"),
    ("#### 1,234", "1234"),
    ("#### 1234", "1,234"),
    ("#### 1,234,567.50", "1234567.5"),
    ("#### 1{,}234", "1234"),
    ("#### 10,\\!080", "10080"),
    ("#### 0.5", "1/2"),
    ("#### 5/2", "2.5"),
    ("#### 1 000", "1000"),
    ("#### 72,", "72"),
    ("#### \N{FULLWIDTH DIGIT SEVEN}\N{FULLWIDTH DIGIT TWO}", "72"),
    ("#### 64g", "64"),
    ("#### x = 72", "72"),
    ("#### Total: $72", "72"),
    ("#### Answer: 72", "72"),
    ("#### 72 (dollars)", "72"),
    ("#### 30 m/s", "30"),
    ("#### $18,000/year", "18000"),
    ("#### 640 cups of rice", "640"),
    ("#### 3 1/2", "3.5"),
    ("#### -3 1/2", "-3.5"),
    ("#### .5", "0.5"),
    ("#### 5e3", "5000"),
    ("#### 1.5E-2", "0.015"),
    ("#### -0", "0"),
    ("#### 72<|im_end|>", "72"),
    ("#### 72\n</s>", "72"),
    ("<think>#### 5</think>\n#### 72", "72"),
    ("#### 5</think>#### 72", "72"),
]

REASONS = {CORRECT, WRONG_ANSWER, NO_ANSWER, UNPARSABLE, UNFINISHED_THINKING}

# What verl's verifier pays for by matching a prefix is marked so.
WRONG = [
    ("#### 2/3", "2", WRONG_ANSWER),  # verl
    ("#### 3 1/2", "3", WRONG_ANSWER),  # verl
    ("#### 5e3", "5", WRONG_ANSWER),  # verl
    ("#### 10^6", "10", WRONG_ANSWER),  # verl
    ("#### 12:30", "12", UNPARSABLE),  # verl
    ("#### 70-75", "70", UNPARSABLE),  # verl
    ("#### 72 or 73", "72", UNPARSABLE),  # verl
    ("#### 72 or seventy-three", "72", UNPARSABLE),  # verl
    ("#### 5*10", "5", UNPARSABLE),  # verl
    ("#### 5**10", "5", UNPARSABLE),  # verl
    ("#### 72,73", "7273", UNPARSABLE),  # verl
    ("#### 72, 73", "72", UNPARSABLE),  # verl
    ("#### 1,23", "123", UNPARSABLE),  # verl
    ("#### 72.5.1", "72.5", UNPARSABLE),
    ("#### 5 thousand", "5", UNPARSABLE),
    ("#### 5 dozen eggs", "5", UNPARSABLE),
    ("#### 5 and a half", "5", UNPARSABLE),
    ("#### 72 is not the answer", "72", UNPARSABLE),
    ("#### 73 = 72", "72", UNPARSABLE),
    ("#### x + 1 = 72", "72", UNPARSABLE),
    ("#### Total: 73", "72", WRONG_ANSWER),
    ("#### at most: 72", "72", UNPARSABLE),
    ("#### 72 (not 73)", "72", UNPARSABLE),
    ("#### 5!", "5", UNPARSABLE),
    ("#### 5x", "5", UNPARSABLE),
    ("#### 5\\text{ or }6", "5", UNPARSABLE),
    ("#### \\boxed{5}\\boxed{6}", "5", UNPARSABLE),
    ("#### \\boxed{5", "5", UNPARSABLE),
    ("#### the answer is 72", "72", UNPARSABLE),
    ("#### seventy-two", "72", UNPARSABLE),
    ("#### +-7", "-7", UNPARSABLE),
    ("#### 4/2", "2", WRONG_ANSWER),  # verl
    ("#### 5 maybe", "5", UNPARSABLE),  # verl
    ("#### 5 hundredths", "5", UNPARSABLE),  # verl
    ("#### 5 or more", "5", UNPARSABLE),  # verl
    ("#### 2+3=5", "5", UNPARSABLE),
    ("#### 5 pairs", "5", UNPARSABLE),  # verl
    ("#### 500%", "5", WRONG_ANSWER),
    ("#### 1_000", "1000", UNPARSABLE),
    ("#### 0x48", "72", UNPARSABLE),
    ("#### 5/0", "5", UNPARSABLE),
    ("#### .", "0", UNPARSABLE),
    ("#### $", "0", UNPARSABLE),
    ("#### nan", "0", UNPARSABLE),
    ("#### inf", "0", UNPARSABLE),
    ("#### \N{ARABIC-INDIC DIGIT SEVEN}\N{ARABIC-INDIC DIGIT TWO}", "72", UNPARSABLE),
    ("#### 7\N{SUPERSCRIPT TWO}", "72", UNPARSABLE),
    ("#### 73", "72", WRONG_ANSWER),
    ("#### -72", "72", WRONG_ANSWER),
    ("#### 0.72", "72", WRONG_ANSWER),
    ("#### 72.0001", "72", WRONG_ANSWER),
    ("#### 720", "72", WRONG_ANSWER),
    ("#### 72\n#### 5", "72", WRONG_ANSWER),
    ("#### 100000000000000000001", "100000000000000000000", WRONG_ANSWER),
    ("#### 0.333333", "1/3", WRONG_ANSWER),
    ("", "72", NO_ANSWER),
    ("72", "72", NO_ANSWER),
    ("The answer is 72.", "72", NO_ANSWER),
    ("### 72", "72", NO_ANSWER),
    ("# # # # 72", "72", NO_ANSWER),
    ("\\boxed{72}", "72", NO_ANSWER),
    ("####", "72", NO_ANSWER),
    ("####\n\n72", "72", NO_ANSWER),
    ("#### 72\n####", "72", NO_ANSWER),
    ("#### 72</think>", "72", NO_ANSWER),
    ("one</think>#### 72</think>two", "72", NO_ANSWER),
    ("#### 72/", "72", UNPARSABLE),
    ("#### 5/0.5", "10", WRONG_ANSWER),
    ("<think>#### 72", "72", UNFINISHED_THINKING),
    ("#### 5</think> <think>#### 72", "72", UNFINISHED_THINKING),
]


@pytest.mark.parametrize("data_source", ["openai/gsm8k", "dipo/arithmetic"])
@pytest.mark.parametrize(("response", "gold"), RIGHT)
def test_right_answer_scores_one(data_source, response, gold):
    verdict = compute_score(data_source, response, gold)
    pred = str(Fraction(gold.replace(",", "")))
    assert verdict == {"score": 1.0, "acc": 1.0, "format": 1.0, "pred": pred, "reason": CORRECT}


@pytest.mark.parametrize(("response", "gold", "reason"), WRONG)
def test_wrong_answer_scores_zero_and_says_why(response, gold, reason):
    verdict = compute_score("openai/gsm8k", response, gold)
    assert (verdict["score"], verdict["acc"], verdict["reason"]) == (0.0, 0.0, reason)
    read = reason == WRONG_ANSWER
    assert verdict["format"] == float(read)
    assert bool(verdict["pred"]) == read
    assert reason in REASONS


def test_the_table_has_as_many_negatives_as_positives():
    assert len(WRONG) >= len(RIGHT)


@pytest.mark.parametrize(
    "same", [["18", "18.0", "$18.00", "018", "18 dollars"], ["0.5", "1/2", ".50", "5e-1"], ["0", "-0"]]
)
def test_equal_answers_print_alike(same):
    assert len({compute_score("openai/gsm8k", f"#### {text}", "1")["pred"] for text in same}) == 1


@pytest.mark.parametrize("gold", ["18", "18.0", "1,8".replace(",", ""), 18, 18.0, ["18"], (18,), Fraction(18)])
def test_ground_truth_may_be_text_number_or_a_list_of_one(gold):
    assert compute_score("openai/gsm8k", "#### 18", gold)["acc"] == 1.0


def test_ground_truth_may_be_a_numpy_scalar():
    numpy = pytest.importorskip("numpy")
    # 2**53 + 1 is not a float64: an integer must stay exact.
    assert read_ground_truth(numpy.int64(2**53 + 1)) == 2**53 + 1
    assert read_ground_truth(numpy.float32(0.5)) == Fraction(1, 2)
    assert read_ground_truth(numpy.str_("7")) == 7


@pytest.mark.parametrize(
    "gold", ["", "abc", "nan", "inf", "72 or 73", "1" * 500, None, True, float("nan"), float("inf"), [], ["a", "b"], {}]
)
@pytest.mark.parametrize("response", ["#### 72", "", "<think>", "#### abc"])
def test_ground_truth_that_is_no_number_is_an_error_whatever_the_response(gold, response):
    with pytest.raises(GroundTruthError, match=r"the ground truth must be .* correct the data"):
        read_ground_truth(gold)
    verdict = compute_score("openai/gsm8k", response, gold)
    assert verdict["acc"] == 0.0
    assert verdict["reason"].startswith("unparsable gold: the ground truth must be ")


@pytest.mark.parametrize("gold", [["1,000", 2.5, "none"], '{"any": ["1000", "5/2", "2.5"]}', '["1000", "2.5"]'])
def test_of_several_ground_truths_any_counts(gold):
    right = [compute_score("openai/gsm8k", f"#### {answer}", gold)["acc"] for answer in ("1000", "2.50", "1e3", "3")]
    assert right == [1.0, 1.0, compute_score("openai/gsm8k", "#### 1e3", "1000")["acc"], 0.0]


def _gold(answer: str) -> str:
    return answer.rpartition("####")[2].strip().replace(",", "")


@pytest.mark.parametrize(("split", "count"), [("train", 7473), ("test", 1319)])
def test_every_gsm8k_reference_solution_is_right_and_its_neighbour_wrong(shared_data, split, count):
    lines = (shared_data / "gsm8k" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == count
    for line in lines:
        answer = json.loads(line)["answer"]
        gold = _gold(answer)
        assert compute_score("openai/gsm8k", answer, gold)["acc"] == 1.0
        assert compute_score("openai/gsm8k", answer, str(int(gold) + 1))["reason"] == WRONG_ANSWER
        assert compute_score("openai/gsm8k", f"{answer}1", gold)["acc"] == 0.0


def test_agrees_with_verl_on_every_reference_solution(shared_data):
    verls = pytest.importorskip("verl.utils.reward_score.gsm8k")
    lines = (shared_data / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines:
        answer = json.loads(line)["answer"]
        gold = _gold(answer)
        perturbed = re.sub(r"#### .*\Z", f"#### {int(gold) + 3}", answer)
        unmarked = answer.replace("####", "Answer:")
        for response in (answer, perturbed, unmarked, f"{perturbed}\n#### {gold}", f"{answer}\n#### 0.5"):
            assert compute_score("openai/gsm8k", response, gold)["acc"] == verls.compute_score(response, gold)


HOSTILE = {
    "digits": "#### " + "7" * 10_000_000,
    "digits before": "7" * 10_000_000 + "#### 72",
    "markers": "#### 7" * 20_000,
    "hashes": "#" * 1_000_000,
    "hashes and answer": "#" * 1_000_000 + " 72",
    "blanks": "####" + " " * 1_000_000 + "72",
    "newlines": "####" + "\n" * 1_000_000 + "72",
    "exponent": "#### 1e999999999",
    "negative exponent": "#### 1e-999999999",
    "python limit": "#### " + "9" * 5000,
    "fraction": "#### " + "9" * 5000 + "/" + "7" * 5000,
    "braces": "#### " + "\\boxed{" * 100_000 + "72",
    "commas": "#### " + "1,234" * 100_000,
    "think": "<think>" * 100_000 + "#### 72",
    "nul": "#### \x0072",
    "surrogate": "#### \ud80072",
    "dots": "#### " + "." * 1000,
    "unit words": "#### 5 " + "ab " * 70,
    "underscores": "#### 5" + "_" * 200 + "6",
    "minus": "#### " + "-" * 200 + "5",
    "code": "#### __import__('os').system('true')",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_response_gets_a_bounded_verdict(name):
    verdict = compute_score("openai/gsm8k", HOSTILE[name], "73")
    assert verdict["acc"] == 0.0
    assert verdict["reason"] in REASONS
    assert len(verdict["pred"]) <= MAX_PRED_CHARS


def test_a_line_cut_by_the_window_is_not_read_as_its_beginning():
    # 252 blanks and "723": the first 256 characters of the line end in "72".
    for blanks in range(240, 260):
        assert compute_score("openai/gsm8k", "####" + " " * blanks + "723", "72")["acc"] == 0.0
        assert compute_score("openai/gsm8k", "####" + " " * blanks + "72 3", "72")["acc"] == 0.0


def test_the_largest_numbers_that_are_read_print_within_the_bound():
    for text in ("9" * 240, f"-{'9' * 120}/{'7' * 120}", f"-.{'9' * 240}", f"{'9' * 200}e50", "1e400", "1e-400"):
        verdict = compute_score("openai/gsm8k", f"#### {text}", "1")
        assert verdict["reason"] == WRONG_ANSWER
        assert len(verdict["pred"]) <= MAX_PRED_CHARS
    assert compute_score("openai/gsm8k", "#### 1e401", "1")["reason"] == UNPARSABLE


@pytest.mark.parametrize(
    ("answer", "line"), [("#### 7", "7"), ("####\n7\n8", "7"), ("####\n\n7", None), ("7", None), ("#### 1 #### 2", "2")]
)
def test_final_line(answer, line):
    assert final_line(answer) == line
