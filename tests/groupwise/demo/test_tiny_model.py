"""The tokenizer and the model that the demonstration builds by code."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from groupwise.demo.tiny_model import build_model, build_tokenizer

# Everything that the chat of an addition needs, in one token per byte, and bytes that are no letters of English.
TEXTS = [
    "12+34=",
    "#### 46",
    "",
    " leading and  double  spaces ",
    "line\nbreak\ttab",
    "añ→日本",
    "007",
    "#### 46<|end|>",
]
MESSAGES = [{"role": "user", "content": "12+34="}]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(folder)
    build_model(tokenizer, seed=0).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["built", "loaded"])
def tokenizer(request, saved):
    """As built, and as verl and vLLM get it: they choose the class by the model's architecture."""
    return build_tokenizer() if request.param == "built" else AutoTokenizer.from_pretrained(saved)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_survives_the_round_trip(tokenizer, text):
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("text", TEXTS[:-1])
def test_a_token_is_a_byte(tokenizer, text):
    assert len(tokenizer(text)["input_ids"]) == len(text.encode())


def test_special_tokens_are_one_token_each_and_differ(tokenizer):
    assert tokenizer("<|end|>")["input_ids"] == [tokenizer.eos_token_id]
    assert tokenizer("<|endoftext|>")["input_ids"] == [tokenizer.pad_token_id]
    assert tokenizer.eos_token_id != tokenizer.pad_token_id


def test_special_tokens_leave_the_decoded_response(tokenizer):
    ids = tokenizer("#### 46<|end|><|endoftext|>")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "#### 46"


def test_chat_template(tokenizer):
    prompt = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True, tokenize=False)
    assert prompt == "<|user|>12+34=<|end|><|assistant|>"
    ids = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert ids == tokenizer(prompt)["input_ids"]


def test_chat_template_without_generation_prompt_ends_the_turn(tokenizer):
    text = tokenizer.apply_chat_template(MESSAGES, tokenize=False)
    assert text == "<|user|>12+34=<|end|>"


def test_about_a_million_parameters(saved):
    model = AutoModelForCausalLM.from_pretrained(saved)
    # 261 x 128 tied embedding 33,408; 4 layers of attention (128x128 + 128 + 2 (128x64 + 64) + 128x128 = 49,408),
    # MLP (3 x 128x512 = 196,608) and two norms (256): 985,088; last norm 128.
    assert sum(parameter.numel() for parameter in model.parameters()) == 33_408 + 985_088 + 128


def test_the_saved_model_stops_at_the_end_of_its_turn_and_samples_as_it_is(saved):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(saved), AutoTokenizer.from_pretrained(saved)
    generation = model.generation_config
    assert generation.eos_token_id == model.config.eos_token_id == tokenizer.eos_token_id
    assert generation.pad_token_id == model.config.pad_token_id == tokenizer.pad_token_id
    assert (generation.do_sample, generation.temperature, generation.top_k, generation.top_p) == (True, 1.0, 0, 1.0)


def test_weights_follow_the_seed_and_leave_the_global_generator_alone():
    tokenizer = build_tokenizer()
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, again, other = (build_model(tokenizer, seed=seed).lm_head.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.rand(1), expected)
