"""What verl itself refuses, before Ray starts."""

import contextlib
import io
import pickle
import warnings
from collections.abc import Iterator
from typing import Final

from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config
from verl.utils.device import auto_set_device

ACTOR: Final = "actor_rollout_ref.actor"


def find_faults(config: DictConfig) -> Iterator[str]:
    """Asks verl's own check, the one that its entry point makes."""
    asked = pickle.loads(pickle.dumps(config))  # a tenth of the time that deepcopy takes
    auto_set_device(asked)
    try:
        # verl prints that all is well, and warns at every estimator but GAE that no critic is used.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            validate_config(asked, use_reference_policy=need_reference_policy(asked), use_critic=need_critic(asked))
    except InstantiationException as error:
        # Hydra's wrapper around what one of verl's classes raised.
        yield f"verl refuses this configuration: {error.__cause__ or error}"
    except TypeError as error:
        # It computes with numbers without a look whether they are there.
        yield (
            "verl's own check computes with the sizes of batches and of parallel parts, which must be numbers, but "
            f"{_nulls(asked) or 'one of them'} is null ({error}); set it, or {ACTOR}.use_dynamic_bsz=true."
        )
    except (AssertionError, ValueError, NotImplementedError) as error:
        yield f"verl refuses this configuration: {error}"


def _nulls(config: DictConfig) -> str:
    sizes = [f"{ACTOR}.ppo_micro_batch_size_per_gpu", f"{ACTOR}.ppo_mini_batch_size", "data.train_batch_size"]
    return ", ".join(key for key in sizes if OmegaConf.select(config, key) is None)
