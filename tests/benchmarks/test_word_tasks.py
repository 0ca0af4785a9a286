"""The tasks in words: what their questions want, read anew from the text, how they are split, judged and shown."""

import json
import random
import re
import sys
from collections import Counter
from itertools import islice

import pytest
import word_tasks
from tiny_tools_requests import in_validation, write_call
from word_tasks import TASKS

from data_prep.schema import prove_row
from groupwise.demo import sampling, tiny_model
from reward_score import compute_score

ALL = {1: 1, 2: 1, 3: 1}


@pytest.fixture(scope="module", params=TASKS)
def task(request):
    return TASKS[request.param]


@pytest.fixture(scope="module")
def drawn():
    """Some items for training of each task."""
    return {name: list(islice(each.items(ALL, False, random.Random(0)), 500)) for name, each in TASKS.items()}


# What each wording means, read anew from the text: an oracle that shares nothing with the tasks.
DAY = dict(zip(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], range(7), strict=True))
CALLS = [
    (r"(?:Ring in|Wake me after) (\d+) minutes\.", lambda m: ("set_timer", int(m))),
    (r"(?:Ring in|Wake me after) (\d+) hours\.", lambda h: ("set_timer", 60 * int(h))),
    (r"Ring in (\d+) hours and (\d+) minutes\.", lambda h, m: ("set_timer", 60 * int(h) + int(m))),
    (r"Send (\w+) (\d+) cents\.", lambda who, c: ("send_money", who, int(c))),
    (r"Pay (\d+) cents to (\w+)\.", lambda c, who: ("send_money", who, int(c))),
    (r"Send (\w+) (\d+) dollars\.", lambda who, d: ("send_money", who, int(d + "00"))),
    (r"Send (\w+) (\d+) dollars and (\d\d) cents\.", lambda who, d, c: ("send_money", who, int(d + c))),
    (r"(\w+): a table for (\d+) on (\w+)\.", lambda who, g, day: ("book_table", who, day, int(g))),
    (r"Book (\w+) for (\w+), (\d+) guests\.", lambda day, who, g: ("book_table", who, day, int(g))),
    (r"(\w+): on (\w+), a table for me and (\d+) friends\.", lambda who, day, g: ("book_table", who, day, int(g) + 1)),
    (
        r"(\w+): on (\w+), a table for (\d+) couples and a child\.",
        lambda who, day, g: ("book_table", who, day, int(g) + int(g) + 1),
    ),
    (r"Make the (\w+) (\d+) degrees warm\.", lambda room, d: ("set_heat", room, int(d))),
    (r"(\d+) degrees in the (\w+)\.", lambda d, room: ("set_heat", room, int(d))),
    (r"The (\w+) is at (\d+) degrees; one more\.", lambda room, d: ("set_heat", room, int(d) + 1)),
    (r"The (\w+) is at (\d+) degrees; (\d+) less\.", lambda room, d, less: ("set_heat", room, int(d) - int(less))),
    (r"On (\w+) at (\d+) h: (.+)\.", lambda day, h, text: ("remind", day, int(h), text)),
    (r"(.+), (\w+) at (\d+) h\.", lambda text, day, h: ("remind", day, int(h), text)),
    (r"On (\w+) at (\d+) pm: (.+)\.", lambda day, h, text: ("remind", day, int(h) + 12, text)),
    (r"(.+), (\w+) at (\d+) pm\.", lambda text, day, h: ("remind", day, int(h) + 12, text)),
    (r"On (\w+) at (\d+) pm, but two hours before: (.+)\.", lambda day, h, text: ("remind", day, int(h) + 10, text)),
]


def wanted_call(question: str) -> tuple:
    (found,) = {of(*match.groups()) for form, of in CALLS if (match := re.fullmatch(form, question))}
    return found


def told_sum(question: str) -> list[int]:
    """What somebody has after each sentence."""
    first, *changes, _ = re.split(r"(?<=\.) ", question)
    values = [int(re.fullmatch(r"\w+ has (\d+) \w+\.", first).group(1))]
    for sentence in changes:
        number = int(re.search(r"\d+", sentence).group())
        if "times as many" in sentence:
            values.append(values[-1] * number)
        else:
            values.append(values[-1] + (number if re.search("gets|buys|finds", sentence) else -number))
    return values


class TestQuestions:
    def test_problems_want_what_they_tell(self, drawn):
        for item in drawn["problems"]:
            values = told_sum(item.question)
            assert item.truth == str(values[-1])
            assert len(values) == 1 + item.difficulty
            assert min(values) > 0

    def test_calls_want_what_they_say(self, drawn):
        for item in drawn["calls"]:
            call = json.loads(item.response.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"))
            assert (call["name"], *call["arguments"].values()) == wanted_call(item.question)
            assert list(call["arguments"]) == list(word_tasks.FUNCTIONS[call["name"]])

    def test_all_kinds_are_asked(self, drawn):
        assert {item.category for item in drawn["calls"]} == set(word_tasks.FUNCTIONS)
        assert {len(types) for types in word_tasks.FUNCTIONS.values()} == {1, 2, 3}
        assert len({item.category for item in drawn["problems"]}) == 3 + 9 + 27
        for name in TASKS:
            # 500 fair draws at 1/3: a standard deviation of 10.5, allowed here 4 of it.
            assert all(abs(count - 500 / 3) < 42 for count in Counter(i.difficulty for i in drawn[name]).values())

    @pytest.mark.parametrize("name", TASKS)
    def test_responses_are_right_and_slips_wrong(self, drawn, name):
        for item in drawn[name][:100]:
            judged = [compute_score(TASKS[name].source, text, item.truth) for text in (item.response, item.slip)]
            # A call of difficulty 1 has nothing to slip in; a product of one can hardly equal its last factor.
            slipped = item.slip != item.response
            assert [verdict["acc"] for verdict in judged] == [1.0, float(not slipped)], item
            assert slipped or (name, item.difficulty) == ("calls", 1)


class TestSplits:
    def test_no_question_and_no_solution_is_in_both(self, task):
        cores = [
            {item.response for item in islice(task.items(ALL, validation, random.Random(1)), 1000)}
            for validation in (False, True)
        ]
        assert not cores[0] & cores[1]

    def test_rows_are_proven_and_the_same_each_time(self, task):
        rows = list(word_tasks.rows(task, "val", size=20, seed=0))
        for where, row in rows:
            assert prove_row(row, where)["acc"] == 1
            assert [message["role"] for message in row["prompt"]] == ["system", "user"]
        assert rows == list(word_tasks.rows(task, "val", size=20, seed=0))

    @pytest.mark.parametrize("name", TASKS)
    def test_demonstrations_are_for_training_and_half_of_the_harder_ones_slip(self, name):
        shown = word_tasks.demonstrations(TASKS[name], size=400, seed=0)
        questions = [prompt[-1]["content"] for prompt in shown["prompt"]]
        harder = 0
        for question, response in zip(questions, shown["response"], strict=True):
            if name == "problems":
                values = told_sum(question)
                numbers = re.findall(r"\d+", question)[1:]
                signs = [
                    "*" if "times" in s else "+" if re.search("gets|buys|finds", s) else "-"
                    for s in question.split(". ")
                ]
                key = str(values[0]) + "".join(map("".join, zip(signs[1:], numbers, strict=False)))
                right = response.endswith(f"#### {values[-1]}")
            else:
                function, *arguments = wanted_call(question)
                key = write_call(function, arguments, word_tasks.FUNCTIONS)
                right = response == word_tasks.hermes(function, tuple(arguments))
            assert not in_validation(key)
            harder += not right
        # Half of those above difficulty 1, which are half: 400 draws at 1/4, a standard deviation of 8.7.
        assert abs(harder - 100) < 35


def test_the_offer_names_each_function_with_its_types_and_docstring():
    lines = word_tasks.signatures().splitlines()
    assert lines[1] == "send_money(to: str, cents: int): Pays somebody, in cents."
    assert len(lines) == 5


def test_the_command_writes_data_and_a_warm_started_model_once(tmp_path, monkeypatch, capsys):
    tokenizer = tiny_model.build_tokenizer()
    tokenizer.save_pretrained(tmp_path / "start")
    tiny_model.build_model(tokenizer, seed=0).save_pretrained(tmp_path / "start")
    small = {"ROWS": {"train": 3, "val": 2}, "DEMONSTRATIONS": 4, "BATCH": 2}
    for name, value in small.items():
        monkeypatch.setattr(word_tasks, name, value)
    monkeypatch.setattr(sampling, "PROMPTS", 2)
    monkeypatch.setattr(sampling, "GROUP_SIZE", 2)
    arguments = ["problems", "--model", str(tmp_path / "start"), "--output", str(tmp_path / "task"), "--steps", "1"]
    monkeypatch.setattr(sys, "argv", ["word_tasks.py", *arguments])
    word_tasks.main()
    told = json.loads(capsys.readouterr().out)
    assert told["sampled"]["prompts"] == 2
    assert told["loss"] > 0
    monkeypatch.setattr(word_tasks.warm_start, "fine_tune", lambda *_, **__: pytest.fail("trained again"))
    word_tasks.main()
