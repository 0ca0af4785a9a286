"""What a run goes on from: verl's file of the latest step, folders, and a file for each GPU."""

import inspect
import re
from pathlib import Path

import pytest
from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager

from groupwise.preflight import resume
from groupwise.preflight.facts import Facts
from groupwise.preflight.notes import Note

CRITIC = "critic.enable=true"
NODES = ("trainer.nnodes=2", "trainer.n_gpus_per_node=1")


@pytest.fixture
def told(shipped, tmp_path):
    """Gives what is said where a folder holds a checkpoint, by default of two GPUs, and the file of the latest step."""

    def told_(*overrides, latest="7", ranks=(0, 1), gpus=2, parts=("model", "optim", "extra_state"), plain=True):
        actor = tmp_path / "global_step_7" / "actor"
        actor.mkdir(parents=True)
        for part in parts:
            for rank in ranks:
                (actor / f"{part}_world_size_{gpus}_rank_{rank}.pt").touch()
        if latest is not None:
            (tmp_path / "latest_checkpointed_iteration.txt").write_text(latest)
        here = f"trainer.default_local_dir={tmp_path}"
        config = shipped("cpu", here, "trainer.n_gpus_per_node=2", "algorithm.adv_estimator=grpo", *overrides)
        return list(resume.find_faults(Facts(config, is_plain=plain)))

    return told_


def by_path(path: Path | str) -> tuple[str, str]:
    return "trainer.resume_mode=resume_path", f"trainer.resume_from_path={path}"


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    ("overrides", "made"),
    [
        ((), {}),
        ((), {"latest": None}),
        ((), {"latest": "7\n"}),
        # As many GPUs on other nodes.
        (NODES, {}),
        (("actor_rollout_ref.actor.checkpoint.load_contents=[model]",), {"parts": ["model"]}),
        # Other engines divide what they saved anew.
        (("actor_rollout_ref.actor.strategy=megatron",), {"parts": []}),
    ],
)
def test_is_sound(told, overrides, made, plain):
    assert told(*overrides, **made, plain=plain) == []


@pytest.mark.parametrize(
    ("overrides", "made", "sentence"),
    [
        (("trainer.n_gpus_per_node=4",), {}, "was saved by 2 GPUs, .* but trainer.nnodes x .* is 4; set them back"),
        (("trainer.nnodes=2",), {}, "was saved by 2 GPUs"),
        ((), {"ranks": (0,)}, "lacks 3 of 6, such as model_world_size_2_rank_1.pt; resume another checkpoint"),
        ((), {"parts": ("model", "extra_state")}, "lacks 2 of 6, such as optim_world_size_2_rank_0.pt"),
        ((CRITIC,), {}, "has no folder critic"),
        ((), {"latest": "8"}, "must name a checkpoint that is there, but global_step_8 is not, .* begin anew"),
        ((), {"latest": ""}, "holds '', .* verl stops at that; write the step of a whole checkpoint into it"),
        ((), {"latest": "seven"}, "holds 'seven', .* verl stops"),
        (by_path("{}/global_step_7"), {"ranks": (1,)}, "lacks 3 of 6"),
        (
            by_path("{}/global_step_9"),
            {},
            "global_step_9 must be a whole checkpoint of verl's, but has no folder actor",
        ),
        (by_path("{}/global_step_7/"), {}, "without a slash behind it"),
        (by_path("null"), {}, "but is None"),
    ],
)
def test_is_a_fault(told, tmp_path, overrides, made, sentence):
    (fault,) = told(*(override.format(tmp_path) for override in overrides), **made)
    assert not isinstance(fault, Note)
    assert re.search(sentence, fault), fault


def test_our_launch_corrects_the_file_of_the_latest_step(told):
    (note,) = told(latest="", plain=False)
    assert isinstance(note, Note)


def test_nodes_without_a_common_folder_have_files_of_their_own(told):
    (note,) = told(*NODES, ranks=(0,))
    assert isinstance(note, Note)
    assert "lacks 3 of 6" in note


def test_files_are_named_as_verl_names_them():
    source = inspect.getsource(FSDPCheckpointManager.load_checkpoint)
    for start in resume.PARTS.values():
        assert f'f"{start}_world_size_{{self.world_size}}_rank_{{self.rank}}.pt"' in source
