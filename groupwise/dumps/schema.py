"""The form of rollout dumps, for recorder.py, which writes them, and reader.py, which reads them."""

from typing import Final

import pyarrow as pa

FOLDER: Final = "groupwise"
"""Folder inside `trainer.rollout_data_dir`, apart from verl's own files, which other tools read as a whole folder."""

METADATA_KEY: Final = b"groupwise"
"""Key of a file's metadata that holds, as JSON, the step, the settings of each method, and each update's metrics."""

FORMAT: Final = 2

SCHEMA: Final = pa.schema(
    [
        ("step", pa.int64()),
        # Which advantage computation of the step; separate_async may have several.
        ("update", pa.int64()),
        ("uid", pa.string()),
        ("key", pa.string()),
        ("data_source", pa.string()),
        ("prompt", pa.string()),
        ("response", pa.string()),
        ("ground_truth", pa.string()),
        ("response_length", pa.int64()),
        ("perplexity", pa.float64()),
        ("acc", pa.float64()),
        ("score", pa.float64()),
        ("format", pa.float64()),
        ("pred", pa.string()),
        ("reason", pa.string()),
        ("error", pa.string()),
        ("advantage_before", pa.float64()),
        ("advantage_after", pa.float64()),
    ]
)
"""A row a response, in the order in which the run saw them, before the columns `<method>_<column>` of each method;
docs/rollouts.md explains the columns."""

FIRST_METHOD: Final = "dipo"
"""What earlier versions, written for one method alone, called the folder and the metadata's key; their format 1 left
the method's name out of its columns and settings."""

FIRST_FORMAT_COLUMNS: Final = ("group_kind", "group_perplexity", "quadrant", "reallocated_reward", "touched", "chosen")
"""The method's columns in dumps of format 1."""
