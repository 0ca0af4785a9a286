"""Fixtures that more than one test folder needs."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real datasets (gsm8k/, math/, ...); a test that needs it is skipped where there is none."""
    folder = Path(os.environ.get("DIPO_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the real datasets: no folder {folder}; set DIPO_TEST_DATA to one that holds them")
    return folder
