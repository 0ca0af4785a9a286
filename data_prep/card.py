"""The data card: what a parquet file was made of and with, as JSON beside it."""

import json
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

from data_prep.conversion import Report
from data_prep.hub import HubSet

SUFFIX: Final = ".json"
_BLOCK: Final = 1024 * 1024


def card_path(path: Path) -> Path:
    """Returns the card's place: `train.parquet.json` beside `train.parquet`."""
    return path.with_name(path.name + SUFFIX)


def file_sha256(path: Path) -> str:
    """Returns a file's SHA-256 in hexadecimal digits."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write_card(
    path: Path,
    report: Report,
    *,
    split: str,
    source: list[dict[str, object]],
    options: Mapping[str, object],
    licence: str,
) -> None:
    """Writes the card of a file; the same run gives the same bytes. `source` is what `describe` returns."""
    listed: dict[str, list[dict[str, str]]] = {}
    for dropped in report.listed:
        entry = {"id": dropped.identity} | ({"reason": dropped.reason} if dropped.reason else {})
        listed.setdefault(dropped.kind, []).append(entry)
    card = {
        "file": path.name,
        "sha256": file_sha256(path),
        "bytes": path.stat().st_size,
        "split": split,
        "rows": report.written,
        "rows_by_data_source": dict(sorted(report.data_sources.items())),
        "licence": licence,
        "source": source,
        "options": dict(options),
        "records": {
            "read": report.read,
            "written": report.written,
            "dropped": {
                kind: {"count": count, "listed": listed[kind]} for kind, count in sorted(report.dropped.items())
            },
            "at_fault": {"count": report.faulty, "listed": report.faults},
        },
        "made_with": {name: version(name) for name in ("verl-dipo", "pyarrow")},
    }
    card_path(path).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def describe(origin: tuple[Path, ...] | HubSet | None) -> list[dict[str, object]]:
    """Describes what a file is made of, nothing for what is computed.

    Returns for each file its path as it was given, bytes and SHA-256; for a dataset its name, configuration and the
    commit that was loaded.
    """
    if origin is None:
        return []
    if isinstance(origin, HubSet):
        return [{"hub": origin.name, "config": origin.config, "revision": origin.revision}]
    return [{"file": str(path), "bytes": path.stat().st_size, "sha256": file_sha256(path)} for path in origin]


def check_card(path: Path) -> str:
    """Returns a sentence if a file is not the one that its card describes, or the card cannot be read; else ""."""
    place = card_path(path)
    if not place.is_file():
        return ""
    try:
        card: Any = json.loads(place.read_text(encoding="utf-8"))
        told = cast("dict[str, object]", card)["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{place}: must be the data card that data_prep wrote, but {type(error).__name__}: {error}"
    if told != file_sha256(path):
        return f"{path}: must be the file that {place.name} describes, but its content differs: make it again"
    return ""
