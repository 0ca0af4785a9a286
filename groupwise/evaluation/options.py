"""The command line of an evaluation."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from groupwise.config.reward_config import FORMATS, SCALES
from groupwise.errors import GroupwiseError
from groupwise.evaluation.sets import MATH, TOOLS


class Sampling(NamedTuple):
    """How a set's responses are sampled."""

    samples: int  # responses to a prompt
    temperature: float  # 0 takes the likeliest token
    top_p: float  # share of the probability that is sampled from
    max_tokens: int  # that a response may have
    seed: int  # from which each request's own seed is derived


DEFAULTS: Final = {
    MATH: Sampling(samples=8, temperature=1.0, top_p=0.7, max_tokens=8192, seed=0),
    TOOLS: Sampling(samples=1, temperature=0.0, top_p=1.0, max_tokens=1024, seed=0),
}
"""As config/experiment/math.yaml and tools.yaml validate in training, so that the figures can be compared."""


COUNTS: Final = ("samples", "max_tokens", "max_prompt_length", "limit", "concurrency", "tensor_parallel_size",
                 "data_parallel_size")  # fmt: skip
SHARES: Final = ("top_p", "gpu_memory_utilization")


class Options(argparse.Namespace):
    """What the user asked for, by the names of `_parser`; None stands for a default of the set or the machine."""

    @property
    def verifier_options(self) -> dict[str, Any]:
        """Keyword arguments of `reward_score.compute_score`."""
        return {"scale": self.scale, "formats": self.formats, **({"imports": self.imports} if self.imports else {})}

    @property
    def data_folder(self) -> Path:
        """Where scripts/prepare_data.sh writes."""
        return Path(os.environ.get("DATA_DIR") or "data")

    def sampling(self, kind: str) -> Sampling:
        """Completes what was asked for with the defaults of a kind of set, MATH or TOOLS.

        Raises:
            GroupwiseError: Several responses are asked for that would all be the same.
        """
        given = {name: getattr(self, name) for name in Sampling._fields}
        sampling = DEFAULTS[kind]._replace(**{name: value for name, value in given.items() if value is not None})
        if sampling.temperature == 0 and sampling.samples > 1:
            raise GroupwiseError(
                f"At temperature 0 all responses to a prompt are the same, so --samples must be 1, but is "
                f"{sampling.samples}; give --temperature as well, or --samples 1."
            )
        return sampling


def parse(argv: Sequence[str] | None) -> Options:
    """Reads the command line; a usage that argparse refuses ends the program with the code 2.

    Raises:
        GroupwiseError: A value is out of its range, or options contradict each other.
    """
    options = Options(**vars(_parser().parse_args(argv)))
    given = {name: value for name, value in vars(options).items() if value is not None}
    ranges = [
        *((name, given[name] >= 1, "at least 1") for name in COUNTS if name in given),
        *((name, 0 < given[name] <= 1, "above 0 and at most 1") for name in SHARES if name in given),
        ("temperature", 0 <= given.get("temperature", 0) < float("inf"), "a number of at least 0"),
    ]
    for name, is_within, what in ranges:
        if not is_within:
            raise GroupwiseError(f"--{name.replace('_', '-')} must be {what}, but is {given[name]}.")
    if options.endpoint is not None and (
        options.engine_option or options.data_parallel_size or options.tensor_parallel_size > 1
    ):
        raise GroupwiseError(
            "--endpoint takes a server as it runs, so --tensor-parallel-size, --data-parallel-size and "
            "--engine-option must not be given with it; leave them out, or start that server with them."
        )
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evaluate.sh",
        description="Evaluates a model or a checkpoint: generates with vLLM, judges with reward_score, and reports "
        "mean@k, pass@k and maj@k, and BFCL's accuracies.",
    )
    parser.add_argument("model", metavar="CHECKPOINT_OR_MODEL", help="a model's folder or name on the hub, a "
                        "global_step_N, or the folder of a run's checkpoints, for the latest")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: `evaluation` in the checkpoint, or "
                        "outputs/evaluation/MODEL")  # fmt: skip
    parser.add_argument("--against", type=Path, metavar="DIR", help="another evaluation's --output, to compare with")
    parser.add_argument("--again", action="store_true", help="generate finished sets anew")
    _add_data(parser.add_argument_group("data"))
    _add_sampling(parser.add_argument_group("sampling"))
    _add_server(parser.add_argument_group("vLLM's server"))
    group = parser.add_argument_group("verifier (as reward.reward_kwargs.verifier)")
    group.add_argument("--scale", choices=SCALES, default="toolrl", help="default %(default)s")
    group.add_argument("--formats", type=_formats, default=("hermes", "toolrl"), metavar="NAME,NAME",
                       help="tool-call formats that are read (default hermes,toolrl)")  # fmt: skip
    group.add_argument("--import", dest="imports", action="append", default=[], metavar="MODULE",
                       help="a module that registers your own verifiers (reward.reward_kwargs.imports)")  # fmt: skip
    return parser


def _add_data(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data", type=Path, nargs="+", default=[], metavar="FILE.parquet",
                       help="default: math_eval/*.parquet and bfcl_v3/whole.parquet (or test.parquet) in $DATA_DIR "
                       "or data")  # fmt: skip
    group.add_argument("--sets", choices=(MATH, TOOLS, "all"), default="all", help="which of the default's")
    group.add_argument("--limit", type=int, metavar="N", help="only the first N prompts of each set")
    group.add_argument("--max-prompt-length", type=int, metavar="TOKENS", help="longer prompts are refused")
    group.add_argument("--skip-overlong", action="store_true", help="leave them out instead")
    group.add_argument("--apply-chat-template-kwargs", type=_json_object, default={}, metavar="JSON",
                       help="as data.apply_chat_template_kwargs in training")  # fmt: skip


def _add_sampling(group: argparse._ArgumentGroup) -> None:
    math, tools = DEFAULTS[MATH], DEFAULTS[TOOLS]
    for flags, kind in ((["-n", "--samples"], int), (["--temperature"], float), (["--top-p"], float),
                        (["--max-tokens"], int)):  # fmt: skip
        name = flags[-1].removeprefix("--").replace("-", "_")
        defaults = f"default {getattr(math, name)} for math, {getattr(tools, name)} for tools"
        group.add_argument(*flags, type=kind, help=defaults)
    group.add_argument("--seed", type=int, default=math.seed, help="default %(default)s")


def _add_server(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--tensor-parallel-size", type=int, default=1, help="GPUs of a replica (default %(default)s)")
    group.add_argument("--data-parallel-size", type=int,
                       help="replicas; default: as many as the visible GPUs have room for, on a CPU 1")  # fmt: skip
    group.add_argument("--gpu-memory-utilization", type=float, default=0.85, help="default %(default)s")
    group.add_argument("--engine-option", type=_key_value, action="append", default=[], metavar="KEY=JSON",
                       help="a further option of vLLM's server")  # fmt: skip
    group.add_argument("--endpoint", type=_url, metavar="URL", help="a server of vLLM that runs already, such as "
                       "http://node7:8000; its key, if it asks for one, in VLLM_API_KEY")  # fmt: skip
    group.add_argument("--served-model", metavar="NAME", help="the model's name there (default CHECKPOINT_OR_MODEL)")
    group.add_argument("--concurrency", type=int, help="requests at a time (default 256 for each replica)")


def _formats(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if any(name not in FORMATS for name in names):
        raise argparse.ArgumentTypeError(f"must be some of {','.join(FORMATS)}, got {text!r}")
    return names


def _url(text: str) -> str:
    address = text.rstrip("/").removesuffix("/v1")
    if not address.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"must be a URL such as http://node7:8000, got {text!r}")
    return address


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f'must be a JSON object such as {{"enable_thinking": false}}, got {text!r}')
    return value


def _key_value(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"must be KEY=JSON, got {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        # A bare word, as on any command line.
        return key, value
