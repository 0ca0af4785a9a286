"""Asks every node of a Ray cluster whether its Python has this recipe, before anything is placed there.

verl logs a plug-in that fails to load at DEBUG level and goes on, so a node without the recipe would fail much later,
in some worker, with the name of an unknown estimator.
"""

import os
from importlib.metadata import PackageNotFoundError, version

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from recipe.dipo.errors import DiPOError

FORWARDED_ENVIRONMENT = (
    "VERL_USE_EXTERNAL_PLUGINS",
    "VERL_USE_EXTERNAL_MODULES",
    "VERL_PLATFORM",
    "VERL_ENGINE_DEVICE",
)
"""Variables that decide which plug-ins verl loads, and that verl itself does not hand to Ray's workers."""


def environment_to_forward() -> dict[str, str]:
    """The variables of this process that every worker must see as well."""
    return {name: os.environ[name] for name in FORWARDED_ENVIRONMENT if name in os.environ}


def inspect_registrations() -> dict[str, str | bool | None]:
    """Says what this process's Python has of the recipe: its version, and whether verl loaded its registrations."""
    import verl  # noqa: F401 -- loads the plug-ins, as every worker does
    from verl.experimental.reward_loop.reward_manager.registry import REWARD_MANAGER
    from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY

    try:
        installed = version("verl-dipo")
    except PackageNotFoundError:
        installed = None
    return {
        "version": installed,
        "estimator": "dipo" in ADV_ESTIMATOR_REGISTRY,
        "reward manager": "dipo" in REWARD_MANAGER,
    }


def faults_of_node(node: str, found: dict[str, str | bool | None], wanted_version: str | None) -> list[str]:
    """Turns what a node answered into sentences.

    Args:
        node: Its address.
        found: Its answer, see `inspect_registrations`.
        wanted_version: Version of the recipe on the launching machine.

    Returns:
        One sentence for each fault.
    """
    faults = []
    if found["version"] != wanted_version:
        faults.append(
            f"Every node must have verl-dipo {wanted_version} installed, but node {node} has "
            f"{found['version'] or 'none'}; install it there."
        )
    missing = [name for name in ("estimator", "reward manager") if not found[name]]
    if missing:
        faults.append(
            f"verl's plug-ins must include `dipo` in every Ray worker, but on node {node} its {' and '.join(missing)} "
            "did not register; start that Ray cluster without VERL_USE_EXTERNAL_PLUGINS, or with dipo,verl_cpu in it, "
            "and set VERL_LOGGING_LEVEL=DEBUG to see why a plug-in fails."
        )
    return faults


def check_nodes() -> None:
    """Inspects every living node of the Ray cluster that this process is connected to.

    Raises:
        DiPOError: A node lacks the recipe, has another version, or did not load its plug-ins.
    """
    wanted = inspect_registrations()["version"]
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    answers = [
        ray.remote(inspect_registrations)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote()
        for node in nodes
    ]
    faults: list[str] = []
    for node, answer in zip(nodes, answers, strict=True):
        address = node["NodeManagerAddress"]
        try:
            faults += faults_of_node(address, ray.get(answer, timeout=300), wanted)
        except (ray.exceptions.RayError, ImportError) as error:
            faults.append(
                f"Every node must be able to import this recipe, but node {address} answered "
                f"{str(error).strip().splitlines()[-1]}; install verl-dipo {wanted} there."
            )
    if faults:
        raise DiPOError("\n".join(faults))
