"""The tool-calling task: what its requests want, how they are split and judged, what the warm start learns from."""

import json
import random
import re
from collections import Counter
from itertools import islice, product

import pandas
import pytest
import tiny_tools
import tiny_tools_model
import torch
from tiny_tools_requests import DAYS, FUNCTIONS, KINDS, Kind, draw, in_validation, write_call

from data_prep import validate
from groupwise.demo import sampling, tiny_model, warm_start
from reward_score import compute_score

ALL = {1: 1, 2: 1, 3: 1}


@pytest.fixture(scope="module")
def requests():
    return list(islice(draw(ALL, validation=False, rng=random.Random(0)), 1000))


@pytest.fixture(scope="module")
def rows():
    return {split: [row for _, row in tiny_tools.rows(split, seed=0)] for split in ("train", "val")}


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tools_model.build_tokenizer()


# What each wording means, read anew from the text: an oracle that shares nothing with KINDS.
READINGS = [
    (r"go to (\d+) (\d+)", lambda x, y: ("move", int(x), int(y))),
    (r"move x (\d+) y (\d+)", lambda x, y: ("move", int(x), int(y))),
    (r"(?:move|at) y (\d+) (?:go to )?x (\d+)", lambda y, x: ("move", int(x), int(y))),
    (r"go to x (\d+), y (\d+) more", lambda x, more: ("move", int(x), int(x) + int(more))),
    (r"(?:wait|pause) (\d+) ms", lambda t: ("wait", int(t))),
    (r"(?:wait|pause) (\d+) s", lambda t: ("wait", int(f"{t}000"))),
    (r"(?:wait|pause) (\d+) min", lambda t: ("wait", int(t) * 60 * 1000)),
    (r"pay (\w+) (\d+) cents", lambda to, n: ("pay", to, int(n))),
    (r"give (\d+) cents to (\w+)", lambda n, to: ("pay", to, int(n))),
    (r"pay (\w+) (\d+) dollars", lambda to, n: ("pay", to, int(f"{n}00"))),
    (r"give (\d+) dollars to (\w+)", lambda n, to: ("pay", to, int(f"{n}00"))),
    (r"pay (\w+) twice (\d+) cents", lambda to, n: ("pay", to, int(n) + int(n))),
    (r"book (\w+) at (\d+) h", lambda day, h: ("book", day, int(h))),
    (r"at (\d+) h on (\w+), book", lambda h, day: ("book", day, int(h))),
    (r"book (\w+) at (\d+) pm", lambda day, h: ("book", day, 12 + int(h))),
    (r"at (\d+) pm on (\w+), book", lambda h, day: ("book", day, 12 + int(h))),
    (
        r"book day after (\w+) at (\d+) h",
        lambda day, h: ("book", dict(zip(DAYS, (*DAYS[1:], "mon"), strict=True))[day], int(h)),
    ),
    (r"turn (left|right) (\d+)", lambda side, n: ("turn", side, int(n))),
    (r"turn (\d+) to the (left|right)", lambda n, side: ("turn", side, int(n))),
    (r"turn (\d+), not (left|right)", lambda n, side: ("turn", {"left": "right", "right": "left"}[side], int(n))),
    (r"not (left|right), turn (\d+)", lambda side, n: ("turn", {"left": "right", "right": "left"}[side], int(n))),
    (r"turn (left|right) half of (\d+)", lambda side, n: ("turn", side, int(int(n) / 2))),
]


def read(text):
    found = [meaning(*match.groups()) for pattern, meaning in READINGS if (match := re.fullmatch(pattern, text))]
    assert len(found) == 1, text
    return found[0]


class TestRequests:
    def test_a_request_wants_what_it_says(self, requests):
        assert {request.kind for request in requests} == set(KINDS)
        for request in requests:
            assert (request.kind.function, *request.wanted) == read(request.text)

    def test_only_the_easy_ones_want_what_stands_in_them(self, requests):
        for request in requests:
            assert (request.wanted == request.literal) == (request.kind.difficulty == 1)
            numbers = sorted(str(value) for value in request.literal if isinstance(value, int))
            assert sorted(re.findall(r"\d+", request.text)) == numbers

    def test_a_hard_one_that_happens_to_be_easy_is_left_out(self):
        kind = Kind("move", 2, ("move y {} x {}",), (range(3), range(3)), lambda y, x: (x, y))
        drawn = list(islice(draw({2: 1}, validation=False, rng=random.Random(0), kinds=(kind,)), 50))
        # A third of the nine pairs are equal: all of 50 unequal by chance has a probability of (2/3)^50 = 2e-9.
        assert all(request.wanted[0] != request.wanted[1] for request in drawn)

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.function}-{kind.difficulty}")
    def test_arguments_have_their_types(self, kind):
        types = {"integer": int, "string": str}
        for values in product(*kind.pools):
            arguments = kind.solve(*values)
            assert [type(value) for value in arguments] == [types[name] for name in FUNCTIONS[kind.function].values()]

    def test_each_difficulty_has_each_function(self):
        assert Counter((kind.function, kind.difficulty) for kind in KINDS) == Counter(product(FUNCTIONS, (1, 2, 3)))

    def test_difficulties_have_their_shares(self):
        drawn = islice(draw({1: 0.5, 2: 0.0, 3: 0.5}, validation=True, rng=random.Random(1)), 1000)
        counts = Counter(request.kind.difficulty for request in drawn)
        assert counts[2] == 0
        # 1,000 fair draws at 1/2: a standard deviation of 15.8, allowed here 4 of it.
        assert abs(counts[1] - 500) < 64

    def test_one_call_in_five_is_for_validation(self):
        found = sum(in_validation(write_call("move", (x, y))) for x in range(100) for y in range(100))
        # 10,000 fair draws at 1/5: a standard deviation of sqrt(10000 * 0.2 * 0.8) = 40, allowed here 4 of it.
        assert abs(found - 2000) < 160


def right_response(row):
    ((name, accepted),) = json.loads(row["reward_model"]["ground_truth"])["possible_answer"][0].items()
    return {"name": name, "arguments": {parameter: value for parameter, (value,) in accepted.items()}}


def verdict(row, call):
    text = call if isinstance(call, str) else f"<tool_call>{json.dumps(call)}</tool_call>"
    return compute_score(row["data_source"], text, row["reward_model"]["ground_truth"])


class TestRows:
    def test_the_ground_truth_is_what_the_request_says(self, rows):
        for row in rows["train"] + rows["val"]:
            call = right_response(row)
            assert (call["name"], *call["arguments"].values()) == read(row["prompt"][0]["content"])

    def test_right_calls_are_right_however_they_are_spaced(self, rows):
        for row in rows["val"]:
            assert verdict(row, right_response(row))["acc"] == 1
            assert verdict(row, row["extra_info"]["reference_response"]) == verdict(row, right_response(row))

    def test_wrong_calls_are_wrong(self, rows):
        for row in rows["val"]:
            call = right_response(row)
            name, arguments = call["name"], call["arguments"]
            other = next(function for function in FUNCTIONS if function != name)
            last = list(arguments)[-1]
            wrong = [
                {"name": other, "arguments": arguments},
                {"name": name, "arguments": arguments | {last: arguments[last] + 1}},
                {"name": name, "arguments": arguments | {last: str(arguments[last])}},
                {"name": name, "arguments": arguments | {"further": 1}},
                {"name": name, "arguments": {key: value for key, value in arguments.items() if key != last}},
            ]
            assert [verdict(row, one)["acc"] for one in wrong] == [0] * 5
            assert verdict(row, json.dumps(call))["acc"] == 0
            assert verdict(row, row["extra_info"]["reference_response"][:-1])["acc"] == 0
            assert verdict(row, "")["acc"] == 0

    def test_no_call_of_validation_is_wanted_in_training(self, monkeypatch):
        monkeypatch.setattr(tiny_tools, "DEMONSTRATIONS", 2000)
        calls = {
            split: {
                (call["name"], *call["arguments"].values())
                for seed in (0, 1)
                for call in (right_response(row) for _, row in tiny_tools.rows(split, seed=seed))
            }
            for split in ("train", "val")
        }
        assert not calls["train"] & calls["val"]
        asked = {messages[0]["content"] for messages in tiny_tools.demonstrations(seed=1)["prompt"]}
        assert not {read(text) for text in asked} & calls["val"]

    def test_difficulty_and_function_are_recorded(self, rows):
        # 2,048 draws at 0.2 and at 0.4: standard deviations of 18 and 22, allowed here 4 of the larger.
        counts = Counter(row["extra_info"]["difficulty"] for row in rows["train"])
        assert all(abs(counts[level] - 2048 * share) < 89 for level, share in tiny_tools.SHARES.items())
        assert all(row["extra_info"]["category"] == right_response(row)["name"] for row in rows["val"])

    def test_the_files_pass_the_check_before_a_run(self, tmp_path, monkeypatch, tokenizer):
        monkeypatch.setattr(tiny_tools, "ROWS", {"train": 60, "val": 30})
        monkeypatch.setattr(tiny_tools, "DEMONSTRATIONS", 10)
        tiny_tools.write_data(tmp_path, seed=0)
        files = [tmp_path / "train.parquet", tmp_path / "val.parquet"]
        reading = validate.Reading(render=validate.Rendering(tokenizer))
        for limit, is_right in ((32, True), (20, False)):
            found = validate.examine(
                dict.fromkeys(files), reading, measure=validate.make_measure(tokenizer), max_prompt_length=limit
            )
            assert (found.faults == []) == is_right
        before = [file.read_bytes() for file in sorted(tmp_path.iterdir())]
        tiny_tools.write_data(tmp_path, seed=0)
        assert [file.read_bytes() for file in sorted(tmp_path.iterdir())] == before


class TestDemonstrations:
    def test_half_of_the_harder_ones_are_taken_at_their_letter(self, monkeypatch):
        monkeypatch.setattr(tiny_tools, "DEMONSTRATIONS", 4000)
        right: dict[bool, list[bool]] = {True: [], False: []}
        for messages, response in tiny_tools.demonstrations(seed=0)[["prompt", "response"]].itertuples(index=False):
            function, *arguments = read(messages[0]["content"])
            words = set(re.findall(r"\w+", messages[0]["content"]))
            call = json.loads(response.removeprefix("<tool_call>").removesuffix("</tool_call>"))
            is_right = call == {"name": function, "arguments": dict(zip(FUNCTIONS[function], arguments, strict=True))}
            easy = response == write_call(function, arguments) and {str(value) for value in arguments} <= words
            # What is not right stands in the request, word for word.
            assert is_right or {str(value) for value in call["arguments"].values()} <= words
            right[easy].append(is_right)
        assert all(right[True])
        found = [*right[True], *right[False]]
        # 55% of 4,000 are harder, and half of those wrong: 1,100, with a standard deviation of sqrt(4000 * 0.275 *
        # 0.725) = 28, allowed here 4 of it.
        assert abs(found.count(False) - 1100) < 113


class TestModel:
    @pytest.fixture(autouse=True)
    def one_thread(self):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)

    def test_prompts_and_responses_fit(self, requests, tokenizer):
        shown = [
            {"prompt": [{"role": "user", "content": request.text}], "response": write_call(request.kind.function, call)}
            for request in requests
            for call in (request.wanted, request.literal)
        ]
        examples = tiny_tools_model.tokenize(tokenizer, pandas.DataFrame(shown))
        # The limits of the study: 32 tokens each.
        assert max(len(prompt) for prompt, _ in examples) <= 32
        assert max(len(response) for _, response in examples) <= tiny_tools_model.MAX_NEW_TOKENS == 32

    def test_a_call_is_its_frame_and_bytes(self, tokenizer):
        text = write_call("pay", ("ann", 350))
        tokens = tokenizer(text)["input_ids"]
        # Three tokens of the frame, then one a byte: pay, to":"ann","cents":350.
        assert len(tokens) == 3 + len('payto":"ann","cents":350')
        assert tokenizer.decode(tokens, skip_special_tokens=True) == text
        # Without the frame's tokens a response is the same text.
        plain = tiny_model.build_tokenizer()
        assert plain.decode(plain(text)["input_ids"], skip_special_tokens=True) == text
        assert len(tokenizer) == len(plain) + 3

    def test_labels_are_the_demonstrated_response_and_its_end(self, tokenizer):
        shown = pandas.DataFrame([{"prompt": [{"role": "user", "content": "wait 5 ms"}], "response": "no"}])
        ((prompt, response),) = tiny_tools_model.tokenize(tokenizer, shown)
        assert tokenizer.decode(prompt) == "<|user|>wait 5 ms<|end|><|assistant|>"
        assert tokenizer.decode(response) == "no<|end|>"

    def test_a_sample_is_judged_group_by_group(self, tokenizer, rows, monkeypatch):
        monkeypatch.setattr(sampling, "GROUP_SIZE", 2)
        frame = pandas.DataFrame(rows["train"][:2])
        references = [info["reference_response"] for info in frame["extra_info"]]

        class Scripted:
            """Answers the first row right and wrong, the second wrong and with its own end at once."""

            def eval(self):
                pass

            def generate(self, input_ids, attention_mask, max_new_tokens):
                texts = [references[0], references[1], references[0], ""]
                ids = [tokenizer(text + tokenizer.eos_token)["input_ids"] for text in texts]
                width = max(map(len, ids))
                padded = [[*one, *[tokenizer.pad_token_id] * (width - len(one))] for one in ids]
                return torch.cat([input_ids, torch.tensor(padded)], dim=1)

        groups = tiny_tools_model.sample(Scripted(), tokenizer, frame, seed=0)
        assert [[response.right for response in group] for group in groups] == [[1, 0], [0, 0]]
        assert groups[1][1] == tiny_tools_model.Sampled("", 1, 0.0)
        found = tiny_tools_model.report(groups, frame)
        assert (found["accuracy"], found["group_share"]["hard"]) == (0.25, 0.5)
        lengths = [len(tokenizer(text)["input_ids"]) + 1 for text in references]
        # The first reference twice, the second once, and an end alone.
        assert found["response_tokens"] == pytest.approx((2 * lengths[0] + lengths[1] + 1) / 4)

    def test_a_second_warm_start_takes_the_first_ones_model(self, tmp_path, monkeypatch):
        monkeypatch.setattr(warm_start, "BATCH_SIZE", 2)
        monkeypatch.setattr(sampling, "PROMPTS", 1)
        monkeypatch.setattr(sampling, "GROUP_SIZE", 1)
        monkeypatch.setattr(tiny_tools_model, "MAX_NEW_TOKENS", 2)
        monkeypatch.setattr(tiny_tools, "ROWS", {"train": 2, "val": 1})
        monkeypatch.setattr(tiny_tools, "DEMONSTRATIONS", 4)
        tiny_tools.write_data(tmp_path, seed=0)
        files = tmp_path / "demonstrations.parquet", tmp_path / "train.parquet", tmp_path / "model"
        assert tiny_tools_model.warm_start(*files, steps=1) is True
        assert tiny_tools_model.warm_start(*files, steps=1) is False
        tiny_tools.write_data(tmp_path, seed=1)
        assert tiny_tools_model.warm_start(*files, steps=1) is True
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["model"]
        assert json.loads((tmp_path / "model" / "warm_start.json").read_text())["sampled"]["prompts"] == 1
