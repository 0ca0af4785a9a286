"""The demonstration that runs on a CPU: a tiny model, its warm start, the launcher of a run, and the comparison."""
