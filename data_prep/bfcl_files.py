"""BFCL's files: which there are, and their questions and answers joined by id.

Questions stand in BFCL_v3_<category>.json, one JSON object a line despite the name, and the accepted calls in the file
of the same name in the folder possible_answer; categories that want no particular call have none.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, cast

from data_prep.errors import DataError, short
from data_prep.fields import text_field
from data_prep.files import GZIP, bare_name, kind_of
from data_prep.inputs import check_file
from data_prep.records import Fault, Record, read_files
from reward_score.tool_calls.bfcl.gold import CATEGORIES, IRRELEVANCE, RELEVANCE

WITHOUT_ANSWERS: Final = IRRELEVANCE + RELEVANCE

_WHOLE: Final = "only --split whole takes Java, JavaScript and multi-turn of v3"

_FILE = re.compile(r"BFCL_(v[0-9]+)_(\w+)")


class Source(NamedTuple):
    """A file of questions; `version` is BFCL's ("v3")."""

    path: Path
    version: str
    category: str


def find_sources(
    inputs: Sequence[str], categories: Sequence[str] | None, known: Sequence[str] = CATEGORIES
) -> list[Source]:
    """Finds BFCL's files of questions, BFCL_v3_<category>.json or a folder with such, in the order of `known`.

    `categories` are those wanted, None for all that are known.
    """
    folder = Path(inputs[0])
    if len(inputs) == 1 and folder.is_dir():
        files = [path for path in sorted(folder.glob("BFCL_*.json*")) if kind_of(path) == "json"]
        named = [_source(path) for path in files if _FILE.fullmatch(bare_name(path))]
        sources = [source for source in named if source.category in known]
        left_out = [source.category for source in named if source.category not in known]
        if left_out:
            sys.stderr.write(f"note: left out, {_WHOLE}: {', '.join(left_out)}\n")
    else:
        for name in inputs:
            check_file(Path(name))
        sources = [_source(Path(name)) for name in inputs]
        for source in sources:
            if source.category not in known:
                raise DataError(
                    f"{source.path}: the category must be one of {', '.join(known)}, got {source.category}:"
                    f" leave it out"
                )
    if categories is not None:
        missing = [name for name in categories if name not in {source.category for source in sources}]
        if missing:
            raise DataError(f"--input must have a file for each of --categories, lacks {', '.join(missing)}")
        sources = [source for source in sources if source.category in categories]
    if not sources:
        raise DataError(f"{inputs[0]}: must hold files named BFCL_v3_<category>.json, has none that is judged here")
    return sorted(sources, key=lambda source: known.index(source.category))


def _source(path: Path) -> Source:
    named = _FILE.fullmatch(bare_name(path))
    if named is None:
        raise DataError(f"{path}: must be named after its category, as BFCL_v3_simple.json is: rename the file")
    return Source(path, named[1], named[2])


class Entry(NamedTuple):
    """A row of BFCL: where it is from, the accepted calls, and the question's record."""

    source: Source
    answer: object
    record: Record

    @property
    def where(self) -> str:
        return self.record.where

    @property
    def identity(self) -> str:
        """BFCL's own id behind its version, "bfcl_v3/simple_0"."""
        return f"bfcl_{self.source.version}/{self.record.fields['id']}"


def read_entries(sources: Sequence[Source]) -> Iterator[Entry | Fault]:
    """Reads files of questions and joins their answers, from the folder `possible_answer` beside them, by id."""
    for source in sources:
        answers = None if source.category in WITHOUT_ANSWERS else _read_answers(source)
        unasked, whole = set(answers or ()), True
        for item in read_files([source.path]):
            joined = item if isinstance(item, Fault) else _join(source, item, answers)
            if isinstance(joined, Entry):
                unasked.discard(cast("str", joined.record.fields["id"]))
            else:
                whole = False
            yield joined
        if unasked and whole:  # where a line is at fault, that is why
            yield Fault(
                f"{source.path}: must ask what {_answer_path(source)} answers, but {len(unasked)} questions are not"
                f" there, such as {short(min(unasked))}: the file may have been cut off"
            )


def _join(source: Source, record: Record, answers: Mapping[str, object] | None) -> Entry | Fault:
    try:
        identity = text_field(record, "id")
    except DataError as error:
        return Fault(str(error))
    if answers is None:
        return Entry(source, [], record)
    if identity not in answers:
        file = _answer_path(source)
        return Fault(f"{record.where}: must have its answer in {file}, which has none for id {short(identity)}")
    return Entry(source, answers[identity], record)


def files_of(sources: Sequence[Source]) -> tuple[Path, ...]:
    """Returns all files that are read, those of questions and of answers."""
    return tuple(
        path
        for source in sources
        for path in (source.path, _answer_path(source))
        if source.category not in WITHOUT_ANSWERS or path is source.path
    )


def _answer_path(source: Source) -> Path:
    folder, name = source.path.parent / "possible_answer", source.path.name
    other = name.removesuffix(GZIP) if name.endswith(GZIP) else name + GZIP
    return folder / other if (folder / other).is_file() and not (folder / name).is_file() else folder / name


def _read_answers(source: Source) -> Mapping[str, object]:
    path = _answer_path(source)
    check_file(path)
    answers: dict[str, object] = {}
    for item in read_files([path]):
        # Without one of the answers its row would pass for one at fault, so this file has to be whole.
        if isinstance(item, Fault):
            raise DataError(item.message)
        identity = text_field(item, "id")
        if identity in answers:
            raise DataError(f"{item.where}: the id {identity} must occur once in the file")
        answers[identity] = item.fields.get("ground_truth")
    return answers
