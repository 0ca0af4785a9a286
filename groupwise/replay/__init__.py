"""Runs methods offline over rollout dumps: what they would have done. `python -m groupwise.replay --help`."""
