"""What looks like a secret and what does not."""

import pytest

from groupwise.record.hidden import HIDDEN, without_assigned_secrets, without_secrets

SECRET = "s3cr3t,;-/"


@pytest.mark.parametrize(
    "key",
    [
        *("WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "hf_token", "RAY_AUTH_TOKEN", "_redis_password"),
        *("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "CLEARML_API_SECRET_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "ssh_private_key", "api-key", "apiKey", "db.passwd"),
    ],
)
def test_values_of_such_keys_are_hidden(key):
    assert without_secrets({"a": [{key: SECRET}]}) == {"a": [{key: HIDDEN}]}
    assert without_secrets({key: {"inner": SECRET}}) == {key: HIDDEN}
    for word in (
        f"env_vars.{key}={key}{SECRET[:6]}",
        f"+x.env_vars={{{key}: {SECRET[:6]}, A: b}}",
        f"{key}='{SECRET}'",
    ):
        hidden = without_assigned_secrets(word)
        assert SECRET[:6] not in hidden
        assert HIDDEN in hidden
        assert "A: b" in hidden or "A: b" not in word


@pytest.mark.parametrize(
    "key", ["max_tokens", "tokenizer", "ppo_max_token_len_per_gpu", "prompt_key", "token_level", "author"]
)
def test_values_of_other_keys_are_not(key):
    assert without_secrets({key: "value"}) == {key: "value"}
    assert without_assigned_secrets(f"a.{key}=value") == f"a.{key}=value"


def test_a_switch_and_what_is_empty_are_no_secrets():
    assert without_secrets({"use_token": True, "hf_token": None, "password": ""}) == {
        "use_token": True,
        "hf_token": None,
        "password": "",
    }


def test_tokens_are_known_by_their_form_too():
    assert without_secrets("https://me:pw@host/x and hf_" + "aB3" * 10) == f"https://{HIDDEN}@host/x and {HIDDEN}"
    assert without_secrets("https://host:80/a@b") == "https://host:80/a@b"
