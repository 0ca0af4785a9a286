"""Runs DiPO offline over rollout dumps: what it would have done in each step. `python -m groupwise.replay --help`."""
