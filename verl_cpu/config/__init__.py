"""Hydra configuration: the group `device`. A package, so that Hydra finds it as `pkg://verl_cpu.config`."""
