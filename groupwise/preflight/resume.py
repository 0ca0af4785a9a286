"""The checkpoint that a run goes on from: whether verl finds and can load it, and whether it is of the same method.

verl's FSDP saves a file for each GPU and loads as many (verl/utils/checkpoint/fsdp_checkpoint_manager.py), so that the
number of GPUs may not change. Other engines divide what they saved anew.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from omegaconf import DictConfig
from verl.trainer.ppo.utils import need_critic

from groupwise.launch.paths import expanded, is_remote
from groupwise.names import FSDP, MERGE
from groupwise.preflight import parallel
from groupwise.preflight.facts import Facts
from groupwise.preflight.notes import Note
from groupwise.record import latest
from groupwise.record.run_record import resume_fault, resumed_checkpoint

PARTS: Final = {"model": "model", "optimizer": "optim", "extra": "extra_state"}
"""By what is to be loaded, how its files' names begin."""


def find_faults(facts: Facts) -> Iterator[str]:
    """Looks at the checkpoint that trainer.resume_mode and what lies in the folder lead to."""
    config, trainer = facts.config, facts.config.trainer
    if trainer.resume_mode == "resume_path":
        name = expanded(trainer.resume_from_path).name
        # verl reads the step from the name, to its end: a trailing slash or a longer name would end the run.
        if not name.removeprefix("global_step_").isdigit() or str(trainer.resume_from_path).endswith("/"):
            yield (
                "trainer.resume_from_path must end in a checkpoint's folder global_step_<number>, without a slash "
                f"behind it, but is {trainer.resume_from_path!r}; name the folder, or set trainer.resume_mode=auto."
            )
            return
    elif trainer.resume_mode == "auto" and not is_remote(trainer.default_local_dir):
        yield from _tracker_faults(expanded(trainer.default_local_dir), is_plain=facts.is_plain)
    else:
        return
    checkpoint = resumed_checkpoint(config)
    if checkpoint is None:
        return
    is_whole = True
    for fault in _checkpoint_faults(config, checkpoint):
        is_whole = False
        yield fault
    if is_whole and not facts.is_plain:
        yield from filter(None, [resume_fault(config)])


def _tracker_faults(folder: Path, *, is_plain: bool) -> Iterator[str]:
    if said := latest.fault(folder):
        cure = "verl stops at that; write the step of a whole checkpoint into it, or remove it to begin anew."
        # Our launch corrects the file.
        yield f"{said.partition('; the run ')[0]}; {cure}" if is_plain else Note(said)
    elif (named := latest.latest(folder)) is not None and not named.is_dir():
        yield (
            f"{folder / latest.LATEST_FILE} must name a checkpoint that is there, but {named.name} is not, and the run "
            "would begin anew; put it back, write the step of another into the file, or remove the file."
        )


def _checkpoint_faults(config: DictConfig, checkpoint: Path) -> Iterator[str]:
    parts = {"actor": config.actor_rollout_ref.actor}
    with warnings.catch_warnings():
        # It warns at every estimator but GAE that there is none.
        warnings.simplefilter("ignore")
        if need_critic(config):
            parts["critic"] = config.critic
    for name, section in parts.items():
        folder = checkpoint / name
        if not folder.is_dir():
            yield (
                f"{checkpoint} must be a whole checkpoint of verl's, but has no folder {name}; resume another by "
                "trainer.resume_from_path, or set trainer.resume_mode=disable."
            )
        elif section.strategy in FSDP:
            yield from _rank_faults(folder, section.checkpoint.load_contents, config)


def _rank_faults(folder: Path, contents: list[str], config: DictConfig) -> Iterator[str]:
    gpus = parallel.training_gpus(config)
    starts = [start for part, start in PARTS.items() if part in contents]
    wanted = [f"{start}_world_size_{gpus}_rank_{rank}.pt" for start in starts for rank in range(gpus)]
    lost = [name for name in wanted if not (folder / name).is_file()]
    saved = {
        file.name.partition("_world_size_")[2].partition("_")[0] for file in folder.glob("*_world_size_*_rank_*.pt")
    }
    if lost and saved - {str(gpus)}:
        yield (
            f"{folder} was saved by {', '.join(sorted(saved))} GPUs, which verl's FSDP resumes on as many alone, but "
            f"trainer.nnodes x trainer.n_gpus_per_node is {gpus}; set them back, or begin a run from the merged "
            f"weights ({MERGE.format(folder, 'MERGED')})."
        )
    elif lost:
        sentence = (
            f"{folder} must hold a file of each GPU for {', '.join(contents)}, but lacks {len(lost)} of {len(wanted)}, "
            f"such as {lost[0]}; resume another checkpoint by trainer.resume_from_path."
        )
        # Where nodes share no folder each has the files of its own GPUs.
        yield Note(sentence) if config.trainer.nnodes > 1 else sentence
