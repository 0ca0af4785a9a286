import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from groupwise.compare import __main__ as command
from groupwise.compare import plan
from groupwise.compare.estimate import seconds_per_step
from groupwise.compare.plan import ENDED_FILE
from groupwise.demo import launch
from groupwise.errors import GroupwiseError


def composed(overrides: list[str], *, recipe: str):
    """As much of a configuration as the order of runs depends on; composing verl's takes seconds."""
    given = OmegaConf.from_dotlist([word for word in overrides if not word.startswith("+")])
    defaults = {"trainer": {"resume_mode": "disable", "save_freq": -1, "rollout_data_dir": "rollouts"}}
    return OmegaConf.merge(defaults, given)


class Runs:
    """Stands in for training: notes what is started, writes a step, and fails where it was told to."""

    def __init__(self, monkeypatch):
        self.started: list[tuple[str, str]] = []
        self.failing: set[str] = set()
        self.reported: list[list[str]] = []
        monkeypatch.setattr(launch, "run", self.run)
        monkeypatch.setattr(command, "check", lambda runs: "")
        monkeypatch.setattr(command, "report", self.reported.append)

    def run(self, folder: Path, overrides: list[str], *, recipe: str) -> int:
        name = f"{folder.parent.name}/{folder.name}"
        self.started.append((name, " ".join(overrides)))
        folder.mkdir(parents=True, exist_ok=True)
        record = {"step": 1, "data": {"timing_s/step": 6.0}}
        (folder / "metrics.jsonl").write_text(json.dumps(record) + "\n")
        return 1 if name in self.failing else 0

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.started]


@pytest.fixture
def runs(monkeypatch, tmp_path) -> Runs:
    monkeypatch.setenv("CKPT_DIR", str(tmp_path))
    monkeypatch.delenv("DRY_RUN", raising=False)
    return Runs(monkeypatch)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(plan, "compose_config", composed)


def compare(*words: str) -> None:
    command.compare(command.parse(["--recipe", "recipe.dipo", *words]))


def test_all_methods_of_a_seed_before_the_next_then_one_report(small, runs, tmp_path):
    compare("cpu_demo", "grpo,dipo", "seeds=0,1", "trainer.total_training_steps=2")
    assert runs.names == ["grpo/seed0", "dipo/seed0", "grpo/seed1", "dipo/seed1"]
    folder = tmp_path / "compare" / "cpu_demo"
    (reported,) = runs.reported
    assert reported[:4] == [str(folder / name) for name in runs.names]
    assert reported[4:6] == ["-o", str(folder / "report.html")]


def test_runs_differ_in_method_seed_and_place_alone(runs, tmp_path):
    asked = command.parse(["--recipe", "recipe.dipo", "cpu_demo", "grpo,max_rl,dapo", "seeds=0,3"])
    seen = {}
    for run in asked.comparison.plan(asked.methods, asked.seeds):
        config = run.config
        seen[run.method, run.seed] = config
        assert config.data.seed == run.seed
        assert Path(config.trainer.rollout_data_dir) == run.folder / "rollouts"
        assert Path(config.trainer.default_local_dir) == run.folder / "checkpoints"
    assert seen["max_rl", 0].algorithm.adv_estimator == "max_rl"
    # An arm of the recipe is more than an estimator.
    assert seen["dapo", 3].algorithm.adv_estimator == "grpo"
    assert seen["dapo", 3].algorithm.filter_groups.enable
    assert not seen["grpo", 3].algorithm.filter_groups.enable
    one, other = seen["grpo", 0].copy(), seen["max_rl", 0].copy()
    for config in (one, other):
        config.algorithm.adv_estimator = config.trainer.experiment_name = ""
        config.trainer.default_local_dir = config.trainer.rollout_data_dir = ""
    assert one == other


def test_what_ended_is_not_made_again_and_what_failed_is(small, runs):
    runs.failing = {"dipo/seed0"}
    with pytest.raises(GroupwiseError, match=r"dipo, seed 0 failed; its log: .*train\.log\nThe same command"):
        compare("cpu_demo", "grpo,dipo,max_rl")
    assert runs.names == ["grpo/seed0", "dipo/seed0", "max_rl/seed0"]
    assert len(runs.reported[0]) == 2 + 4
    runs.started, runs.failing = [], set()
    compare("cpu_demo", "grpo,dipo,max_rl")
    assert runs.names == ["dipo/seed0"]
    compare("cpu_demo", "grpo,dipo,max_rl", "seeds=0,1")
    assert runs.names == ["dipo/seed0", "grpo/seed1", "dipo/seed1", "max_rl/seed1"]


def test_a_run_that_keeps_no_checkpoints_begins_anew_and_another_goes_on(small, runs, tmp_path):
    folder = tmp_path / "compare" / "cpu_demo" / "grpo" / "seed0"
    for words, is_kept in (
        (("out=" + str(tmp_path / "a"),), False),
        (("out=" + str(tmp_path / "b"), "trainer.save_freq=1", "trainer.resume_mode=auto"), True),
    ):
        folder = Path(words[0].removeprefix("out=")) / "grpo" / "seed0"
        folder.mkdir(parents=True)
        (folder / "left").touch()
        compare("cpu_demo", "grpo", *words)
        assert (folder / "left").exists() == is_kept
        assert (folder / ENDED_FILE).exists()


def test_other_overrides_do_not_go_into_the_same_comparison(small, runs):
    compare("cpu_demo", "grpo", "data.train_batch_size=16")
    with pytest.raises(GroupwiseError, match=r"have cpu_demo data.train_batch_size=16 and these cpu_demo; "):
        compare("cpu_demo", "dipo")
    compare("cpu_demo", "dipo", "data.train_batch_size=16")
    assert runs.names == ["grpo/seed0", "dipo/seed0"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cpu_demo", "grpo", "seeds=0,x"), "seeds must be whole numbers"),
        (("cpu_demo", "grpo,grpo"), "METHOD must name each once"),
        (("cpu_demo", "grpo", "seeds=1,1"), "seeds must name each once"),
        (("cpu_demo", "grpo,"), "METHOD must name each once"),
        (("cpu_demo", "grpo", "verbose"), "'verbose' must be key=value"),
        (("cpu_demo", "grpo", "trainer.total_steps=1"), "trainer.total_steps must be a key"),
        (("cpu_dmeo", "grpo"), "did you mean 'cpu_demo'"),
    ],
)
def test_refuses(runs, words, message):
    with pytest.raises(GroupwiseError, match=message):
        compare(*words)
    assert runs.started == []


def test_a_fault_of_any_method_is_told_before_the_first_run(monkeypatch, tmp_path):
    monkeypatch.setenv("CKPT_DIR", str(tmp_path))
    started = []
    monkeypatch.setattr(launch, "run", lambda *_, **__: started.append(1))
    with pytest.raises(GroupwiseError, match=r"algorithm.adv_estimator must be .*did you mean 'max_rl'"):
        compare("cpu_demo", "max_rll")
    assert started == []


def test_the_plan_shows_states_time_and_disk_and_starts_nothing(runs, monkeypatch, capsys):
    compare("cpu_demo", "grpo")
    monkeypatch.setenv("DRY_RUN", "1")
    compare("cpu_demo", "grpo,dipo", "seeds=0")
    assert runs.names == ["grpo/seed0"]
    told = capsys.readouterr().out
    assert "ended" in told
    assert "to do" in told
    # 30 steps at the other run's 6 s.
    assert "3 min" in told
    assert "The runs can start." in told


def test_the_formula_of_the_page():
    # qwen7b: 512 x 16 responses of a fifth of 8,192 tokens, 13.4 million tokens on 8 GPUs: 13.4e6 / 8 / 5,000 = 336 s
    # of generation, and 10 x 7.6e9 x 13.4e6 / (8 x 395.6e12) = 322 s of computation.
    asked = command.parse(["--recipe", "recipe.dipo", "qwen7b", "dipo"])
    (run,) = asked.comparison.plan(asked.methods, asked.seeds)
    seconds, source = seconds_per_step(run, {run.folder: None}, 7_600_000_000)
    assert seconds == pytest.approx(336 + 322, rel=0.01)
    assert source == "the formula of docs/running.md"
