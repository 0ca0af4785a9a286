"""What one reallocated reward does to the policy: the same update with and without it, from the same state.

    python benchmarks/study_why.py --steps 100 --seeds 3

Along a training run of DiPO's base (arm dapo of study.yaml) each step's update is made several times from the same
weights and moments: as it is, with what DiPO reallocates in hard groups, in easy groups, with a response drawn at
random in the place of the one that DiPO chooses, and with what other readings of the rule would choose. Nothing is
sampled in between, so what differs is the reallocation's alone. It is measured on the groups that it touched. A second
table says what each `group_perplexity` would have touched.
"""

import argparse
import copy
import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from study_loop import Trainer
from study_plan import read_plan
from study_sampling import Batch, Prompt, select
from study_variants import Random

from groupwise.demo.launch import compose_config
from groupwise.maths.groups import GroupKind
from groupwise.method import Responses
from groupwise.report.statistics import mean_and_band
from recipe.dipo.method import DiPO
from recipe.dipo.reallocation import GROUP_PERPLEXITY_RULES
from recipe.dipo.threshold import Threshold

HERE = Path(__file__).resolve().parent


CHOICES = ("any", "random", "any_group", "median", "mean", "always")
"""Readings of the rule, and the control of the first: in the same groups a response drawn at random."""

KINDS = {"hard": GroupKind.HARD, "easy": GroupKind.EASY}
FIGURES = {
    "right": "log-prob of the right answer, nats",
    "chosen": "log-prob of the chosen response, nats",
    "entropy": "entropy on their responses, nats",
}


class Measured(NamedTuple):
    """The policy on some groups, in nats.

    Attributes:
        right: Mean log-prob of the right answers to their prompts.
        chosen: Mean log-prob of a chosen response of each.
        entropy: Mean entropy on all their responses' tokens.
    """

    right: float
    chosen: float
    entropy: float


class Found(NamedTuple):
    """What a step showed.

    Attributes:
        effects: Of each choice and kind a row: `choice`, `kind`, `groups` touched, `commonest` and the changes of
            FIGURES; with the choice `none` what the update itself changed on the groups that `any` would have touched.
        rules: Of each `group_perplexity` a row on hard groups: `rule`, `groups` touched, and how many of them are all
            `alike` and in how many the chosen response says what is `commonest`.
    """

    effects: list[dict[str, float | str]]
    rules: list[dict[str, float | str]]


class Touched(NamedTuple):
    """A reallocation in the groups of one kind.

    Attributes:
        reallocated: (B,) R_r, 0 outside these groups.
        members: (B,) bool, their responses.
        chosen: (K,) int64, of each group the response that was rewarded or penalised.
    """

    reallocated: torch.Tensor
    members: torch.Tensor
    chosen: torch.Tensor


def by_rule(method: DiPO, rule: str, *, kind: type[DiPO] = DiPO) -> DiPO:
    """Makes a method like another, with a `group_perplexity` of its own."""
    config = dataclasses.replace(method.config, group_perplexity=rule)
    return kind(config, normalize_by_std=method.normalize_by_std)


def chosen_by(method: DiPO, choice: str) -> DiPO:
    """Makes the method of one of CHOICES."""
    return by_rule(method, "any", kind=Random) if choice == "random" else by_rule(method, choice)


def touch(method: DiPO, kind: str, responses: Responses, threshold: Threshold | None) -> Touched:
    """Reallocates in the groups of one kind.

    Args:
        method: What reallocates.
        kind: One of KINDS.
        responses: B responses.
        threshold: tau*.

    Returns:
        The reallocation; of no group where none is touched.
    """
    found = method.reallocate(responses, threshold)
    reward = torch.where(found.kind == KINDS[kind], found.reward, 0.0)
    members = torch.isin(responses.group, responses.group[reward > 0])
    return Touched(reward, members, (members & found.chosen).nonzero()[:, 0])


def right_answers(trainer: Trainer, prompts: list[Prompt], batch: Batch) -> Batch:
    """Puts the right answer in the place of the first response to each of some prompts.

    Args:
        trainer: For its tokenizer.
        prompts: K prompts.
        batch: K responses to them.

    Returns:
        The answers, in the format of the task (arithmetic's).
    """
    length = batch.response_mask.shape[1]
    responses = torch.full((len(prompts), length), trainer.tokenizer.pad_token_id)
    response_mask = torch.zeros(len(prompts), length, dtype=torch.bool)
    for place, prompt in enumerate(prompts):
        text = f"#### {prompt.row['reward_model']['ground_truth']}{trainer.tokenizer.eos_token}"
        tokens = trainer.tokenizer(text)["input_ids"]
        responses[place, : len(tokens)] = torch.tensor(tokens)
        response_mask[place, : len(tokens)] = True
    return batch._replace(
        sequences=torch.cat([batch.sequences[:, :-length], responses], dim=-1),
        attention=torch.cat([batch.attention[:, :-length], response_mask.long()], dim=-1),
        response_mask=response_mask,
    )


@torch.no_grad()
def measure(trainer: Trainer, batch: Batch, prompts: list[Prompt], touched: Touched) -> Measured:
    """Measures the policy on the groups that were touched."""
    chosen = select(batch, touched.chosen)
    asked = [prompts[place // trainer.n] for place in touched.chosen.tolist()]
    right = right_answers(trainer, asked, chosen)
    sums = [
        torch.where(part.response_mask, trainer.forward(part)[0], 0.0).sum(dim=-1).mean().item()
        for part in (right, chosen)
    ]
    members = select(batch, touched.members)
    return Measured(*sums, trainer.forward(members)[1][members.response_mask].mean().item())


def says_commonest(batch: Batch, touched: Touched, n: int) -> list[bool]:
    """Whether each chosen response says what most of its group say (or as many as any)."""
    found = []
    for place in touched.chosen.tolist():
        counts = Counter(batch.pred[place // n * n : place // n * n + n])
        found.append(counts[batch.pred[place]] == max(counts.values()))
    return found


def are_alike(batch: Batch, touched: Touched, n: int) -> list[bool]:
    """Whether the responses of each group are one and the same text: its advantages then add up to no gradient."""
    responses = batch.sequences[:, -batch.response_mask.shape[1] :].masked_fill(~batch.response_mask, -1)
    groups = responses.view(-1, n, responses.shape[-1])
    alike = (groups == groups[:, :1]).all(dim=-1).all(dim=-1)
    return alike[touched.chosen // n].tolist()


class Probe:
    """Repeats the updates of a run.

    Args:
        trainer: The run; its estimator must be verl's GRPO.
    """

    def __init__(self, trainer: Trainer):
        self.trainer = trainer
        self.drawn: list[Prompt] = []
        original = trainer.sample

        def sample(prompts: list[Prompt], n: int) -> Batch:
            self.drawn = prompts
            return original(prompts, n)

        trainer.sample = sample

    def steps(self, count: int) -> Iterator[Found]:
        """Trains, and tells what each step's reallocation would have done."""
        for _ in range(count):
            batch, _ = self.trainer.collect()
            before = self.state()
            responses, threshold = self.decide(batch)
            method = self.trainer.method
            touched = {
                (choice, kind): touch(chosen_by(method, choice), kind, responses, threshold)
                for choice in CHOICES
                for kind in KINDS
            }
            touched = {key: value for key, value in touched.items() if len(value.chosen)}
            at_first = {key: self.measured(batch, value) for key, value in touched.items()}
            verified = responses.base_advantage(normalize_by_std=True)
            self.update(batch, verified)
            trained, plain = self.state(), {key: self.measured(batch, value) for key, value in touched.items()}
            rows = []
            for (choice, kind), value in touched.items():
                self.restore(before)
                self.update(batch, verified + method.config.alpha * method.base(value.reallocated, responses.groups))
                told = {"kind": kind, "groups": len(value.chosen)}
                said = says_commonest(batch, value, self.trainer.n)
                told["commonest"] = sum(said) / len(said)
                after = self.measured(batch, value)
                rows.append({"choice": choice, **told, **difference(after, plain[choice, kind])})
                if choice == "any":
                    rows.append({"choice": "none", **told, **difference(plain[choice, kind], at_first[choice, kind])})
            self.restore(trained)
            yield Found(rows, self.rules(batch, responses, threshold))

    def rules(self, batch: Batch, responses: Responses, threshold: Threshold | None) -> list[dict[str, float | str]]:
        """Tells which hard groups each rule would touch."""
        rows = []
        for rule in GROUP_PERPLEXITY_RULES:
            touched = touch(by_rule(self.trainer.method, rule), "hard", responses, threshold)
            alike, commonest = (sum(of(batch, touched, self.trainer.n)) for of in (are_alike, says_commonest))
            rows.append({"rule": rule, "groups": len(touched.chosen), "alike": alike, "commonest": commonest})
        return rows

    def decide(self, batch: Batch) -> tuple[Responses, Threshold | None]:
        """What DiPO sees of a batch, and tau* with it."""
        responses = self.trainer.responses(batch)
        method = self.trainer.method
        method.observe(responses)
        return responses, method.find_threshold(*method.queue.snapshot())

    def measured(self, batch: Batch, touched: Touched) -> Measured:
        """Measures the policy as it is."""
        return measure(self.trainer, batch, self.drawn, touched)

    def update(self, batch: Batch, advantage: torch.Tensor) -> None:
        """Updates the policy with an advantage (B,) for all tokens of a response."""
        self.trainer.update(batch, torch.where(batch.response_mask, advantage.unsqueeze(-1), 0.0))

    def state(self) -> tuple[dict, dict]:
        """Copies weights and moments."""
        return copy.deepcopy((self.trainer.model.state_dict(), self.trainer.optimizer.state_dict()))

    def restore(self, state: tuple[dict, dict]) -> None:
        """Puts weights and moments back; the copy stays as it is."""
        model, optimizer = copy.deepcopy(state)
        self.trainer.model.load_state_dict(model)
        self.trainer.optimizer.load_state_dict(optimizer)


def difference(a: Measured, b: Measured) -> dict[str, float]:
    """a less b, by figure."""
    return {name: getattr(a, name) - getattr(b, name) for name in FIGURES}


def report(rows: pd.DataFrame) -> str:
    """Words the effects: means over the steps that have any, with 95% intervals over them."""
    lines = [f"| groups | choice | steps | groups a step | says what most say | {' | '.join(FIGURES.values())} |"]
    lines.append("|" + "---|" * (5 + len(FIGURES)))
    for (kind, choice), own in rows.groupby(["kind", "choice"], sort=False):
        cells = [kind, choice, str(len(own)), f"{own['groups'].mean():.1f}", f"{own['commonest'].mean():.0%}"]
        for name in FIGURES:
            mean, low, high = (float(part[0]) for part in mean_and_band(own[name].to_numpy()[:, None]))
            cells.append(f"{mean:+.5f} ({low:+.5f} to {high:+.5f})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def report_rules(rows: pd.DataFrame) -> str:
    """Words which hard groups each rule touches."""
    lines = ["| rule | hard groups a step | all responses the same text | says what most say |", "|---|---|---|---|"]
    for rule, own in rows.groupby("rule", sort=False):
        groups = own["groups"].sum()
        shares = [f"{own[name].sum() / groups:.0%}" if groups else "-" for name in ("alike", "commonest")]
        lines.append(f"| {rule} | {groups / len(own):.2f} | {' | '.join(shares)} |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    plan = [run for run in read_plan(HERE / "study.yaml") if (run.engine, run.arm) == ("loop", "dapo")]
    found: list[Found] = []
    for run in [run for run in plan if run.task == "arithmetic"][: asked.seeds]:
        found += Probe(Trainer(compose_config(list(run.overrides), recipe="recipe.dipo"))).steps(asked.steps)
    print(report(pd.DataFrame([row for step in found for row in step.effects])))
    print()
    print(report_rules(pd.DataFrame([row for step in found for row in step.rules])))


if __name__ == "__main__":
    main()
