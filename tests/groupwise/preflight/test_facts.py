"""What the checks know of a configuration: rows of its data, its model's tokenizer, and how many parameters it has."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoConfig, AutoModelForCausalLM, ViTConfig

from groupwise.preflight.facts import SAMPLED_ROWS, Facts
from groupwise.preflight.model import count_parameters

MODEL = "actor_rollout_ref.model"


@pytest.fixture
def write(tmp_path):
    """Writes a parquet file of numbered rows."""

    def write_(name: str, rows: int) -> str:
        pq.write_table(pa.table({"row": pa.array(range(rows), pa.int64())}), tmp_path / name)
        return str(tmp_path / name)

    return write_


class TestRows:
    def test_are_those_of_all_training_files(self, compose_with, write):
        train, more, val = write("a.parquet", 70), write("b.parquet", 3), write("c.parquet", 5)
        facts = Facts(compose_with(f"data.train_files=[{train},{more}]", f"data.val_files={val}"))
        assert facts.train_rows == 73
        # A file that is named twice is trained on twice.
        assert Facts(compose_with(f"data.train_files=[{more},{more}]")).train_rows == 6

    def test_are_unknown_where_a_file_is_not_here(self, compose_with, write, tmp_path):
        here = write("a.parquet", 7)
        for other in ("hdfs://cluster/b.parquet", f"{tmp_path}/none.parquet"):
            assert Facts(compose_with(f"data.train_files=[{here},{other}]")).train_rows is None

    def test_are_counted_in_json_as_verl_reads_it(self, compose_with, write, tmp_path):
        (tmp_path / "lines.jsonl").write_text('{"row": 7}\n' * 70)
        (tmp_path / "list.json").write_text('[{"row": 1}, {"row": 2}]')
        facts = Facts(compose_with(f"data.train_files=[{tmp_path}/lines.jsonl,{tmp_path}/list.json]"))
        assert facts.train_rows == 72
        assert [row["row"] for row in facts.sample if "row" in row] == [7] * SAMPLED_ROWS + [1, 2]
        # A class of the user's own makes as many rows of a file as it likes.
        assert (
            Facts(compose_with(f"data.train_files={write('a.parquet', 7)}", "data.custom_cls.path=a.py")).train_rows
            is None
        )

    def test_are_unknown_where_a_file_is_no_parquet(self, compose_with, write, tmp_path):
        here = write("a.parquet", 7)
        (tmp_path / "text.parquet").write_text("row\n1\n")
        assert Facts(compose_with(f"data.train_files=[{here},{tmp_path}/text.parquet]")).train_rows is None


class TestSample:
    def test_is_the_first_rows_of_each_file(self, compose_with, write):
        train, val = write("a.parquet", SAMPLED_ROWS + 6), write("b.parquet", 2)
        facts = Facts(compose_with(f"data.train_files={train}", f"data.val_files={val}"))
        assert [row["row"] for row in facts.sample] == [*range(SAMPLED_ROWS), 0, 1]

    def test_leaves_out_what_cannot_be_read(self, compose_with, write, tmp_path):
        (tmp_path / "text.parquet").write_text("row\n1\n")
        files = [f"{tmp_path}/text.parquet", write("empty.parquet", 0), "hdfs://cluster/a.parquet"]
        facts = Facts(compose_with(f"data.train_files=[{','.join(files)}]", f"data.val_files={write('v.parquet', 2)}"))
        assert [row["row"] for row in facts.sample] == [0, 1]

    def test_local_files_are_each_named_once(self, compose_with, write, tmp_path):
        here = write("a.parquet", 1)
        files = [here, "hdfs://cluster/b.parquet", f"{tmp_path}/none.parquet", str(tmp_path)]
        facts = Facts(compose_with(f"data.train_files=[{','.join(files)}]", f"data.val_files={here}"))
        assert facts.local_data_files == [here]


class TestModel:
    def test_the_tokenizer_has_the_models_template_unless_another_is_given(self, compose_with):
        own = Facts(compose_with()).tokenizer.chat_template
        assert own
        config = compose_with()
        config.actor_rollout_ref.model.custom_chat_template = "{{ messages }}"
        assert Facts(config).tokenizer.chat_template == "{{ messages }}"

    def test_the_tokenizer_and_the_configuration_may_lie_elsewhere(self, compose_with, sound_files, tmp_path):
        other = shutil.copytree(sound_files / "model", tmp_path / "other")
        shape = AutoConfig.from_pretrained(other)
        shape.max_position_embeddings = 77
        shape.save_pretrained(other)
        for key, positions in (("hf_config_path", 77), ("tokenizer_path", 1024)):
            facts = Facts(compose_with(f"{MODEL}.{key}={other}"))
            assert facts.hf_config.max_position_embeddings == positions
        assert facts.tokenizer.name_or_path == str(other)

    def test_verls_overrides_of_the_configuration_count(self, compose_with):
        facts = Facts(compose_with(f"{MODEL}.override_config.max_position_embeddings=99"))
        assert facts.hf_config.max_position_embeddings == 99

    @pytest.mark.parametrize("path", ["hdfs://cluster/model", "/no/such/model"])
    def test_what_is_not_here_is_not_known(self, compose_with, path):
        facts = Facts(compose_with(f"{MODEL}.path={path}"))
        assert (facts.hf_config, facts.tokenizer, facts.parameters) == (None, None, None)


class TestParameters:
    def test_are_those_of_the_real_model(self, compose_with, sound_files):
        model = AutoModelForCausalLM.from_pretrained(sound_files / "model")
        # Tied embeddings are one parameter in both.
        assert Facts(compose_with()).parameters == sum(parameter.numel() for parameter in model.parameters())

    def test_are_unknown_for_what_is_no_language_model(self):
        assert count_parameters(ViTConfig(), trust_remote_code=False) is None
