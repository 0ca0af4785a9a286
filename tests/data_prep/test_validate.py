"""What is found in data files before a training starts on them, of data_prep's own making and of others'."""

import re
from contextlib import nullcontext

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, concatenate_datasets

from data_prep import errors
from data_prep.card import write_card
from data_prep.conversion import Report
from data_prep.schema import SCHEMA, make_row, write_parquet
from data_prep.validate import main

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}"
    "<{{ m.role }}> {{ m.content }} {% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def row(number, question=None, *, split="train", identity=None, answer="4", **changes):
    question = question or f"What is 4 of {split} {number}?"
    fields = {
        "data_source": "openai/gsm8k",
        "prompt": f"{question} Answer!",
        "ability": "math",
        "ground_truth": answer,
        "reference_response": f"#### {answer}",
        "split": split,
        "identity": identity or f"set/{split}/{number}",
        "question": question,
    }
    return make_row(**(fields | changes))


def write(path, *rows):
    """Writes rows unchecked, as another program may."""
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), path)
    return path


def validate(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert (code == 1) == bool(said.err)
    return said.out, said.err


@pytest.fixture
def train(tmp_path):
    return write(tmp_path / "train.parquet", row(0), row(1))


@pytest.fixture
def test(tmp_path):
    return write(tmp_path / "test.parquet", row(0, split="test"))


def test_good_files_pass_and_are_shown_by_data_source(tmp_path, capsys, train):
    mixed = write(tmp_path / "val.parquet", row(0, split="val"), row(1, split="val", data_source="dipo/arithmetic"))
    out, err = validate(capsys, train, mixed)
    assert err == ""
    lines = [re.split(r"  +", line.strip()) for line in out.splitlines()]
    assert lines == [
        ["data source", "rows", "repeated"],
        [f"{train} (train)", "2"],
        ["openai/gsm8k", "2", "0"],
        [f"{mixed} (val)", "2"],
        ["dipo/arithmetic", "1", "0"],
        ["openai/gsm8k", "1", "0"],
    ]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(7, answer="5", reference_response="#### 4"), "row 2: extra_info.reference_response must score 1"),
        (row(7, answer="five"), "row 2: unparsable gold"),
        (row(7, data_source="gsm"), "row 2: data_source must be one that has a verifier"),
        (row(7, data_source=" "), "row 2: data_source must be a text that is not empty"),
        (row(7, prompt=[]), "row 2: prompt must be a list of chat messages"),
        (row(7, prompt=[{"role": "assistant", "content": "x"}]), "row 2: the last message must be for the model"),
    ],
)
def test_a_row_at_fault_is_named(tmp_path, capsys, bad, message):
    path = write(tmp_path / "train.parquet", row(0), row(1), bad, row(3))
    out, err = validate(capsys, path)
    assert err.startswith(f"error: {path} {message}")
    assert err.count("\n") == 1
    assert re.search(r"\(train\) +4\n", out)


def test_verdicts_are_not_asked_for_where_rewards_come_from_elsewhere(tmp_path, capsys):
    path = write(tmp_path / "train.parquet", row(0, data_source="mine"), row(1, answer="x", reference_response=""))
    assert validate(capsys, path, "--judged-by", "function")[1] == ""
    assert validate(capsys, path)[1].count("\n") == 2


def test_one_fault_of_many_rows_is_told_once_with_their_number(tmp_path, capsys):
    bad = [row(n, data_source=f"gsm{n % 5}") for n in range(1, 31)]
    path = write(tmp_path / "train.parquet", row(0), *bad, row(31, answer="five"), row(32, answer="six"))
    unknown, unparsable = validate(capsys, path)[1].splitlines()
    assert unknown.startswith(f"error: {path} row 1: data_source must be one that has a verifier (")
    assert unknown.endswith(" (and 29 more rows with the same fault)")
    assert unparsable.startswith(f"error: {path} row 31: unparsable gold")
    assert unparsable.endswith(" (and 1 more rows with the same fault)")


def test_kinds_of_faults_are_bounded(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(errors, "MAX_KINDS", 1)
    path = write(tmp_path / "train.parquet", row(0, data_source="gsm"), row(1, answer="five"), row(2, answer="six"))
    lines = validate(capsys, path)[1].splitlines()
    assert "row 0: data_source" in lines[0]
    assert lines[1:] == ["error: ... and 2 more rows are at fault"]


def test_an_id_that_occurs_twice_is_a_fault_within_and_between_files(tmp_path, capsys):
    one = write(tmp_path / "a.parquet", row(0), row(1, identity="set/train/0"))
    other = write(tmp_path / "b.parquet", row(5), row(6, identity="set/train/0"))
    assert validate(capsys, one, other)[1].splitlines() == [
        f"error: {one}: an id must occur once, but 1 occur twice, such as set/train/0: drop the copies",
        f"error: {other}: an id must occur once, but 1 occur in {one} too, such as set/train/0: drop the copies",
    ]


def test_a_question_that_is_trained_on_and_evaluated_on_is_a_fault(tmp_path, capsys, test):
    train = write(tmp_path / "train.parquet", row(0), row(1, "what is $4$ of TEST 0?"))
    (line,) = validate(capsys, test, train)[1].splitlines()
    assert line == (
        f"error: {train}: must ask nothing that {test} asks, but 1 questions are in both, such as"
        f" 'what is $4$ of TEST 0?': make it again with --exclude {test}"
    )


def test_two_training_files_and_two_evaluation_files_may_ask_the_same(tmp_path, capsys):
    files = [
        write(tmp_path / f"{split}{n}.parquet", row(0, f"{split}?", split=split, identity=f"{n}/{split}"))
        for split in ("train", "test")
        for n in (1, 2)
    ]
    assert validate(capsys, *files)[1] == ""


def other_row(prompt, number=0, **changes):
    return {
        "data_source": "openai/gsm8k",
        "prompt": prompt,
        "reward_model": {"style": "rule", "ground_truth": "4"},
        "extra_info": {"index": number},
        **changes,
    }


def other_makers(path, questions, **changes):
    """A file in the layout of verl's examples: no id, no bare question."""
    rows = [
        other_row([{"role": "user", "content": question}], number, **changes)
        for number, question in enumerate(questions)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


ASKED = 'What is 4 of test 0? Let\'s think step by step and output the final answer after "####".'


def test_another_makers_files_are_checked_as_far_as_they_go(tmp_path, capsys, test):
    train = other_makers(tmp_path / "my_train.parquet", ["A?", ASKED])
    assert "must ask nothing that" in validate(capsys, train, test)[1]
    # Nothing tells what it is for: beside a file that is evaluated on it is taken for what is trained on.
    other = other_makers(tmp_path / "other.parquet", ["A?", ASKED])
    assert "or say with --train and --val which file is which" in validate(capsys, other, test)[1]
    assert validate(capsys, "--val", other, test)[1] == ""
    assert "must ask nothing that" in validate(capsys, "--val", other, "--train", train)[1]
    also = other_makers(tmp_path / "also.parquet", ["A?"])
    out, err = validate(capsys, other, also)
    assert err == ""
    assert f"note: {also} asks 1 questions that {other} asks, such as 'A?'; say with --train" in out
    assert "which file is which" not in validate(capsys, "--train", other, "--val", also)[1]
    assert "must ask nothing that" in validate(capsys, "--train", other, "--val", also)[1]
    unjudged = other_makers(tmp_path / "train2.parquet", ["A?"], reward_model={"style": "rule", "ground_truth": "x"})
    assert "row 0: unparsable gold" in validate(capsys, unjudged)[1]


def test_prompts_that_are_mostly_repeated_are_a_fault_and_a_few_are_counted(tmp_path, capsys):
    few = write(tmp_path / "few.parquet", *(row(n, f"{n % 3}?") for n in range(6)))
    out, err = validate(capsys, few)
    assert err == ""
    assert re.search(r"openai/gsm8k +6 +3\n", out)  # the second round of three
    many = write(tmp_path / "many.parquet", *(row(n, f"{n % 2}?") for n in range(6)))
    assert validate(capsys, many)[1] == (
        f"error: {many}: must ask each prompt once, but 4 of 6 rows repeat one: make it again with --dedupe\n"
    )


def test_other_makers_may_repeat_prompts_and_give_several_answers(tmp_path, capsys):
    # As DAPO's own file, which has each prompt a hundred times, and its AIME 2024, which has it 32 times.
    path = other_makers(tmp_path / "train.parquet", ["A?", "B?"] * 3, reward_model={"ground_truth": "4"})
    table = pq.read_table(path).to_pylist()
    table[2]["reward_model"]["ground_truth"] = "5"
    pq.write_table(pa.Table.from_pylist(table), path)
    out, err = validate(capsys, path)
    assert err == ""
    assert f"note: {path}: 4 of 6 rows repeat a prompt, which then counts that many times" in out
    assert f"note: {path}: 1 rows have another answer than the first with the same prompt" in out


def test_one_prompt_with_two_answers_is_a_fault_in_training(tmp_path, capsys):
    def rows(split):
        return row(0, "A?", split=split), row(1, "B?", split=split), row(2, "A?", split=split, answer="5")

    train = write(tmp_path / "train.parquet", *rows("train"))
    assert "must have one answer for a prompt, but 1 rows have another one" in validate(capsys, train)[1]
    assert validate(capsys, write(tmp_path / "test.parquet", *rows("test")))[1] == ""


@pytest.mark.parametrize(
    ("extra_info", "fits"),
    [
        ({"index": 0}, True),
        ({"index": 0, "mine": [1.5]}, True),
        ({"index": 0, "split": None}, True),
        ({"index": "9a9b6eb4"}, False),  # as in DAPO's own file
        ({"index": 0.0}, False),
        ({"index": [0]}, False),
    ],
)
def test_files_that_verl_cannot_concatenate_are_a_fault(tmp_path, capsys, train, extra_info, fits):
    other = other_makers(tmp_path / "other_train.parquet", ["A?"], extra_info=extra_info)
    err = validate(capsys, train, other)[1]
    assert (err == "") is fits
    assert fits or f"{other}: verl concatenates files, so extra_info.index" in err
    # Training files are not concatenated with those that are evaluated on.
    assert validate(capsys, train, other_makers(tmp_path / "test.parquet", ["A?"], extra_info=extra_info))[1] == ""
    # What verl does with its files (verl/utils/dataset/rl_dataset.py), and what it ends in.
    loaded = [Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache")) for path in (train, other)]
    with nullcontext() if fits else pytest.raises(ValueError, match="can't be aligned"):
        assert len(concatenate_datasets(loaded)) == 3


def test_a_column_that_is_taken_hides_no_other_fault(tmp_path, capsys, test):
    train = other_makers(tmp_path / "train.parquet", [ASKED, "B?"], output="4", data_source="gsm")
    lines = validate(capsys, train, test)[1].splitlines()
    assert ["data_source must be one" in line or "agent loop" in line for line in lines] == [True, True]
    train = other_makers(tmp_path / "train.parquet", [ASKED, "B?"], output="4")
    assert "must ask nothing that" in validate(capsys, train, test)[1].splitlines()[-1]


def test_files_that_cannot_be_read_are_told_beside_those_that_can(tmp_path, capsys, train):
    (tmp_path / "cut.parquet").write_bytes(train.read_bytes()[:500])
    pq.write_table(SCHEMA.empty_table(), tmp_path / "empty.parquet")
    pq.write_table(pa.table({"prompt": ["x"]}), tmp_path / "columns.parquet")
    names = ("absent", "cut", "empty", "columns")
    out, err = validate(capsys, *(tmp_path / f"{name}.parquet" for name in names), train)
    wanted = (
        "no such file",
        "must be a whole parquet file",
        "must have at least one row",
        "lacks data_source, reward_model",
    )
    lines = err.splitlines()
    assert len(lines) == 4
    for line, name, words in zip(lines, names, wanted, strict=True):
        assert line.startswith(f"error: {tmp_path}/{name}.parquet: ")
        assert words in line
    assert "(train)" in out


def test_a_file_that_was_changed_after_its_card_is_a_fault(tmp_path, capsys, train):
    write_card(train, Report(), split="train", source=[], options={}, licence="")
    assert validate(capsys, train)[1] == ""
    write_parquet([("x", row(5))], train)
    assert "must be the file that train.parquet.json describes" in validate(capsys, train)[1]


def test_a_file_given_twice_is_an_error(tmp_path, capsys, train):
    assert "each file must be given once" in validate(capsys, train, tmp_path / "." / "train.parquet")[1]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """One token a word, in a folder as models have it."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    words.pre_tokenizer = WhitespaceSplit()
    made = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?")
    made.chat_template = TEMPLATE
    folder = tmp_path_factory.mktemp("tokenizer")
    made.save_pretrained(folder)
    return folder


def worded(number, words):
    return row(number, f"{number}?", prompt=" ".join(["word"] * words))


def test_prompts_are_measured_as_the_template_renders_them(tmp_path, capsys, tokenizer):
    # "<user>" and "<assistant>" are a token each, so 1 to 20 words make 3 to 22 tokens; of 20 sorted lengths the median
    # is number 10 from 0, the p95 number 19.
    path = write(tmp_path / "train.parquet", *(worded(n, n + 1) for n in range(20)))
    out, err = validate(capsys, path, "--tokenizer", tokenizer)
    assert err == ""
    assert re.search(r"median tokens +p95 tokens +longest tokens\n", out)
    assert re.search(r"openai/gsm8k +20 +0 +13 +22 +22\n", out)
    assert validate(capsys, path, "--tokenizer", tokenizer, "--max-prompt-length", 22)[1] == ""
    assert validate(capsys, path, "--tokenizer", tokenizer, "--max-prompt-length", 20)[1] == (
        f"error: {path}: a prompt must have at most 20 tokens, but 2 of 20 have more: raise data.max_prompt_length,"
        " or let verl drop them with data.filter_overlong_prompts=True\n"
    )


def test_a_prompt_that_the_template_refuses_is_a_row_at_fault(tmp_path, capsys, tokenizer):
    refused = row(1, prompt=[{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}])
    path = write(tmp_path / "train.parquet", row(0), refused)
    assert validate(capsys, path, "--tokenizer", tokenizer)[1] == (
        f"error: {path} row 1: the chat template must render messages of user, tool, but no tools here\n"
    )


def test_a_template_that_spells_out_what_is_no_text_is_a_note(tmp_path, capsys, tokenizer):
    def asked(*messages):
        path = tmp_path / "train.parquet"
        pq.write_table(pa.Table.from_pylist([other_row(list(messages))] * 2), path)
        out, err = validate(capsys, path, "--tokenizer", tokenizer)
        assert err == ""
        return out.count("note:"), out

    question = {"role": "user", "content": "What is None of 4?"}
    assert asked(question)[0] == 0
    assert asked({"role": "system", "content": ""}, question)[0] == 0
    count, out = asked({"role": "system", "content": None}, question)
    assert (count, "row 0: the chat template says None for content that is null" in out) == (1, True)
    count, out = asked({"role": "user", "content": [{"type": "text", "text": "What is 4?"}]})
    assert (count, "row 0: the chat template spells a list of parts as Python does, [{" in out) == (1, True)


def test_tokenizers_that_do_not_serve_are_told_in_one_sentence(tmp_path, capsys, train, tokenizer):
    assert (
        "--max-prompt-length counts tokens, so it needs --tokenizer"
        in validate(capsys, train, "--max-prompt-length", 5)[1]
    )
    (tmp_path / "none").mkdir()
    assert "--tokenizer must be a model's folder" in validate(capsys, train, "--tokenizer", tmp_path / "none")[1]
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in tokenizer.iterdir():
        if file.suffix == ".json":
            (bare / file.name).write_bytes(file.read_bytes())
    assert "--tokenizer must have a chat template" in validate(capsys, train, "--tokenizer", bare)[1]
