"""The math evaluation sets: the five real ones whole, the names of fields and answers, and what `--input` may be."""

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import inputs
from data_prep.hub import HubSet
from data_prep.math_eval import SETS, main
from data_prep.prompts import MATH_STYLES, math_prompt
from data_prep.records import Record
from data_prep.schema import read_rows
from reward_score import compute_score

# README_math.md; aime25 is not among the real files.
REAL = {"math500": 500, "aime24": 30, "amc23": 40, "minerva": 272, "olympiadbench": 675}

WRAPPED = (
    "Solve the following math problem step by step. The last line of your response should be of the form "
    "Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n%s\n\n"
    'Remember to put your answer on its own line after "Answer:".'
)


def write(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def run(given, output, *options):
    return main(["--input", *map(str, given), "--output", str(output), *options])


def rows(path):
    return list(read_rows(path))


def pairs(path):
    return [(row["extra_info"]["question"], row["reward_model"]["ground_truth"]) for row in rows(path)]


def golds(path):
    return [gold for _, gold in pairs(path)]


def parquets(folder):
    return {path.name.removesuffix(".parquet") for path in folder.glob("*.parquet")}


def last_box(text):
    """What stands in a text's last box, by counting braces."""
    start = text.rindex("\\boxed{") + len("\\boxed{")
    depth, end = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    return text[start : end - 1]


GOLD_OF = {
    "math500": lambda record: record["answer"],
    "aime24": lambda record: str(int(record["answer"])),
    "amc23": lambda record: f"{record['answer']:.0f}",
    "minerva": lambda record: last_box(record["solution"]),
    "olympiadbench": lambda record: record["final_answer"][0],
}


@pytest.fixture(scope="module")
def raw(shared_data):
    return {
        name: [json.loads(line) for line in (shared_data / name / "test.jsonl").read_text("utf-8").splitlines()]
        for name in REAL
    }


@pytest.fixture(scope="module", params=["dapo", "boxed", "qwen_boxed"])
def real(request, shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    assert run([shared_data], folder, "--prompt-style", request.param) == 0
    return request.param, folder


def test_the_real_sets_convert_whole_in_every_style(raw, real):
    style, folder = real
    assert parquets(folder) == set(REAL)
    for name, count in REAL.items():
        made = rows(folder / f"{name}.parquet")
        assert (name, len(made)) == (name, count)
        for number, (record, row) in enumerate(zip(raw[name], made, strict=True)):
            question = record.get("problem") or record["question"]
            assert row["data_source"] == name
            assert row["prompt"] == math_prompt(question, MATH_STYLES[style])
            assert row["reward_model"] == {"style": "rule", "ground_truth": GOLD_OF[name](record)}
            info = row["extra_info"]
            assert (info["id"], info["split"], info["question"]) == (f"{name}/test/{number}", "test", question)


def test_every_reference_response_of_the_real_sets_scores_1_where_the_style_asks_for_the_answer(real):
    style, folder = real
    for name in REAL:
        for row in rows(folder / f"{name}.parquet"):
            info = row["extra_info"]
            assert (info["prompt_style"], info["answer_format"]) == (style, MATH_STYLES[style].answer_format)
            gold = row["reward_model"]["ground_truth"]
            verdict = compute_score(name, info["reference_response"], gold, info)
            assert (info["id"], verdict["acc"], verdict["format"]) == (info["id"], 1.0, 1.0)


def test_categories_and_levels_of_the_real_sets_are_kept(raw, real):
    _, folder = real
    fields = {"math500": "subject", "minerva": "type", "olympiadbench": "subfield"}
    for name in REAL:
        for record, row in zip(raw[name], rows(folder / f"{name}.parquet"), strict=True):
            told = (row["extra_info"]["category"], row["extra_info"]["difficulty"])
            assert told == (record.get(fields.get(name), ""), record.get("level", 0))


def test_the_authors_aime_with_32_copies_of_each_problem_has_each_once(shared_data, raw, tmp_path):
    records = [
        {
            "data_source": "math_dapo",
            "prompt": [{"role": "user", "content": WRAPPED % record["problem"]}],
            "ability": "MATH",
            "reward_model": {"ground_truth": str(int(record["answer"])), "style": "rule-lighteval/MATH_v2"},
            "extra_info": {"index": number, "raw_problem": record["problem"], "split": None},
        }
        for _ in range(32)
        for number, record in enumerate(raw["aime24"])
    ]
    assert len(records) == 960
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "aime-2024.parquet")
    assert run([f"aime24={tmp_path / 'aime-2024.parquet'}"], tmp_path / "a") == 0
    assert run([shared_data], tmp_path / "b", "--sets", "aime24") == 0
    assert (tmp_path / "a" / "aime24.parquet").read_bytes() == (tmp_path / "b" / "aime24.parquet").read_bytes()


@pytest.mark.parametrize(
    "record",
    [
        {"problem": "How many?", "answer": "204"},
        {"Problem": "How many?", "Answer": 204, "ID": "2024-I-1", "Solution": "By counting."},
        {"question": "How many?", "answer": "204"},
        {"Question": "How many?", "expected_answer": "204"},
        {"problem": "How many?", "solution": r"\boxed{204}"},
        {"problem": "How many?", "solution": r"Not $\boxed{5}$, and that for a good reason, but $\boxed{204}$."},
        {"problem": "How many?", "Solution": r"\boxed{204}"},
        {"problem": "How many?", "answer": "204", "solution": r"\boxed{5}"},
        {"problem": "How many?", "question": "What else?", "answer": "204"},
        {"question": "How many?", "final_answer": ["204"], "solution": ["By counting."], "context": None},
        {"problem": "How many?", "answer": 204.0},
        {"prompt": WRAPPED % "How many?", "answer": "204"},
        {"prompt": [{"role": "user", "content": "How many?"}], "reward_model": {"ground_truth": "204"}},
    ],
)
def test_whatever_publishers_call_the_fields_the_row_is_the_same(tmp_path, record):
    assert run([f"aime25={write(tmp_path / 'x.jsonl', record)}"], tmp_path) == 0
    (row,) = rows(tmp_path / "aime25.parquet")
    assert row["prompt"] == [{"role": "user", "content": WRAPPED % "How many?"}]
    assert row["reward_model"]["ground_truth"] == "204"
    assert row["extra_info"]["reference_response"] == "Answer: 204"


@pytest.mark.parametrize("style", ["dapo", "boxed", "qwen_boxed"])
def test_own_files_can_be_converted_again_into_another_style(tmp_path, style):
    source = write(tmp_path / "amc23" / "test.jsonl", {"problem": "How\nmany?", "answer": 27.0})
    assert run([tmp_path], tmp_path / "a", "--prompt-style", style) == 0
    assert run([tmp_path / "a"], tmp_path / "b") == 0
    assert run([f"amc23={source}"], tmp_path / "c") == 0
    assert (tmp_path / "b" / "amc23.parquet").read_bytes() == (tmp_path / "c" / "amc23.parquet").read_bytes()


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("025", "25"),
        ("000", "0"),
        ("73", "73"),
        ("999", "999"),
        (r"336^\circ", "336"),
        (r"336^{\circ}", "336"),
        ("336\N{DEGREE SIGN}", "336"),
        ("$204$", "204"),
        (" 204 ", "204"),
        (204, "204"),
        (25.0, "25"),
    ],
)
@pytest.mark.parametrize("name", ["aime24", "aime25"])
def test_answers_of_aime_are_integers_without_leading_zeros_or_signs(tmp_path, name, answer, gold):
    assert run([f"{name}={write(tmp_path / 'x.jsonl', {'problem': '?', 'answer': answer})}"], tmp_path) == 0
    assert golds(tmp_path / f"{name}.parquet") == [gold]


@pytest.mark.parametrize("answer", ["1000", "x", "-5", "2.5", 2.5, "1/2", "2 or 3", r"\frac{1}{2}", "204)"])
def test_what_cannot_be_an_answer_of_aime_is_at_fault(tmp_path, capsys, answer):
    source = write(tmp_path / "x.jsonl", {"problem": "?", "answer": "7"}, {"problem": "How?", "answer": answer})
    assert run([f"aime24={source}"], tmp_path) == 1
    assert (
        f"error: {source} line 2: an answer of AIME must be an integer from 0 to 999, got {str(answer)!r}\n"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("name", "answer", "gold"),
    [
        ("amc23", 27.0, "27"),
        ("amc23", -1.0, "-1"),
        ("amc23", "27.0", "27.0"),
        ("amc23", 3159, "3159"),
        ("math500", r"\frac{3}{56}", r"\frac{3}{56}"),
        ("math500", r"10,\!080", r"10,\!080"),
        ("minerva", "3.83e35", "3.83e35"),
        ("olympiadbench", ["$69$,$84$"], "$69$,$84$"),
        ("olympiadbench", ["2"], "2"),
    ],
)
def test_answers_of_the_other_sets_stay_as_they_are_published_but_for_whole_floats(tmp_path, name, answer, gold):
    field = "final_answer" if name == "olympiadbench" else "answer"
    assert run([f"{name}={write(tmp_path / 'x.jsonl', {'problem': '?', field: answer})}"], tmp_path) == 0
    assert golds(tmp_path / f"{name}.parquet") == [gold]


def test_what_a_question_needs_to_be_read_is_put_before_it(tmp_path):
    records = [
        {"context": "Let $n = 5$.", "question": "What is $n+1$?", "final_answer": ["6"]},
        {"context": "", "question": "What is $2+2$?", "final_answer": ["4"]},
        {"context": None, "question": "What is $2+3$?", "final_answer": ["5"]},
    ]
    assert run([f"olympiadbench={write(tmp_path / 'x.jsonl', *records)}"], tmp_path) == 0
    assert pairs(tmp_path / "olympiadbench.parquet") == [
        ("Let $n = 5$.\nWhat is $n+1$?", "6"),
        ("What is $2+2$?", "4"),
        ("What is $2+3$?", "5"),
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"answer": "4"}, "must have the field 'problem' or 'Problem' or 'question' or 'Question', has 'answer'"),
        ({"problem": "?"}, "must have the field 'answer' or 'Answer' or 'final_answer' or 'expected_answer', has"),
        ({"problem": "", "answer": "4"}, "'problem' must be a text that is not empty, got ''"),
        ({"problem": "?", "answer": ""}, "'answer' must be a text that is not empty, got ''"),
        ({"problem": "?", "final_answer": ["4", None]}, "'final_answer' must be a text that is not empty, got nothing"),
        ({"problem": "?", "final_answer": []}, "'final_answer': the ground truth must be 1 to 64 answers, got 0"),
        ({"problem": "?", "answer": True}, "'answer' must be a text that is not empty, got True"),
        ({"problem": "?", "reward_model": "4"}, "'reward_model' must be an object, got '4'"),
        ({"question": "?", "answer": "4", "context": ["x"]}, "'context' must be a text that is not empty"),
    ],
)
def test_a_record_without_a_question_or_an_answer_is_named(tmp_path, capsys, record, message):
    assert run([f"math500={write(tmp_path / 'x.jsonl', record)}"], tmp_path / "out") == 1
    assert f"error: {tmp_path / 'x.jsonl'} line 1: {message}" in capsys.readouterr().err


def test_a_solution_without_a_box_has_no_answer_and_is_dropped(tmp_path, capsys):
    source = write(
        tmp_path / "x.jsonl", {"problem": "?", "solution": "4"}, {"problem": "How?", "solution": r"\boxed{4}"}
    )
    assert run([f"minerva={source}"], tmp_path) == 0
    assert pairs(tmp_path / "minerva.parquet") == [("How?", "4")]
    assert "1 dropped: no answer can be right\n    minerva/test/0 (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "count", "note"),
    [
        ("aime24", 29, "  note: this set is known with 30 rows\n"),
        ("aime24", 30, ""),
        ("amc23", 40, ""),
        ("amc23", 41, "  note: this set is known with 40 rows\n"),
    ],
)
def test_a_set_with_another_number_of_rows_than_it_is_known_with_has_a_note(tmp_path, capsys, name, count, note):
    write(tmp_path / name / "test.jsonl", *({"problem": f"{number}?", "answer": "4"} for number in range(count)))
    assert run([tmp_path], tmp_path / "out") == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'out' / name}.parquet: {count} rows of {count} records\n{note}"
    others = ", ".join(other for other in SETS if other != name)
    assert said.err == f"note: {tmp_path} has no {others}; left out\n"


PROBLEM = {"problem": "How many?", "answer": "4"}


@pytest.mark.parametrize(
    "place",
    ["amc23.jsonl", "amc23.json", "amc23/test.jsonl", "amc23/test-00000-of-00001.jsonl", "amc23/problems.jsonl"],
)
def test_in_a_folder_a_set_is_a_file_or_a_folder_of_its_name(tmp_path, place):
    write(tmp_path / "in" / place, PROBLEM)
    write(tmp_path / "in" / "notes.jsonl", {"not": "a set"})
    assert run([tmp_path / "in"], tmp_path / "out") == 0
    assert parquets(tmp_path / "out") == {"amc23"}
    assert pairs(tmp_path / "out" / "amc23.parquet") == [("How many?", "4")]


def test_only_the_sets_that_are_asked_for_are_written_in_that_order(tmp_path, capsys):
    for name in ("aime24", "amc23", "minerva"):
        write(tmp_path / name / "test.jsonl", PROBLEM)
    assert run([tmp_path], tmp_path / "out", "--sets", "minerva", "aime24") == 0
    written = re.findall(r"(\w+)\.parquet: 1 rows", capsys.readouterr().out)
    assert written == ["minerva", "aime24"]
    assert parquets(tmp_path / "out") == {"minerva", "aime24"}


def test_sets_are_given_by_name_from_wherever_they_are(tmp_path):
    one = write(tmp_path / "any_name.jsonl", PROBLEM)
    other = write(tmp_path / "folder" / "test.jsonl", PROBLEM)
    assert run([f"amc23={one}", f"aime24={other.parent}"], tmp_path / "out") == 0
    assert parquets(tmp_path / "out") == {"amc23", "aime24"}
    # A path may have the sign itself.
    odd = write(tmp_path / "a=b" / "test.jsonl", PROBLEM)
    assert run([f"minerva={odd}"], tmp_path / "out") == 0


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (["amc=x.jsonl"], [], "must be a folder, or SET=PATH_OR_HUB_NAME with SET one of math500, aime24, .*got amc=x"),
        (["x.jsonl"], [], "must be a folder, or SET=PATH_OR_HUB_NAME .*, got x.jsonl"),
        (["amc23="], [], "must be a folder, or SET=PATH_OR_HUB_NAME .*, got amc23="),
        (["=x.jsonl"], [], "must be a folder, or SET=PATH_OR_HUB_NAME .*, got =x.jsonl"),
        (["AMC23=x.jsonl"], [], "must be a folder, or SET=PATH_OR_HUB_NAME .*, got AMC23=x.jsonl"),
        (["amc23=x.jsonl", "amc23=y.jsonl"], [], "must give each set once, got amc23 twice"),
        (["amc23=absent.jsonl"], [], "no file absent.jsonl"),
        (["amc23=x.jsonl"], ["--sets", "amc23", "aime24", "minerva"], "every set of --sets, lacks aime24, minerva"),
        (["folder"], ["--sets", "amc23", "aime24"], r"must have SET/test\.jsonl or SET\.parquet .*, lacks aime24"),
        (["empty"], [], "lacks math500, aime24, aime25, amc23, minerva, olympiadbench"),
    ],
)
def test_sets_that_are_not_known_not_there_or_there_twice_are_refused(
    tmp_path, monkeypatch, capsys, given, options, message
):
    monkeypatch.chdir(tmp_path)
    for name in ("x.jsonl", "y.jsonl", "folder/amc23.jsonl"):
        write(tmp_path / name, PROBLEM)
    (tmp_path / "empty").mkdir()
    assert run(given, "out", *options) == 1
    said = capsys.readouterr().err
    assert re.fullmatch(f"error: .*{message}.*\n", said)
    assert not (tmp_path / "out").exists()


def test_a_set_that_does_not_exist_cannot_be_asked_for(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run([tmp_path], tmp_path, "--sets", "amc22")
    assert "invalid choice: 'amc22'" in capsys.readouterr().err


@pytest.fixture
def asked(monkeypatch):
    """A hub on which every set has one split, "train", as evaluation sets often do; what is asked of it."""
    names = []

    def load_splits(dataset):
        names.append(dataset)
        fields = PROBLEM | {"problem": dataset.name}
        return {"train": lambda: iter([Record(f"{dataset.name} train row 0", 0, fields)])}

    monkeypatch.setattr(inputs, "pinned", lambda dataset: dataset)
    monkeypatch.setattr(inputs, "load_splits", load_splits)
    return names


def test_without_input_all_sets_come_from_the_hub(tmp_path, asked):
    assert main(["--output", str(tmp_path)]) == 0
    assert asked == [HubSet(of.hub_name, of.hub_config) for of in SETS.values()]
    assert {dataset.name: dataset.config for dataset in asked if dataset.config} == {
        "Hothan/OlympiadBench": "OE_TO_maths_en_COMP"
    }
    for name, of in SETS.items():
        (row,) = rows(tmp_path / f"{name}.parquet")
        assert (row["extra_info"]["question"], row["extra_info"]["id"]) == (of.hub_name, f"{name}/test/0")


def test_a_set_can_come_from_another_name_on_the_hub(tmp_path, asked):
    assert run(["amc23=AI-MO/aimo-validation-amc"], tmp_path, "--hub-config", "c", "--hub-revision", "v1") == 0
    assert run(["olympiadbench=some/copy"], tmp_path) == 0
    # The configuration belongs to the name that is known to have it.
    assert asked == [HubSet("AI-MO/aimo-validation-amc", "c", "v1"), HubSet("some/copy")]


def test_a_null_answer_beside_a_boxed_solution_is_no_fault(tmp_path):
    record = {"problem": "A?", "answer": None, "solution": "So \\boxed{7}."}
    assert run([f"minerva={write(tmp_path / 'x.jsonl', record)}"], tmp_path / "out") == 0
    assert golds(tmp_path / "out" / "minerva.parquet") == ["7"]
    bare = write(tmp_path / "y.jsonl", {"problem": "A?", "answer": None})
    assert run([f"minerva={bare}"], tmp_path / "out2") == 1
