"""Requests to a server that answers, refuses, hangs and dies."""

import asyncio
import threading
import time
from typing import Any

import pytest

from groupwise.errors import GroupwiseError
from groupwise.evaluation import client as module
from groupwise.evaluation.client import Client, Endpoint, Generated, ServerError
from groupwise.evaluation.options import Sampling

SAMPLED = Sampling(samples=8, temperature=0.6, top_p=0.9, max_tokens=64, seed=0)
GREEDY = SAMPLED._replace(temperature=0.0)


def ask(
    url: str,
    *prompts: list[int],
    sampling: Sampling = SAMPLED,
    models: tuple[str, ...] = ("tiny",),
    concurrency: int = 8,
    patience: float = 60.0,
    **endpoint: Any,
) -> list[Generated]:
    async def run() -> list[Generated]:
        async with Client(Endpoint(url, models, **endpoint), concurrency=concurrency, patience=patience) as client:
            wanted = (client.generate(ids, sampling, 7 + n, session=n) for n, ids in enumerate(prompts))
            return await asyncio.gather(*wanted)

    return asyncio.run(run())


def test_token_ids_go_in_and_come_out(stand_in):
    assert ask(stand_in.url, [5, 6], [9]) == [Generated([5, 6], "stop"), Generated([9], "stop")]
    by_seed = {request["seed"]: request for request in stand_in.asked}
    assert {seed: request["prompt"] for seed, request in by_seed.items()} == {7: [5, 6], 8: [9]}
    # A server may take top_k and repetition_penalty from the model's generation_config.json, unless a request has them.
    expected = {
        **{"model": "tiny", "temperature": 0.6, "top_p": 0.9, "max_tokens": 64, "return_token_ids": True},
        **{"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0},
    }
    assert {key: by_seed[7][key] for key in expected} == expected
    assert "X-data-parallel-rank" not in by_seed[7]["headers"]


def test_greedy_requests_need_no_seed(stand_in):
    ask(stand_in.url, [5], sampling=GREEDY)
    assert "seed" not in stand_in.asked[0]


def test_a_session_keeps_its_replica_and_the_key_is_sent(stand_in):
    ask(stand_in.url, [5], [6], [7], replicas=2, api_key="secret")
    ranks = {request["prompt"][0]: request["headers"]["X-data-parallel-rank"] for request in stand_in.asked}
    assert ranks == {5: "0", 6: "1", 7: "0"}
    assert {request["headers"]["Authorization"] for request in stand_in.asked} == {"Bearer secret"}


def test_no_more_requests_than_asked_for_are_under_way(stand_in):
    # Three have to meet, and a fourth would be seen.
    together, under_way, most = threading.Barrier(3, timeout=30), [], []

    def complete(request):
        under_way.append(request)
        together.wait()
        most.append(len(under_way))
        together.wait()
        under_way.pop()
        together.wait()
        return request["prompt"], "stop"

    stand_in.complete = complete
    assert len(ask(stand_in.url, *([n] for n in range(12)), concurrency=3)) == 12
    assert set(most) == {3}


def test_a_model_is_known_by_its_name_or_its_path(stand_in):
    stand_in.models.insert(0, {"id": "other", "object": "model"})
    assert ask(stand_in.url, [5], models=("/elsewhere", "/models/tiny"))[0].token_ids == [5]
    with pytest.raises(GroupwiseError, match=r"must serve /m/big, but serves other, tiny; .*--served-model"):
        ask(stand_in.url, [5], models=("/m/big", "big"))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(stand_in, status):
    refusals = iter([status, status])
    stand_in.complete = lambda request: next(refusals, (request["prompt"], "stop"))
    assert ask(stand_in.url, [5])[0].token_ids == [5]
    assert [request["seed"] for request in stand_in.asked] == [7, 7, 7]


@pytest.mark.parametrize(
    ("status", "requests", "cure"), [(400, 1, ""), (401, 1, ".*VLLM_API_KEY"), (404, 1, ""), (500, module.ATTEMPTS, "")]
)
def test_what_does_not_pass_is_a_sentence(stand_in, status, requests, cure):
    stand_in.complete = lambda request: status
    with pytest.raises(ServerError, match=f"refused a request: {status} .*it is refused{cure}"):
        ask(stand_in.url, [5])
    assert len(stand_in.asked) == requests


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (([5], "abort"), "ended one with 'abort'"),
        ((None, "stop"), "gives no token ids"),
        (([5], "length"), "must let a response have 64 tokens, but cut one off after 1"),
    ],
)
def test_an_answer_that_is_none_is_a_sentence(stand_in, answer, sentence):
    stand_in.complete = lambda request: answer
    with pytest.raises(GroupwiseError, match=sentence):
        ask(stand_in.url, [5])


def test_a_response_may_be_as_long_as_was_asked_for(stand_in):
    stand_in.complete = lambda request: ([5] * 64, "length")
    assert ask(stand_in.url, [5])[0].finish_reason == "length"


def test_a_context_that_is_too_small_is_refused_before_the_server_is_asked(stand_in):
    assert ask(stand_in.url, [5] * 960)
    with pytest.raises(
        GroupwiseError, match=r"must fit into the 1024 tokens .* a prompt has 961 and --max-tokens is 64"
    ):
        ask(stand_in.url, [5] * 961)
    assert len(stand_in.asked) == 1


def test_an_endpoint_that_is_not_there_is_a_sentence(stand_in):
    with pytest.raises(ServerError, match=r"must answer, but does not: .*onnect"):
        ask("http://127.0.0.1:9", [5])


def test_a_server_that_hangs_is_given_up(stand_in):
    release = threading.Event()
    stand_in.complete = lambda request: release.wait(30) and ([5], "stop")
    stand_in.healthy = 503
    begun = time.monotonic()
    try:
        with pytest.raises(ServerError, match="gave no sign of life for"):
            ask(stand_in.url, [5], patience=0.4)
    finally:
        release.set()
    assert time.monotonic() - begun < 10


def test_a_slow_server_that_lives_is_waited_for(stand_in):
    stand_in.complete = lambda request: (time.sleep(1), ([5], "stop"))[1]
    assert ask(stand_in.url, [5], patience=0.4)


def test_a_server_that_dies_in_the_middle_is_a_sentence(stand_in):
    stand_in.complete = lambda request: stand_in.socket.close()
    with pytest.raises(ServerError, match="must answer, but does not: "):
        ask(stand_in.url, [5])
