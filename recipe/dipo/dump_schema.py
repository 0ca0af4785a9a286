"""The form of this recipe's rollout dumps, for those who write (rollout_dump.py) and those who read them (dumps.py)."""

from typing import Final

import pyarrow as pa

FOLDER: Final = "dipo"
"""Folder inside `trainer.rollout_data_dir`, apart from verl's own files, which other tools read as a whole folder."""

METADATA_KEY: Final = b"dipo"
"""Key of a file's metadata that holds, as JSON, the step, the settings, and each update's threshold and metrics."""

FORMAT: Final = 1

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
        ("group_kind", pa.string()),
        ("group_perplexity", pa.float64()),
        ("quadrant", pa.string()),
        ("reallocated_reward", pa.float64()),
        ("touched", pa.bool_()),
        ("chosen", pa.bool_()),
        ("advantage_before", pa.float64()),
        ("advantage_after", pa.float64()),
    ]
)
"""A row a response, in the order in which the run saw them; recipe/dipo/README.md explains the columns."""
