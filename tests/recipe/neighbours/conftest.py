"""Batches for the methods: groups of four by hand, and random ones with tokens; masked tokens hold NaN."""

from collections.abc import Callable

import pytest
import torch

from groupwise.method import METHODS, Responses, Tokens

NAMES = tuple(name for name in METHODS if name != "dipo" and METHODS[name].__module__.startswith("recipe.neighbours."))


def make_batch(
    correct,
    log_probs,
    *,
    group=None,
    reward=None,
    known=None,
    entropies=None,
    step: int = 1,
) -> Responses:
    """Responses with these mean log-probs, in groups of four unless told otherwise; entropies are a list a response."""
    right = torch.tensor(correct).bool()
    sure = torch.tensor(log_probs, dtype=torch.float64)
    rows = [[0.5]] * len(right) if entropies is None else entropies
    width = max(map(len, rows))
    mask = torch.tensor([[place < len(row) for place in range(width)] for row in rows])
    padded = torch.tensor([[*row, *[torch.nan] * (width - len(row))] for row in rows])
    return Responses(
        right.float() if reward is None else torch.tensor(reward),
        right,
        torch.ones_like(right) if known is None else torch.tensor(known),
        torch.arange(len(right)) // 4 if group is None else torch.tensor(group),
        (-sure).exp(),
        step=step,
        tokens=Tokens(torch.where(mask, sure.float().unsqueeze(-1), torch.nan), mask, padded),
    )


def make_random(seed: int, *, groups: int = 12, step: int = 250) -> Responses:
    """Groups of two to six responses of one to five tokens, a third of them hard, a third easy."""
    generator = torch.Generator().manual_seed(seed)
    group = torch.cat([torch.full((2 + number % 5,), number) for number in range(groups)])
    size = len(group)
    coin = torch.rand(size, generator=generator) < 0.5
    correct = (group % 3 == 1) | ((group % 3 == 2) & coin)
    lengths = torch.randint(1, 6, (size,), generator=generator).tolist()
    entropies = [torch.rand(length, generator=generator).tolist() for length in lengths]
    sure = -2 * torch.rand(size, generator=generator).double()
    return make_batch(correct.tolist(), sure.tolist(), group=group.tolist(), entropies=entropies, step=step)


@pytest.fixture(name="make_batch")
def make_batch_fixture() -> Callable[..., Responses]:
    """The function above: test folders are no packages, so tests cannot import from here."""
    return make_batch


@pytest.fixture(name="make_random")
def make_random_fixture() -> Callable[..., Responses]:
    """Likewise."""
    return make_random


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that takes `neighbour` for each method of the folder."""
    if "neighbour" in metafunc.fixturenames:
        metafunc.parametrize("neighbour", NAMES)
