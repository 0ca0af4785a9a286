"""The sign table of README.md: what each method does to sure and unsure responses of groups without variance."""

import re
from pathlib import Path

import pytest
import torch

import recipe.neighbours
from groupwise.method import METHODS, build, compute

README = (Path(recipe.neighbours.__file__).parent / "README.md").read_text()
SURE = [-0.1, -0.2, -0.4, -0.8]
ENTROPIES = [[0.0, 0.2], [0.1, 0.3], [0.2, 0.6], [0.4, 1.3]]
"""Rising with uncertainty, so that the mean entropy orders the responses as the mean log-prob does."""


def signs(make_batch, name: str) -> list[str]:
    """Signs of the surest and of the least sure response of an all-wrong and of an all-right group, and the sizes."""
    correct = [0] * 4 + [1] * 4 + [1, 0, 0, 0]
    batch = make_batch(correct, SURE * 3, entropies=ENTROPIES * 3)
    advantage = compute(build(name), batch).advantage
    value = advantage if advantage.dim() == 1 else advantage.sum(dim=-1) / batch.tokens.mask.sum(dim=-1)
    sizes = [f"{value[rows].abs().mean():.3f}" for rows in (slice(0, 4), slice(4, 8))]
    return [*("0" if abs(v) < 1e-6 else "+" if v > 0 else "-" for v in value[[0, 3, 4, 7]].tolist()), *sizes]


def printed(name: str) -> list[str]:
    """The row of the table, without its name: signs and sizes."""
    (row,) = re.findall(rf"^\| `{name}` \|((?: [-+0] \|){{4}} [\d.]+ \| [\d.]+) \|$", README, flags=re.MULTILINE)
    return [cell.strip() for cell in row.split("|")]


def test_the_table_of_the_readme_is_what_the_methods_do(make_batch, neighbour):
    if neighbour == "random_reward":
        pytest.skip("a coin has no sign")
    assert printed(neighbour) == signs(make_batch, neighbour)


def test_grpo_does_nothing_there(make_batch):
    batch = make_batch([0] * 4 + [1] * 4, SURE * 2)
    assert not torch.any(batch.base_advantage(normalize_by_std=True))


def test_the_index_names_every_method_and_file(neighbour):
    assert f"`{neighbour}`" in README
    file = METHODS[neighbour].__module__.rpartition(".")[2]
    assert f"[{file}.py]({file}.py)" in README


def test_the_front_page_counts_them():
    front = (Path(__file__).resolve().parents[3] / "README.md").read_text()
    ours = [name for name in METHODS if METHODS[name].__module__.startswith("recipe.neighbours.")]
    assert f"{len(ours)} methods and controls from other papers" in front
