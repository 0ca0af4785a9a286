"""What holds for every method: where it is GRPO, what must not matter to it, and what survives a restart."""

import math

import pytest
import torch
from verl.trainer.ppo.v1.utils import MetricsAggregator

from groupwise.method import METHODS, Responses, Tokens, build, compute

GRPO_AT = {
    "lens": {"alpha": 0.0, "mixed": False},
    "rl_zvp": {"alpha": 0.0},
    "ngrpo": {"virtual": 0},
    "dace": {"scale": 0.0},
    "cde": {"weight": 0.0},
    "unlikeliness": {"beta": 0.0},
    "ppl_shaping": {"alpha": 0.0},
    "position_shaping": {"gamma": 0.0},
    "xrpo": {"scale": 0.0},
    "max_ppl_reward": {"alpha": 0.0},
    "max_ppl_penalty": {"alpha": 0.0},
    # A collapse rate of 2/3 is below it.
    "avspo": {"threshold": 0.9},
}
"""Settings under which a method is GRPO."""


def select(batch: Responses, rows: torch.Tensor) -> Responses:
    columns = (batch.reward, batch.correct, batch.known, batch.group, batch.perplexity)
    return Responses(*(values[rows] for values in columns), step=batch.step, tokens=batch.tokens.select(rows))


def over_tokens(advantage: torch.Tensor, batch: Responses) -> torch.Tensor:
    return advantage if advantage.dim() == 2 else advantage.unsqueeze(-1) * batch.tokens.mask


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("name", "settings"), GRPO_AT.items(), ids=GRPO_AT)
def test_without_its_own_part_it_is_grpo(make_random, name, settings, normalize):
    batch = make_random(1)
    found = compute(build(name, settings, normalize_by_std=normalize), batch).advantage
    expected = over_tokens(batch.base_advantage(normalize_by_std=normalize), batch)
    # CDE's rewards are 1 and -1: without the division twice as large.
    factor = 2 if name == "cde" and not normalize else 1
    torch.testing.assert_close(over_tokens(found, batch), factor * expected, atol=2e-6, rtol=0)


def test_pass_1_is_grpo_with_the_deviation_over_n(make_random):
    batch = make_random(2)
    size = batch.groups.size[batch.groups.number]
    found = compute(build("pass_k", {"k": 1}), batch).advantage
    expected = batch.base_advantage(normalize_by_std=True) * (size / (size - 1)).sqrt()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["nsr", "ema_baseline", "pass_k", "max_rl"])
def test_those_without_grpos_division_are_the_same_where_it_is_left_out(make_random, name):
    batch = make_random(8)
    found = [compute(build(name, normalize_by_std=flag), batch).advantage for flag in (True, False)]
    assert torch.equal(*found)


def test_the_order_of_rows_changes_nothing(make_random, neighbour):
    if neighbour == "random_reward":
        pytest.skip("its coins are thrown in row order")
    batch = make_random(3)
    order = torch.randperm(len(batch.group), generator=torch.Generator().manual_seed(0))
    found, again = (compute(build(neighbour), each).advantage for each in (batch, select(batch, order)))
    torch.testing.assert_close(again, found[order], atol=1e-6, rtol=0)


@pytest.mark.parametrize("lacks", ["verdict", "token"])
def test_what_a_response_without_a_result_holds_changes_nothing_for_others(make_random, neighbour, lacks):
    found = []
    for poison in (0.5, math.nan):
        batch = make_random(4)
        batch.known[7] = False
        batch.perplexity[7] = math.nan if lacks == "token" else 1 + poison
        batch.correct[7] = poison == 0.5
        batch.tokens.entropies[7] = poison
        if lacks == "token":
            batch.tokens.mask[7] = False
        outcome = compute(build(neighbour), batch)
        rows = batch.group != batch.group[7]
        found.append(outcome.advantage[rows])
        # Its own group has GRPO's.
        torch.testing.assert_close(
            over_tokens(outcome.advantage, batch)[~rows],
            over_tokens(batch.base_advantage(normalize_by_std=True), batch)[~rows],
        )
        assert all(math.isfinite(value) for value in outcome.metrics.values())
    assert torch.equal(*found)


def test_what_is_masked_changes_nothing(make_random, neighbour):
    found = []
    for poison in (0.0, math.nan, math.inf):
        batch = make_random(5)
        columns = [torch.where(batch.tokens.mask, values, poison) for values in (batch.tokens[0], batch.tokens[2])]
        batch.tokens = Tokens(columns[0], batch.tokens.mask, columns[1])
        outcome = compute(build(neighbour), batch)
        found.append(outcome.advantage)
        assert bool(outcome.advantage.isfinite().all())
        if outcome.advantage.dim() == 2:
            assert not outcome.advantage[~batch.tokens.mask].any()
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_inputs_are_left_alone_and_a_group_of_equal_responses_is_finite(make_batch, neighbour):
    batch = make_batch([0] * 4 + [1] * 4, [-0.5] * 8)
    kept = [values.clone() for values in (batch.reward, batch.perplexity, batch.tokens.log_probs)]
    outcome = compute(build(neighbour), batch)
    assert bool(outcome.advantage.isfinite().all())
    assert all(math.isfinite(value) for value in outcome.metrics.values())
    after = (batch.reward, batch.perplexity, batch.tokens.log_probs)
    assert all(torch.equal(one, other) for one, other in zip(kept, after, strict=True))


def test_graded_rewards_and_rewards_below_0_are_finite(make_random, neighbour):
    batch = make_random(6)
    batch.reward = torch.where(batch.correct, 1.0, -1.0) - 0.1 * (torch.arange(len(batch.group)) % 3)
    assert bool(compute(build(neighbour), batch).advantage.isfinite().all())


def test_it_goes_on_after_a_restart_as_if_there_had_been_none(make_random, neighbour, tmp_path):
    whole, first = build(neighbour), build(neighbour)
    for seed in range(3):
        compute(whole, make_random(seed))
        compute(first, make_random(seed))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    resumed = build(neighbour)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert bool(state) == (neighbour in ("avspo", "ebpo", "ema_baseline"))
    if state:
        resumed.load_state_dict(state)
    assert torch.equal(compute(whole, make_random(9)).advantage, compute(resumed, make_random(9)).advantage)
    assert whole.state_dict() == resumed.state_dict()


def test_a_fresh_state_can_be_loaded(neighbour):
    state = build(neighbour).state_dict()
    if state:
        build(neighbour).load_state_dict(state)


def test_every_metric_has_a_meaning_and_is_averaged_over_updates(make_random, neighbour):
    logged = compute(build(neighbour), make_random(7)).metrics
    aggregator = MetricsAggregator()
    assert {aggregator._get_aggregation_type(name) for name in logged} == {"weighted_avg"}
    meanings = METHODS[neighbour].display().meanings()
    assert set(meanings) == set(logged)
    assert all(metric.meaning and metric.healthy for metric in meanings.values())
