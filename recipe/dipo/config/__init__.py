"""The recipe's YAML files: its defaults, and the paper's settings."""

import groupwise.config.sections  # noqa: F401 -- so that Hydra knows methods:// before it reads dipo_trainer.yaml
