"""Evaluation of a checkpoint or a model: generation, verdicts, statistics and the report."""
