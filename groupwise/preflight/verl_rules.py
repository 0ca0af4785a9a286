"""What verl itself refuses, before Ray starts."""

import contextlib
import copy
import io
import warnings
from collections.abc import Iterator

from hydra.errors import InstantiationException
from omegaconf import DictConfig
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config
from verl.utils.device import auto_set_device


def find_faults(config: DictConfig) -> Iterator[str]:
    """Asks verl's own check, the one that its entry point makes.

    Args:
        config: The composed configuration; it is left as it is.

    Yields:
        A sentence with what verl says.
    """
    asked = copy.deepcopy(config)
    auto_set_device(asked)
    try:
        # verl prints that all is well, and warns at every estimator but GAE that no critic is used.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            validate_config(asked, use_reference_policy=need_reference_policy(asked), use_critic=need_critic(asked))
    except InstantiationException as error:
        # Hydra's wrapper around what one of verl's classes raised.
        yield f"verl refuses this configuration: {error.__cause__ or error}"
    except (AssertionError, ValueError, TypeError, NotImplementedError) as error:
        yield f"verl refuses this configuration: {error}"
