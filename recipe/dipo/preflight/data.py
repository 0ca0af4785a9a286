"""The data files as a training will read them: `data_prep.validate` on all of them together."""

from collections.abc import Iterator
from pathlib import Path

from omegaconf import OmegaConf

from data_prep import validate
from recipe.dipo.preflight.facts import Facts


def find_faults(facts: Facts) -> Iterator[str]:
    """Validates the data files that lie on this machine.

    Args:
        facts: The configuration and the model's tokenizer; without a tokenizer prompts are not measured.

    Yields:
        One sentence for each fault, see `data_prep.validate`.
    """
    files = [Path(file) for file in facts.local_data_files]
    if not files:
        return
    config = facts.config
    # verl drops prompts that are too long where it was told to; otherwise it would stop at the first one.
    limit = None if config.data.filter_overlong_prompts or config.data.truncation != "error" else facts.prompt_limit
    measurable = limit is not None and facts.tokenizer is not None and facts.tokenizer.chat_template
    yield from validate.find_faults(
        files,
        judged_here=config.reward.reward_manager.name == "dipo" and not config.reward.custom_reward_function.path,
        tokenizer=facts.tokenizer if measurable else None,
        template_options=OmegaConf.to_container(config.data.apply_chat_template_kwargs, resolve=True),
        max_prompt_length=limit if measurable else None,
    )
