"""The study's second engine: the same training in one process, many times as fast, with verl's own functions.

    python benchmarks/study_loop.py --run-dir DIR [hydra overrides]

It reads the configuration that the recipe reads, and takes verl's optimizer, policy loss, aggregation and GRPO
estimator, and the recipe's own step and estimator. Only Ray, TransferQueue, vLLM and FSDP are left out: responses are
sampled with transformers, and one process holds the model. A step is on-policy, as one of the recipe's is with one
update a step. study.yaml runs its main arms with both engines, which shows whether they agree.

A prompt is read once for its group, and what all prompts begin with once for all, in sampling as in the update, which
adds up the gradients of `ppo_micro_batch_size_per_gpu` responses at a time. Where FSDP would compute in bfloat16
(`fsdp_config.mixed_precision.param_dtype`), products of matrices are computed so here; the weights stay float32.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas
import study_variants
import torch
import transformers
from omegaconf import DictConfig, OmegaConf
from study_measures import PASSES, described, pass_at
from study_sampling import (
    Batch,
    Prompt,
    common_beginning,
    generate,
    join,
    load_policy,
    positions,
    read,
    select,
    tokenize,
)
from verl.trainer.ppo.core_algos import agg_loss, get_adv_estimator_fn, get_policy_loss_fn
from verl.utils.config import omega_conf_to_dataclass
from verl.utils.torch_dtypes import PrecisionType
from verl.utils.torch_functional import entropy_from_logits, logprobs_from_logits
from verl.workers.config import build_optimizer

from groupwise.config.methods import build_configured
from groupwise.config.reward_config import RewardConfig
from groupwise.demo.launch import compose_config
from groupwise.hook.estimator import Bound, bind, give_advantages
from groupwise.hook.validation import Validation, figures
from groupwise.maths.perplexity import sequence_perplexity
from groupwise.method import METHODS, Responses, Tokens, compute


def shuffled(size: int, seed: int) -> Iterator[int]:
    """Gives numbers below `size` in random order, for ever; the first `size` in the order of verl's dataloader."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(size, generator=generator).tolist()


class Trainer:
    """Trains one policy.

    Args:
        config: The composed configuration.
    """

    def __init__(self, config: DictConfig):
        path = config.actor_rollout_ref.model.path
        self.config, self.n = config, config.actor_rollout_ref.rollout.n
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        self.model = load_policy(path)
        self.actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
        self.computed_in = PrecisionType.to_dtype(self.actor.fsdp_config.mixed_precision["param_dtype"])
        self.optimizer = build_optimizer(self.model.parameters(), self.actor.optim)
        estimator = config.algorithm.adv_estimator
        self.method = build_configured(config, "dipo")
        self.trained = build_configured(config, estimator) if estimator in METHODS and estimator != "dipo" else None
        # Whether groups without a gradient are part of the mean that the loss is
        self.counts_dead_groups = config.get("study_count_dead_groups", True)
        reward = RewardConfig.from_mapping(OmegaConf.to_container(config.reward.reward_kwargs, resolve=True))
        self.verifier_options = reward.verifier_options
        files = (config.data.train_files, config.data.val_files)
        self.train, self.validation = (
            tokenize(self.tokenizer, pandas.read_parquet(file).to_dict("records")) for file in files
        )
        self.width = max(len(prompt.tokens) for prompt in (*self.train, *self.validation))
        self.beginning = common_beginning([*self.train, *self.validation])
        self.unsolved: torch.Tensor | None = None
        self.order = shuffled(len(self.train), config.data.seed)
        torch.manual_seed(config.data.seed)

    def run(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Trains to the last step.

        Yields:
            Each step's number and what verl's trainer would log of it, as far as the study reads it; first those of
            the untrained policy.
        """
        yield 0, self.validate()
        for step in range(1, self.config.trainer.total_training_steps + 1):
            start, worked = time.perf_counter(), time.process_time()
            metrics = self.step(step) | {"timing_s/step": time.perf_counter() - start}
            metrics["study/processor_seconds"] = time.process_time() - worked
            if step % self.config.trainer.test_freq == 0:
                metrics |= self.validate()
            yield step, metrics

    def step(self, step: int = 1) -> dict[str, float]:
        """Generates a batch and updates the policy on it once."""
        batch, metrics = self.collect()
        advantages, found = self.advantages(batch, step)
        self.update(batch, advantages)
        mean_entropy = batch.entropy[batch.response_mask].mean().item()
        said = {"actor/entropy": mean_entropy, "critic/score/mean": batch.score.mean().item()}
        return metrics | found | described(batch, self.n) | said

    def collect(self) -> tuple[Batch, dict[str, float]]:
        """Generates a batch; with dynamic sampling groups without variance are replaced, as verl's V1 trainers do.

        Returns:
            The batch, and metrics: its mean length, all tokens that were generated, and how many groups were replaced.
        """
        wanted, filtered = self.config.data.train_batch_size, self.config.algorithm.get("filter_groups")
        kept: list[Batch] = []
        have = generated = evicted = 0
        while have < wanted:
            part = self.sample([self.train[next(self.order)] for _ in range(wanted - have)], self.n)
            generated += int(part.response_mask.sum())
            if filtered is not None and filtered.enable:
                is_varied = part.acc.reshape(-1, self.n).std(dim=-1) > 0
                evicted += int((~is_varied).sum())
                part = select(part, is_varied.repeat_interleave(self.n))
            kept.append(part)
            have += len(part.acc) // self.n
        batch = join(kept)
        return batch, {
            "response_length/mean": batch.response_mask.sum(dim=-1).double().mean().item(),
            "study/generated_tokens": float(generated),
            "training/filter_groups/evicted_samples": float(evicted),
        }

    def precision(self) -> torch.autocast:
        """Within it, products of matrices are computed as configured; the cast weights are those of its beginning."""
        return torch.autocast("cpu", self.computed_in, enabled=self.computed_in != torch.float32)

    def sample(self, prompts: list[Prompt], n: int) -> Batch:
        """Samples and judges n responses to each prompt."""
        with self.precision():
            return generate(
                self.model,
                self.tokenizer,
                prompts,
                beginning=self.beginning,
                n=n,
                temperature=self.config.actor_rollout_ref.rollout.temperature,
                width=self.width,
                longest=self.config.data.max_response_length,
                options=self.verifier_options,
            )

    def forward(self, batch: Batch, *, n: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes log-probs of the responses' tokens and the policy's entropy there.

        Args:
            batch: B responses.
            n: How many next to each other share their prompt, at least.

        Returns:
            Both (B, T), in nats, with a gradient, of the entropy only where it has a coefficient; 0 after the end.
        """
        mask = batch.response_mask
        prompt, longest = batch.sequences.shape[1] - mask.shape[1], int(mask.sum(dim=-1).max())
        sequences, attention = (part[:, : prompt + longest] for part in (batch.sequences, batch.attention))
        with self.precision():
            cache, first = read(self.model, sequences[::n, :prompt], attention[::n, :prompt], len(self.beginning))
            cache.batch_repeat_interleave(n)
            hidden = first.repeat_interleave(n, dim=0).unsqueeze(1)
            if longest > 1:
                later = self.model.base_model(
                    sequences[:, prompt:-1],
                    attention_mask=attention[:, :-1],
                    position_ids=positions(attention)[:, prompt:-1],
                    past_key_values=cache,
                ).last_hidden_state
                hidden = torch.cat([hidden, later], dim=1)
            logits = self.model.get_output_embeddings()(hidden[mask[:, :longest]])
        logits = logits.float() / self.config.actor_rollout_ref.rollout.temperature
        log_probs = logprobs_from_logits(logits, sequences[:, prompt:][mask[:, :longest]])
        entropy = entropy_from_logits(logits if self.actor.entropy_coeff else logits.detach())
        empty = torch.zeros(mask.shape)
        return empty.masked_scatter(mask, log_probs), empty.masked_scatter(mask, entropy)

    def responses(self, batch: Batch, step: int = 1) -> Responses:
        """Takes from a batch what methods decide on."""
        mask = batch.response_mask
        return Responses(
            reward=batch.score,
            correct=batch.acc == 1,
            known=torch.ones(len(batch.acc), dtype=torch.bool),
            group=torch.arange(len(batch.acc)) // self.n,
            perplexity=sequence_perplexity(batch.log_probs, mask),
            step=step,
            tokens=Tokens(batch.log_probs, mask, batch.entropy),
        )

    def advantages(self, batch: Batch, step: int = 1) -> tuple[torch.Tensor, dict[str, float]]:
        """Computes advantages (B, T) by the estimator of the configuration, and DiPO's metrics whichever that is."""
        algorithm, rows = self.config.algorithm, torch.arange(len(batch.acc))
        responses = self.responses(batch, step)
        observed = compute(self.method, responses)
        outcome = observed if self.trained is None else compute(self.trained, responses)
        rewards = torch.zeros(batch.response_mask.shape)
        rewards[rows, batch.response_mask.sum(dim=-1) - 1] = batch.score
        mask, metrics = batch.response_mask.float(), dict(observed.metrics) | dict(outcome.metrics)
        if algorithm.adv_estimator in METHODS:
            with bind(Bound(rows, outcome.advantage)):
                return give_advantages(rewards, mask)[0], metrics
        given = {"token_level_rewards": rewards, "response_mask": mask, "config": algorithm}
        if algorithm.adv_estimator == "grpo":
            given["index"] = responses.group.numpy()
            given["norm_adv_by_std_in_grpo"] = algorithm.norm_adv_by_std_in_grpo
        return get_adv_estimator_fn(algorithm.adv_estimator)(**given)[0], metrics

    def update(self, batch: Batch, advantages: torch.Tensor) -> None:
        """Takes an optimizer step on the loss of verl's ppo_loss (workers/utils/losses.py), with advantages (B, T)."""
        counted = batch.response_mask
        is_live = (advantages.reshape(-1, self.n * counted.shape[1]) != 0).any(dim=-1)
        if not self.counts_dead_groups:
            counted = counted & is_live.repeat_interleave(self.n).unsqueeze(-1)
        # A group without advantages has a gradient by its entropy alone; one is kept, for the optimizer's step.
        groups = torch.arange(len(counted)).view(-1, self.n)
        if not self.actor.entropy_coeff:
            groups = groups[is_live if bool(is_live.any()) else slice(1)]
        self.actor.global_batch_info.update(
            dp_size=1,
            batch_num_tokens=max(1, int(counted.sum())),
            global_batch_size=max(1, int(counted.any(dim=-1).sum())),
            loss_scale_factor=self.actor.loss_scale_factor,
        )
        mode, policy_loss = self.actor.loss_agg_mode, get_policy_loss_fn(self.actor.policy_loss.loss_mode)
        at_once = max(1, self.actor.ppo_micro_batch_size_per_gpu // self.n)
        self.optimizer.zero_grad()
        for rows in groups.split(at_once):
            part, mask = select(batch, rows.flatten()), counted[rows.flatten()]
            log_probs, entropy = self.forward(part, n=self.n)
            loss, _ = policy_loss(
                old_log_prob=log_probs.detach(),
                log_prob=log_probs,
                advantages=advantages[rows.flatten()],
                response_mask=mask,
                loss_agg_mode=mode,
                config=self.actor,
            )
            bonus = agg_loss(entropy, mask, mode, **self.actor.global_batch_info)
            (loss - self.actor.entropy_coeff * bonus).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.actor.grad_clip)
        self.optimizer.step()

    def validate(self) -> dict[str, float]:
        """Samples the validation prompts, and puts the verdicts into the figures that the recipe logs."""
        n = self.config.actor_rollout_ref.rollout.val_kwargs.n
        batch = self.sample(self.validation, n)
        sources = [prompt.row["data_source"] for prompt in self.validation for _ in range(n)]
        uids = [str(place) for place in np.arange(len(sources)) // n]
        infos = {"acc": batch.acc.tolist(), "pred": batch.pred}
        means = pandas.Series(infos["acc"]).groupby(sources).mean()
        right = batch.acc.reshape(-1, n).sum(dim=-1)
        self.unsolved = self.unsolved if self.unsolved is not None else right == 0
        found = {f"study/pass@{k}": pass_at(k, right, n) for k in PASSES if k <= n}
        if bool(self.unsolved.any()):
            # Of the groups that were hard before training, those that are so no longer.
            found["study/solved_later"] = (right[self.unsolved] > 0).double().mean().item()
        return (
            found
            | figures(Validation(sources, uids, infos, None))
            | {f"val-core/{source}/acc/mean@{n}": float(mean) for source, mean in means.items()}
        )


def train(folder: Path, overrides: list[str]) -> None:
    """Trains a policy, and logs each step as verl's file logger does.

    Args:
        folder: Gets metrics.jsonl.
        overrides: Hydra's, as the recipe takes them.
    """
    # The order of sums, and with it the run, would depend on the number of cores.
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metrics.jsonl").open("w", encoding="utf-8") as log:
        for step, data in Trainer(compose_config(overrides, recipe="recipe.dipo")).run():
            log.write(json.dumps({"step": step, "data": data}) + "\n")
            log.flush()


def train_forked(folder: Path, overrides: list[str], variant: str | None) -> None:
    """Trains in a process that was forked for it.

    Args:
        folder: Gets metrics.jsonl, and launch.log with what the process prints.
        overrides: As for `train`.
        variant: Of study_variants.py; None for none.
    """
    # Kept open: it takes what Python prints and, by the numbers of its streams, what libraries do.
    sys.stdout = sys.stderr = log = (folder / "launch.log").open("w", buffering=1)
    for stream in (1, 2):
        os.dup2(log.fileno(), stream)
    if variant is not None:
        study_variants.install(variant)
    train(folder, overrides)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run-dir", type=Path, required=True, help="folder for metrics.jsonl")
    parser.add_argument("overrides", nargs="*", help="Hydra's, as the recipe takes them")
    asked = parser.parse_args()
    train(asked.run_dir, asked.overrides)


if __name__ == "__main__":
    main()
