"""The study's second engine: the same training in one process, many times as fast, with verl's own functions.

    python benchmarks/study_loop.py --run-dir DIR [hydra overrides]

It reads the configuration that the recipe reads, and takes verl's optimizer, policy loss, aggregation and GRPO
estimator, and the recipe's own step and estimator. Only Ray, TransferQueue, vLLM and FSDP are left out: responses are
sampled with transformers, and one process holds the model. A step is on-policy, as one of the recipe's is with one
update a step. study.yaml runs its main arms with both engines, which shows whether they agree.
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
from study_sampling import Batch, Prompt, generate, join, select, tokenize
from verl.trainer.ppo.core_algos import agg_loss, compute_grpo_outcome_advantage, get_policy_loss_fn
from verl.utils.config import omega_conf_to_dataclass
from verl.utils.torch_functional import entropy_from_logits, logprobs_from_logits
from verl.workers.config import build_optimizer

from groupwise.config.methods import build_configured
from groupwise.config.reward_config import RewardConfig
from groupwise.demo.launch import compose_config
from groupwise.hook.estimator import Bound, bind, give_advantages
from groupwise.hook.validation import Validation, figures
from groupwise.maths.perplexity import sequence_perplexity
from groupwise.method import Responses, compute


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
        self.model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
        self.actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
        self.optimizer = build_optimizer(self.model.parameters(), self.actor.optim)
        self.method = build_configured(config, "dipo")
        reward = RewardConfig.from_mapping(OmegaConf.to_container(config.reward.reward_kwargs, resolve=True))
        self.verifier_options = reward.verifier_options
        files = (config.data.train_files, config.data.val_files)
        self.train, self.validation = (
            tokenize(self.tokenizer, pandas.read_parquet(file).to_dict("records")) for file in files
        )
        self.width = max(len(prompt.tokens) for prompt in (*self.train, *self.validation))
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
            start = time.perf_counter()
            metrics = self.step() | {"timing_s/step": time.perf_counter() - start}
            if step % self.config.trainer.test_freq == 0:
                metrics |= self.validate()
            yield step, metrics

    def step(self) -> dict[str, float]:
        """Generates a batch and updates the policy on it once."""
        batch, metrics = self.collect()
        log_probs, entropy = self.forward(batch)
        advantages, found = self.advantages(batch, log_probs.detach())
        self.update(log_probs, entropy, advantages, batch.response_mask)
        mean_entropy = entropy.detach()[batch.response_mask].mean().item()
        return metrics | found | {"actor/entropy": mean_entropy, "critic/score/mean": batch.score.mean().item()}

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

    def sample(self, prompts: list[Prompt], n: int) -> Batch:
        """Samples and judges n responses to each prompt."""
        return generate(
            self.model,
            self.tokenizer,
            prompts,
            n=n,
            temperature=self.config.actor_rollout_ref.rollout.temperature,
            width=self.width,
            longest=self.config.data.max_response_length,
            options=self.verifier_options,
        )

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes log-probs of the responses' tokens and the policy's entropy there.

        Args:
            batch: B responses.

        Returns:
            Both (B, T), in nats, with a gradient.
        """
        positions = (batch.attention.cumsum(dim=-1) - 1).clamp(min=0)
        logits = self.model(
            input_ids=batch.sequences, attention_mask=batch.attention, position_ids=positions, use_cache=False
        ).logits
        length = batch.response_mask.shape[1]
        logits = logits[:, -length - 1 : -1] / self.config.actor_rollout_ref.rollout.temperature
        return logprobs_from_logits(logits, batch.sequences[:, -length:]), entropy_from_logits(logits)

    def responses(self, batch: Batch, log_probs: torch.Tensor) -> Responses:
        """Takes from a batch and its log-probs (B, T) what DiPO decides on."""
        return Responses(
            reward=batch.score,
            correct=batch.acc == 1,
            known=torch.ones(len(batch.acc), dtype=torch.bool),
            group=torch.arange(len(batch.acc)) // self.n,
            perplexity=sequence_perplexity(log_probs, batch.response_mask),
            step=0,
        )

    def advantages(self, batch: Batch, log_probs: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        """Computes advantages (B, T) by the estimator of the configuration, and DiPO's metrics whichever that is."""
        algorithm, rows = self.config.algorithm, torch.arange(len(batch.acc))
        responses = self.responses(batch, log_probs)
        outcome = compute(self.method, responses)
        rewards = torch.zeros(batch.response_mask.shape)
        rewards[rows, batch.response_mask.sum(dim=-1) - 1] = batch.score
        mask = batch.response_mask.float()
        if algorithm.adv_estimator == "dipo":
            with bind(Bound(rows, outcome.advantage)):
                return give_advantages(rewards, mask)[0], dict(outcome.metrics)
        return compute_grpo_outcome_advantage(
            rewards, mask, responses.group.numpy(), norm_adv_by_std_in_grpo=algorithm.norm_adv_by_std_in_grpo
        )[0], dict(outcome.metrics)

    def update(
        self, log_probs: torch.Tensor, entropy: torch.Tensor, advantages: torch.Tensor, response_mask: torch.Tensor
    ) -> None:
        """Takes an optimizer step on the loss of verl's ppo_loss (workers/utils/losses.py); all tensors (B, T)."""
        tokens, size = int(response_mask.sum()), len(response_mask)
        self.actor.global_batch_info.update(
            dp_size=1, batch_num_tokens=tokens, global_batch_size=size, loss_scale_factor=self.actor.loss_scale_factor
        )
        mode = self.actor.loss_agg_mode
        loss, _ = get_policy_loss_fn(self.actor.policy_loss.loss_mode)(
            old_log_prob=log_probs.detach(),
            log_prob=log_probs,
            advantages=advantages,
            response_mask=response_mask,
            loss_agg_mode=mode,
            config=self.actor,
        )
        bonus = agg_loss(entropy, response_mask, mode, **self.actor.global_batch_info)
        self.optimizer.zero_grad()
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
        return figures(Validation(sources, uids, infos, None)) | {
            f"val-core/{source}/acc/mean@{n}": float(mean) for source, mean in means.items()
        }


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
