"""Records out of JSON Lines, arrays, single objects and parquet; what is wrong is told in its place, or once a file."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tqdm

from data_prep import records
from data_prep.errors import DataError
from data_prep.records import Fault, Record, progress_bar, read_files

BOM = b"\xef\xbb\xbf"


def put(path, content):
    path.write_bytes(content)
    return path


def put_rows(path, rows, **options):
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def read(*paths):
    return list(read_files(paths))


def fields(*paths):
    return [record.fields for record in read(*paths)]


AB = [{"a": 1, "b": "\N{GREEK SMALL LETTER PI}"}, {"a": 2, "b": "x"}]
LINES = b"".join(json.dumps(item).encode() + b"\n" for item in AB)
ARRAY = json.dumps(AB, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("name", "content", "places"),
    [
        ("x.jsonl", LINES, [" line 1", " line 2"]),
        ("x.json", LINES, [" line 1", " line 2"]),
        ("x.jsonl", LINES.rstrip(b"\n"), [" line 1", " line 2"]),
        ("x.json", b"\n" + LINES, [" line 2", " line 3"]),
        ("x.jsonl", BOM + LINES.replace(b"\n", b"\r\n \t\r\n\r\n"), [" line 1", " line 4"]),
        ("x.json", BOM + LINES.replace(b"\n", b"\r\n\r\n"), [" line 1", " line 3"]),
        ("x.json", ARRAY, [" item 1", " item 2"]),
        ("x.json", BOM + b"\n" + ARRAY.replace(b"[{", b"[\n {"), [" item 1", " item 2"]),
    ],
)
def test_the_same_records_come_out_of_every_kind_of_json(tmp_path, name, content, places):
    path = put(tmp_path / name, content)
    assert read(path) == [Record(f"{path}{place}", number, AB[number]) for number, place in enumerate(places)]


def test_the_same_records_come_out_of_parquet_over_several_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "ROWS_PER_BATCH", 2)
    rows = [{"a": number, "b": [{"c": None}]} for number in range(5)]
    path = put_rows(tmp_path / "x.parquet", rows)
    assert read(path) == [Record(f"{path} row {number}", number, row) for number, row in enumerate(rows)]


@pytest.mark.parametrize("indent", [None, 4])
def test_a_file_may_be_one_object_on_one_line_or_several(tmp_path, indent):
    path = put(tmp_path / "7.json", json.dumps(AB[0], indent=indent).encode())
    place = str(path) if indent else f"{path} line 1"
    assert read(path) == [Record(place, 0, AB[0])]


def test_records_are_numbered_through_over_the_parts_of_a_split(tmp_path):
    parts = [
        put(tmp_path / "a.jsonl", LINES),
        put(tmp_path / "b.json", ARRAY),
        put_rows(tmp_path / "c.parquet", AB),
    ]
    found = read(*parts)
    assert [record.number for record in found] == [0, 1, 2, 3, 4, 5]
    assert [record.where.removeprefix(f"{tmp_path}/") for record in found] == [
        "a.jsonl line 1",
        "a.jsonl line 2",
        "b.json item 1",
        "b.json item 2",
        "c.parquet row 0",
        "c.parquet row 1",
    ]


CUT = " (the file ends in this line, as if its writing was cut off): complete or drop the line"


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"a": 1', "must be one JSON object, but Expecting ',' delimiter at character 8: complete or drop the line"),
        (b'{"a": 1} {"a": 2}', "must be one JSON object, but Extra data at character 10: complete or drop the line"),
        (b"not json", "must be one JSON object, but Expecting value at character 1: complete or drop the line"),
        (b"[1, 2]", "must be one JSON object, got [1, 2]"),
        (b"null", "must be one JSON object, got nothing"),
        (b"5", "must be one JSON object, got 5"),
        (b'{"a": "caf\xe9"}', "must be UTF-8, but byte 11 of the line is 0xe9"),
        (b"[" * 100_000, "must be one JSON object of ordinary depth and numbers, but maximum recursion depth"),
        (b'{"a": ' * 100_000, "must be one JSON object of ordinary depth and numbers, but maximum recursion depth"),
        (b'{"a": ' + b"1" * 5000 + b"}", "must be one JSON object of ordinary depth and numbers, but Exceeds"),
        (b'{"a": 1, "b": 2, "a": 1}', "must have each key once in an object, but 'a' stands twice: keep one of them"),
        (b'{"a": [{"b": {"c": 1, "d": 2, "\\u0063": 3}}]}', "must have each key once in an object, but 'c' stands"),
    ],
)
def test_a_bad_line_is_a_fault_in_its_place_and_reading_goes_on(tmp_path, name, line, message):
    path = put(tmp_path / name, b'{"a": 0}\n\n' + line + b'\n{"a": 4}\n')
    before, fault, after = read(path)
    assert (before.fields, after.fields) == ({"a": 0}, {"a": 4})
    # The fault keeps its number: a record's number does not depend on whether those before it are good.
    assert (before.number, after.number) == (0, 2)
    assert after.where == f"{path} line 4"
    assert isinstance(fault, Fault)
    assert fault.message.startswith(f"{path} line 3: {message}")
    assert len(fault.message) < len(str(path)) + 250
    assert "\n" not in fault.message


def test_a_last_line_without_its_end_is_told_to_be_cut_off_but_a_whole_one_is_not(tmp_path):
    path = put(tmp_path / "x.jsonl", LINES[:-4])
    whole, fault = read(path)
    assert whole.fields == AB[0]
    assert fault.message.endswith(CUT)
    assert CUT not in read(put(path, LINES[:-4] + b"\n"))[1].message
    assert fields(put(path, LINES[:-1])) == AB


def test_a_json_file_of_one_cut_line_is_told_to_be_cut_off(tmp_path):
    (fault,) = read(put(tmp_path / "x.json", b'{"a": [1, '))
    assert fault.message.startswith(f"{tmp_path / 'x.json'} line 1: ")
    assert fault.message.endswith(CUT)


def test_an_array_with_something_else_than_objects_has_a_fault_for_each(tmp_path):
    path = put(tmp_path / "x.json", b'[{"a": 0}, null, [], {"a": 3}, "' + b"y" * 1000 + b'"]')
    first, *faults, fourth, last = read(path)
    assert (first.number, fourth.number, fourth.where) == (0, 3, f"{path} item 4")
    assert [fault.message for fault in faults] == [
        f"{path} item 2: must be one JSON object, got nothing",
        f"{path} item 3: must be one JSON object, got []",
    ]
    assert last.message.startswith(f"{path} item 5: must be one JSON object, got 'yyy")
    assert len(last.message) < len(str(path)) + 150


def test_an_item_with_a_key_twice_is_a_fault_with_its_line_and_the_others_are_read(tmp_path):
    content = b'[{"a": 0},\n {"a": 1,\n  "a": 1}\n,\n\n{"a": {"b": 1, "b": 2}}, {"a": 3}]'
    path = put(tmp_path / "x.json", content)
    first, second, third, fourth = read(path)
    assert (first.fields, fourth.fields, fourth.where) == ({"a": 0}, {"a": 3}, f"{path} item 4")
    assert second.message == (
        f"{path} item 2 (line 2): must have each key once in an object, but 'a' stands twice: keep one of them"
    )
    assert third.message.startswith(f"{path} item 3 (line 6): must have each key once in an object, but 'b' stands")
    (fault,) = read(put(tmp_path / "y.json", b'{\n "a": 1,\n "a": 2\n}'))
    assert fault.message.startswith(f"{tmp_path / 'y.json'} (line 1): must have each key once")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"a": 1},\n {"a": 2}\n {"a": 3}]', " line 3: must be JSON, but Expecting ',' delimiter at character 2 of"),
        (b'[{"a": 1},\n]', " line 2: must be JSON, but Expecting value at character 1 of the line"),
        (b'[{"a": 1},\n', " line 2: must be JSON, but Expecting value at character 1 of the line"),
        (b'[{"a": 1}', " line 1: must be JSON, but Expecting ',' delimiter at character 10 of the line"),
        (b'{\n"a": 1}\n{\n"a": 2}', " line 3: must be JSON, but Extra data at character 1 of the line"),
        (b'[{"a": 1},\n {"a": 2', " line 2: must be JSON, but Expecting ',' delimiter at character 9 of the line"),
        (b'[{"a": 1}] x', " line 1: must be JSON, but Extra data at character 12 of the line"),
        (b'{\n "a": 1,\n', " line 3: must be JSON, but .* at character 1 of the line: complete or correct the file"),
        (b'[{"a": "caf\xe9"}]', ": must be UTF-8, but byte 12 is 0xe9"),
        (b"[" * 100_000, ": must be JSON of ordinary depth and numbers, but maximum recursion depth"),
        (b'[{"a": ' + b"1" * 5000 + b"}]", ": must be JSON of ordinary depth and numbers, but Exceeds the limit"),
    ],
)
def test_a_bad_array_or_object_is_one_sentence(tmp_path, content, message):
    path = put(tmp_path / "x.json", content)
    with pytest.raises(DataError, match=f"x\\.json{message}") as error:
        read(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.jsonl", b""), ("x.jsonl", b"\n \r\n"), ("x.json", b""), ("x.json", b" \n"), ("x.json", b"[]")],
)
def test_a_file_without_records_is_refused(tmp_path, name, content):
    good = put(tmp_path / "a.jsonl", LINES)
    path = put(tmp_path / name, content)
    with pytest.raises(DataError, match=f"^{path}: must hold at least one record, it is empty$"):
        read(good, path)


def test_parquet_without_rows_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), path)
    with pytest.raises(DataError, match="must hold at least one record, it is empty"):
        read(path)


@pytest.mark.parametrize("damage", ["nothing", "text", "cut in half", "footer", "page header", "page"])
def test_broken_parquet_is_refused_by_name_in_one_sentence(tmp_path, damage):
    path = put_rows(tmp_path / "x.parquet", [{"a": str(number) * 50} for number in range(2000)], compression="snappy")
    whole = path.read_bytes()
    path.write_bytes(
        {
            "nothing": b"",
            "text": LINES,
            "cut in half": whole[: len(whole) // 2],
            "footer": whole[:-60] + b"\xff" * 50 + whole[-10:],
            "page header": whole[:4] + b"\xff" * 30 + whole[34:],
            "page": whole[:100] + bytes(200) + whole[300:],
        }[damage]
    )
    with pytest.raises(DataError, match=r"x\.parquet: must be a whole parquet file, but ") as error:
        read(path)
    assert "\n" not in str(error.value).strip()


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
def test_a_line_over_the_limit_is_refused_and_one_within_it_is_not(tmp_path, monkeypatch, name):
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 30)
    # The limit counts the line break: 21 characters of text make 30 bytes with {"a":"", the brace, and the break.
    within = b'{"a":"' + b"x" * 21 + b'"}\n'
    assert len(within) == 30
    path = put(tmp_path / name, within * 2)
    assert fields(path) == [{"a": "x" * 21}] * 2
    put(path, within + within.replace(b"x", b"xx", 1))
    with pytest.raises(DataError, match=f"^{path} line 2: must have at most 30 bytes: write one JSON object a line$"):
        read(path)


def test_an_array_over_its_limit_is_refused_and_json_lines_of_that_size_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MAX_ARRAY_BYTES", len(ARRAY))
    path = put(tmp_path / "x.json", ARRAY)
    assert fields(path) == AB
    put(path, ARRAY + b" ")
    with pytest.raises(DataError, match=f"a JSON array must have at most {len(ARRAY)} bytes, it has more"):
        read(path)
    assert fields(put(path, LINES * 10)) == AB * 10


NAMES = ["x.jsonl", "x.json", "array.json", "x.csv", "x.tsv", "x.parquet", "x.arrow", "x.ndjson"]


@pytest.mark.parametrize("name", NAMES)
def test_a_packed_file_gives_the_records_of_the_file(tmp_path, name):
    path, rows = tmp_path / name, [{"a": str(number), "b": "\N{GREEK SMALL LETTER PI}"} for number in range(3)]
    table, sign = pa.Table.from_pylist(rows), "," if name == "x.csv" else "\t"
    lines = {"csv": [sign.join(row.values()) for row in [{"a": "a", "b": "b"}, *rows]]}
    if name == "x.parquet":
        pq.write_table(table, path)
    elif name == "x.arrow":
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    elif name == "array.json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("\n".join(lines["csv"] if name.endswith("sv") else map(json.dumps, rows)), "utf-8")
    assert fields(path) == rows
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert fields(packed) == rows
    assert [record.where.replace(".gz", "") for record in read(packed)] == [record.where for record in read(path)]
    for broken in (packed.read_bytes()[:-9], packed.read_bytes()[:30] + b"\0" * 40, b"not gzip"):
        with pytest.raises(DataError, match=rf"{name}\.gz: must be a whole gzip file, but ") as error:
            read(put(packed, broken))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv", "x.jsonl.gz"])
def test_another_encoding_is_named_once(tmp_path, codec, name):
    content = '"a"\n"b"\n'.encode(codec) if name == "x.csv" else LINES.decode().encode(codec)
    path = put(tmp_path / name, gzip.compress(content) if name.endswith(".gz") else content)
    told = f"must be UTF-8, but it is {codec[:6].upper()}: convert it, as iconv -f {codec[:6].upper()} -t UTF-8 does"
    with pytest.raises(DataError, match=f"^{path}: {told}$"):
        read(path)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n"


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv", "x.parquet", "x.arrow", "x.jsonl.gz", "x.parquet.gz"])
def test_a_pointer_of_git_lfs_is_called_one(tmp_path, name):
    path = put(tmp_path / name, POINTER)
    with pytest.raises(DataError, match=f"^{path}: must be the data, but it is a Git LFS pointer to it: run git lfs"):
        read(path)


def test_a_column_that_stands_twice_is_refused(tmp_path):
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x\.parquet: must name each column once, but 'a' occurs twice: rename one$"):
        read(tmp_path / "x.parquet")


def test_an_arrow_file_is_read_as_a_stream_is(tmp_path):
    table = pa.Table.from_pylist(AB)
    with pa.ipc.new_file(tmp_path / "x.arrow", table.schema) as writer:
        writer.write_table(table)
    assert fields(tmp_path / "x.arrow") == AB
    with pytest.raises(DataError, match=r"y\.arrow: must be a whole Arrow file, but "):
        read(put(tmp_path / "y.arrow", b"ARROW1\0\0" + b"x" * 100))


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('a,b\n1,"x, ""y"""\n', [{"a": "1", "b": 'x, "y"'}]),
        ("\ufeffa;b\r\n1,5;x\r\n\r\n2;\r\n", [{"a": "1,5", "b": "x"}, {"a": "2", "b": ""}]),
        ("a\tb\n1\tx\n", [{"a": "1", "b": "x"}]),
        ('a\n"two\nlines"\nz', [{"a": "two\nlines"}, {"a": "z"}]),
    ],
)
def test_a_table_is_read_by_its_header(tmp_path, content, rows):
    path = put(tmp_path / "x.csv", content.encode())
    assert fields(path) == rows


def test_a_row_of_a_table_is_placed_by_the_line_it_begins_in_and_a_ragged_one_is_a_fault(tmp_path):
    path = put(tmp_path / "x.csv", b'a,b\n1,"two\nlines"\n2\n3,x,y\n4,z\n')
    first, short, long, last = read(path)
    assert (first.where, last.where) == (f"{path} line 2", f"{path} line 6")
    assert (short.message, long.message) == (
        f"{path} line 4: must have 2 cells as the header has, got 1",
        f"{path} line 5: must have 2 cells as the header has, got 3",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b,a\n1,2,3\n", " line 1: must name each column once, but 'a' occurs twice: rename one$"),
        (
            b'a,b\n1,2\n3,"4\n5,6\n',
            " line 3: must be a row of CSV, but unexpected end of data: quote cells as CSV does$",
        ),
        (b'a,b\n1,"2"3\n', " line 2: must be a row of CSV, but ',' expected after '\"': quote cells as CSV does$"),
        (b"a,b\n1,caf\xe9\n", ": must be UTF-8, but a byte after line 1 is 0xe9$"),
        (b"a,b\n", ": must hold at least one record, it is empty$"),
        (b"", ": must hold at least one record, it is empty$"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path, content, message):
    path = put(tmp_path / "x.csv", content)
    with pytest.raises(DataError, match=f"^{path}{message}"):
        read(path)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    for name in ("x.jsonl", "x.json", "x.parquet", "x.csv", "x.arrow", "x.jsonl.gz", "x.parquet.gz"):
        with pytest.raises(FileNotFoundError, match="x"):
            read(tmp_path / name)


def test_lines_are_read_as_they_are_asked_for(tmp_path):
    path = put(tmp_path / "x.jsonl", LINES + b"x" * 100)
    items = read_files([path, tmp_path / "absent.jsonl"])
    assert [next(items).fields, next(items).fields] == AB
    items.close()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.parquet", "array.json", "iteration"])
@pytest.mark.parametrize("stderr", [Terminal, io.StringIO])
def test_progress_is_shown_on_a_terminal_and_nowhere_else(tmp_path, monkeypatch, name, stderr):
    def at_once(*args, **options):
        return tqdm.tqdm(*args, **options | {"delay": 0, "mininterval": 0})

    shown = stderr()
    monkeypatch.setattr(records, "tqdm", at_once)
    monkeypatch.setattr("sys.stderr", shown)
    path = tmp_path / name
    if name == "iteration":
        assert list(progress_bar(name, 2, "row", iter("ab"))) == ["a", "b"]
    else:
        put_rows(path, AB) if name == "x.parquet" else put(path, ARRAY if name == "array.json" else LINES)
        assert fields(path) == AB
    assert (name in shown.getvalue()) == (stderr is Terminal)
    assert bool(shown.getvalue()) == (stderr is Terminal)
