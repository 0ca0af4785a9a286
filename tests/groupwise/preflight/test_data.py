"""What the check of the data knows from the configuration: who rewards, what is trained on, how rows are read."""

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import qa, tool_calls
from groupwise.preflight import data
from groupwise.preflight.facts import Facts
from groupwise.preflight.notes import Note
from reward_score import registry

OWN_FUNCTION = "reward.custom_reward_function.path=reward.py"
REWARD_MODEL = "reward.reward_model.enable=true"


def row(question="12+34=", **changes):
    return {
        "data_source": "dipo/arithmetic",
        "prompt": [{"role": "user", "content": question}],
        "reward_model": {"style": "rule", "ground_truth": "46"},
        "extra_info": {"index": 0},
        **changes,
    }


def without(name, question="12+34="):
    return {key: value for key, value in row(question).items() if key != name}


@pytest.fixture
def found(compose_with, tmp_path):
    """Gives faults and notes on files with the given rows, trained on and evaluated on."""

    def found_(train, *overrides, val=(), suffix="parquet"):
        files = []
        for name, rows in (("a", train), ("b", val or [row("56+1=")])):
            path = tmp_path / f"{name}.{suffix}"
            if suffix == "parquet":
                pq.write_table(pa.Table.from_pylist(list(rows)), path)
            else:
                path.write_text("".join(json.dumps(each) + "\n" for each in rows))
            files.append(path)
        config = compose_with(f"data.train_files={files[0]}", f"data.val_files={files[1]}", *overrides)
        told = list(data.find_faults(Facts(config)))
        return [line for line in told if not isinstance(line, Note)], [line for line in told if isinstance(line, Note)]

    return found_


def test_a_file_is_not_both_trained_and_evaluated_on(found, tmp_path):
    other = f"data.val_files={tmp_path}/../{tmp_path.name}/a.parquet"
    first, *_ = found([row()], other)[0]
    assert first.startswith("data.train_files and data.val_files must not name the same file, but both name ")
    (fault,), _ = found([row()], f"data.val_files={tmp_path}/a.parquet")
    assert fault == first


def test_a_file_without_names_or_splits_is_trained_on_where_the_configuration_says_so(found):
    (fault,), notes = found([row(), row("1+1=")], val=[row("12+34="), row("3+4=")])
    assert "a.parquet: must ask nothing that" in fault
    assert "b.parquet asks, but 1 questions are in both, such as '12+34='" in fault
    assert "--train" not in fault
    assert notes == []


def test_repetitions_are_a_note(found):
    faults, notes = found([row(), row(), row()], val=[row("3+4=")] * 32)
    assert faults == []
    assert [note.split(": ")[1] for note in notes] == [
        "2 of 3 rows repeat a prompt, which then counts that many times",
        "31 of 32 rows repeat a prompt, which then counts that many times",
    ]


GOLDS = [["46", "47"], {"target": ["46"]}, 46, None, "forty-six"]


@pytest.mark.parametrize("gold", GOLDS)
@pytest.mark.parametrize("elsewhere", [(OWN_FUNCTION,), (REWARD_MODEL,), ("reward.reward_manager.name=mine",)])
def test_any_ground_truth_is_good_to_another_judge(found, gold, elsewhere):
    made = [row(reward_model={"style": "model", "ground_truth": gold}, data_source="mine/unheard_of")]
    assert found(made, *elsewhere)[0] == []


def test_the_verifiers_want_one_that_they_take(found):
    faults, _ = found([row("1+1=", reward_model={"ground_truth": gold}) for gold in (46, "46")][:1])
    assert faults == []
    ((fault,), _) = found([row(reward_model={"style": "rule", "ground_truth": "forty-six"})])
    assert "row 0: unparsable gold" in fault
    ((fault,), _) = found([row(data_source="mine/unheard_of")])
    assert "row 0: data_source must be one that has a verifier" in fault


@pytest.mark.parametrize(
    ("missing", "overrides", "is_read"),
    [
        ("reward_model", (), True),
        ("reward_model", (OWN_FUNCTION,), True),
        ("reward_model", (REWARD_MODEL,), False),
        ("reward_model", (REWARD_MODEL, OWN_FUNCTION), True),
        ("data_source", (REWARD_MODEL,), False),
        ("data_source", (OWN_FUNCTION,), True),
        ("extra_info", (), False),
        ("prompt", (REWARD_MODEL,), True),
    ],
)
def test_columns_are_asked_for_by_who_reads_them(found, missing, overrides, is_read):
    faults, _ = found([without(missing)], *overrides, val=[without(missing, "5+5=")])
    assert [f"lacks {missing}" in fault for fault in faults] == ([True, True] if is_read else [])


def test_verls_own_reward_function_must_know_the_source(found):
    made = [row(data_source="openai/gsm8k"), row("1+1=", data_source="mine"), row("2+1=", data_source="codecontests")]
    (fault,), _ = found(made, "reward.reward_manager.name=naive", val=[row("3+3=", data_source="openai/gsm8k")])
    assert "'mine' has none; set reward.custom_reward_function.path=pkg://reward_score" in fault
    assert found(made, "reward.reward_manager.name=naive", OWN_FUNCTION, val=made[1:])[0] != []  # asked in both
    assert found(made, "reward.reward_manager.name=naive", OWN_FUNCTION)[0] == []


LONG, TWO = "1+" * 30, "trainer.total_training_steps=2"


@pytest.mark.parametrize(
    ("rows", "overrides", "sentence"),
    [
        # 16 rows make a batch of 16; one of them is too long.
        ([row(f"{n}+1=") for n in range(16)], (), None),
        ([row(LONG), *(row(f"{n}+1=") for n in range(15))], (), "hold at least .*=16 rows, .* 15 are used; .* drops 1"),
        ([row(LONG), *(row(f"{n}+1=") for n in range(16))], (), None),
        ([row(LONG), *(row(f"{n}+1=") for n in range(31))], (TWO, "trainer.total_epochs=1"),
         "total_epochs=1 must be enough .* 31 rows make 1 steps an epoch.* drops 1 prompts of more than .*=48 tokens"),
        # Too few from the start, which the check of the steps says.
        ([row(LONG), row("1+1=")], (), None),
    ],
)  # fmt: skip
def test_rows_that_verl_drops_do_not_count(found, rows, overrides, sentence):
    faults, _ = found(rows, "data.filter_overlong_prompts=true", *overrides)
    assert len(faults) == (sentence is not None), faults
    assert not faults or re.search(sentence, faults[0]), faults


def test_a_row_to_evaluate_must_be_left(found):
    (fault,), _ = found([row(f"{n}+1=") for n in range(16)], "data.filter_overlong_prompts=true", val=[row(LONG)])
    assert "data.val_files must have a row that is left, but data.filter_overlong_prompts drops all prompts" in fault


def test_a_verifier_of_the_users_own_is_named_by_a_key(found, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_verifiers", dict(registry._verifiers))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "verifiers_of_test_data.py").write_text(
        "import reward_score\n@reward_score.register('users/own')\n"
        "def verify(solution_str, ground_truth, extra_info):\n"
        "    return reward_score.Verdict(1.0, 1.0, 1.0, '', 'correct')\n"
    )
    mine = [row(data_source="users/own")]
    assert "data_source must be one that has a verifier" in found(mine)[0][0]
    (fault, *_), _ = found(mine, "reward.reward_kwargs.imports=[no_such_module]")
    assert "'no_such_module' must be a module that can be imported here and registers verifiers" in fault
    assert found(mine, "reward.reward_kwargs.imports=[verifiers_of_test_data]") == ([], [])
    # Who judges otherwise needs none.
    assert found(mine, "reward.reward_kwargs.imports=[no_such_module]", OWN_FUNCTION)[0] == []


def test_the_prompt_stands_under_its_key(found):
    asked = [{**without("prompt"), "question": row()["prompt"]}]
    val = [{**without("prompt"), "question": row("7+7=")["prompt"]}]
    assert found(asked, "data.prompt_key=question", val=val)[0] == []
    faults, _ = found(asked, val=val)
    assert all("lacks prompt (data.prompt_key names the prompt's)" in fault for fault in faults)
    assert len(faults) == 2


def test_json_lines_are_read(found):
    assert found([row()], suffix="jsonl")[0] == []
    ((fault,), _) = found([row(), row("1+1=", output="46")], suffix="jsonl")
    assert "must have no column with the name of something in verl's agent loop" in fault


def test_a_dataset_class_of_the_users_own_reads_what_it_likes(found):
    made = [{"anything": 1}]
    assert found(made, val=made)[0] != []
    assert found(made, "data.custom_cls.path=mine.py", "data.custom_cls.name=Mine", val=made) == ([], [])


def test_the_template_shows_what_it_makes_of_a_message(found):
    made = [row(prompt=[{"role": "user", "content": [{"type": "text", "text": "12+34="}]}])] * 30
    faults, notes = found(made)
    assert faults == []
    assert any("row 0: the chat template spells a list of parts as Python does" in note for note in notes)
    texts_only = "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% endif %}{% endfor %}"
    ((fault,), _) = found(made, f"actor_rollout_ref.model.custom_chat_template={texts_only!r}")
    assert "row 0: the chat template must render what every message says, but leaves out that of message 0" in fault
    assert fault.endswith("(and 29 more rows with the same fault)")


def test_pictures_need_a_model_that_takes_them(found):
    ((fault,), _) = found([row("<image>12+34=", images=[{"path": "a.png"}])])
    assert "needs a model with a processor" in fault


def test_an_agent_loop_must_be_known(found, tmp_path):
    ((fault,), _) = found([row(agent_name="my_agent")])
    known = "bfcl_sessions, single_turn_agent, tool_agent"
    assert f"agent_name must name an agent loop that verl knows ({known}), got 'my_agent'" in fault
    assert found([row(agent_name="tool_agent")])[0] == []
    own = f"actor_rollout_ref.rollout.agent.agent_loop_config_path={tmp_path}/agents.yaml"
    assert found([row(agent_name="my_agent")], own)[0] == []


def test_a_file_in_the_users_home(compose_with, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, question in (("train", "1+1="), ("val", "2+2=")):
        pq.write_table(pa.Table.from_pylist([row(question)]), tmp_path / f"{name} ä.parquet")
    config = compose_with("data.train_files=~/train ä.parquet", "data.val_files=['~/val ä.parquet']")
    assert list(data.find_faults(Facts(config))) == []
    pq.write_table(pa.Table.from_pylist([row("1+1=")]), tmp_path / "val ä.parquet")
    assert len(list(data.find_faults(Facts(config)))) == 1


def test_users_own_files_are_sound_as_the_converters_write_them(compose_with, tmp_path):
    asked = [{"question": f"{n}+{n}=", "answer": [2 * n, f"{2 * n}.0"]} for n in range(10)]
    (tmp_path / "qa.jsonl").write_text("".join(json.dumps(each) + "\n" for each in asked))
    tool = {
        "name": "add",
        "description": "",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
    }
    called = [
        {"query": f"Add {n}.", "tools": [tool], "answers": [{"name": "add", "arguments": {"a": n}}]} for n in range(10)
    ]
    (tmp_path / "calls.jsonl").write_text("".join(json.dumps(each) + "\n" for each in called))
    keys = ["--question-key", "question", "--answer-key", "answer", "--style", "answer"]
    for converter, name, more in ((qa, "qa", keys), (tool_calls, "calls", [])):
        given = [
            "--input",
            str(tmp_path / f"{name}.jsonl"),
            "--output",
            str(tmp_path / name),
            "--data-source",
            f"my {name}",
        ]
        assert converter.main([*given, "--split", "train", "--val-share", "0.2", *more]) == 0
    files = {split: f"[{tmp_path}/qa/{split}.parquet,{tmp_path}/calls/{split}.parquet]" for split in ("train", "val")}
    longer = ("data.max_prompt_length=2000", "preflight.skip=[cpu,batch]")
    config = compose_with(f"data.train_files={files['train']}", f"data.val_files={files['val']}", *longer)
    assert list(data.find_faults(Facts(config))) == []
