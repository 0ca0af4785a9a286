"""Which runs are one variant, and what it is called."""

from pathlib import Path

import pytest

from groupwise.report.runs import load_run
from groupwise.report.variants import differing_keys, form_variants


@pytest.fixture
def variants_of(make_run, step):
    def variants_of(*configs, names=None):
        runs = [
            load_run(make_run(f"run{place}", [step(1)], config=config, is_configured=config is not None))
            for place, config in enumerate(configs)
        ]
        named = {runs[place].path: label for place, label in (names or {}).items()}
        return form_variants(runs, named)

    return variants_of


GRPO = {"algorithm.adv_estimator": "grpo"}
ALPHA = "algorithm.dipo.alpha"
LR = "actor_rollout_ref.actor.optim.lr"


def labels(variants):
    return [variant.label for variant in variants]


@pytest.mark.parametrize(
    "key",
    ["data.seed", "actor_rollout_ref.actor.fsdp_config.seed", "trainer.experiment_name", "trainer.nnodes",
     "data.train_files", "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu", "trainer.total_training_steps"],
)  # fmt: skip
def test_what_does_not_make_a_variant(variants_of, key):
    (variant,) = variants_of({}, {key: 17})
    assert (variant.label, len(variant.runs)) == ("dipo", 2)


@pytest.mark.parametrize(
    ("key", "value", "label"),
    [
        (ALPHA, 0.3, "alpha=0.3"),
        (LR, 1e-5, "lr=1e-05"),
        ("algorithm.dipo.group_perplexity", "max", "group_perplexity=max"),
    ],
)
def test_what_makes_a_variant_is_in_its_label(variants_of, key, value, label):
    assert labels(variants_of({}, {key: value}))[1] == f"dipo {label}"


def test_the_same_model_in_another_folder_is_the_same_model(variants_of):
    key = "actor_rollout_ref.model.path"
    assert len(variants_of({key: "/a/Qwen"}, {key: "/b/Qwen"})) == 1
    assert len(variants_of({key: "/a/Qwen"}, {key: "/a/Llama"})) == 2


def test_estimators_are_variants_and_name_them(variants_of):
    assert labels(variants_of({}, GRPO, {**GRPO, "algorithm.filter_groups.enable": True})) == ["dipo", "grpo", "dapo"]


def test_settings_of_dipo_do_not_split_the_baseline(variants_of):
    variants = variants_of(GRPO, {**GRPO, ALPHA: 0.3}, {}, {ALPHA: 0.3})
    assert labels(variants) == ["grpo", "dipo alpha=0.1", "dipo alpha=0.3"]
    assert [len(variant.runs) for variant in variants] == [2, 1, 1]


def test_variants_that_differ_in_more_than_the_estimator_are_told(variants_of):
    assert differing_keys(variants_of({ALPHA: 0.3}, GRPO)) == []
    assert differing_keys(variants_of({LR: 1e-5}, GRPO)) == [f"{LR} (1e-05 and 1e-06)"]


def test_a_run_without_a_configuration_goes_by_its_folder(variants_of):
    variants = variants_of(None, None, {})
    assert labels(variants) == ["run0", "run1", "dipo"]
    assert [variant.estimator for variant in variants] == [None, None, "dipo"]


def test_folders_of_the_same_name_are_numbered(make_run, step):
    folders = [make_run(f"{parent}/same", [step(1)], is_configured=False) for parent in ("a", "b")]
    assert labels(form_variants([load_run(folder) for folder in folders], {})) == ["same (1)", "same (2)"]


def test_labels_that_were_given_make_the_variants(variants_of):
    variants = variants_of({}, GRPO, None, names={0: "mine", 2: "mine"})
    assert labels(variants) == ["mine", "grpo"]
    # Its runs have different estimators, as far as is known.
    assert (len(variants[0].runs), variants[0].estimator) == (2, None)


def test_seeds_are_named_by_the_keys_that_vary(variants_of):
    seeds = [{"data.seed": 1}, {"data.seed": 2}]
    dipo, grpo = variants_of(*seeds, *({**GRPO, **seed} for seed in seeds))
    assert dipo.seeds == grpo.seeds == ["[1]", "[2]"]
    assert not dipo.are_repeats


def test_runs_of_one_seed_are_repeats_and_have_no_names(variants_of):
    (variant,) = variants_of({}, {})
    assert variant.seeds is None
    assert variant.are_repeats


def test_seeds_without_a_configuration_are_unknown(variants_of):
    (variant,) = variants_of(None, None, names={0: "a", 1: "a"})
    assert variant.seeds is None
    assert not variant.are_repeats


def test_a_label_for_no_run_changes_nothing(make_run, step):
    run = load_run(make_run("dipo", [step(1)]))
    assert labels(form_variants([run], {Path("/other"): "x"})) == ["dipo"]


def test_what_is_observed_makes_no_variant(variants_of):
    (variant,) = variants_of({"algorithm.observe": ["dipo"]}, {"algorithm.observe": []})
    assert len(variant.runs) == 2


def test_methods_are_those_that_all_runs_logged_the_trained_one_first(make_run, step):
    both = {"other/gradient_share/other": 0.5, "other/gradient_share/grpo": 0.5}
    names = {"a": both, "b": both, "c": {}}
    runs = [
        load_run(make_run(name, [step(1, **more)], config={"algorithm.adv_estimator": "other", "data.seed": name}))
        for name, more in names.items()
    ]
    assert [run.methods for run in runs] == [["other", "dipo"], ["other", "dipo"], ["dipo"]]
    (variant,) = form_variants(runs[:2], {})
    assert variant.methods == ["other", "dipo"]
    (variant,) = form_variants(runs, {})
    assert variant.methods == ["dipo"]
