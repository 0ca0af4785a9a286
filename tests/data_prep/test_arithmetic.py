"""The demo's additions: disjoint splits, stated shares, determinism, and verl's own reader."""

import random
from collections import Counter

import pytest

from data_prep import arithmetic
from data_prep.arithmetic import in_validation, main, operands
from data_prep.schema import read_rows


def make(folder, *options):
    assert main(["--output", str(folder), *options]) == 0
    return list(read_rows(folder / "train.parquet")), list(read_rows(folder / "val.parquet"))


def question(row):
    return tuple(sorted(map(int, row["prompt"][0]["content"].rstrip("=").split("+"))))


def test_no_validation_problem_is_trained_on_in_either_order_whatever_the_seed(tmp_path):
    train, _ = make(tmp_path / "a", "--seed", "1", "--train-size", "5000")
    _, val = make(tmp_path / "b", "--seed", "2", "--val-size", "1000")
    assert not {question(row) for row in train} & {question(row) for row in val}
    assert all(in_validation(*question(row)) for row in val)


def test_order_of_the_operands_does_not_change_the_split():
    assert all(in_validation(a, b) == in_validation(b, a) for a in range(40) for b in range(a))


def test_one_pair_in_five_is_for_validation():
    pairs = [(a, b) for a in range(200) for b in range(a + 1)]
    # 20,100 fair draws at 1/5: standard deviation sqrt(20100 * 0.2 * 0.8) = 57, allowed here 4 of it.
    assert abs(sum(in_validation(*pair) for pair in pairs) - len(pairs) / 5) < 4 * 57


def test_rows_have_the_stated_shares_of_difficulty(tmp_path):
    train, val = make(tmp_path, "--train-size", "101", "--val-size", "10", "--shares", "1", "2", "0", "1")
    # 101 rows by 1:2:0:1 are 25.25, 50.5, 0 and 25.25: the row left over goes to the largest fraction, 2 digits'.
    assert Counter(row["extra_info"]["difficulty"] for row in train) == {1: 25, 2: 51, 4: 25}
    # 10 rows are 2.5, 5, 0 and 2.5: the first of the equal fractions gets the row left over.
    assert Counter(row["extra_info"]["difficulty"] for row in val) == {1: 3, 2: 5, 4: 2}
    for row in train + val:
        assert row["extra_info"]["difficulty"] == len(str(max(question(row))))
        assert row["reward_model"]["ground_truth"] == str(sum(question(row)))
        assert row["extra_info"]["reference_response"] == f"#### {sum(question(row))}"
    assert [row["extra_info"]["index"] for row in train] == list(range(101))
    assert len({row["extra_info"]["id"] for row in train + val}) == 111


def test_difficulties_are_mixed_and_not_in_blocks(tmp_path):
    train, _ = make(tmp_path, "--train-size", "400")
    for start in range(0, 400, 40):
        assert {row["extra_info"]["difficulty"] for row in train[start : start + 40]} == {1, 2, 3}


@pytest.mark.parametrize(("digits", "count"), [(1, 20), (2, 1000), (3, 1000)])
def test_problems_differ_as_far_as_there_are_enough(digits, count):
    pairs = operands(digits, count, validation=False, rng=random.Random(0))
    assert len(set(pairs)) == len(pairs) == count


def test_scarce_problems_are_repeated_equally_often():
    counts = Counter(operands(1, 500, validation=True, rng=random.Random(0)))
    assert counts.total() == 500
    assert set(counts) == {(a, b) for a in range(10) for b in range(10) if in_validation(a, b)}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path):
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        make(tmp_path / name, "--seed", seed, "--train-size", "300", "--val-size", "30")
    a, b, c = ((tmp_path / name / "train.parquet").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--train-size", "0"], "--train-size must lie between 1 and 100000, got 0"),
        (["--val-size", "100001"], "--val-size must lie between 1 and 100000, got 100001"),
        (["--shares", "0", "0"], "--shares must be 1 to 9 numbers of 0 or more"),
        (["--shares", "1", "-1", "5"], "--shares must be 1 to 9 numbers of 0 or more"),
        (["--shares", "nan"], "--shares must be 1 to 9 numbers of 0 or more"),
        (["--shares", "inf"], "--shares must be 1 to 9 numbers of 0 or more"),
        (["--shares", *"1111111111"], "--shares must be 1 to 9 numbers of 0 or more"),
    ],
)
def test_bad_option_is_one_sentence_and_exit_code_1(tmp_path, capsys, options, message):
    assert main(["--output", str(tmp_path), *options]) == 1
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_output_that_is_a_file_is_one_sentence_and_exit_code_1(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["--output", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_nine_digits_are_drawn_without_listing_them():
    assert all(len(str(max(pair))) == 9 for pair in operands(9, 10, validation=True, rng=random.Random(0)))


def test_sizes_are_safe_for_drawing():
    # Of the 990,000 problems of three digits a fifth are for validation: twice what may be asked for.
    assert (10**6 - 10**4) / arithmetic.VALIDATION_PART > 1.9 * arithmetic.MAX_ROWS
