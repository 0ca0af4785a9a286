"""From an exception through Ray's wrappers to a sentence."""

import errno

import pytest
from ray.core.generated.common_pb2 import ActorDiedErrorContext
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError

from groupwise.errors import GroupwiseError
from groupwise.launch.failures import causes, describe


def through_ray(error: Exception) -> Exception:
    """The exception as `ray.get` raises it."""
    return RayTaskError("run", "traceback text", error).as_instanceof_cause()


def through_two_tasks(error: Exception) -> Exception:
    """As it arrives when a worker's task fails in the task runner's task."""
    return RayTaskError("run", "outer traceback", RayTaskError("save", "inner traceback", error))


@pytest.mark.parametrize("wrap", [lambda error: error, through_ray, through_two_tasks])
def test_an_error_meant_for_the_user_is_shown_as_it_is(wrap):
    assert describe(wrap(GroupwiseError("Do this.")), checkpoint_folder="c") == ("Do this.", True)


def test_it_is_found_behind_another_one():
    error = ValueError("something else")
    error.__cause__ = GroupwiseError("Do this.")
    assert describe(error, checkpoint_folder="c") == ("Do this.", True)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("[enforce fail at inline_container.cc:820] . PytorchStreamWriter failed writing file data/0"),
    ],
)
def test_a_full_disk(error):
    sentence, complete = describe(through_two_tasks(error), checkpoint_folder="/checkpoints")
    assert "trainer.default_local_dir=/checkpoints: the disk is full" in sentence
    assert complete


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), RuntimeError("out of memory")])
def test_anything_else_gets_its_type_and_last_line_and_the_traceback(error):
    sentence, complete = describe(through_ray(error), checkpoint_folder="c")
    assert sentence.startswith(f"The run ended with {type(error).__name__}: ")
    assert not complete


def test_an_error_without_a_message():
    assert describe(AssertionError(), checkpoint_folder="c") == ("The run ended with AssertionError: no message", False)


def test_a_circle_of_causes_ends():
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert list(causes(first)) == [first, second]


def dead_actor() -> ActorDiedError:
    """The error as Ray makes it for an actor whose process is gone."""
    context = ActorDiedErrorContext(
        error_message="The actor is dead because its worker process has died.",
        actor_id=b"1" * 16,
        class_name="create_colocated_worker_cls.<locals>.WorkerDict",
        pid=4711,
        name="worker_0",
        node_ip_address="192.0.2.7",
    )
    # Made from its context it cannot be pickled; what comes from another process has the words alone.
    error = ActorDiedError()
    error.error_msg = str(ActorDiedError(context))
    return error


@pytest.mark.parametrize("wrap", [lambda error: error, through_ray, through_two_tasks])
def test_a_process_that_died_is_named_with_its_node(wrap):
    sentence, complete = describe(wrap(dead_actor()), checkpoint_folder="/checkpoints")
    assert "died on node 192.0.2.7: WorkerDict (pid 4711)" in sentence
    assert "resumes from its last whole checkpoint in /checkpoints" in sentence
    assert complete


@pytest.mark.parametrize("error", [WorkerCrashedError(), OutOfMemoryError("node ran out of memory")])
def test_a_loss_that_ray_does_not_describe_is_told_all_the_same(error):
    sentence, complete = describe(through_ray(error), checkpoint_folder="c")
    assert "A process of the run died: a worker (pid unknown)" in sentence
    assert complete


def test_a_full_disk_behind_a_dead_process_is_the_reason():
    error = dead_actor()
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert "the disk is full" in describe(error, checkpoint_folder="c")[0]
