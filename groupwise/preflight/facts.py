"""What several checks need to know, found out once: the model's configuration and tokenizer, the data's rows."""

from functools import cached_property
from typing import Any

from omegaconf import DictConfig

from data_prep import validate
from groupwise.launch.paths import expanded, is_remote, named_files
from groupwise.preflight.model import count_parameters, find_model

SAMPLED_ROWS = 64
"""Rows of each data file that the checks of the tokenizer look at."""


class Facts:
    """Lazily loaded facts about a configuration. What cannot be loaded is None; the checks of the same name say why."""

    def __init__(self, config: DictConfig, *, is_plain: bool = False):
        self.config = config
        self.is_plain = is_plain  # whether verl's own trainer runs it, which knows nothing of this framework

    @property
    def prompt_limit(self) -> int:
        """Tokens that a prompt may have."""
        return self.config.data.max_prompt_length

    @property
    def local_data_files(self) -> list[str]:
        """Data files that exist on this machine, each once, as named."""
        named = [file for key in ("train_files", "val_files") for file in named_files(self.config.data[key])]
        return [file for file in dict.fromkeys(named) if not is_remote(file) and expanded(file).is_file()]

    @property
    def model_fault(self) -> str | None:
        """Why the model cannot be used, None where it can."""
        return self._model[2]

    @property
    def hf_config(self) -> Any | None:
        """transformers' configuration of the model with verl's override_config, None where it cannot be loaded."""
        return self._model[0]

    @property
    def tokenizer(self) -> Any | None:
        """The tokenizer as verl loads it, None where it cannot be loaded."""
        return self._model[1]

    @cached_property
    def parameters(self) -> int | None:
        """The number of the model's parameters, None where it cannot be loaded or is no language model."""
        if self.hf_config is None:
            return None
        return count_parameters(self.hf_config, trust_remote_code=self.config.actor_rollout_ref.model.trust_remote_code)

    @cached_property
    def train_rows(self) -> int | None:
        """Rows of the training files, None where one of them cannot be read here, or a class of the user's own does."""
        files = named_files(self.config.data.train_files)
        if self.config.data.custom_cls.path or any(file not in self._rows for file in files):
            return None
        return sum(self._rows[file][0] for file in files)

    @property
    def sample(self) -> list[dict[str, Any]]:
        """The first rows of each data file that can be read."""
        return [row for _, rows in self._rows.values() for row in rows]

    @cached_property
    def _rows(self) -> dict[str, tuple[int, list[dict[str, Any]]]]:
        """By data file, how many rows it has, and the first of them."""
        found = {file: validate.peek(expanded(file), SAMPLED_ROWS) for file in self.local_data_files}
        return {file: rows for file, rows in found.items() if rows is not None}

    @cached_property
    def _model(self) -> tuple[Any | None, Any | None, str | None]:
        return find_model(self.config.actor_rollout_ref.model)
