"""Which runs are one arm, and what it is called."""

from pathlib import Path

import pytest

from groupwise.report.arms import are_repeats, differing_keys, form_arms
from groupwise.report.runs import load_run


@pytest.fixture
def arms_of(make_run, step):
    def arms_of(*configs, names=None):
        runs = [
            load_run(make_run(f"run{place}", [step(1)], config=config, is_configured=config is not None))
            for place, config in enumerate(configs)
        ]
        named = {runs[place].path: label for place, label in (names or {}).items()}
        return form_arms(runs, named)

    return arms_of


GRPO = {"algorithm.adv_estimator": "grpo"}
ALPHA = "algorithm.dipo.alpha"
LR = "actor_rollout_ref.actor.optim.lr"


def labels(arms):
    return [arm.label for arm in arms]


@pytest.mark.parametrize(
    "key",
    ["data.seed", "actor_rollout_ref.actor.fsdp_config.seed", "trainer.experiment_name", "trainer.nnodes",
     "data.train_files", "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu", "trainer.total_training_steps"],
)  # fmt: skip
def test_what_does_not_make_an_arm(arms_of, key):
    (arm,) = arms_of({}, {key: 17})
    assert (arm.label, len(arm.runs)) == ("dipo", 2)


@pytest.mark.parametrize(
    ("key", "value", "label"),
    [
        (ALPHA, 0.3, "alpha=0.3"),
        (LR, 1e-5, "lr=1e-05"),
        ("algorithm.dipo.group_perplexity", "max", "group_perplexity=max"),
    ],
)
def test_what_makes_an_arm_is_in_its_label(arms_of, key, value, label):
    assert labels(arms_of({}, {key: value}))[1] == f"dipo {label}"


def test_the_same_model_in_another_folder_is_the_same_model(arms_of):
    key = "actor_rollout_ref.model.path"
    assert len(arms_of({key: "/a/Qwen"}, {key: "/b/Qwen"})) == 1
    assert len(arms_of({key: "/a/Qwen"}, {key: "/a/Llama"})) == 2


def test_estimators_are_arms_and_name_them(arms_of):
    assert labels(arms_of({}, GRPO, {**GRPO, "algorithm.filter_groups.enable": True})) == ["dipo", "grpo", "dapo"]


def test_settings_of_dipo_do_not_split_the_baseline(arms_of):
    arms = arms_of(GRPO, {**GRPO, ALPHA: 0.3}, {}, {ALPHA: 0.3})
    assert labels(arms) == ["grpo", "dipo alpha=0.1", "dipo alpha=0.3"]
    assert [len(arm.runs) for arm in arms] == [2, 1, 1]


def test_arms_that_differ_in_more_than_the_estimator_are_told(arms_of):
    assert differing_keys(arms_of({ALPHA: 0.3}, GRPO)) == []
    assert differing_keys(arms_of({LR: 1e-5}, GRPO)) == [f"{LR} (1e-05 and 1e-06)"]


def test_a_run_without_a_configuration_goes_by_its_folder(arms_of):
    arms = arms_of(None, None, {})
    assert labels(arms) == ["run0", "run1", "dipo"]
    assert [arm.estimator for arm in arms] == [None, None, "dipo"]


def test_folders_of_the_same_name_are_numbered(make_run, step):
    folders = [make_run(f"{parent}/same", [step(1)], is_configured=False) for parent in ("a", "b")]
    assert labels(form_arms([load_run(folder) for folder in folders], {})) == ["same (1)", "same (2)"]


def test_labels_that_were_given_make_the_arms(arms_of):
    arms = arms_of({}, GRPO, None, names={0: "mine", 2: "mine"})
    assert labels(arms) == ["mine", "grpo"]
    # Its runs have different estimators, as far as is known.
    assert (len(arms[0].runs), arms[0].estimator) == (2, None)


def test_seeds_are_named_by_the_keys_that_vary(arms_of):
    seeds = [{"data.seed": 1}, {"data.seed": 2}]
    dipo, grpo = arms_of(*seeds, *({**GRPO, **seed} for seed in seeds))
    assert dipo.seeds == grpo.seeds == ["[1]", "[2]"]
    assert not are_repeats(dipo)


def test_runs_of_one_seed_are_repeats_and_have_no_names(arms_of):
    (arm,) = arms_of({}, {})
    assert arm.seeds is None
    assert are_repeats(arm)


def test_seeds_without_a_configuration_are_unknown(arms_of):
    (arm,) = arms_of(None, None, names={0: "a", 1: "a"})
    assert arm.seeds is None
    assert not are_repeats(arm)


def test_a_label_for_no_run_changes_nothing(make_run, step):
    run = load_run(make_run("dipo", [step(1)]))
    assert labels(form_arms([run], {Path("/other"): "x"})) == ["dipo"]
