"""Asks every node of a Ray cluster whether its Python has this recipe, before anything is placed there.

verl logs a plug-in that fails to load at DEBUG level and goes on, so a node without the recipe would fail much later,
in some worker, with the name of an unknown estimator.
"""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import ray
from omegaconf import DictConfig
from ray._private import ray_constants
from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from groupwise.errors import GroupwiseError
from groupwise.launch.paths import named_files
from groupwise.method import METHODS
from groupwise.names import PLUGIN, REWARD_MANAGER, distribution

FORWARDED_PREFIXES = ("VERL_", "NCCL_", "GLOO_")
FORWARDED_ENVIRONMENT = (
    "VLLM_PLUGINS",
    "VLLM_USE_MODELSCOPE",
    "HF_HUB_OFFLINE",
    "HF_ENDPOINT",
    "TRANSFORMERS_OFFLINE",
    "WANDB_MODE",
    "TENSORBOARD_DIR",
)
"""Variables that every worker must see as well, and that verl itself does not hand to Ray: platform, plug-ins, network,
loggers. None that may differ between nodes (VLLM_HOST_IP, HF_HOME), and no secrets, since verl prints what Ray gets."""

JOIN_SECONDS = 30.0
"""How long nodes that were just started may take to join the cluster."""


def keep_to_this_machine() -> None:
    """Lets Ray, and what asks it for the machine's address, listen on the loopback interface alone.

    That are TransferQueue, which unpickles whatever it is sent, and vLLM's server. The variable is Ray's own, for
    systems whose firewall asks at each port.
    """
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False  # read when Ray was imported


def environment_to_forward() -> dict[str, str]:
    """The variables of this process that every worker must see as well.

    What a job was submitted with reaches the workers by itself, and Ray refuses to be told again.
    """
    job = json.loads(os.environ.get(RAY_JOB_CONFIG_JSON_ENV_VAR, "{}"))
    given = (job.get("runtime_env") or {}).get("env_vars") or {}
    return {
        name: value
        for name, value in os.environ.items()
        if (name in FORWARDED_ENVIRONMENT or name.startswith(FORWARDED_PREFIXES)) and name not in given
    }


def inspect_registrations() -> dict[str, str | bool | None]:
    """Says what this process's Python has of the framework: name and version, and whether verl loaded it."""
    import verl  # noqa: F401 -- loads the plug-ins, as every worker does
    from verl.experimental.reward_loop.reward_manager.registry import REWARD_MANAGER as MANAGERS
    from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY

    installed = distribution()
    return {
        "installed": installed and f"{installed.name} {installed.version}",
        "estimator": all(name in ADV_ESTIMATOR_REGISTRY for name in METHODS),
        "reward manager": REWARD_MANAGER in MANAGERS,
    }


def faults_of_node(node: str, found: dict[str, str | bool | None], wanted: str | None) -> list[str]:
    """Turns what a node answered, see `inspect_registrations`, into sentences; the launching machine has `wanted`."""
    faults = []
    if found["installed"] != wanted:
        faults.append(
            f"Every node must have {wanted} installed, but node {node} has "
            f"{found['installed'] or 'none'}; install it there."
        )
    missing = [name for name in ("estimator", "reward manager") if not found[name]]
    if missing:
        faults.append(
            f"verl's plug-ins must include `{PLUGIN}` in every Ray worker, but on node {node} its "
            f"{' and '.join(missing)} did not register; start that Ray cluster without VERL_USE_EXTERNAL_PLUGINS, or "
            f"with {PLUGIN},verl_cpu in it, and set VERL_LOGGING_LEVEL=DEBUG to see why a plug-in fails."
        )
    return faults


def name_of(node: dict[str, Any]) -> str:
    """Names a node by Ray's description of it: host, address, and the beginning of the id that Ray's tools show."""
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, id {node['NodeID'][:8]})"


def faults_of_capacity(nodes: list[dict[str, Any]], *, wanted_nodes: int, gpus_per_node: int) -> list[str]:
    """Gives a sentence where a cluster is too small; Ray would wait for more nodes, without a word."""
    gpus = {name_of(node): node["Resources"].get("GPU", 0) for node in nodes}
    if sum(count >= gpus_per_node for count in gpus.values()) >= wanted_nodes:
        return []
    found = ", ".join(f"{name} has {count:g}" for name, count in gpus.items())
    return [
        f"The Ray cluster must have {wanted_nodes} nodes with {gpus_per_node} GPUs each (trainer.nnodes, "
        f"trainer.n_gpus_per_node), but {found}; start Ray on more nodes, or lower these keys."
    ]


def missing_paths(paths: list[str]) -> list[str]:
    """Lists those of some paths that this process does not see."""
    return [path for path in paths if not os.path.exists(path)]


def shared_paths(config: DictConfig) -> list[str]:
    """The absolute paths that every node must see: the model's and the data's, and the folder of the checkpoints."""
    named = [
        str(config.actor_rollout_ref.model.path),
        *named_files(config.data.train_files),
        *named_files(config.data.val_files),
        str(config.trainer.default_local_dir),
    ]
    return [path for path in named if os.path.isabs(path)]


def check_nodes(config: DictConfig) -> None:
    """Inspects every living node of the Ray cluster that this process is connected to.

    Paths of the configuration must be absolute, and its checkpoint folder must exist on this machine.

    Raises:
        GroupwiseError: There are too few nodes; or one lacks the recipe, has another version, did not load its
            plug-ins, or does not see the model, the data or the checkpoint folder.
    """
    wanted = inspect_registrations()["installed"]
    nodes, faults = _wait_for_nodes(config.trainer.nnodes, config.trainer.n_gpus_per_node)
    paths = shared_paths(config)
    for node in nodes:
        address = name_of(node)
        place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        try:
            found = ray.get(_ask(inspect_registrations, place), timeout=300)
            lost = ray.get(_ask(missing_paths, place, paths), timeout=300)
        except (ray.exceptions.RayError, ImportError) as error:
            faults.append(
                f"Every node must be able to import this recipe, but node {address} answered "
                f"{str(error).strip().splitlines()[-1]}; install {wanted} there."
            )
            continue
        faults += faults_of_node(address, found, wanted)
        faults += [
            f"Every node must see {path}, but node {address} does not; put it on a file system that all nodes share."
            for path in lost
        ]
    if faults:
        raise GroupwiseError("\n".join(faults))


def _wait_for_nodes(wanted_nodes: int, gpus_per_node: int) -> tuple[list[dict[str, Any]], list[str]]:
    deadline = time.monotonic() + JOIN_SECONDS
    while True:
        nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
        faults = faults_of_capacity(nodes, wanted_nodes=wanted_nodes, gpus_per_node=gpus_per_node)
        if not faults or time.monotonic() > deadline:
            return nodes, faults
        time.sleep(1)


def _ask(function: Callable[..., Any], place: NodeAffinitySchedulingStrategy, *arguments: Any) -> ray.ObjectRef:
    return ray.remote(function).options(num_cpus=0, scheduling_strategy=place, max_retries=0).remote(*arguments)
