"""Adapter: a mixin over verl's three V1 trainers that decides DiPO's reallocation before each advantage computation.

Seams touched, each held by a test: `PPOTrainer._compute_advantage`, `_compute_metrics`, `_dump_generations` with its
executor, `_save_checkpoint`, `_load_checkpoint`, `_val_metrics_update`, and the registry `TRAINER_REGISTRY`. Every
override calls verl's own method exactly once.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY

from recipe.dipo import run_record, step_line
from recipe.dipo.checkpoints import remove_old_checkpoints
from recipe.dipo.config import DiPOConfig
from recipe.dipo.core.perplexity import PerplexityQueue
from recipe.dipo.disk import checkpoint_bytes, space_fault
from recipe.dipo.errors import DiPOError
from recipe.dipo.estimator import Decision, bind
from recipe.dipo.metrics import step_metrics
from recipe.dipo.rollout_dump import Recorder, Settings, Texts, write_dump
from recipe.dipo.rollouts import Rollouts, read_rollouts, to_responses
from recipe.dipo.step import Step, run_step, step_advantages
from recipe.dipo.unjudged import failure_shares, stop_on_too_many
from recipe.dipo.validation import Validation, figures, find_failures, without

logger = logging.getLogger(__name__)

QUEUE_FILE = "dipo_queue.pt"
"""Name of the perplexity queue's file beside verl's own in a checkpoint's folder."""


class DiPOTrainerMixin:
    """Adds DiPO to a V1 trainer of verl.

    With any estimator but "dipo" the advantages are verl's own, untouched; where the reward manager "dipo" gives
    verdicts, the same metrics are logged as an observer, so that a baseline shows how many of its groups DiPO would
    use. The queue then holds what it would hold, so that switching a resumed run to DiPO starts warm.

    Responses that could not be judged are counted, logged with their rows, and left out of DiPO and of validation
    averages; the base estimator sees them as verl does, with the score 0. More of them than a set share stop the run.

    Args:
        config: verl's configuration with `algorithm.dipo`.

    Raises:
        ValueError: A key of `algorithm.dipo` is unknown, missing or out of range.
    """

    def __init__(self, config: DictConfig):
        super().__init__(config)
        self.dipo_config = DiPOConfig.from_mapping(OmegaConf.to_container(config.algorithm.dipo, resolve=True))
        self.applies_dipo = config.algorithm.adv_estimator == "dipo"
        self.observes = self.applies_dipo or config.reward.reward_manager.name == "dipo"
        self.max_failure_share = config.reward.reward_kwargs.max_failure_share
        # separate_async computes advantages parameter_sync_step times a step, each on its share of the training batch.
        batches = self.dipo_config.queue_batches * self.parameter_sync_step
        self.perplexity_queue = PerplexityQueue(batches)
        settings = Settings(
            estimator=config.algorithm.adv_estimator,
            applied=self.applies_dipo,
            alpha=self.dipo_config.alpha,
            queue_batches=batches,
            confidence=self.dipo_config.confidence,
            group_perplexity=self.dipo_config.group_perplexity,
            normalize_by_std=config.algorithm.norm_adv_by_std_in_grpo,
        )
        self.recorder = Recorder(settings) if self.observes and config.trainer.rollout_data_dir else None

    def _compute_advantage(self, batch: KVBatchMeta, metrics: dict[str, Any]) -> KVBatchMeta:
        if not self.observes:
            return super()._compute_advantage(batch, metrics=metrics)
        rollouts = read_rollouts(batch)
        stop_on_too_many(
            rollouts.failures, len(rollouts.failed), max_share=self.max_failure_share, where="training step"
        )
        step = self._decide(rollouts, metrics)
        if not self.applies_dipo:
            return super()._compute_advantage(batch, metrics=metrics)
        decision = Decision(
            rollouts.rows, rollouts.response_of_row, rollouts.group, step.reallocated, self.dipo_config.alpha
        )
        with bind(decision):
            return super()._compute_advantage(batch, metrics=metrics)

    def _decide(self, rollouts: Rollouts, metrics: dict[str, Any]) -> Step:
        responses = to_responses(rollouts)
        step = run_step(responses, self.perplexity_queue, self.dipo_config)
        advantages = step_advantages(
            responses,
            step,
            alpha=self.dipo_config.alpha,
            normalize_by_std=self.config.algorithm.norm_adv_by_std_in_grpo,
        )
        found = step_metrics(responses, step, advantages, rule=self.dipo_config.group_perplexity)
        metrics.update(found, **failure_shares(rollouts.failures, len(rollouts.failed), prefix="reward"))
        if self.recorder is not None:
            self.recorder.add(rollouts, responses, step, advantages, found)
        return step

    def _compute_metrics(self, batch: KVBatchMeta, metrics, timing_raw, global_steps, epoch):
        super()._compute_metrics(batch, metrics, timing_raw, global_steps=global_steps, epoch=epoch)
        loggers = self.config.trainer.logger
        if self.observes and "console" in ([loggers] if isinstance(loggers, str) else loggers):
            line = step_line.describe(metrics, applied=self.applies_dipo)
            sys.stdout.write(f"step {global_steps}/{self.total_training_steps} dipo: {line}\n")
            sys.stdout.flush()

    def _dump_generations(self, inputs, outputs, gts, scores, reward_extra_infos_dict, dump_path):
        super()._dump_generations(inputs, outputs, gts, scores, reward_extra_infos_dict, dump_path)
        # verl dumps validations with this method as well, into another folder (preflight/files.py sees to that).
        if self.recorder is None or dump_path != self.config.trainer.rollout_data_dir:
            return
        texts = Texts(reward_extra_infos_dict["uid"], inputs, outputs, gts)
        # Where verl's own file is written: off the training loop, drained before the run ends, errors raised.
        self._dump_futures.append(
            self._dump_executor.submit(
                write_dump, Path(dump_path), self.recorder.take(self.global_steps, texts), self.global_steps
            )
        )

    def _val_metrics_update(
        self, data_sources, sample_uids, reward_extra_infos_dict, sample_turns, expected_acc_counts=None
    ):
        validation = Validation(data_sources, sample_uids, reward_extra_infos_dict, expected_acc_counts)
        shares = {}
        if self.observes:
            failures = find_failures(validation.infos, len(data_sources))
            found, responses = list(failures.values()), len(data_sources)
            stop_on_too_many(found, responses, max_share=self.max_failure_share, where="validation")
            shares = failure_shares(found, responses, prefix="val-aux/reward")
            validation = without(validation, list(failures))
        # A response that could not be judged was generated all the same: its turns count.
        metrics = super()._val_metrics_update(
            validation.data_sources,
            validation.sample_uids,
            validation.infos,
            sample_turns,
            expected_acc_counts=validation.expected_acc_counts,
        )
        # verl's own names are verl's: none of these figures has one of them.
        return figures(validation) | metrics | shares

    def _save_checkpoint(self) -> None:
        # Before verl's own part, which ends by naming this checkpoint the latest: that one then always has a queue.
        trainer = self.config.trainer
        fault = space_fault(trainer.default_local_dir, checkpoint_bytes(self.config.actor_rollout_ref.model.path))
        if fault:
            raise DiPOError(fault)
        folder = Path(trainer.default_local_dir, f"global_step_{self.global_steps}")
        folder.mkdir(parents=True, exist_ok=True)
        partial_file = folder / f"{QUEUE_FILE}.partial"
        torch.save(self.perplexity_queue.state_dict(), partial_file)
        os.replace(partial_file, folder / QUEUE_FILE)
        run_record.write_method(self.config, folder)
        super()._save_checkpoint()
        resumed_from = Path(trainer.resume_from_path) if trainer.resume_mode == "resume_path" else None
        remove_old_checkpoints(folder.parent, trainer.max_actor_ckpt_to_keep, in_use=resumed_from)

    def _load_checkpoint(self) -> None:
        # The launching machine looked before Ray started, but it may not see the folder that this one sees.
        fault = run_record.resume_fault(self.config)
        if fault:
            raise DiPOError(fault)
        super()._load_checkpoint()
        if self.global_steps == 0:
            return
        file = self._resumed_folder() / QUEUE_FILE
        if file.is_file():
            self.perplexity_queue.load_state_dict(torch.load(file, weights_only=True))
        else:
            logger.warning(
                "%s has no %s: it was written by another launcher, so DiPO starts with an empty perplexity queue.",
                file.parent,
                QUEUE_FILE,
            )

    def _resumed_folder(self) -> Path:
        trainer = self.config.trainer
        if trainer.resume_mode == "resume_path":
            return Path(trainer.resume_from_path)
        return Path(trainer.default_local_dir, f"global_step_{self.global_steps}")


def install() -> None:
    """Puts the mixin before verl's V1 trainers in this process, under their own names.

    The names stay because verl takes any mode but "sync" for an asynchronous one, a name of the recipe's included.
    """
    for mode, trainer in list(TRAINER_REGISTRY.items()):
        if not issubclass(trainer, DiPOTrainerMixin):
            TRAINER_REGISTRY[mode] = type(f"DiPO{trainer.__name__}", (DiPOTrainerMixin, trainer), {})
