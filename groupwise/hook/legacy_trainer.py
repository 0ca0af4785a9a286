"""Adapter: verl's trainer from before V1 (`trainer.use_v1=false`), given the seams that V1's trainers have.

Its `fit` calls `compute_advantage`, a function of its module, where V1 calls a method; that name alone is replaced, in
this process and while `fit` runs. What the methods log leaves with the metrics of the actor's update.
"""

from functools import partial
from typing import Any

from verl import DataProto
from verl.trainer.ppo import ray_trainer

from groupwise.hook.batch_store import keys_of


class LegacyTrainer(ray_trainer.RayPPOTrainer):
    """Calls `_compute_advantage`, `_compute_metrics`, `_dump_generations` and `_val_metrics_update` as V1 does."""

    parameter_sync_step = 1
    _entropies = None

    def fit(self) -> None:
        verls = ray_trainer.compute_advantage

        def compute_advantage(batch: DataProto, **settings: Any) -> DataProto:
            self._verls_advantage, self._own_metrics = partial(verls, **settings), {}
            if self._entropies is not None:
                batch.batch["entropy"], self._entropies = self._entropies, None
            result = self._compute_advantage(batch, metrics=self._own_metrics)
            result.batch.pop("entropy", None)
            return result

        ray_trainer.compute_advantage = compute_advantage
        try:
            super().fit()
        finally:
            ray_trainer.compute_advantage = verls

    def _compute_advantage(self, batch: DataProto, metrics: dict[str, Any]) -> DataProto:
        return self._verls_advantage(batch)

    def _compute_old_log_prob(self, batch: DataProto):
        log_probs, utilization = super()._compute_old_log_prob(batch)
        # `fit` drops them, having logged their mean.
        self._entropies = log_probs.batch["entropys"]
        return log_probs, utilization

    def _update_actor(self, batch: DataProto) -> DataProto:
        output = super()._update_actor(batch)
        self._compute_metrics(batch, self._own_metrics, {}, global_steps=self.global_steps, epoch=0)
        output.meta_info["metrics"].update(self._own_metrics)
        return output

    def _compute_metrics(self, batch: DataProto, metrics, timing_raw, global_steps, epoch) -> None:
        """What verl computes of a whole step, it computes in `fit`."""

    def _log_rollout_data(self, batch: DataProto, reward_extra_infos_dict, timing_raw, rollout_data_dir) -> None:
        named = {**reward_extra_infos_dict, "uid": keys_of(batch)[0]}
        super()._log_rollout_data(batch, named, timing_raw, rollout_data_dir)

    def _val_metrics_update(
        self, data_sources, sample_uids, reward_extra_infos_dict, sample_turns, expected_acc_counts=None
    ):
        # A response that is missing is not noticed here, so none is expected.
        return super()._val_metrics_update(data_sources, sample_uids, reward_extra_infos_dict, sample_turns)
