"""From raw datasets to checked parquet files that verl trains on."""
