"""Which groups are found, and what is read of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groupwise.dumps.reader import find_dumps
from groupwise.dumps.schema import METADATA_KEY
from groupwise.errors import GroupwiseError
from groupwise.inspect.groups import Group, Wanted, find_groups, read_groups

ANY = Wanted(None, None, None, None, None, None, False)


def found(folder: Path, **asked: Any) -> list[str]:
    return [group.uid for group in groups_of(folder, **asked)]


def groups_of(folder: Path, method: str = "dipo", **asked: Any) -> list[Group]:
    places, census = find_groups(find_dumps([folder]), ANY._replace(**asked), method)
    return list(read_groups(places, census.display))


@pytest.mark.parametrize(
    ("asked", "uids"),
    [
        ({}, ["h1", "e1", "h3"]),
        ({"untouched": True}, ["h1", "e1", "m1", "h2", "h3"]),
        ({"steps": (2,)}, ["h3"]),
        ({"steps": (7,)}, []),
        ({"kind": "hard"}, ["h1", "h3"]),
        ({"kind": "mixed"}, []),
        ({"kind": "mixed", "untouched": True}, ["m1"]),
        ({"direction": "down"}, ["e1"]),
        ({"data_source": "gsm8k"}, ["e1"]),
        ({"data_source": "gsm"}, []),
        ({"uid": "h2"}, []),
        ({"uid": "h2", "untouched": True}, ["h2"]),
        # tau* is 1.5: h1 has 1.1, 1.4 | 2.0; e1 1.2 | 1.9; m1 right 1.3 | wrong 1.8; h2 | 1.7, 2.5; h3 1.05 | 3.0.
        ({"label": "EL"}, ["h1", "h3"]),
        ({"label": "EH", "untouched": True}, ["h1", "m1", "h2", "h3"]),
        ({"label": "CL", "untouched": True}, ["e1", "m1"]),
        ({"label": "CH", "untouched": True}, ["e1"]),
        ({"label": "CH", "kind": "hard"}, []),
    ],
)
def test_groups_are_found(run: Path, asked: dict[str, Any], uids: list[str]):
    assert found(run, **asked) == uids


def test_the_census_counts_what_is_there_whatever_was_asked(run: Path):
    _, census = find_groups(find_dumps([run]), ANY._replace(steps=(2,), kind="easy"), "dipo")
    assert list(census.steps) == [1, 2]
    assert (census.groups, len(census.steps)) == (5, 2)
    assert census.kinds == {"hard": 3, "easy": 1, "mixed": 1}
    assert census.directions == {"up": 2, "down": 1}
    # By the perplexities above.
    assert census.labels == {"EL": 3, "EH": 5, "CL": 2, "CH": 1}
    assert census.sources == {"math": 4, "gsm8k": 1}
    assert census.estimators == {}
    assert census.settings["alpha"] == 0.1


def test_a_group_is_read_with_what_was_decided(run: Path):
    (group,) = groups_of(run, kind="easy")
    assert group[:8] == (1, "e1", "gsm8k", "prompt of e1", "4", "easy", "down", True)
    assert group.facts == {"tau*": "1.5", "group perplexity (any)": "1.9"}
    assert group.marks == {"\u03c4*": 1.5}
    first, second = group.responses
    assert (first.number, first.text, first.verdict, first.label) == (1, "response 0 of e1", "right", "CL")
    assert (first.fate, first.facts, first.advantage_after) == (None, {"R_r": "1"}, 0.25)
    assert (second.fate, second.facts, second.advantage_after) == ("down", {"R_r": "0"}, -0.05)


def test_rows_of_a_group_need_not_stand_together(tmp_path: Path, write: Callable, rows_of: Callable):
    one, other = rows_of("a", "hard", [1.1, 1.2], chosen=1), rows_of("b", "hard", [1.1, 1.2], chosen=1)
    write(tmp_path, 1, [one[0], other[0], one[1], other[1]])
    texts = [[response.text for response in group.responses] for group in groups_of(tmp_path)]
    assert texts == [["response 0 of a", "response 1 of a"], ["response 0 of b", "response 1 of b"]]


def test_what_is_missing_stays_missing(tmp_path: Path, write: Callable, rows_of: Callable):
    rows = rows_of("u", "hard", [1.1, 1.2])
    gone = {
        "acc": None, "perplexity": None, "dipo_group_kind": None, "dipo_quadrant": None,
        "dipo_touched": None, "dipo_chosen": None,
        "error": "timeout", "reason": None,
        "pred": None, "ground_truth": None, "advantage_before": None, "advantage_after": None,
    }  # fmt: skip
    write(tmp_path, 1, [{**row, **gone} for row in rows], threshold=None, estimator="rloo")
    _, census = find_groups(find_dumps([tmp_path]), ANY, "dipo")
    (group,) = groups_of(tmp_path, untouched=True)
    assert (group.kind, group.direction, group.marks, group.applied) == ("unjudged", None, {}, False)
    assert (group.ground_truth, group.responses[0].verdict, group.responses[0].why) == ("", "unjudged", "timeout")
    assert (census.kinds, census.labels) == ({"unjudged": 1}, {})
    assert census.estimators == {"rloo": 1}


def test_a_prompt_may_come_again_in_another_update(tmp_path: Path, write: Callable, rows_of: Callable):
    rows = rows_of("u", "hard", [1.1, 1.2], chosen=0)
    file = write(tmp_path, 1, rows)
    table = pq.read_table(file)
    decided = json.loads(table.schema.metadata[METADATA_KEY])
    decided["updates"].append({"metrics": {"dipo/threshold/value": 9.0}})
    again = table.set_column(table.column_names.index("update"), "update", [[1, 1]])
    both = pa.concat_tables([table, again.cast(table.schema)])
    pq.write_table(both.replace_schema_metadata({METADATA_KEY: json.dumps(decided)}), file)
    assert [(group.facts["tau*"], len(group.responses)) for group in groups_of(file)] == [("1.5", 2), ("9", 2)]


def test_a_dump_of_plain_verl_has_no_decisions(tmp_path: Path):
    file = tmp_path / "1.jsonl"
    file.write_text('{"input": "p", "output": "r", "gts": "4", "score": 1.0, "step": 1, "uid": "u_0_0"}\n')
    with pytest.raises(GroupwiseError, match=r"`python -m groupwise\.replay .* --method dipo` works it out"):
        find_groups([file], ANY, "dipo")
