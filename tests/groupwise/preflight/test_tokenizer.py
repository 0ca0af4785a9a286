"""Tiny tokenizers, one token a byte: with and without a template, an end, and tags that decoding leaves out."""

import functools
import re

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config

from groupwise.preflight.notes import Note
from groupwise.preflight.tokenizer import find_faults

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STRICT = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system message') }}{% endif %}" + CHAT
LLAMA_2 = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<s>[INST] {{ message['content'] }} [/INST]"
    "{% else %} {{ message['content'] }} </s>{% endif %}{% endfor %}"
)
MISTRAL = LLAMA_2.replace("{% else %} ", "{% else %}").replace(" </s>", "</s>")
TOOL_TEXT = "Write <think>, then <tool_call>{}</tool_call> or <response>."


@pytest.fixture
def compose_with(shipped):
    """Gives the configuration that this file starts from, with overrides."""
    return functools.partial(shipped, "cpu")


def tokenizer(
    *, template: str | None = CHAT, end: bool = True, special: tuple[str, ...] = (), plain: tuple[str, ...] = ()
):
    vocabulary = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    for is_special, texts in ((True, ("<|im_start|>", "<|im_end|>", *special)), (False, plain)):
        tokens = [AddedToken(text, special=is_special, normalized=False) for text in texts]
        (backend.add_special_tokens if is_special else backend.add_tokens)(tokens)
    made = PreTrainedTokenizerFast(tokenizer_object=backend, **({"eos_token": "<|im_end|>"} if end else {}))
    made.chat_template = template
    return made


def row(content: str, ability: str = "math", role: str = "user") -> dict:
    return {"ability": ability, "data_source": "a source", "prompt": [{"role": role, "content": content}]}


MATH = row("1 + 1? Put the answer in \\boxed{}.")
TOOL = row(TOOL_TEXT, "tool")


@pytest.mark.parametrize(
    ("made", "rows", "overrides"),
    [
        ({}, [MATH, TOOL], []),
        ({}, [], []),
        # Tokens of their own, as Qwen has them, that decoding keeps.
        ({"plain": ("<tool_call>", "</tool_call>", "<think>", "</think>")}, [TOOL], []),
        # Special tokens that no prompt asks for and no verifier of such rows reads.
        ({"special": ("<tool_call>", "</tool_call>", "<response>", "####")}, [MATH], []),
        # Templates that need no generation prompt: the answer follows the question at once.
        ({"template": LLAMA_2}, [MATH], []),
        ({"template": MISTRAL}, [MATH], []),
        ({"template": {"default": CHAT, "tool_use": "{{ tools }}"}}, [MATH], []),
        ({"template": CHAT + "{{ style }}"}, [MATH], ["data.apply_chat_template_kwargs.style=short"]),
        # Verifiers that read other formats, and functions of the user's own.
        (
            {"special": ("<tool_call>",)},
            [row("Call in JSON.", "tool")],
            ["reward.reward_kwargs.verifier.formats=[json]"],
        ),
        ({"special": ("<tool_call>",)}, [row("Call.", "tool")], ["reward.custom_reward_function.path=mine.py"]),
        ({"special": ("<tool_call>",)}, [row("Call.", "tool")], ["reward.reward_manager.name=naive"]),
        # The validation of the data reports these.
        ({}, [{"ability": "math", "prompt": "a text"}, {"ability": "math"}], []),
    ],
)
def test_a_tokenizer_that_serves_is_sound(compose_with, made, rows, overrides):
    assert list(find_faults(compose_with(*overrides), tokenizer(**made), rows)) == []


@pytest.mark.parametrize(
    ("made", "rows", "sentence"),
    [
        ({"end": False}, [MATH], "must have an end-of-sequence token"),
        ({"template": None}, [MATH], r"must have a chat template, .*\.custom_chat_template"),
        ({"template": CHAT.partition("{% if")[0]}, [MATH], r"the model's turn \('<\|im_start\|>assistant'\), but"),
        ({"template": {"tool_use": CHAT}}, [MATH], "it fails with ValueError: .* no default specified"),
        (
            {"template": STRICT},
            [MATH, row("Be brief.", role="system")],
            r'must render every prompt .*for \[\{"role": "system".* it fails with TemplateError: no system message',
        ),
        ({"template": "{{ messages[0]['missing'].upper() }}"}, [MATH], "it fails with UndefinedError"),
        ({"template": "{% for %}"}, [MATH], "it fails with TemplateSyntaxError"),
        (
            {"special": ("<tool_call>", "</tool_call>")},
            [TOOL],
            "^<tool_call>, </tool_call> must survive decoding, .* special tokens",
        ),
        # Read in rows of tools whether the prompt shows them or not.
        ({"special": ("</tool_call>",)}, [row("Call.", "tool")], "^</tool_call> must survive decoding"),
        ({"special": ("<response>",)}, [TOOL], "^<response> must survive decoding"),
        ({"special": ("\\boxed",)}, [MATH], r"^\\boxed\{\} must survive decoding"),
        # A prompt may show the box with something in it.
        ({"special": ("\\boxed",)}, [row("Write \\boxed{answer}.")], r"^\\boxed\{\} must survive decoding"),
        ({"special": ("####",)}, [row("End with ####.")], "^#### must survive decoding"),
        ({"special": ("Answer:",)}, [row("Write Answer: 3.")], "^Answer: must survive decoding"),
        # A reasoning model's own tags, asked for or not.
        ({"special": ("<think>", "</think>")}, [MATH], "^<think>, </think> must survive decoding"),
    ],
)
def test_a_tokenizer_that_does_not_is_a_fault(compose_with, made, rows, sentence):
    faults = list(find_faults(compose_with(), tokenizer(**made), rows))
    assert len(faults) == 1, faults
    assert re.search(sentence, faults[0]), faults[0]


def test_a_tag_that_cannot_be_spelled_is_told_apart_from_a_special_token(compose_with):
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "so": 1, "it": 2, "####": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="it", chat_template=CHAT)
    (sentence,) = find_faults(compose_with(), made, [row("End with #### and Answer: 3")])
    assert sentence.startswith("Answer: must survive encoding and decoding")


def test_options_of_the_template_that_it_refuses_are_a_fault(compose_with):
    config = compose_with("data.apply_chat_template_kwargs.add_generation_prompt=true")
    (sentence,) = find_faults(config, tokenizer(), [MATH])
    assert "it fails with TypeError" in sentence


def test_prompts_as_pandas_reads_them_are_taken(compose_with):
    rows = [MATH | {"prompt": np.array(MATH["prompt"], dtype=object)}]
    assert list(find_faults(compose_with(), tokenizer(), rows)) == []
    assert len(list(find_faults(compose_with(), tokenizer(special=("\\boxed",)), rows))) == 1


def test_rows_of_every_kind_are_looked_at(compose_with):
    # The one row of tools stands behind more rows of math than are looked at.
    rows = [MATH] * 50 + [TOOL]
    faults = list(find_faults(compose_with(), tokenizer(special=("<tool_call>",)), rows))
    assert [sentence.split()[0] for sentence in faults] == ["<tool_call>"]


def test_of_each_kind_the_first_four_are_looked_at(compose_with):
    refused = row("Be brief.", role="system")
    assert len(list(find_faults(compose_with(), tokenizer(template=STRICT), [MATH] * 3 + [refused]))) == 1
    assert list(find_faults(compose_with(), tokenizer(template=STRICT), [MATH] * 4 + [refused])) == []


def test_without_a_tokenizer_there_is_nothing_to_check(compose_with):
    assert list(find_faults(compose_with(), None, [MATH])) == []


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (258, None),
        # <|im_end|>, the end of a response, is the last.
        (257, "must hold all 258 tokens of the tokenizer, but has 257 .*, without <|im_end|>; take the model's own"),
        (100, "without .*, .*, "),
    ],
)
def test_the_models_vocabulary_holds_the_tokenizers(compose_with, size, said):
    found = list(find_faults(compose_with(), tokenizer(), [MATH], Qwen2Config(vocab_size=size)))
    assert len(found) == (said is not None)
    assert not any(isinstance(line, Note) or not re.search(said.replace("|", r"\|"), line) for line in found)


def test_a_token_more_that_nothing_uses_is_a_note(compose_with):
    (note,) = find_faults(compose_with(), tokenizer(plain=("<unused>",)), [MATH], Qwen2Config(vocab_size=258))
    assert isinstance(note, Note)
    assert "but has 258 (config.json); take" in note
