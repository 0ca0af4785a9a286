"""The command line of an evaluation."""

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from groupwise.config.reward_config import FORMATS, SCALES
from groupwise.errors import GroupwiseError
from groupwise.evaluation.sets import MATH, TOOLS


class Sampling(NamedTuple):
    """How a set's responses are sampled.

    Attributes:
        samples: Responses to a prompt.
        temperature: 0 takes the likeliest token.
        top_p: Share of the probability that is sampled from.
        max_tokens: Tokens that a response may have.
        seed: From which each request's own seed is derived.
    """

    samples: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int


DEFAULTS: Final = {
    MATH: Sampling(samples=8, temperature=1.0, top_p=0.7, max_tokens=8192, seed=0),
    TOOLS: Sampling(samples=1, temperature=0.0, top_p=1.0, max_tokens=1024, seed=0),
}
"""As config/experiment/math.yaml and tools.yaml validate in training, so that the figures can be compared."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What the user asked for; None stands for a default that depends on the set or the machine."""

    model: str
    data: list[Path]
    sets: str
    output: Path | None
    samples: int | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    seed: int
    max_prompt_length: int | None
    skip_overlong: bool
    limit: int | None
    tensor_parallel_size: int
    data_parallel_size: int | None
    gpu_memory_utilization: float
    engine_option: list[tuple[str, Any]]
    endpoint: str | None
    served_model: str | None
    concurrency: int | None
    apply_chat_template_kwargs: dict[str, Any]
    scale: str
    formats: tuple[str, ...]
    imports: list[str]
    again: bool
    against: Path | None

    def __post_init__(self) -> None:
        numbers = ("samples", "max_tokens", "max_prompt_length", "limit", "concurrency")
        for name in (*numbers, "tensor_parallel_size", "data_parallel_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise GroupwiseError(f"--{name.replace('_', '-')} must be at least 1, but is {value}.")
        if self.temperature is not None and not 0 <= self.temperature < float("inf"):
            raise GroupwiseError(f"--temperature must be a number of at least 0, but is {self.temperature}.")
        for name in ("top_p", "gpu_memory_utilization"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise GroupwiseError(f"--{name.replace('_', '-')} must be above 0 and at most 1, but is {value}.")
        if self.endpoint is not None and (
            self.engine_option or self.data_parallel_size or self.tensor_parallel_size > 1
        ):
            raise GroupwiseError(
                "--endpoint takes a server as it runs, so --tensor-parallel-size, --data-parallel-size and "
                "--engine-option must not be given with it; leave them out, or start that server with them."
            )

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

        Returns:
            How its responses are sampled.

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

    Args:
        argv: The arguments, sys.argv's by default.

    Returns:
        The options.

    Raises:
        GroupwiseError: A value is out of its range.
    """
    values = vars(_parser().parse_args(argv))
    return Options(**{**values, "formats": tuple(values["formats"])})


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
