"""BFCL: the real files whole, a split that does not leak, rows that are proven in every style, and the hub."""

import io
import json
import math
import unicodedata
from collections import Counter, defaultdict
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from itertools import islice, pairwise, product

import pytest

from data_prep.bfcl import HUB_NAME, held_out_ids, main
from data_prep.bfcl_files import find_sources, read_entries
from data_prep.bfcl_rows import make_bfcl_row
from data_prep.card import card_path
from data_prep.conversion import CONTRADICTORY, DUPLICATE, UNSOLVABLE
from data_prep.errors import UnsolvableError
from data_prep.schema import read_rows
from data_prep.tool_prompts import THINKING, TOOL_STYLES
from reward_score import compute_score

# What BFCL v3 has, and the four rows that no calls satisfy: for two a required parameter with no accepted value, for
# one an accepted parameter that the function does not have, for one a required parameter that the answer lacks.
ROWS = {
    "simple": 400,
    "multiple": 200,
    "parallel": 200,
    "parallel_multiple": 200,
    "live_simple": 258,
    "live_multiple": 1053,
    "live_parallel": 16,
    "live_parallel_multiple": 24,
    "irrelevance": 240,
    "live_irrelevance": 882,
    "live_relevance": 18,
}
UNSATISFIABLE = {
    "live_simple_106-63-0": "missing argument",
    "live_simple_112-68-0": "missing argument",
    "live_multiple_862-181-3": "unexpected argument",
    "live_multiple_964-207-0": "missing argument",
}
# The same question with the same functions, once with calls wanted and once with none.
CONTRADICTIONS = [
    {"live_simple_29-7-2", "live_irrelevance_118-7-8"},
    {"live_simple_176-102-0", "live_irrelevance_567-175-0"},
    {"live_multiple_262-125-1", "live_irrelevance_565-173-0"},
]
NOTE = "note: left out, only --split whole takes Java, JavaScript and multi-turn of v3"
CONTRADICTORY_IDS = set().union(*CONTRADICTIONS)


class Converted:
    """What one run of the command left."""

    def __init__(self, output, *arguments):
        self.out, self.err = io.StringIO(), io.StringIO()
        with redirect_stdout(self.out), redirect_stderr(self.err):
            self.code = main([*map(str, arguments), "--output", str(output)])
        self.paths = {path.stem: path for path in output.glob("*.parquet")}
        self.rows = {name: list(read_rows(path)) for name, path in self.paths.items()}
        self.cards = {name: json.loads(card_path(path).read_text("utf-8")) for name, path in self.paths.items()}

    def ids(self, name):
        return [row["extra_info"]["id"].removeprefix("bfcl_v3/") for row in self.rows[name]]

    def dropped(self, name, kind):
        """The ids of the dropped rows and why."""
        listed = self.cards[name]["records"]["dropped"].get(kind, {"listed": []})["listed"]
        return {entry["id"].removeprefix("bfcl_v3/"): entry.get("reason", "") for entry in listed}

    def all_dropped(self, name):
        return [entry["id"][8:] for kind in self.cards[name]["records"]["dropped"].values() for entry in kind["listed"]]


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "bfcl_v3"


@pytest.fixture(scope="module")
def raw(folder):
    """Every row by its id, as the files hold it, with its category and what is accepted."""
    rows = {}
    for category in ROWS:
        name = f"BFCL_v3_{category}.json"
        answers = folder / "possible_answer" / name
        lines = answers.read_text("utf-8").splitlines() if answers.is_file() else []
        accepted = {entry["id"]: entry["ground_truth"] for entry in map(json.loads, lines)}
        for line in (folder / name).read_text("utf-8").splitlines():
            entry = json.loads(line)
            rows[entry["id"]] = entry | {"category": category, "accepted": accepted.get(entry["id"], [])}
    return rows


@pytest.fixture(scope="module")
def as_test(folder, tmp_path_factory):
    return Converted(tmp_path_factory.mktemp("test"), "--input", folder, "--split", "test")


@pytest.fixture(scope="module")
def as_train(folder, tmp_path_factory):
    return Converted(tmp_path_factory.mktemp("train"), "--input", folder)


def test_every_row_that_can_be_met_is_in_the_test_file(as_test, raw):
    assert as_test.code == 0
    assert list(as_test.paths) == ["test"]
    assert as_test.ids("test") == [identity for identity in _in_order(raw) if identity not in UNSATISFIABLE]
    # 2,351 rows with accepted calls but for four, and 240 + 882 + 18 without.
    assert len(as_test.rows["test"]) == 2351 - 4 + 240 + 882 + 18 == 3487
    unmet = Counter(raw[identity]["category"] for identity in UNSATISFIABLE)
    expected = {f"bfcl_v3/{category}": number - unmet[category] for category, number in ROWS.items()}
    assert Counter(row["data_source"] for row in as_test.rows["test"]) == expected
    assert as_test.cards["test"]["rows_by_data_source"] == expected
    assert "3487 rows of 3491 records" in as_test.out.getvalue()


def test_the_card_names_the_files_of_questions_and_of_answers(as_test, as_train, folder):
    names = [str(folder / f"BFCL_v3_{category}.json") for category in ROWS]
    names += [str(folder / "possible_answer" / f"BFCL_v3_{name}.json") for name in ROWS if "relevance" not in name]
    for card in (as_test.cards["test"], as_train.cards["train"], as_train.cards["val"]):
        assert sorted(entry["file"] for entry in card["source"]) == sorted(names)
        # Of files given by name it is not known whether they are the published ones.
        assert card["licence"] == "not stated (as published: Apache-2.0 (ShishirPatil/gorilla))"


def _in_order(raw):
    # Kinds of rows as the verifier lists them, and rows as the files have them.
    order = ["simple", "live_simple", "multiple", "live_multiple", "parallel", "parallel_multiple", "live_parallel"]
    order += ["live_parallel_multiple", "irrelevance", "live_irrelevance", "live_relevance"]
    return sorted(raw, key=lambda identity: order.index(raw[identity]["category"]))


def test_the_four_that_cannot_be_met_are_dropped_with_id_and_reason(as_test):
    assert as_test.cards["test"]["records"]["dropped"].keys() == {UNSOLVABLE}
    dropped = as_test.dropped("test", UNSOLVABLE)
    assert dropped.keys() == UNSATISFIABLE.keys()
    for identity, reason in dropped.items():
        line = int(identity.split("_")[2].split("-")[0]) + 1
        assert f"{identity.rsplit('_', 1)[0]}.json line {line}: no calls are right" in reason
        assert UNSATISFIABLE[identity] in reason
        assert f"bfcl_v3/{identity} ({reason})" in as_test.out.getvalue()


def test_what_is_not_judged_is_left_out_with_a_note(as_test, as_train):
    for run in (as_test, as_train):
        assert run.err.getvalue() == f"{NOTE}: java, javascript, multi_turn_base\n"


def test_fields_of_the_rows(as_test, raw):
    for number, row in enumerate(as_test.rows["test"]):
        extra_info = row["extra_info"]
        entry = raw[extra_info["id"].removeprefix("bfcl_v3/")]
        assert row["ability"] == "tool"
        assert row["reward_model"]["style"] == "rule"
        # Compared as text, because to Python True is 1 and 1 is 1.0.
        wanted = {"v": 1, "category": entry["category"], "functions": entry["function"]}
        text = json.dumps(wanted | {"possible_answer": entry["accepted"]}, ensure_ascii=False)
        assert row["reward_model"]["ground_truth"] == text
        assert (extra_info["split"], extra_info["index"], extra_info["category"]) == ("test", number, entry["category"])
        assert (extra_info["prompt_style"], extra_info["think"]) == ("hermes", "none")
        assert extra_info["question"] == _question(entry)
        said = [message for message in entry["question"][0] if message["role"] != "system"]
        assert row["prompt"][-len(said) :] == said


def _question(entry):
    return "\n".join(message["content"] for message in entry["question"][0] if message["role"] != "system")


def test_system_messages_and_rows_without_functions(as_test, raw):
    kinds = Counter()
    for identity, row in zip(as_test.ids("test"), as_test.rows["test"], strict=True):
        own = [message["content"] for message in raw[identity]["question"][0] if message["role"] == "system"]
        tools = raw[identity]["function"]
        shown = [message["content"] for message in row["prompt"] if message["role"] == "system"]
        kinds[len(own), bool(tools)] += 1
        if not tools:
            assert shown == own
            assert not any("<tools>" in message["content"] for message in row["prompt"])
        else:
            assert len(shown) == 1
            assert shown[0].startswith("\n\n".join([*own, "# Tools\n\n"]))
            assert shown[0].count('\n{"type": "function", "function": {"name": ') == len(tools)
    # 92 rows have a system message, one of them (live_multiple_964-207-0) cannot be met; four offer no function.
    assert sum(number for (own, _), number in kinds.items() if own) == 91
    assert sum(number for (_, tools), number in kinds.items() if not tools) == 4


# One split for training.


def test_train_val_and_dropped_are_all_rows_once(as_train, raw):
    assert as_train.code == 0
    assert sorted(as_train.paths) == ["train", "val"]
    found = Counter(as_train.ids("train") + as_train.ids("val"))
    found += Counter(as_train.all_dropped("train") + as_train.all_dropped("val"))
    assert found == Counter(list(raw))
    for name in ("train", "val"):
        assert {row["extra_info"]["split"] for row in as_train.rows[name]} == {name}
        records = as_train.cards[name]["records"]
        assert records["read"] == records["written"] + len(as_train.all_dropped(name))
    assert as_train.dropped("train", UNSOLVABLE).keys() | as_train.dropped("val", UNSOLVABLE) == UNSATISFIABLE.keys()


def _keys(entry):
    """What two rows must not share over the split: a question, spelled in another way or not, or a document."""
    spelled = "".join(unicodedata.normalize("NFKC", _question(entry)).casefold().split())
    return {f"question {spelled}", *(f"function {json.dumps(f, sort_keys=True)}" for f in entry["function"])}


def test_no_question_and_no_function_document_is_on_both_sides(as_train, raw):
    # What is dropped counts as well, on the side that dropped it: nothing may depend on it.
    sides = {name: as_train.ids(name) + as_train.all_dropped(name) for name in ("train", "val")}
    keys = {name: set().union(*(_keys(raw[identity]) for identity in sides[name])) for name in sides}
    assert keys["train"] & keys["val"] == set()
    assert min(map(len, keys.values())) > 100


def components(rows):
    """Rows that are connected by what they share, by walking from each that was not reached."""
    having = defaultdict(set)
    for identity, entry in rows.items():
        for key in _keys(entry):
            having[key].add(identity)
    left, found = set(rows), []
    while left:
        waiting, reached = [left.pop()], set()
        while waiting:
            reached.add(here := waiting.pop())
            near = set().union(*(having[key] for key in _keys(rows[here]))) - reached
            waiting += near - set(waiting)
        left -= reached
        found.append(reached)
    return found


def test_whole_groups_are_held_out_and_about_one_in_ten(as_train, raw):
    val = {*as_train.ids("val"), *as_train.all_dropped("val")}
    groups = components(raw)
    assert {len(group & val) / len(group) for group in groups} == {0.0, 1.0}
    # 1,307 groups with identical texts, the largest of 206 rows; other spellings of a question join few more.
    assert 1290 <= len(groups) <= 1307
    assert max(map(len, groups)) >= 206
    held_out = sum(group <= val for group in groups)
    # A binomial number: four standard deviations around a tenth.
    assert abs(held_out - len(groups) * 0.1) < 4 * math.sqrt(len(groups) * 0.1 * 0.9)
    assert {raw[identity]["category"] for identity in val} >= {name for name, number in ROWS.items() if number >= 200}


def test_prompts_that_contradict_themselves_are_dropped_on_both_sides(as_train, raw):
    # Found again by what a prompt is made of; one prompt twice with the same accepted calls is no contradiction.
    prompts = defaultdict(list)
    for identity, entry in raw.items():
        prompts["".join(json.dumps([entry["question"], entry["function"]]).lower().split())].append(identity)
    again = [set(same) for same in prompts.values() if len({json.dumps(raw[x]["accepted"]) for x in same}) > 1]
    assert sorted(map(sorted, again)) == sorted(map(sorted, CONTRADICTIONS))
    dropped = as_train.dropped("train", CONTRADICTORY) | as_train.dropped("val", CONTRADICTORY)
    assert dropped.keys() == CONTRADICTORY_IDS
    for identity, reason in dropped.items():
        assert reason.endswith(f": {_question(raw[identity])[:80]!r}")


def test_a_prompt_that_occurs_twice_with_one_answer_is_kept_once(as_train, raw):
    prompts = Counter(json.dumps(row["prompt"]) for rows in as_train.rows.values() for row in rows)
    assert set(prompts.values()) == {1}
    dropped = as_train.dropped("train", DUPLICATE) | as_train.dropped("val", DUPLICATE)
    kept = {_question(raw[identity]) for identity in as_train.ids("train") + as_train.ids("val")}
    assert dropped
    assert {_question(raw[identity]) for identity in dropped} <= kept


def test_contradictions_are_kept_for_evaluation(as_test):
    assert set(as_test.ids("test")) >= CONTRADICTORY_IDS


@pytest.fixture
def few(raw, tmp_path):
    """A folder with the contradictory pairs and every hundredth row, as BFCL's files have them."""
    wanted = CONTRADICTORY_IDS | set(list(raw)[::100])
    (tmp_path / "few" / "possible_answer").mkdir(parents=True)
    for category in ROWS:
        entries = [raw[identity] for identity in wanted if raw[identity]["category"] == category]
        entries.sort(key=lambda entry: entry["id"])
        questions = [{name: entry[name] for name in ("id", "question", "function")} for entry in entries]
        answers = [{"id": entry["id"], "ground_truth": entry["accepted"]} for entry in entries]
        for place, lines in (("", questions), ("possible_answer/", answers)):
            if lines:
                text = "".join(json.dumps(line) + "\n" for line in lines)
                (tmp_path / "few" / f"{place}BFCL_v3_{category}.json").write_text(text)
    return tmp_path / "few"


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ([], False),
        (["--dedupe"], False),
        (["--no-dedupe"], True),
        (["--split", "test"], True),
        (["--split", "test", "--dedupe"], False),
    ],
)
def test_contradictions_are_dropped_from_training_unless_told_otherwise(few, tmp_path, options, kept):
    run = Converted(tmp_path / "out", "--input", few, "--val-share", "0.3", *options)
    assert run.code == 0
    found = {identity for name in run.rows for identity in run.ids(name)}
    assert CONTRADICTORY_IDS & found == (CONTRADICTORY_IDS if kept else set())
    assert len(found) > 20
    assert {card["options"]["dedupe"] for card in run.cards.values()} == {not kept}


SMALL = ["live_parallel", "live_parallel_multiple", "live_relevance"]


def test_the_same_seed_gives_the_same_bytes_and_another_another_split(folder, tmp_path):
    runs = [
        Converted(tmp_path / name, "--input", folder, "--val-share", "0.3", "--categories", *SMALL, *options)
        for name, options in (("a", []), ("b", ["--seed", "0"]), ("c", ["--seed", "1"]))
    ]
    for name in ("train", "val"):
        contents = [run.paths[name].read_bytes() for run in runs]
        assert contents[0] == contents[1] != contents[2]
    together = [sorted(run.ids("train") + run.ids("val")) for run in runs]
    assert together[0] == together[2]
    assert set(runs[0].ids("val")) != set(runs[2].ids("val"))
    # The order is that of the files on both sides.
    order = [entry.identity for entry in read_entries(find_sources([str(folder)], SMALL))]
    for run, name in product(runs, ("train", "val")):
        ids = [row["extra_info"]["id"] for row in run.rows[name]]
        assert ids == [identity for identity in order if identity in set(ids)]
    assert len(order) == 16 + 24 + 18


def test_a_larger_share_holds_out_more(folder):
    sources = find_sources([str(folder)], SMALL)
    chosen = [held_out_ids(sources, share, 0) for share in (0, 0.1, 0.5, 1)]
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3]
    assert len(chosen[3]) == 16 + 24 + 18


@pytest.mark.parametrize("share", ["0", "1", "-0.1", "1.5", "nan", "inf"])
def test_a_share_out_of_bounds_is_refused(tmp_path, share):
    run = Converted(tmp_path / "out", "--input", tmp_path, "--val-share", share)
    assert run.code == 1
    assert run.err.getvalue() == f"error: --val-share must lie between 0 and 1, got {float(share)}\n"
    assert run.paths == {}


def test_a_share_too_small_for_any_row_is_one_sentence(folder, tmp_path):
    run = Converted(tmp_path, "--input", folder, "--categories", "live_relevance", "--val-share", "1e-9")
    assert run.code == 1
    assert run.err.getvalue().count("\n") == 2  # the note on what is left out, and the sentence
    assert "val.parquet must get at least one row, but no record belongs to it" in run.err.getvalue()


# Every row is proven.


@pytest.fixture(scope="module")
def sample(folder):
    """Every twelfth entry, and one of each category at least."""
    return list(islice(read_entries(find_sources([str(folder)], None)), 0, None, 12))


@pytest.mark.parametrize(("style", "think"), list(product(TOOL_STYLES, THINKING)))
def test_reference_responses_earn_full_marks_in_every_style(sample, style, think):
    seen = set()
    for entry in sample:
        try:
            row = make_bfcl_row("train", style, think, entry, entry.identity)
        except UnsolvableError:
            assert entry.record.fields["id"] in UNSATISFIABLE
            continue
        extra_info = row["extra_info"]
        verdict = compute_score(
            row["data_source"], extra_info["reference_response"], row["reward_model"]["ground_truth"], extra_info
        )
        # 3 for the right calls, or none where none is right, and 1 for the form.
        assert (verdict["acc"], verdict["format"], verdict["score"]) == (1.0, 1.0, 4.0), (entry.identity, verdict)
        assert extra_info["reference_response"].startswith("<think>") == (think == "asked")
        seen.add(entry.source.category)
    assert seen == ROWS.keys()


def test_reference_responses_of_the_whole_set_earn_full_marks(as_test):
    for row in as_test.rows["test"]:
        extra_info = row["extra_info"]
        verdict = compute_score(
            row["data_source"], extra_info["reference_response"], row["reward_model"]["ground_truth"], extra_info
        )
        assert (verdict["acc"], verdict["format"], verdict["score"]) == (1.0, 1.0, 4.0)


def test_a_reference_response_fits_its_own_row_only(as_test):
    # Were the verifier to pass anything, the proof would show nothing: the next row's calls must fail.
    rows = [row for row in as_test.rows["test"] if row["extra_info"]["category"] == "simple"]
    passed = 0
    for row, other in pairwise(rows):
        response = other["extra_info"]["reference_response"]
        passed += compute_score(row["data_source"], response, row["reward_model"]["ground_truth"])["acc"]
    assert passed <= 0.05 * len(rows)


@pytest.mark.parametrize(
    ("options", "style", "think"),
    [
        ([], "hermes", "none"),
        (["--prompt-style", "toolrl"], "toolrl", "asked"),
        (["--prompt-style", "toolrl", "--think", "none"], "toolrl", "none"),
        (["--think", "opened"], "hermes", "opened"),
    ],
)
def test_style_and_thinking_of_the_command(folder, tmp_path, options, style, think):
    run = Converted(tmp_path, "--input", folder, "--split", "test", "--categories", "live_relevance", *options)
    assert run.code == 0
    for row in run.rows["test"]:
        assert (row["extra_info"]["prompt_style"], row["extra_info"]["think"]) == (style, think)
        assert ("**Available Tools**" in row["prompt"][0]["content"]) == (style == "toolrl")


@pytest.mark.parametrize(
    "option", [["--prompt-style", "plain"], ["--think", "yes"], ["--split", "val"], ["--seed", "x"]]
)
def test_unknown_options_are_refused(tmp_path, capsys, option):
    with pytest.raises(SystemExit) as stopped:
        main(["--input", str(tmp_path), "--output", str(tmp_path / "out"), *option])
    assert stopped.value.code == 2
    assert option[0] in capsys.readouterr().err


def test_other_spellings_of_a_name_are_files_of_v4(tmp_path):
    function = {"name": "f", "description": "Does.", "parameters": {"type": "dict", "properties": {}, "required": []}}
    for category in ("simple_python", "simple_java", "memory"):
        entries = [
            {"id": f"{category}_{n}", "question": [[{"role": "user", "content": f"{n}?"}]], "function": [function]}
            for n in range(3)
        ]
        _write_files(tmp_path / "in", f"BFCL_v4_{category}.json", entries, [{"f": {}}])
    run = Converted(tmp_path / "out", "--input", tmp_path / "in", "--split", "test")
    assert (run.code, run.err.getvalue()) == (0, f"{NOTE}: memory, simple_java\n")
    for number, row in enumerate(run.rows["test"]):
        assert row["data_source"] == "bfcl_v4/simple_python"
        assert row["extra_info"]["id"] == f"bfcl_v4/simple_python_{number}"
        gold, response = row["reward_model"]["ground_truth"], row["extra_info"]["reference_response"]
        assert compute_score(row["data_source"], response, gold, row["extra_info"])["score"] == 4.0
        assert compute_score(row["data_source"], "No.", gold, row["extra_info"])["acc"] == 0.0
    assert len(run.rows["test"]) == 3


def _write_files(folder, name, questions, wanted):
    (folder / "possible_answer").mkdir(parents=True, exist_ok=True)
    answers = [{"id": entry["id"], "ground_truth": wanted} for entry in questions]
    for path, lines in ((folder / name, questions), (folder / "possible_answer" / name, answers)):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_files_are_taken_as_well_as_their_folder(folder, tmp_path):
    names = ["BFCL_v3_live_relevance.json", "BFCL_v3_live_parallel.json"]
    by_files = Converted(tmp_path / "a", "--input", *(folder / name for name in names), "--split", "test")
    categories = ["--categories", "live_parallel", "live_relevance"]
    by_folder = Converted(tmp_path / "b", "--input", folder, "--split", "test", *categories)
    assert by_files.paths["test"].read_bytes() == by_folder.paths["test"].read_bytes()
    assert by_files.err.getvalue() == ""


# The hub.

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    """A hub that holds the real files and some more, and gives out those that are asked for."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    from huggingface_hub.utils import filter_repo_objects

    asked = []
    names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*.json"))]
    names += ["README.md", "multi_turn_func_doc/math_api.json", "BFCL_v3_rest.json", "possible_answer/BFCL_v3_sql.json"]

    def dataset_info(self, name, *, revision=None):
        asked.append(("info", name, revision))
        return huggingface_hub.hf_api.DatasetInfo(id=name, sha=COMMIT)

    def snapshot_download(name, *, repo_type, revision, allow_patterns):
        given = list(filter_repo_objects(names, allow_patterns=allow_patterns))
        asked.append(("download", name, repo_type, revision, given))
        for file in given:
            place = tmp_path / "cache" / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(folder / file)
        return str(tmp_path / "cache")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.chdir(tmp_path)
    return asked


@pytest.mark.parametrize(
    ("options", "name", "revision"),
    [([], HUB_NAME, None), (["--input", "some/mirror", "--hub-revision", "v3"], "some/mirror", "v3")],
)
def test_a_name_is_pinned_downloaded_and_recorded(hub, tmp_path, options, name, revision):
    run = Converted(tmp_path / "out", *options, "--split", "test", "--categories", "live_parallel", "live_relevance")
    assert (run.code, run.err.getvalue()) == (0, "")
    info, download = hub
    assert info == ("info", name, revision)
    assert download[:4] == ("download", name, "dataset", COMMIT)
    # Every file that is judged here with its answers, and no other.
    answered = [category for category in ROWS if "relevance" not in category]
    wanted = [f"BFCL_v3_{category}.json" for category in ROWS]
    assert sorted(download[4]) == sorted(wanted + [f"possible_answer/BFCL_v3_{name}.json" for name in answered])
    assert run.cards["test"]["source"] == [{"hub": name, "config": None, "revision": COMMIT}]
    assert len(run.rows["test"]) == 16 + 18


def test_the_hubs_files_give_the_bytes_of_a_folders(hub, folder, tmp_path):
    options = ["--split", "test", "--categories", "live_parallel", "live_relevance"]
    a, b = (Converted(tmp_path / x, *(["--input", folder] if x == "a" else []), *options) for x in "ab")
    assert a.paths["test"].read_bytes() == b.paths["test"].read_bytes()


def _fails(error, *_, **__):
    raise error


def _failures():
    httpx = pytest.importorskip("httpx")
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    response = httpx.Response(404, request=httpx.Request("GET", "https://huggingface.co"))
    return [
        ConnectionError("Couldn't reach\nthe hub"),
        RepositoryNotFoundError("404 Client Error.\nRepository Not Found", response=response),
        LocalEntryNotFoundError("not in the cache"),
        OSError(),
    ]


@pytest.mark.parametrize("place", ["dataset_info", "snapshot_download"])
@pytest.mark.parametrize("number", range(4))
def test_a_hub_that_fails_is_one_sentence(hub, tmp_path, monkeypatch, place, number):
    import huggingface_hub

    owner = huggingface_hub if place == "snapshot_download" else huggingface_hub.HfApi
    monkeypatch.setattr(owner, place, partial(_fails, _failures()[number]))
    run = Converted(tmp_path / "out", "--input", "some/name")
    said = run.err.getvalue()
    assert run.code == 1
    assert said.startswith("error: --input must be local files or a dataset that loads from the hub, some/name")
    assert said.count("\n") == 1
    assert run.paths == {}


def test_a_dataset_without_bfcls_files_is_one_sentence(hub, tmp_path, monkeypatch):
    import huggingface_hub

    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path / "empty"))
    run = Converted(tmp_path / "out", "--input", "some/name")
    assert run.code == 1
    assert "must hold files named BFCL_v3_<category>.json, has none" in run.err.getvalue()
    assert run.err.getvalue().count("\n") == 1


@pytest.mark.usefixtures("hub")
def test_without_the_network_what_was_downloaded_is_used(tmp_path, monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import OfflineModeIsEnabled

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", partial(_fails, OfflineModeIsEnabled("offline")))
    run = Converted(tmp_path / "out", "--split", "test", "--categories", "live_parallel")
    assert (run.code, len(run.rows["test"])) == (0, 16)
    assert run.cards["test"]["source"] == [{"hub": HUB_NAME, "config": None, "revision": None}]
