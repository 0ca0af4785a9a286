"""Opens a data file as verl opens it: with `datasets`, by the end of its name (verl/utils/dataset/rl_dataset.py)."""

# pyarrow and datasets bring no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import DataError
from data_prep.files import unreadable

SUFFIXES: Final = (".parquet", ".json", ".jsonl")

ROWS_PER_GROUP: Final = 2048
"""Bounds the memory of writer and reader; verl's reader takes a file in by row groups."""


@dataclass
class OpenFile:
    """A file that is open; its rows can be taken once."""

    columns: list[str]
    count: int
    rows: Iterator[dict[str, Any]]
    schema: Any
    """Arrow's, with the notes by which `datasets` knows types of its own (pictures)."""


@contextmanager
def open_file(path: Path, *, rows_at_once: int = ROWS_PER_GROUP) -> Generator[OpenFile, None, None]:
    """Opens a file; that it is damaged may show only when the rows are read."""
    if path.is_dir():
        raise DataError(f"{path}: must be a file, but is a folder: name the files in it")
    if not path.is_file():
        raise DataError(f"{path}: no such file; make it with a module of data_prep, or correct the path")
    if not path.name.endswith(SUFFIXES):
        raise DataError(f"{path}: the name must end in {', '.join(SUFFIXES)}, which verl reads: convert the file")
    if path.suffix == ".parquet":
        try:
            with pq.ParquetFile(path) as file:
                if file.metadata.num_rows and not file.metadata.row_group(0).num_rows:
                    raise DataError(
                        f"{path}: must not begin with an empty row group, at which datasets stops: write it again"
                    )
                batches = file.iter_batches(batch_size=rows_at_once)
                rows = chain.from_iterable(batch.to_pylist() for batch in batches)
                yield OpenFile(file.schema_arrow.names, file.metadata.num_rows, rows, file.schema_arrow)
        except (pa.ArrowException, OSError) as error:
            raise unreadable(path, error) from error
    else:
        # verl keeps what it makes of such a file in its cache; for a check that would be one more copy.
        with TemporaryDirectory(prefix="data_prep_") as cache:
            table = _load_json(path, cache)
            yield OpenFile(table.column_names, len(table), iter(table), table.features.arrow_schema)


def _load_json(path: Path, cache: str) -> Any:
    import datasets  # slow to import

    shown, level = not datasets.are_progress_bars_disabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        return datasets.load_dataset("json", data_files=str(path), cache_dir=cache, split="train")
    except StopIteration:
        raise DataError(f"{path}: a data file must have at least one row, it has none") from None
    except Exception as error:
        reason = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
        raise DataError(f"{path}: must be JSON whose rows datasets can put in one table, but {reason[0]}") from error
    finally:
        datasets.logging.set_verbosity(level)
        if shown:
            datasets.enable_progress_bars()


def features_of(schema: Any) -> Any:
    """Returns what `datasets` makes of an open file's schema, datasets.Features.

    Raises ValueError if it has no type for a column, such as one of Arrow's maps; verl then stops.
    """
    from datasets import Features  # slow to import

    return Features.from_arrow_schema(schema)


def concatenation_faults(files: Sequence[tuple[Path, Any]]) -> Iterator[str]:
    """Yields a sentence for each column that keeps files, paths with their `features_of`, from being concatenated."""
    from datasets import Dataset, concatenate_datasets  # slow to import

    try:
        concatenate_datasets([Dataset.from_dict({name: [None] for name in made}, features=made) for _, made in files])
    except Exception as error:  # noqa: BLE001 -- datasets raises several kinds for types that it cannot bring together
        first: dict[str, tuple[str, Path]] = {}
        told: list[str] = []
        for path, made in files:
            for name, kind in types_of(made.arrow_schema).items():
                wanted, before = first.setdefault(name, (kind, path))
                if wanted != kind:
                    told.append(
                        f"{path}: verl concatenates files, so {name} must have the type {wanted} that it has in"
                        f" {before}, but has {kind}: make both with data_prep"
                        f"{', or write it from pandas as .astype(object)' if 'large_string' in (wanted, kind) else ''}"
                    )
        reason = (str(error).splitlines() or [""])[0][:200]
        yield from told or [
            f"{files[-1][0]}: verl concatenates files, but datasets cannot bring the types of {len(files)} files"
            f" together ({type(error).__name__}: {reason}): give all the same columns, with values in each"
        ]


def types_of(schema: Any) -> dict[str, str]:
    """Returns Arrow's type of each field by its path ("extra_info.index", "prompt[].role"), "struct" and "list"
    included.

    They must agree over the files that verl concatenates. A field that is null throughout agrees with any and is left
    out.
    """
    found: dict[str, str] = {}

    def collect(place: str, kind: Any) -> None:
        if pa.types.is_struct(kind):
            found[place] = "struct"
            for field in kind:
                collect(f"{place}.{field.name}", field.type)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            found[place] = "list" if pa.types.is_list(kind) else "large_list"
            collect(f"{place}[]", kind.value_type)
        elif not pa.types.is_null(kind):
            found[place] = str(kind)

    for name in schema.names:
        collect(name, schema.field(name).type)
    return found
