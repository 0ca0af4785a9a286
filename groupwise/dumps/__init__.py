"""Rollout dumps: written while training, read by replay, inspect and report."""
