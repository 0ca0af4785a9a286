"""The interface: what a method sees, what becomes of what it gives, and where methods come from."""

import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from verl.trainer.ppo.v1.utils import MetricsAggregator

import groupwise.method
import groupwise.registry
from groupwise.maths.advantage import group_advantage
from groupwise.method import Method, Methods, Outcome, Responses, Tokens, build, compute

NAN = math.nan
KNOWN = ", ".join(sorted({*Methods(), "shifted"}))


@dataclass(frozen=True)
class Settings:
    weight: float
    shift: float = 1.0


class Shifted(Method):
    """Adds its shift to the base advantages, and keeps what it was shown."""

    name, Config = "shifted", Settings

    def observe(self, known):
        self.known = known

    def advantages(self, whole):
        self.whole = whole
        base = whole.base_advantage(normalize_by_std=self.normalize_by_std)
        return Outcome(base + self.config.shift, {"a/b": 2.0}, {"place": list(range(len(base)))})


@pytest.fixture(autouse=True)
def methods(monkeypatch):
    """The registry of a process in which only `shifted` was registered beside what is installed."""
    registry = Methods()
    registry.register(Shifted)
    monkeypatch.setattr(groupwise.registry, "METHODS", registry)
    return registry


def responses(*, known=(True,) * 6, **changes) -> Responses:
    """Three groups of two: right and wrong, both right, both wrong."""
    columns = {
        "reward": torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 0.0]),
        "correct": torch.tensor([True, False, True, True, False, False]),
        "known": torch.tensor(known),
        "group": torch.tensor([7, 7, 2, 2, 5, 5]),
        "perplexity": torch.tensor([1.5, 2.0, 1.1, 1.2, 3.0, 4.0], dtype=torch.float64),
    }
    return Responses(**(columns | changes), step=3)


class TestResponses:
    def test_what_follows_from_a_group(self):
        found = responses()
        assert found.success_rate.tolist() == [0.5, 0.5, 1.0, 1.0, 0.0, 0.0]
        assert found.mean_log_prob.tolist() == pytest.approx([-math.log(p) for p in (1.5, 2.0, 1.1, 1.2, 3.0, 4.0)])
        assert found.group_mean(found.perplexity).tolist() == pytest.approx([1.75, 1.75, 1.15, 1.15, 3.5, 3.5])

    def test_a_group_is_whole_if_each_of_it_is_known(self):
        found = responses(known=(True, True, False, True, True, True))
        assert found.is_whole.tolist() == [True, True, False, False, True, True]
        assert found.whole.reward.tolist() == [1.0, 0.0, 0.0, 0.0]

    def test_the_base_is_computed_once_and_goes_with_whole_groups(self, monkeypatch):
        calls = []
        monkeypatch.setattr(
            "groupwise.responses.group_advantage", lambda *a, **k: calls.append(1) or group_advantage(*a, **k)
        )
        found = responses(known=(True, True, False, True, True, True))
        base = found.base_advantage(normalize_by_std=True)
        assert torch.equal(found.whole.base_advantage(normalize_by_std=True), base[[0, 1, 4, 5]])
        assert found.base_advantage(normalize_by_std=True) is base
        assert len(calls) == 1
        assert base[0] == -base[1] == pytest.approx(0.5 / (math.sqrt(0.5) + 1e-6))


class TestCompute:
    def test_a_method_sees_whole_groups_and_the_others_keep_grpos_advantage(self):
        # What is not known may be anything.
        poisoned = torch.tensor([1.5, 2.0, NAN, 1.2, 3.0, 4.0], dtype=torch.float64)
        method = build("shifted", {"weight": 1.0, "shift": 10.0})
        found = compute(method, responses(known=(True, True, False, True, True, True), perplexity=poisoned))
        base = 0.5 / (math.sqrt(0.5) + 1e-6)
        assert found.advantage.tolist() == pytest.approx([10 + base, 10 - base, 0, 0, 10, 10])
        assert method.known.reward.tolist() == [1.0, 0.0, 1.0, 0.0, 0.0]
        assert not method.whole.perplexity.isnan().any()
        assert found.columns == {"shifted_place": [0, 1, None, None, 2, 3]}
        # Two of six have a gradient under GRPO, four of six with the shift; of the sum of sizes 4 * 10 is the shift's.
        size = 4 * 10 - base + base
        assert found.metrics == pytest.approx(
            {
                "shifted/judged_share": 4 / 6,
                "shifted/gradient_share/grpo": 2 / 6,
                "shifted/gradient_share/shifted": 4 / 6,
                "shifted/advantage_share": 40 / size,
                # The hard group is shifted as a whole, and there is no easy one.
                "shifted/advantage_size/hard": 10.0,
                "shifted/confidence_correlation/hard": 0.0,
                "shifted/collapse_rate/grpo": 1 / 2,
                "shifted/collapse_rate/shifted": 0.0,
                "shifted/a/b": 2.0,
            }
        )

    @pytest.mark.parametrize(
        ("hard", "correlation"),
        # Mean log-probs of the hard group are -log 3 and -log 4: the first is the surer one.
        [([2.0, 1.0], 1.0), ([-2.0, -1.0], -1.0), ([-1.0, -1.0], 0.0), ([0.0, 0.0], 0.0)],
    )
    def test_size_and_sign_on_groups_without_variance(self, hard, correlation):
        class Given(Shifted):
            def advantages(self, whole):
                return Outcome(torch.tensor([0.7, -0.7, 0.0, 0.0, *hard]))

        found = compute(Given(Settings(1.0), normalize_by_std=True), responses()).metrics
        assert found["shifted/advantage_size/hard"] == pytest.approx(sum(map(abs, hard)) / 2)
        assert found["shifted/confidence_correlation/hard"] == pytest.approx(correlation)
        assert found["shifted/advantage_size/easy"] == 0.0
        assert found["shifted/collapse_rate/grpo"] == pytest.approx(2 / 3)
        assert found["shifted/collapse_rate/shifted"] == pytest.approx(1 / 3 if any(hard) else 2 / 3)

    def test_no_metric_is_a_maximum_or_a_sum_for_verl_whatever_the_methods_name(self):
        class Named(Shifted):
            name = "max_sum_of_min_total"

        found = compute(Named(Settings(1.0), normalize_by_std=True), responses()).metrics
        aggregator = MetricsAggregator()
        assert {aggregator._get_aggregation_type(name) for name in found} == {"weighted_avg"}
        assert set(found) - {"peak_all_of_low_all/a/b"} == set(Named.display().meanings())

    def test_a_batch_without_a_whole_group_is_grpos(self):
        method = build("shifted", {"weight": 1.0})
        found = compute(method, responses(known=(False, True, False, True, False, True)))
        assert not hasattr(method, "whole")
        assert found.advantage.tolist() == pytest.approx([0.7071, -0.7071, 0, 0, 0, 0], abs=1e-4)
        assert found.metrics["shifted/judged_share"] == 0

    def test_advantages_of_tokens(self):
        class Tokenwise(Shifted):
            def advantages(self, whole):
                return Outcome(torch.where(whole.tokens.mask, whole.tokens.log_probs, 0.0))

        log_probs = torch.tensor([[-1.0, NAN], [-2.0, -3.0], [NAN, NAN], [-4.0, NAN], [0.0, 0.0], [-5.0, -6.0]])
        mask = torch.tensor([[1, 0], [1, 1], [0, 0], [1, 0], [1, 1], [1, 1]]).bool()
        batch = responses(known=(True, True, False, True, True, True))
        batch.tokens = Tokens(log_probs, mask)
        found = compute(Tokenwise(Settings(1.0), normalize_by_std=True), batch)
        assert found.advantage.tolist() == [[-1, 0], [-2, -3], [0, 0], [0, 0], [0, 0], [-5, -6]]
        assert found.metrics["shifted/gradient_share/shifted"] == 3 / 6
        # The mean over the tokens of each: 0 and 5.5.
        assert found.metrics["shifted/advantage_size/hard"] == 2.75
        assert found.metrics["shifted/confidence_correlation/hard"] == pytest.approx(1.0)

    def test_tokens_are_selected_with_their_responses(self):
        batch = responses()
        batch.tokens = Tokens(torch.arange(6.0).reshape(6, 1), torch.ones(6, 1).bool(), torch.arange(6.0).reshape(6, 1))
        kept = batch.select(batch.group == 5).tokens
        assert (kept.log_probs.tolist(), kept.entropies.tolist()) == ([[4.0], [5.0]], [[4.0], [5.0]])
        batch.tokens = batch.tokens._replace(entropies=None)
        assert batch.select(batch.group == 5).tokens.entropies is None

    def test_inputs_are_left_alone(self):
        batch = responses()
        kept = [values.clone() for values in (batch.reward, batch.perplexity, batch.group)]
        compute(build("shifted", {"weight": 1.0}), batch)
        after = (batch.reward, batch.perplexity, batch.group)
        assert all(torch.equal(one, other) for one, other in zip(after, kept, strict=True))


class TestBuild:
    def test_settings_go_over_defaults(self):
        assert build("shifted", {"weight": 2.0}).config == Settings(2.0, 1.0)
        assert build("shifted", {"weight": 2.0, "shift": 0.5}).config == Settings(2.0, 0.5)

    @pytest.mark.parametrize(
        ("name", "settings", "sentence"),
        [
            ("shfted", {}, f"A method must be one of {KNOWN}, but is 'shfted'; did you mean 'shifted'?"),
            ("qqqqq", {}, f"but is 'qqqqq'; known are {KNOWN}."),
            ("shifted", {"weigth": 1.0}, "algorithm.shifted has no key 'weigth'; did you mean 'weight'?"),
            ("shifted", {"zz": 1.0}, "algorithm.shifted has no key 'zz'; known are weight, shift."),
            ("shifted", {}, "algorithm.shifted must give weight, shift, but lacks weight; add them."),
        ],
    )
    def test_what_does_not_exist_is_refused_by_name(self, name, settings, sentence):
        with pytest.raises(ValueError, match=f"{re.escape(sentence)}$"):
            build(name, settings)


class TestMethods:
    def test_one_of_an_installed_package_is_imported_when_it_is_asked_for(self, tmp_path, monkeypatch):
        (tmp_path / "elsewhere.py").write_text(
            "from dataclasses import dataclass\n"
            "from groupwise.method import Method, Outcome\n"
            "@dataclass(frozen=True)\n"
            "class Config:\n"
            "    scale: float = 3.0\n"
            "class Scaled(Method):\n"
            "    name, Config = 'scaled', Config\n"
            "    def advantages(self, whole):\n"
            "        return Outcome(self.config.scale * whole.base_advantage(normalize_by_std=self.normalize_by_std))\n"
        )
        about = tmp_path / "elsewhere-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[groupwise.methods]\nscaled = elsewhere:Scaled\n")
        monkeypatch.syspath_prepend(tmp_path)
        registry = Methods()
        monkeypatch.setattr(groupwise.registry, "METHODS", registry)
        assert "scaled" in registry
        assert set(registry) == {*Methods(), "scaled"} >= {"dipo", "scaled"}
        assert "elsewhere" not in sys.modules
        base = responses().base_advantage(normalize_by_std=True)
        assert torch.equal(compute(build("scaled"), responses()).advantage, 3.0 * base)

    def test_the_readmes_method_works(self, methods):
        text = (Path(groupwise.method.__file__).parent / "README.md").read_text()
        (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
        scope: dict = {"__name__": "readme"}
        exec(code, scope)
        methods.register(scope["Sure"])
        found = compute(build("sure"), responses())
        # The right one of the first group is surer by half of ln(2 / 1.5).
        base = 0.5 / (math.sqrt(0.5) + 1e-6)
        assert found.advantage[0].item() == pytest.approx(base + 0.5 * math.log(2 / 1.5) / 2)
        assert found.metrics["sure/surer/mean"] > 0
