"""Entry point: `python -m recipe.dipo.main_dipo [key=value ...]`; `algorithm.adv_estimator` names any method.

Hydra composes config/dipo_trainer.yaml, then the framework checks and trains. DRY_RUN=1 in the environment stops after
the checks.
"""

import hydra
from omegaconf import DictConfig

import groupwise.hook.register  # noqa: F401 -- registers the estimator here as well, where the configuration is checked
from groupwise.launch import command_line, start


@hydra.main(config_path="config", config_name="dipo_trainer", version_base=None)
def main(config: DictConfig) -> None:
    """Checks, then trains; the exit code is 0 only where the run came to its end."""
    start.run(config)


if __name__ == "__main__":
    command_line.run(main)
