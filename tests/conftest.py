"""Fixtures that more than one test folder needs."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def imports_are_no_garbage() -> Iterator[None]:
    """Spares the collector the objects of torch, verl and transformers, which take it half a second each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real datasets (gsm8k/, math/, ...); a test that needs it is skipped where there is none."""
    folder = Path(os.environ.get("DIPO_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the real datasets: no folder {folder}; set DIPO_TEST_DATA to one that holds them")
    return folder
