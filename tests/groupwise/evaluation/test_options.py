"""The command line: defaults by kind of set, ranges, and what validation in training uses."""

from importlib.resources import files

import pytest
from omegaconf import OmegaConf

from groupwise.errors import GroupwiseError
from groupwise.evaluation.options import DEFAULTS, parse
from groupwise.evaluation.sets import MATH, TOOLS


@pytest.mark.parametrize("kind", [MATH, TOOLS])
def test_the_defaults_are_those_of_validation_in_training(kind):
    overlay = OmegaConf.load(str(files("recipe.dipo.config") / "experiment" / f"{kind}.yaml"))
    validation = overlay.actor_rollout_ref.rollout.val_kwargs
    defaults = DEFAULTS[kind]
    assert defaults.samples == validation.n
    assert defaults.temperature == validation.temperature
    assert defaults.top_p == validation.get("top_p", 1.0)
    assert defaults.max_tokens == overlay.data.max_response_length


def test_what_is_given_replaces_the_default_of_either_kind():
    options = parse(["model", "-n", "4", "--temperature", "0.6", "--seed", "3"])
    assert options.sampling(MATH) == DEFAULTS[MATH]._replace(samples=4, temperature=0.6, seed=3)
    assert options.sampling(TOOLS) == DEFAULTS[TOOLS]._replace(samples=4, temperature=0.6, seed=3)


def test_values_of_several_forms_are_read():
    given = ["--engine-option", "max_num_seqs=64", "--engine-option", "quantization=fp8", "--formats", "json,llama"]
    options = parse(["model", *given, "--apply-chat-template-kwargs", '{"enable_thinking": false}'])
    assert options.engine_option == [("max_num_seqs", 64), ("quantization", "fp8")]
    assert options.verifier_options == {"scale": "toolrl", "formats": ("json", "llama")}
    assert options.apply_chat_template_kwargs == {"enable_thinking": False}


@pytest.mark.parametrize("given", ["http://node7:8000", "http://node7:8000/", "http://node7:8000/v1"])
def test_an_endpoint_is_its_servers_root(given):
    assert parse(["model", "--endpoint", given]).endpoint == "http://node7:8000"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["-n", "0"], "--samples must be at least 1, but is 0"),
        (["--max-tokens", "-5"], "--max-tokens must be at least 1"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--data-parallel-size", "0"], "--data-parallel-size must be at least 1"),
        (["--concurrency", "0"], "--concurrency must be at least 1"),
        (["--endpoint", "http://h:1", "--data-parallel-size", "2"], "must not be given with it; leave them out"),
        (["--endpoint", "http://h:1", "--tensor-parallel-size", "2"], "must not be given with it; leave them out"),
        (["--endpoint", "http://h:1", "--engine-option", "dtype=half"], "must not be given with it; leave them out"),
        (["--tensor-parallel-size", "0"], "--tensor-parallel-size must be at least 1"),
        (["--temperature", "-0.1"], "--temperature must be a number of at least 0"),
        (["--temperature", "nan"], "--temperature must be a number of at least 0"),
        (["--top-p", "0"], "--top-p must be above 0"),
        (["--top-p", "1.1"], "--top-p must be above 0 and at most 1"),
        (["--gpu-memory-utilization", "90"], "--gpu-memory-utilization must be above 0"),
    ],
)
def test_values_out_of_range_are_refused(given, sentence):
    with pytest.raises(GroupwiseError, match=sentence):
        parse(["model", *given])


@pytest.mark.parametrize(
    "given",
    [
        ["--formats", "hermes,xml"],
        ["--scale", "log"],
        ["--engine-option", "max_num_seqs"],
        ["--engine-option", "=3"],
        ["--apply-chat-template-kwargs", "[1]"],
        ["--apply-chat-template-kwargs", "enable_thinking"],
        ["--endpoint", "node7:8000"],
        ["--sets", "code"],
        ["--no-such-option"],
    ],
)
def test_a_usage_that_does_not_exist_ends_with_code_2(given, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(["model", *given])
    assert ended.value.code == 2
    assert given[0] in capsys.readouterr().err


def test_equal_responses_are_not_sampled_several_times():
    with pytest.raises(GroupwiseError, match="--samples must be 1, but is 8"):
        parse(["model", "--temperature", "0"]).sampling(MATH)
    with pytest.raises(GroupwiseError, match="--samples must be 1, but is 4"):
        parse(["model", "-n", "4"]).sampling(TOOLS)
    assert parse(["model", "--temperature", "0", "-n", "1"]).sampling(MATH).samples == 1


def test_data_lies_where_the_environment_says(monkeypatch):
    monkeypatch.delenv("DATA_DIR", raising=False)
    assert str(parse(["model"]).data_folder) == "data"
    monkeypatch.setenv("DATA_DIR", "/elsewhere")
    assert str(parse(["model"]).data_folder) == "/elsewhere"
