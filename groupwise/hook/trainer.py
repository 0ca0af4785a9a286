"""Adapter: a mixin over verl's trainers that computes a method's advantages before verl spreads them.

Every override calls verl's own method exactly once, but for an advantage phase that needs no padding
(without_padding.py). Each contact with verl, the test that holds it, and what verl's
releases changed there: docs/verl_versions.md.
"""

import logging
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY

from groupwise.config.methods import build_configured, computed_methods
from groupwise.dumps.recorder import Recorder, Settings, Texts, write_dump
from groupwise.errors import GroupwiseError
from groupwise.files import replacing
from groupwise.hook.batch_store import Batch
from groupwise.hook.bootstrap import fast_bootstrap
from groupwise.hook.estimator import Bound, bind
from groupwise.hook.rollouts import Rollouts, one_text_shares, read_rollouts, to_responses
from groupwise.hook.validation import Validation, figures, find_failures, without
from groupwise.hook.verdicts import FailureWindow, failure_shares
from groupwise.hook.without_padding import fields_of, rollout_metrics, verls_part, write_advantages
from groupwise.launch.checkpoints import checkpoint_bytes, remove_old_checkpoints, space_fault
from groupwise.method import METHODS, Outcome, compute
from groupwise.names import REWARD_MANAGER
from groupwise.record import run_record

logger = logging.getLogger(__name__)

STATE_FILE = "method.pt"
"""Name of the file with what methods remember, beside verl's own in a checkpoint's folder."""


class MethodTrainerMixin:
    """Computes the advantages of a method in a trainer of verl, before verl spreads them over tokens.

    With any estimator that is no method of ours the advantages are verl's own, untouched. The methods that
    `algorithm.observe` names are computed beside it where the reward manager "groupwise" gives verdicts, for metrics
    and dumps alone: a baseline shows what they would do, and a run that is switched to one of them starts warm.

    Responses that could not be judged are counted, logged with their rows, and left out of methods and of validation
    averages; the base estimator sees them as verl does, with the score 0. More of them than a set share stop the run.

    Raises:
        ValueError: There is no such method, or a key of its section is unknown, missing or out of range.
    """

    def __init__(self, config: DictConfig, **parts: Any):
        super().__init__(config, **parts)
        estimator = config.algorithm.adv_estimator
        self.has_verdicts = estimator in METHODS or config.reward.reward_manager.name == REWARD_MANAGER
        # separate_async computes advantages parameter_sync_step times a step, each on its share of the training batch.
        self.methods = {
            name: build_configured(config, name, updates_per_step=self.parameter_sync_step)
            for name in (computed_methods(config) if self.has_verdicts else ())
        }
        self.trained = self.methods.get(estimator)
        self.needs = frozenset[str]().union(*(method.needs for method in self.methods.values()))
        self.max_failure_share = config.reward.reward_kwargs.max_failure_share
        self.training_failures, self.validation_failures = FailureWindow("training step"), FailureWindow("validation")
        settings = Settings.of(estimator, self.methods, normalize_by_std=config.algorithm.norm_adv_by_std_in_grpo)
        self.told: str | None = None
        self.recorder = Recorder(settings) if self.has_verdicts and config.trainer.rollout_data_dir else None

    def _compute_advantage(self, batch: Batch, metrics: dict[str, Any]) -> Batch:
        context: AbstractContextManager[None] = nullcontext()
        if self.has_verdicts:
            jagged = self.trained is not None and self._is_jagged(batch, metrics)
            rollouts, outcomes = self._decide(batch, metrics, fields_of(self.config) if jagged else [])
            if self.trained is not None:
                bound = Bound(rollouts.response_of_row, outcomes[self.trained.name].advantage)
                if jagged:
                    metrics.update(rollout_metrics(rollouts.columns))
                    return write_advantages(batch, bound, rollouts.columns)
                context = bind(bound)
        with context:
            return super()._compute_advantage(batch, metrics=metrics)

    def _is_jagged(self, batch: Batch, metrics: dict[str, Any]) -> bool:
        part = verls_part(self.config, batch, self.methods.values(), super()._compute_advantage)
        metrics["advantages/without_padding"] = float(part is None)
        if part is not None and part != self.told:
            self.told = part
            logger.warning("Advantages are padded and spread by verl's own phase: %s.", part)
        return part is None

    def _decide(self, batch: Batch, metrics: dict[str, Any], fields: list[str]) -> tuple[Rollouts, dict[str, Outcome]]:
        """Reads the batch, with these fields beside what methods need, and computes all methods."""
        fields = [*fields, *(["data_source"] if self.recorder is not None else [])]
        rollouts = read_rollouts(batch, [*fields, *(["entropy"] if "entropies" in self.needs else [])])
        size = len(rollouts.failed)
        self.training_failures.add(rollouts.failures, size, max_share=self.max_failure_share)
        responses = to_responses(rollouts, step=self.global_steps, needs=self.needs)
        outcomes = {name: compute(method, responses) for name, method in self.methods.items()}
        for outcome in outcomes.values():
            metrics.update(outcome.metrics)
        if self.methods:
            metrics.update(one_text_shares(rollouts, responses))
        metrics.update(failure_shares(rollouts.failures, size, prefix="reward"))
        if self.recorder is not None:
            self.recorder.add(rollouts, responses, outcomes)
        return rollouts, outcomes

    def _compute_metrics(self, batch: Batch, metrics, timing_raw, global_steps, epoch):
        super()._compute_metrics(batch, metrics, timing_raw, global_steps=global_steps, epoch=epoch)
        loggers = self.config.trainer.logger
        if "console" in ([loggers] if isinstance(loggers, str) else loggers):
            for name, method in self.methods.items():
                line = method.display().line(metrics, applied=method is self.trained)
                sys.stdout.write(f"step {global_steps}/{self.total_training_steps} {name}: {line}\n")
            sys.stdout.flush()

    def _dump_generations(self, inputs, outputs, gts, scores, reward_extra_infos_dict, dump_path):
        super()._dump_generations(inputs, outputs, gts, scores, reward_extra_infos_dict, dump_path)
        # verl dumps validations with this method as well, into another folder (preflight/files.py sees to that).
        if self.recorder is None or dump_path != self.config.trainer.rollout_data_dir:
            return
        table = self.recorder.take(self.global_steps, Texts(reward_extra_infos_dict["uid"], inputs, outputs, gts))
        # Where verl's own file is written: off the training loop, drained before the run ends, errors raised.
        self._dump_futures.append(self._dump_executor.submit(write_dump, Path(dump_path), table, self.global_steps))

    def _val_metrics_update(
        self, data_sources, sample_uids, reward_extra_infos_dict, sample_turns, expected_acc_counts=None
    ):
        validation = Validation(list(data_sources), sample_uids, reward_extra_infos_dict, expected_acc_counts)
        shares = {}
        if self.has_verdicts:
            failures = find_failures(validation.infos, len(data_sources))
            found, responses = list(failures.values()), len(data_sources)
            self.validation_failures.add(found, responses, max_share=self.max_failure_share)
            shares = failure_shares(found, responses, prefix="val-aux/reward")
            validation = without(validation, list(failures))
        # A response that could not be judged was generated all the same: its turns count.
        with fast_bootstrap():
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
        # Before verl's own part, which ends by naming this checkpoint the latest: that one then always has a state.
        trainer = self.config.trainer
        fault = space_fault(trainer.default_local_dir, checkpoint_bytes(self.config))
        if fault:
            raise GroupwiseError(fault)
        folder = Path(trainer.default_local_dir, f"global_step_{self.global_steps}")
        with replacing(folder / STATE_FILE) as partial:
            torch.save({name: method.state_dict() for name, method in self.methods.items()}, partial)
        run_record.write_method(self.config, folder)
        super()._save_checkpoint()
        resumed = [Path(trainer.resume_from_path)] if trainer.resume_mode == "resume_path" else []
        remove_old_checkpoints(folder.parent, trainer.max_actor_ckpt_to_keep, in_use=[folder, *resumed])

    def _load_checkpoint(self) -> None:
        # The launching machine looked before Ray started, but it may not see the folder that this one sees.
        fault = run_record.resume_fault(self.config)
        if fault:
            raise GroupwiseError(fault)
        super()._load_checkpoint()
        if self.global_steps == 0:
            return
        folder = self._resumed_folder()
        saved = _read_state(folder / STATE_FILE)
        for name, method in self.methods.items():
            former = method.former_state_file
            if state := saved.get(name) or (former and _read_state(folder / former)):
                method.load_state_dict(state)
            elif method.state_dict():
                logger.warning("%s holds no state of the method %r, which therefore starts without one.", folder, name)

    def _resumed_folder(self) -> Path:
        trainer = self.config.trainer
        if trainer.resume_mode == "resume_path":
            return Path(trainer.resume_from_path)
        return Path(trainer.default_local_dir, f"global_step_{self.global_steps}")


def _read_state(file: Path) -> dict[str, Any]:
    return torch.load(file, weights_only=True) if file.is_file() else {}


def install(*, use_v1: bool = True) -> None:
    """Puts the mixin before verl's trainers in this process: V1's under their own names, or the one from before V1.

    The names stay because verl takes any mode but "sync" for an asynchronous one, a name of our own included.
    """
    if use_v1:
        for mode, trainer in list(TRAINER_REGISTRY.items()):
            if not issubclass(trainer, MethodTrainerMixin):
                TRAINER_REGISTRY[mode] = type(f"Method{trainer.__name__}", (MethodTrainerMixin, trainer), {})
        return
    from verl.trainer import main_ppo_v0

    from groupwise.hook.legacy_trainer import LegacyTrainer

    # verl has no registry of it: its task runner takes the class by this name.
    vars(main_ppo_v0)["RayPPOTrainer"] = type("MethodLegacyTrainer", (MethodTrainerMixin, LegacyTrainer), {})
