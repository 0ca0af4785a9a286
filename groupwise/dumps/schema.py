"""The form of rollout dumps, for those who write (recorder.py) and those who read them (reader.py)."""

from typing import Final

import pyarrow as pa

FOLDER: Final = "dipo"
"""Folder inside `trainer.rollout_data_dir`, apart from verl's own files, which other tools read as a whole folder."""

METADATA_KEY: Final = b"dipo"
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

FIRST_FORMAT_COLUMNS: Final = (
    "group_kind",
    "group_perplexity",
    "quadrant",
    "reallocated_reward",
    "touched",
    "chosen",
)
"""What dumps of format 1, which knew one method, held without the method's name in front."""
