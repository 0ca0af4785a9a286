"""An untrained model and a few additions, for the study's engine in one process."""

import pandas
import pytest
import study_loop
import torch

from data_prep.arithmetic import rows
from groupwise.demo import tiny_model
from groupwise.demo.launch import compose_config


@pytest.fixture(autouse=True)
def one_thread():
    """As the engine itself: on these sizes further threads cost more than they bring, much more beside other tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def small_study(tmp_path_factory) -> list[str]:
    """Overrides of a run on an untrained model: two prompts a step with four responses each."""
    folder = tmp_path_factory.mktemp("small_study")
    tokenizer = tiny_model.build_tokenizer()
    tokenizer.save_pretrained(folder / "model")
    tiny_model.build_model(tokenizer, seed=0).save_pretrained(folder / "model")
    for split, size in (("train", 40), ("val", 3)):
        pandas.DataFrame([row for _, row in rows(split, size, [1.0, 1.0], 0)]).to_parquet(folder / f"{split}.parquet")
    return [
        "+experiment=cpu_demo",
        f"data.train_files={folder}/train.parquet",
        f"data.val_files={folder}/val.parquet",
        f"actor_rollout_ref.model.path={folder}/model",
        "data.train_batch_size=2",
        "actor_rollout_ref.rollout.n=4",
        "actor_rollout_ref.rollout.val_kwargs.n=2",
        "trainer.total_training_steps=2",
        "trainer.test_freq=2",
    ]


@pytest.fixture(scope="session")
def small_config(small_study):
    """The configuration; to compose it takes longer than all that is done with it."""
    return compose_config(small_study, recipe="recipe.dipo")


@pytest.fixture
def make_trainer(small_config):
    """Makes a trainer of that run with further overrides."""

    def make(*overrides: str) -> study_loop.Trainer:
        config = small_config.copy()
        config.merge_with_dotlist(list(overrides))
        return study_loop.Trainer(config)

    return make
