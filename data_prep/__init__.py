"""From raw datasets to checked parquet files that verl trains on.

`make_row` and `write_parquet` are what a converter of one's own needs (docs/own_converter.md).
"""

from data_prep.errors import DataError
from data_prep.schema import make_row, write_parquet

__all__ = ["DataError", "make_row", "write_parquet"]
