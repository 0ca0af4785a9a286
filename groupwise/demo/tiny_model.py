"""A byte-level tokenizer and a Qwen2 model of about a million parameters, both built by code: nothing is downloaded.

Chosen: the Qwen2 architecture, because verl and vLLM both load it without custom code; one token per byte, so that
every digit is a token and no vocabulary has to be trained.
"""

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

PAD, TURN_END = "<|endoftext|>", "<|end|>"
ROLES = ["<|system|>", "<|user|>", "<|assistant|>"]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""Three tokens around a question, where ChatML would take seventeen in bytes. A response ends with TURN_END."""

# Small enough to learn additions of two digits, sometimes right and sometimes wrong, in about a minute on two cores.
SHAPE = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    # Qwen2's 0.02 is meant for layers ten times as wide; with it additions are learnt far more slowly.
    "initializer_range": 0.06,
}


def build_tokenizer(size: int | None = None) -> PreTrainedTokenizerFast:
    """Builds a tokenizer whose tokens are the 256 bytes and five special ones, filled up to a size with more words."""
    vocabulary = [*sorted(pre_tokenizers.ByteLevel.alphabet()), PAD, TURN_END, *ROLES]
    vocabulary += [f"word{i}" for i in range(len(vocabulary), size or 0)]
    bytes_only = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(vocabulary)}, merges=[]))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_only,
        eos_token=TURN_END,
        pad_token=PAD,
        additional_special_tokens=ROLES,
        model_max_length=SHAPE["max_position_embeddings"],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_model(tokenizer: PreTrainedTokenizerFast, *, seed: int, shape: dict[str, Any] = SHAPE) -> Qwen2ForCausalLM:
    """Builds an untrained model in float32 for a tokenizer of `build_tokenizer`.

    `shape` has fields of its configuration; torch's global generator is left as it was.
    """
    special_tokens = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        tie_word_embeddings=True,
        bos_token_id=None,
        dtype="float32",
        **shape,
        **special_tokens,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM(config)
    # Qwen2's own defaults for sampling (top-k, top-p) would bend the distribution that the policy gradient assumes.
    model.generation_config = GenerationConfig(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, **special_tokens)
    return model
