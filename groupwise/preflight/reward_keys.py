"""Keys of the reward from before verl 0.9, which verl still has but does not read: another reward would be trained on.

verl moves them for its fully asynchronous trainer alone; its function for that says what each is called now.
"""

import pickle
from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from groupwise.preflight.verl_schema import VERL, walk

MARK = "<moved>"
"""Stands for a value while verl moves it."""


def find_faults(config: DictConfig) -> Iterator[str]:
    """Looks for old keys whose value their new ones do not have."""
    legacy = OmegaConf.load(VERL / "trainer" / "config" / "legacy_reward_impl.yaml")
    given = OmegaConf.to_container(OmegaConf.create({key: config[key] for key in legacy if key in config}))
    assert isinstance(given, dict)
    moved = {}
    for key, value in walk(given):
        if value is not None and not isinstance(value, dict):
            new = _moved(key, legacy, config)
            if new is not None and OmegaConf.select(config, new) != value:
                moved[key] = f"{new}={value}"
    if moved:
        yield (
            "Keys of earlier versions of verl must be given by their new names, since this one does not read the old "
            f"ones and would judge responses otherwise, but {', '.join(moved)} {'are' if len(moved) > 1 else 'is'} "
            f"given; set {', '.join(moved.values())} instead."
        )


def _moved(key: str, legacy: DictConfig, config: DictConfig) -> str | None:
    """Where verl's own migration puts a key; None where it drops it."""
    from verl.experimental.reward_loop import migrate_legacy_reward_impl

    marked = OmegaConf.create(pickle.loads(pickle.dumps({**legacy, "reward": config.reward})))
    OmegaConf.update(marked, key, MARK, force_add=True)
    reward = OmegaConf.to_container(migrate_legacy_reward_impl(marked).reward)
    return next((f"reward.{name}" for name, value in walk(reward) if value == MARK), None)
