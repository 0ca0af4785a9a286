"""DAPO-Math-17k: the real file counted a second way, each layout it is published in, and what is dropped."""

import json
import re
import unicodedata
from collections import defaultdict
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.dapo_math import main
from data_prep.schema import read_rows

WRAPPED = (
    "Solve the following math problem step by step. The last line of your response should be of the form "
    "Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n%s\n\n"
    'Remember to put your answer on its own line after "Answer:".'
)
# What slime (THUDM/slime, docs: quick start, "Data Format") shows of zhuzilin/dapo-math-17k.
SLIMES = WRAPPED.replace("Answer: $Answer (without quotes)", r"Answer: \boxed{$Answer}")

UNSOLVABLE = "no answer can be right"
EXCLUDED = "asked in an evaluation set"
CONTRADICTORY = "asked again with another answer"
DUPLICATE = "asked before"


def verls(question, gold, **changes):
    """A record in verl's layout with the bare problem, as the SvS copy has it."""
    return {
        "data_source": "DAPO-17k",
        "prompt": [{"role": "user", "content": question}],
        "ability": "math",
        "reward_model": {"ground_truth": gold, "style": "rule"},
        "extra_info": {"answer": "", "index": 0, "split": "train"},
    } | changes


def authors(question, gold):
    """A record as BytedTsinghua-SIA/DAPO-Math-17k has it."""
    return {
        "data_source": "math_dapo",
        "prompt": [{"role": "user", "content": WRAPPED % question}],
        "ability": "MATH",
        "reward_model": {"ground_truth": gold, "style": "rule-lighteval/MATH_v2"},
        "extra_info": {"index": "9a9b6eb4-a1cb-49d1-8c1e-62eaf2f74079"},
    }


def open_r1s(question, gold):
    """A record as open-r1/DAPO-Math-17k-Processed has it."""
    return authors(question, gold) | {
        "prompt": question,
        "solution": gold,
        "source_prompt": [{"role": "user", "content": WRAPPED % question}],
    }


def slimes(question, gold):
    """A record as zhuzilin/dapo-math-17k has it."""
    return {"prompt": [{"role": "user", "content": SLIMES % question, "step_loss_mask": 1}], "label": gold}


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def run(source, output, *options):
    return main(["--input", str(source), "--output", str(output), *map(str, options)])


def rows(folder):
    return list(read_rows(folder / "train.parquet"))


def pairs(folder):
    return [(row["extra_info"]["question"], row["reward_model"]["ground_truth"]) for row in rows(folder)]


def dropped(folder):
    card = json.loads((folder / "train.parquet.json").read_text("utf-8"))
    return {kind: told["count"] for kind, told in card["records"]["dropped"].items()}


def listed(folder, kind):
    card = json.loads((folder / "train.parquet.json").read_text("utf-8"))
    return [int(one["id"].rpartition("/")[2]) for one in card["records"]["dropped"][kind]["listed"]]


def spelled(question):
    """When two questions are the same, written down a second time."""
    question = unicodedata.normalize("NFKC", question).casefold()
    question = re.sub(r"\\[dtc]frac(?![a-z])", r"\\frac", question)
    question = re.sub(r"\\(left|right)(?![a-z])", "", question)
    for nothing in (r"\(", r"\)", r"\[", r"\]", r"\,", r"\;", r"\:", r"\!", r"\ ", "$", "~"):
        question = question.replace(nothing, "")
    return "".join(question.split())


class SecondCount(NamedTuple):
    """What is to become of the pairs of question and gold of a file: numbers of rows, in the file's order."""

    groups: int
    kept: list[int]
    damaged: list[int]
    contradictory: list[int]


def second_count(spellings, golds):
    # Golds from 2^53 on that a float holds exactly: the five rows of the real file that specs/math.md calls damaged.
    damaged = [number for number, gold in enumerate(golds) if abs(int(gold)) >= 2**53 and float(gold) == int(gold)]
    groups = defaultdict(list)
    for number in sorted(set(range(len(golds))) - set(damaged)):
        groups[spellings[number]].append(number)
    kept, contradictory = [], []
    for members in groups.values():
        agree = len({int(golds[number]) for number in members}) == 1
        # The first row of each question that has one answer, or all of one that has several.
        kept += members[:1] if agree else []
        contradictory += [] if agree else members
    return SecondCount(len(groups), sorted(kept), damaged, sorted(contradictory))


@pytest.fixture(scope="module")
def raw(shared_data):
    records = pq.read_table(shared_data / "dapo" / "svs_dapo_math_17k.parquet").to_pylist()
    return [(record["prompt"][0]["content"], record["reward_model"]["ground_truth"]) for record in records]


@pytest.fixture(scope="module")
def spellings(raw):
    return [spelled(question) for question, _ in raw]


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dapo")
    assert run(shared_data / "dapo" / "svs_dapo_math_17k.parquet", folder) == 0
    return folder


@pytest.fixture(scope="module")
def real_rows(real):
    return rows(real)


def test_the_real_file_converts_to_the_rows_that_a_second_count_leaves(raw, spellings, real, real_rows):
    count = second_count(spellings, [gold for _, gold in raw])
    assert [row["extra_info"]["id"] for row in real_rows] == [f"math_dapo/train/{number}" for number in count.kept]
    made = [(row["extra_info"]["question"], row["reward_model"]["ground_truth"]) for row in real_rows]
    assert made == [(raw[number][0].strip(), raw[number][1]) for number in count.kept]
    assert dropped(real) == {
        UNSOLVABLE: len(count.damaged),
        CONTRADICTORY: len(count.contradictory),
        DUPLICATE: len(raw) - len(count.damaged) - len(count.contradictory) - len(count.kept),
    }
    assert listed(real, UNSOLVABLE) == count.damaged
    assert listed(real, CONTRADICTORY) == count.contradictory
    assert (len(raw), len(count.damaged), count.groups, len(count.kept)) == (17917, 5, 16573, 16552)


def test_rows_of_the_real_file_ask_in_dapos_words(real_rows):
    for index, row in enumerate(real_rows):
        assert row["prompt"] == [{"role": "user", "content": WRAPPED % row["extra_info"]["question"]}]
        assert (row["data_source"], row["ability"], row["reward_model"]["style"]) == ("math_dapo", "math", "rule")
        info = row["extra_info"]
        assert (info["split"], info["index"], info["answer_format"]) == ("train", index, "answer_line")
        assert info["reference_response"] == f"Answer: {row['reward_model']['ground_truth']}"


def test_the_authors_layout_with_three_copies_of_each_row_gives_the_same_rows(raw, tmp_path):
    some = raw[:200]
    pq.write_table(pa.Table.from_pylist([verls(*pair) for pair in some]), tmp_path / "bare.parquet")
    copies = [authors(*pair) for pair in some for _ in range(3)]
    pq.write_table(pa.Table.from_pylist(copies), tmp_path / "authors.parquet")
    assert run(tmp_path / "bare.parquet", tmp_path / "a") == run(tmp_path / "authors.parquet", tmp_path / "b") == 0
    assert pairs(tmp_path / "a") == pairs(tmp_path / "b")
    assert len(pairs(tmp_path / "a")) > 180
    for one, other in zip(rows(tmp_path / "a"), rows(tmp_path / "b"), strict=True):
        assert one["prompt"] == other["prompt"]
        number = int(one["extra_info"]["id"].rpartition("/")[2])
        assert other["extra_info"]["id"] == f"math_dapo/train/{3 * number}"
        assert other["extra_info"] | {"id": one["extra_info"]["id"]} == one["extra_info"]


PAIRS = [("What is $2+2$?", "4"), ("Find $n$:\n\n\\[n + 3 = 0.\\]", "-3")]


@pytest.mark.parametrize(
    "layout",
    [
        verls,
        authors,
        open_r1s,
        slimes,
        lambda question, gold: {"prompt": question, "solution": gold},
        lambda question, gold: {"prompt": WRAPPED % question, "label": gold},
        lambda question, gold: {"problem": question, "answer": gold},
        lambda question, gold: {"problem": question, "answer": int(gold), "solution": "see above"},
        lambda question, gold: {"question": question, "answer": float(gold)},
        lambda question, gold: verls(question, [gold]),
        lambda question, gold: verls(question, gold, reward_model={"ground_truth": f" {gold}\n"}),
        lambda question, gold: (
            {"prompt": [{"role": "system", "content": "Be brief."}, *verls(question, 0)["prompt"]]} | {"label": gold}
        ),
    ],
    ids=range(12),
)
def test_every_layout_gives_the_same_rows(tmp_path, layout):
    assert run(write(tmp_path / "x.jsonl", *(layout(*pair) for pair in PAIRS)), tmp_path / "out") == 0
    assert pairs(tmp_path / "out") == PAIRS
    asked = [row["prompt"] for row in rows(tmp_path / "out")]
    assert asked == [[{"role": "user", "content": WRAPPED % question}] for question, _ in PAIRS]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"label": "4"}, "must have the field 'problem' or 'Problem' or 'question'"),
        ({"prompt": [], "label": "4"}, "'prompt' must be a text that is not empty, got []"),
        ({"prompt": ["x"], "label": "4"}, "the last message of 'prompt' must be an object, got 'x'"),
        ({"prompt": [{"role": "user"}], "label": "4"}, "the content of 'prompt' must be a text that is not empty"),
        ({"prompt": "x"}, "must have the field 'label' or 'answer' or 'solution', has 'prompt'"),
        ({"prompt": "x", "label": None}, "'label' must be a text that is not empty, got nothing"),
        ({"prompt": "x", "label": []}, "'label': the ground truth must be 1 to 64 answers, got 0 of them"),
        (verls("x", None), "reward_model.ground_truth must be a text that is not empty, got nothing"),
        (verls("x", "4", reward_model="4"), "'reward_model' must be an object, got '4'"),
        (verls("x", "4", reward_model={}), "reward_model.ground_truth must be a text that is not empty, got nothing"),
    ],
)
def test_a_record_without_a_question_or_an_answer_is_named(tmp_path, capsys, record, message):
    assert run(write(tmp_path / "x.jsonl", verls(*PAIRS[0]), record), tmp_path / "out") == 1
    assert f"error: {tmp_path / 'x.jsonl'} line 2: {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("golds", "kept"),
    [
        (["27", "27"], ["27"]),
        (["27.0", "27"], ["27.0"]),
        (["27", 27.0, 27], ["27"]),
        (["27", "027"], ["27"]),
        (["1/2", "0.5"], ["1/2"]),
        (["27", "28"], []),
        (["27", "27", "28"], []),
        (["28", "27", "27"], []),
        (["27", "-27"], []),
        (["27", "27.5"], []),
    ],
)
def test_answers_contradict_one_another_by_their_value(tmp_path, golds, kept):
    records = [verls("Other?", "1"), *(verls("How many?", gold) for gold in golds), verls("Another?", "2")]
    assert run(write(tmp_path / "x.jsonl", *records), tmp_path / "out") == 0
    assert [gold for question, gold in pairs(tmp_path / "out") if question == "How many?"] == kept
    gone = len(golds) - len(kept)
    kind = DUPLICATE if kept else CONTRADICTORY
    assert dropped(tmp_path / "out") == ({kind: gone} if gone else {})


def test_a_contradiction_holds_over_layouts_and_spellings(tmp_path):
    records = [authors("What is $x$?", "1"), verls(r"what is \(x\) ?", "2"), slimes("Something else?", "3")]
    assert run(write(tmp_path / "x.jsonl", *records), tmp_path / "out") == 0
    assert pairs(tmp_path / "out") == [("Something else?", "3")]
    assert dropped(tmp_path / "out") == {CONTRADICTORY: 2}


def test_without_dedupe_every_copy_stays_and_none_contradicts(tmp_path):
    records = [verls("How many?", "27"), verls("How many?", "28"), verls("How many?", "27")]
    assert run(write(tmp_path / "x.jsonl", *records), tmp_path / "out", "--no-dedupe") == 0
    assert [gold for _, gold in pairs(tmp_path / "out")] == ["27", "28", "27"]
    assert [row["extra_info"]["index"] for row in rows(tmp_path / "out")] == [0, 1, 2]
    assert dropped(tmp_path / "out") == {}


@pytest.mark.parametrize(
    ("gold", "is_kept"),
    [
        # 2^53 = 9007199254740992: from here on a float holds every other integer, then every fourth, and so on.
        ("9007199254740991", True),
        ("9007199254740992", False),
        ("9007199254740993", True),
        ("-9007199254740992", False),
        ("-9007199254740993", True),
        # specs/math.md: a float made ...848 of the true ...842.
        ("105263157894736848", False),
        ("105263157894736842", True),
        ("22099999999999998951424", False),
        ("20000000000000000000000", False),
        ("20000000000000000000001", True),
        (1e22, False),
        ("1" * 401, False),
        ("1" * 5000, False),
    ],
)
def test_a_large_answer_that_a_float_may_have_damaged_is_dropped(tmp_path, gold, is_kept):
    source = write(tmp_path / "x.jsonl", verls("Other?", "1"), verls("How many?", gold))
    assert run(source, tmp_path / "out") == 0
    assert [question for question, _ in pairs(tmp_path / "out")] == ["Other?"] + ["How many?"] * is_kept
    assert dropped(tmp_path / "out") == ({} if is_kept else {UNSOLVABLE: 1})


# How many questions of the real file the evaluation sets ask: recounted below.
OVERLAPS = {"amc23": 6, "math500": 6, "olympiadbench": 5}


@pytest.mark.parametrize("name", OVERLAPS)
def test_questions_of_a_real_evaluation_set_are_dropped_from_the_real_file(shared_data, raw, spellings, tmp_path, name):
    lines = (shared_data / name / "test.jsonl").read_text("utf-8").splitlines()
    asked = [record.get("problem") or record["question"] for record in map(json.loads, lines)]
    known = {spelled(question) for question in asked}
    assert len(known.intersection(spellings)) == OVERLAPS[name]

    # A fortieth of the file and all that overlaps: what must go, and 440 rows of which nothing else may.
    some = [number for number in range(len(raw)) if number % 40 == 0 or spellings[number] in known]
    pq.write_table(pa.Table.from_pylist([verls(*raw[number]) for number in some]), tmp_path / "x.parquet")
    # An evaluation file of another maker: in DAPO's words, without a field for the bare question.
    evaluation = tmp_path / f"{name}.parquet"
    pq.write_table(pa.Table.from_pylist([verls(WRAPPED % question, "0") for question in asked]), evaluation)
    assert run(tmp_path / "x.parquet", tmp_path / "out", "--exclude", evaluation) == 0

    overlap = [place for place, number in enumerate(some) if spellings[number] in known]
    assert listed(tmp_path / "out", EXCLUDED) == overlap
    count = second_count([spellings[number] for number in some], [raw[number][1] for number in some])
    kept = [raw[some[place]] for place in count.kept if place not in overlap]
    assert pairs(tmp_path / "out") == [(question.strip(), gold) for question, gold in kept]


def test_several_evaluation_files_are_excluded_at_once_and_own_ones_too(tmp_path):
    for number, question in enumerate(["What is $2 + 2$?", r"find \(n\): \[n+3=0.\]"]):
        pq.write_table(pa.Table.from_pylist([verls(question, "0")]), tmp_path / f"{number}.parquet")
    source = write(tmp_path / "x.jsonl", *(authors(*pair) for pair in [*PAIRS, ("Last?", "1")]))
    assert run(source, tmp_path / "out", "--exclude", tmp_path / "0.parquet", tmp_path / "1.parquet") == 0
    assert pairs(tmp_path / "out") == [("Last?", "1")]
    own = tmp_path / "out" / "train.parquet"
    assert run(source, tmp_path / "rest", "--exclude", own) == 0
    assert pairs(tmp_path / "rest") == PAIRS
    assert run(source, tmp_path / "none", "--exclude", own, tmp_path / "0.parquet", tmp_path / "1.parquet") == 1


@pytest.mark.parametrize("style", ["dapo", "boxed", "qwen_boxed"])
def test_own_files_can_be_converted_again_into_another_style(tmp_path, style):
    source = write(tmp_path / "x.jsonl", *(verls(*pair) for pair in PAIRS))
    assert run(source, tmp_path / "a", "--prompt-style", style) == 0
    assert run(tmp_path / "a" / "train.parquet", tmp_path / "b") == 0
    assert run(source, tmp_path / "c") == 0
    assert (tmp_path / "b" / "train.parquet").read_bytes() == (tmp_path / "c" / "train.parquet").read_bytes()


@pytest.mark.parametrize(
    ("field", "solution", "gold"),
    [
        ("solution", r"We have $2+2 = \boxed{4}$, as was to be shown.", "4"),
        ("solution", r"\boxed{\dfrac{1}{2}}", r"\dfrac{1}{2}"),
        ("solution", r"So \fbox{7}. Again: \boxed{7}", "7"),
        ("answer", "Adding gives 4.\n#### 4", "4"),
        ("label", " 34 ", "34"),
        ("label", "The answer is 4.", "4"),
        ("label", ["4", "four"], '{"any": ["4", "four"]}'),
        ("answer", '["4"]', "4"),
    ],
)
def test_of_a_worked_solution_the_only_box_is_the_answer(tmp_path, field, solution, gold):
    assert run(write(tmp_path / "x.jsonl", {"problem": "What?", field: solution}), tmp_path / "out") == 0
    assert pairs(tmp_path / "out") == [("What?", gold)]


@pytest.mark.parametrize(
    "solution",
    [
        "We have 2 + 2 = 4, therefore the sum is 4.",
        "Two and two. The answer is 4.",
        r"One root is \boxed{2}, the other \boxed{3}.",
        r"Adding, we get \boxed{4",
        r"Adding, we get \boxed{}.",
        r"Adding, we get \boxed 4.",
        "The sum of two and two is found by counting two fingers on each hand and then all of the fingers there are",
    ],
)
def test_a_worked_solution_without_one_box_is_a_sentence_and_never_an_answer(tmp_path, capsys, solution):
    source = write(tmp_path / "x.jsonl", {"problem": "And?", "answer": "5"}, {"problem": "What?", "solution": solution})
    assert run(source, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f"error: {source} line 2: 'solution' must be an answer, or a solution with exactly one \\boxed"
    )
    assert run(source, tmp_path / "out", "--skip-bad") == 0
    assert pairs(tmp_path / "out") == [("And?", "5")]


def test_rows_of_math_give_their_boxes_or_a_sentence_in_time(shared_data, tmp_path, capsys):
    lines = (shared_data / "math" / "train_sample1000.jsonl").read_text("utf-8").splitlines()[:200]
    records = [json.loads(line) for line in lines]
    source = write(tmp_path / "x.jsonl", *({"problem": one["problem"], "solution": one["solution"]} for one in records))
    assert run(source, tmp_path / "out", "--skip-bad", "--no-dedupe") == 0
    boxes = [re.findall(r"\\f?boxed", one["solution"]) for one in records]
    assert len(rows(tmp_path / "out")) >= sum(len(found) == 1 for found in boxes) - 3
    assert all("boxed" not in gold and len(gold) < 80 for _, gold in pairs(tmp_path / "out"))
