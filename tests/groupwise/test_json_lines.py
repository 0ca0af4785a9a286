"""JSON Lines of any writer, whole or not."""

import pytest

from groupwise import json_lines
from groupwise.json_lines import parse_object, read_objects


def test_lines_have_their_numbers_and_blank_ones_are_left_out(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"a": 1}\n\n  \n[1]\n{"b": "\xc3\xa4"}\r\n{"c": ')
    assert list(read_objects(file)) == [(1, {"a": 1}), (4, None), (5, {"b": "\u00e4"}), (6, None)]


def test_a_line_beyond_the_bound_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "MAX_LINE_BYTES", 10)
    file = tmp_path / "a.jsonl"
    file.write_text('{"a": "0123456789"}\n{"b": 1}\n')
    found = [value for _, value in read_objects(file)]
    assert found[0] is None
    assert found[-1] == {"b": 1}


@pytest.mark.parametrize("line", ["", "null", "3", "[1]", '"x"', '{"a": ', "{'a': 1}", "[" * 100_000, b"\xff\xfe{"])
def test_what_is_no_object(line):
    assert parse_object(line) is None
