"""What the environment and Ray make of a configuration: plug-ins, the Ray that is joined, GPUs and CPUs of a new one.

Ray's own rules are in ray/_private/worker.py (init) and resource_and_label_spec.py; verl's demands on it in
verl/single_controller/ray/base.py (RayResourcePool) and verl/trainer/ppo/v1/trainer_base.py.
"""

import ipaddress
import os
from collections.abc import Iterator
from typing import Final
from unittest import mock

from omegaconf import DictConfig, OmegaConf
from verl.plugin.platform import get_platform

from groupwise.hook.batch_store import ray_cpus
from groupwise.names import PLUGIN
from groupwise.preflight.notes import Note

REFUSED_WHEN_JOINING: Final = (
    "num_cpus",
    "num_gpus",
    "object_store_memory",
    "resources",
    "labels",
    "_system_config",
    "_node_name",
)
"""Arguments that ray.init refuses when it joins a cluster."""

DEVICE_LISTS: Final = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")

CPUS_PER_WORKER: Final = 3
"""verl reserves them with each GPU (ResourcePoolManager.max_colocate_count)."""

OTHER_CPUS: Final = 1
"""Ray needs one free to place an actor that holds none."""


def find_cluster_faults(config: DictConfig) -> Iterator[str]:
    """Looks for what Ray would refuse, or wait for."""
    yield from _device_list_faults()
    init = config.ray_kwargs.ray_init  # verl leaves its keys to the user: they need not be there
    try:
        cluster = find_cluster(OmegaConf.select(init, "address"))
    except (ConnectionError, ValueError) as error:
        address, named = OmegaConf.select(init, "address"), os.environ.get("RAY_ADDRESS")
        key = (
            f"RAY_ADDRESS={named}" if named and address in (None, "auto") else f"ray_kwargs.ray_init.address={address}"
        )
        yield (
            f"{key} must lead to a running Ray cluster, but Ray says: {error} Start one with `ray start --head`, name "
            f"its address, or {'unset the variable' if key.startswith('RAY') else 'leave the key out'}."
        )
        return
    if cluster is None:
        yield from _own_ray_faults(config, init)
    else:
        yield from _joined_ray_faults(init, cluster)
    yield from _public_address_notes(config)


def find_faults(device: str) -> Iterator[str]:
    """Looks for plug-ins that the environment leaves out."""
    # verl's names are lower-cased and stripped; an empty value loads none.
    given = os.environ.get("VERL_USE_EXTERNAL_PLUGINS", "auto").strip().lower()
    needed = (PLUGIN, "verl_cpu") if device == "cpu" else (PLUGIN,)
    missing = [name for name in needed if name not in [part.strip() for part in given.split(",")]]
    if given != "auto" and missing:
        yield (
            f"VERL_USE_EXTERNAL_PLUGINS must be unset or name {', '.join(needed)}, so that every worker loads them, "
            f"but is {given!r}; unset it, or add {', '.join(missing)}."
        )
    # vLLM knows no word for all, and takes the names as they stand between the commas.
    allowed = os.environ.get("VLLM_PLUGINS")
    if device == "cpu" and allowed is not None and "verl_cpu" not in allowed.split(","):
        yield (
            f"VLLM_PLUGINS must be unset or name verl_cpu, which vLLM needs on a CPU, but is {allowed!r}; "
            "unset it, or add verl_cpu, without spaces."
        )


def _device_list_faults() -> Iterator[str]:
    lists = {name: value for name in DEVICE_LISTS if (value := os.environ.get(name))}
    if len(lists) < 2:
        return
    from verl.single_controller.base.worker import Worker

    # It changes the environment, and goes on to ask Ray where these are set.
    left_out = {name: "" for name in os.environ if name.startswith("RAY_EXPERIMENTAL_NOSET")}
    try:
        with mock.patch.dict(os.environ, left_out):
            Worker._setup_env_cuda_visible_devices(Worker)
    except (AssertionError, ValueError) as error:
        found = ", ".join(f"{name}={value}" for name, value in lists.items())
        yield f"The lists of devices must not contradict each other, but {found}; unset all but one. (verl: {error})"


def find_cluster(address: str | None) -> str | None:
    """Finds the Ray cluster that ray.init will join, by its own rules: the argument, RAY_ADDRESS, or a running one.

    None where Ray starts one of its own.

    Raises:
        ConnectionError: `auto` is given, but no cluster runs.
        ValueError: It is not an address.
    """
    from ray._private import services

    named = os.environ.get("RAY_ADDRESS") if address in (None, "auto") else None
    chosen = named or (None if address is None else str(address))
    if chosen is not None and "://" in chosen:
        return chosen
    # It remembers an answer for the life of the process.
    services.find_gcs_addresses.cache_clear()
    return services.canonicalize_bootstrap_address(None if address is None else str(address))


def is_local(config: DictConfig) -> bool:
    """Says whether a run starts a Ray of its own on this machine alone, which then listens to no other (cluster.py)."""
    from ray._private.ray_constants import ENABLE_RAY_CLUSTERS_ENV_VAR

    may = config.trainer.nnodes == 1 and os.environ.get(ENABLE_RAY_CLUSTERS_ENV_VAR, "0") == "0"
    return may and find_cluster(OmegaConf.select(config.ray_kwargs.ray_init, "address")) is None


def _public_address_notes(config: DictConfig) -> Iterator[Note]:
    from ray._private import services

    address = "127.0.0.1" if is_local(config) else services.get_node_ip_address().strip("[]")
    if ipaddress.ip_address(address).is_global:
        yield Note(
            "The ports of Ray, TransferQueue and vLLM run code for whoever reaches them, and should be closed to all "
            f"but the run's nodes, but {address} is a public address; docs/security.md has a rule for a firewall."
        )


def _joined_ray_faults(init: DictConfig, cluster: str) -> Iterator[str]:
    given = [key for key in REFUSED_WHEN_JOINING if OmegaConf.select(init, key) is not None]
    if given and "://" not in cluster:
        yield (
            f"A run that joins a Ray cluster ({cluster}) must leave the cluster's resources to it, but "
            f"{', '.join(f'ray_kwargs.ray_init.{key}' for key in given)} would be refused by Ray; set "
            f"{'them' if len(given) > 1 else 'it'} to null, or set +ray_kwargs.ray_init.address=local for a Ray of the "
            "run's own."
        )


def _gpus_needed(config: DictConfig) -> int:
    needed = config.trainer.nnodes * config.trainer.n_gpus_per_node
    if config.trainer.v1.trainer_mode == "separate_async":
        rollout = config.actor_rollout_ref.rollout
        needed += rollout.nnodes * rollout.n_gpus_per_node
    return needed


def _own_ray_faults(config: DictConfig, init: DictConfig) -> Iterator[str]:
    counts = (config.trainer.nnodes, config.trainer.n_gpus_per_node)
    if not all(isinstance(count, int) and count > 0 for count in counts):
        # batch.py says so.
        return
    needed, slots = _gpus_needed(config), OmegaConf.select(init, "num_gpus")
    if config.trainer.nnodes > 1 and (slots is None or slots < needed):
        yield (
            f"trainer.nnodes={config.trainer.nnodes} needs a Ray cluster, but the run would start a Ray of its own, "
            "which has one node; start the cluster with `ray start`, set RAY_ADDRESS to its address (and "
            "ray_kwargs.ray_init.address=null where it is local), or set trainer.nnodes=1."
        )
        return
    # A dry run for GPUs on a machine without one says nothing about the machine that will run it.
    if (config.trainer.device == "cpu") == (get_platform().device_name == "cpu"):
        yield from _gpu_faults(config, needed, slots)
        yield from _cpu_faults(config, needed, OmegaConf.select(init, "num_cpus"))


def _gpu_faults(config: DictConfig, needed: int, slots: int | None) -> Iterator[str]:
    value = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [] if value in ("", "NoDevFiles") else (value or "").split(",")
    if slots is not None and slots < needed:
        yield (
            f"ray_kwargs.ray_init.num_gpus must be at least the {needed} GPUs that trainer.n_gpus_per_node asks for, "
            f"but is {slots}; raise it, or lower trainer.n_gpus_per_node."
        )
    elif value is not None and len(names) < (slots or needed):
        cure = (
            "unset it, since a CPU run counts slots, not GPUs"
            if config.trainer.device == "cpu"
            else "name more of them, or lower trainer.n_gpus_per_node"
        )
        yield (
            f"CUDA_VISIBLE_DEVICES must name at least {slots or needed} devices for "
            f"trainer.n_gpus_per_node={config.trainer.n_gpus_per_node}, but names {len(names)} ({value!r}); {cure}."
        )


def _count_cpus() -> float:
    from ray._private.utils import get_num_cpus

    # As ray.init counts them where it is told no number; in a container those that it may use.
    return get_num_cpus(override_docker_cpu_warning=True)


def _cpu_faults(config: DictConfig, gpus: int, given: int | None) -> Iterator[str]:
    stored = ray_cpus(config)
    needed = CPUS_PER_WORKER * gpus + stored + OTHER_CPUS
    found = _count_cpus() if given is None else given
    if found < needed:
        yield (
            f"The Ray of this run must have at least {needed} CPUs ({CPUS_PER_WORKER} for each of {gpus} workers, "
            f"{stored} for what stores the rollouts, {OTHER_CPUS} more), but has {found} and would wait for ever; set "
            f"ray_kwargs.ray_init.num_cpus={needed}: Ray counts CPUs, it need not have them."
        )
