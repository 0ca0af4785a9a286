"""What the warm start learns from."""

import pandas
import pytest
import torch

from groupwise.demo import demonstrations
from groupwise.demo.tiny_model import build_tokenizer


def row(a, b):
    return {"prompt": [{"role": "user", "content": f"{a}+{b}="}], "reward_model": {"ground_truth": str(a + b)}}


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("12+34=", "46"),  # nothing to carry
        ("27+35=", "52"),  # 7+5 = 12 leaves 2; 2+3 = 5
        ("58+71=", "29"),  # 5+7 = 12 leaves 2
        ("5+5=", "0"),
        ("95+5=", "90"),  # 5+5 leaves 0; 9+0 = 9
        ("5+95=", "90"),
        ("50+50=", "0"),  # no leading zeros
        ("0+0=", "0"),
        ("999+1=", "990"),
    ],
)
def test_a_forgotten_carry(question, answer):
    assert demonstrations.without_carry(question) == answer


@pytest.mark.parametrize("question", ["", "12=", "12-34=", "1+2+3=", "a+b=", "+=", "-1+2=", "1.5+2=", "²+1="])
def test_what_is_no_addition_is_refused(question):
    with pytest.raises(ValueError, match=r"needs questions such as '12\+34='"):
        demonstrations.without_carry(question)


def responses(tokenizer, examples):
    return [tokenizer.decode(answer) for _, answer in examples]


def test_half_of_the_demonstrations_forget_the_carry(tokenizer):
    rows = pandas.DataFrame([row(27, 35)] * 400)
    answers = responses(tokenizer, demonstrations.tokenize(tokenizer, rows, seed=0))
    assert set(answers) == {"#### 62<|end|>", "#### 52<|end|>"}
    # Binomial with n = 400 and p = 1/2: 200 and four standard deviations of 10.
    assert abs(answers.count("#### 62<|end|>") - 200) <= 40


def test_without_a_carry_all_are_right(tokenizer):
    answers = responses(tokenizer, demonstrations.tokenize(tokenizer, pandas.DataFrame([row(12, 34)] * 20), seed=0))
    assert set(answers) == {"#### 46<|end|>"}


def test_the_seed_decides_which(tokenizer):
    rows = pandas.DataFrame([row(27, 35)] * 40)
    first, again, other = (demonstrations.tokenize(tokenizer, rows, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_only_response_tokens_carry_a_label(tokenizer):
    examples = demonstrations.tokenize(tokenizer, pandas.DataFrame([row(1, 2), row(123, 456)]), seed=0)
    batch = demonstrations.collate(examples, tokenizer.pad_token_id)
    for i, answer in enumerate(["#### 3<|end|>", "#### 579<|end|>"]):
        labelled = batch["labels"][i] != demonstrations.IGNORED_LABEL
        assert tokenizer.decode(batch["labels"][i][labelled]) == answer
        assert torch.equal(batch["input_ids"][i][labelled], batch["labels"][i][labelled])
        real = batch["attention_mask"][i].bool()
        assert tokenizer.decode(batch["input_ids"][i][real]).endswith(f"<|assistant|>{answer}")
        assert (batch["input_ids"][i][~real] == tokenizer.pad_token_id).all()
    # "1+2=" and "#### 3" are 6 tokens shorter than "123+456=" and "#### 579".
    assert batch["attention_mask"].sum(1).diff().item() == 6
