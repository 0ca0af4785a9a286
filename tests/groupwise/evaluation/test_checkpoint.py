"""What is evaluated, and what is said where that is not whole."""

import json
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import RepositoryNotFoundError

from groupwise.errors import GroupwiseError
from groupwise.evaluation.checkpoint import find, identify


def make_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def make_checkpoint(actor: Path, *, ranks: int = 2, missing: tuple[int, ...] = ()) -> Path:
    """An FSDP checkpoint as verl's FSDPCheckpointManager lays it out."""
    (actor / "huggingface").mkdir(parents=True)
    (actor / "huggingface" / "config.json").write_text("{}")
    (actor / "fsdp_config.json").write_text(json.dumps({"FSDP_version": 2, "world_size": ranks}))
    for rank in set(range(ranks)) - set(missing):
        (actor / f"model_world_size_{ranks}_rank_{rank}.pt").write_bytes(b"shard")
        (actor / f"optim_world_size_{ranks}_rank_{rank}.pt").write_bytes(b"optimizer")
    return actor


def test_a_models_folder_is_taken_as_it_is(tmp_path):
    folder = make_model(tmp_path / "Qwen")
    assert find(str(folder)) == (folder, (), Path("outputs/evaluation/Qwen"))


@pytest.mark.parametrize("named", ["run", "run/global_step_20", "run/global_step_20/actor"])
def test_a_checkpoint_is_found_from_each_of_its_folders(tmp_path, named):
    make_checkpoint(tmp_path / "run/global_step_5/actor")
    actor = make_checkpoint(tmp_path / "run/global_step_20/actor")
    (tmp_path / "run" / "latest_checkpointed_iteration.txt").write_text("20")
    source = find(str(tmp_path / named))
    assert source.folder == actor / "huggingface"
    assert source.shards == tuple(actor / f"model_world_size_2_rank_{rank}.pt" for rank in (0, 1))
    assert source.output == tmp_path / "run/global_step_20/evaluation"


def test_a_relative_path_is_made_absolute(tmp_path, monkeypatch):
    make_model(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    assert find("model").folder == tmp_path / "model"


def test_saved_weights_are_taken_instead_of_shards(tmp_path):
    actor = make_checkpoint(tmp_path / "global_step_1/actor")
    (actor / "huggingface" / "model.safetensors").write_bytes(b"weights")
    assert find(str(tmp_path / "global_step_1")) == (actor / "huggingface", (), tmp_path / "global_step_1/evaluation")


def test_a_hub_name_is_downloaded(tmp_path, monkeypatch):
    folder = make_model(tmp_path / "snapshot")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, allow_patterns: str(folder))
    monkeypatch.chdir(tmp_path)
    assert find("Qwen/Qwen2.5-7B") == (folder, (), Path("outputs/evaluation/Qwen/Qwen2.5-7B"))


def test_what_the_hub_answers_is_told(tmp_path, monkeypatch):
    def refuse(name, allow_patterns):
        raise RepositoryNotFoundError("404: no such repository", response=FakeResponse())

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GroupwiseError, match="no folder no/model, and the hub answers: 404"):
        find("no/model")


class FakeResponse:
    """What huggingface_hub's errors read of a response."""

    headers: dict[str, str] = {}  # noqa: RUF012 -- never changed
    request = None
    status_code = 404


def broken(tmp_path: Path, how: str) -> Path:
    run = tmp_path / "run"
    step = run / "global_step_3"
    if how == "no weights":
        (make_model(run) / "model.safetensors").unlink()
        return run
    actor = make_checkpoint(step / "actor", ranks=4, missing=(1, 3) if how == "no shards" else ())
    shard = actor / "model_world_size_4_rank_2.pt"
    changes = {
        "empty shard": lambda: shard.write_bytes(b""),
        "no description": lambda: (actor / "huggingface" / "config.json").unlink(),
        "not saved": lambda: (actor / "fsdp_config.json").unlink(),
        "no ranks": lambda: (actor / "fsdp_config.json").write_text("{}"),
        "cut description": lambda: (actor / "fsdp_config.json").write_text('{"world'),
        "megatron": lambda: (actor / "dist_ckpt").mkdir(),
        "newer megatron": lambda: (actor / "model" / "huggingface").mkdir(parents=True),
        "latest is gone": lambda: (run / "latest_checkpointed_iteration.txt").write_text("7"),
    }
    changes.get(how, lambda: None)()
    return run if how in ("no latest", "latest is gone") else step


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("no weights", "no complete model weights"),
        ("no shards", "4 ranks .* lacks 2: model_world_size_4_rank_1.pt, model_world_size_4_rank_3.pt;"),
        ("empty shard", "lacks 1: model_world_size_4_rank_2.pt;"),
        ("no description", "huggingface/config.json is not there"),
        ("not saved", "fsdp_config.json is not there"),
        ("no ranks", r"must give world_size.*'world_size'"),
        ("cut description", "must give world_size"),
        ("megatron", "is a Megatron checkpoint"),
        ("newer megatron", "is a Megatron checkpoint"),
        ("no latest", "name one of them: global_step_3"),
        ("latest is gone", "names '7'; name one of them: global_step_3"),
    ],
)
def test_what_is_not_whole_is_refused(tmp_path, how, sentence):
    with pytest.raises(GroupwiseError, match=sentence):
        find(str(broken(tmp_path, how)))


@pytest.mark.parametrize("argument", ["/no/such/folder", "./model", "a/b/c"])
def test_what_is_neither_folder_nor_name_is_refused(argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GroupwiseError, match="is neither"):
        find(argument)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(GroupwiseError, match=r"fsdp_config\.json is not there"):
        find(str(tmp_path))


def test_a_models_identity_changes_with_its_weights_and_its_tokenizer(tmp_path):
    folder = make_model(tmp_path / "model")
    identities = [identify(find(str(folder)))]
    (folder / "model.safetensors").write_bytes(b"others.")
    identities.append(identify(find(str(folder))))
    (folder / "tokenizer_config.json").write_text('{"chat_template": "other"}')
    identities.append(identify(find(str(folder))))
    assert len({json.dumps(identity) for identity in identities}) == 3
    assert identify(find(str(folder))) == identities[-1]


def test_a_checkpoints_identity_is_that_of_its_shards_whether_merged_or_not(tmp_path):
    actor = make_checkpoint(tmp_path / "global_step_1/actor")
    before = identify(find(str(actor)))
    assert list(before["weights"]) == ["model_world_size_2_rank_0.pt", "model_world_size_2_rank_1.pt"]
    make_model(actor / "merged")
    assert identify(find(str(actor))) == before


def test_a_checkpoint_is_called_by_its_own_folder(tmp_path):
    actor = make_checkpoint(tmp_path / "run/global_step_20/actor")
    assert identify(find(str(tmp_path / "run/global_step_20")))["path"] == str(actor)
    model = make_model(tmp_path / "Qwen")
    assert identify(find(str(model)))["path"] == str(model)
