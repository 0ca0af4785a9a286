"""A replay decides what the run decided, and says what it would decide otherwise."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groupwise.dumps.reader import find_dumps, read_dump
from groupwise.dumps.schema import METADATA_KEY
from groupwise.errors import GroupwiseError
from groupwise.method import display_of
from groupwise.replay import __main__ as command
from groupwise.replay import by_step
from groupwise.replay.rows import NEEDED, read_batches
from groupwise.replay.settings import choose, method_of_run, read_settings
from groupwise.terminal import write

DISPLAY = display_of("dipo")


def replay(folder, method="dipo", **given):
    files = find_dumps([folder])
    chosen = choose(read_dump(files[0]), given, method=method)
    return by_step.replay_files(files, chosen, correct_above=None)


def reallocated(line):
    return sum(int(line.metrics[f"dipo/reallocated_total/{side}"]) for side in ("up", "down"))


def alter(file, column=None, value=None, *, row=0, **metadata):
    """Changes one value of a dump, or of its metadata."""
    table = pq.read_table(file)
    if column is not None:
        values = table[column].to_pylist()
        values[row] = value
        place = table.column_names.index(column)
        table = table.set_column(place, table.schema.field(place), pa.array(values, table.schema.field(place).type))
    decided = json.loads(table.schema.metadata[METADATA_KEY]) | metadata
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(decided)}), file)


class TestTheRunsOwnSettings:
    @pytest.mark.parametrize("rule", ["any", "median", "mean", "max"])
    @pytest.mark.parametrize("estimator", ["dipo", "grpo"])
    def test_every_step_is_the_same_bit_for_bit(self, write_run, rule, estimator):
        folder, logged = write_run(estimator=estimator, group_perplexity=rule)
        result = replay(folder)
        assert result.differences == {str(step): [] for step in range(1, 7)}
        # Metrics of six steps, and something was decided in them.
        assert [{**record["data"]} for record in result.records] == [
            {"training/global_step": step, **metrics} for step, metrics in enumerate(logged, start=1)
        ]
        assert rule != "any" or sum(map(reallocated, result.lines)) > 0

    def test_several_updates_a_step(self, write_run):
        folder, _ = write_run(3, updates=2)
        names = ["1", "1:1", "2", "2:1", "3", "3:1"]
        assert replay(folder).differences == {name: [] for name in names}

    @pytest.mark.parametrize(
        ("column", "value", "found"),
        [
            ("dipo_reallocated_reward", 0.5, ["dipo_reallocated_reward"]),
            ("dipo_chosen", None, ["dipo_chosen"]),
            ("advantage_after", 7.0, ["advantage_after"]),
            ("dipo_quadrant", "elsewhere", ["dipo_quadrant"]),
        ],
    )
    def test_what_differs_is_named(self, write_run, column, value, found):
        folder, _ = write_run()
        alter(folder / "groupwise" / "4.parquet", column, value)
        differences = replay(folder).differences
        assert differences.pop("4") == found
        assert set(map(tuple, differences.values())) == {()}

    def test_another_perplexity_is_noticed(self, write_run):
        folder, _ = write_run()
        file = folder / "groupwise" / "3.parquet"
        alter(file, "perplexity", pq.read_table(file)["perplexity"][0].as_py() + 1e-9)
        # It stands in one of the two mean perplexities at least.
        assert any(name.startswith("dipo/perplexity/") for name in replay(folder).differences["3"])

    def test_a_run_that_went_on_with_other_settings(self, write_run):
        folder, _ = write_run()
        changed = read_dump(folder / "groupwise" / "5.parquet").decided["methods"]["dipo"] | {"alpha": 0.3}
        alter(folder / "groupwise" / "5.parquet", methods={"dipo": changed})
        assert {step for step, found in replay(folder).differences.items() if found == ["settings"]} == {"5"}

    def test_a_folder_that_begins_in_the_middle(self, write_run):
        folder, _ = write_run()
        for step in (1, 2):
            (folder / "groupwise" / f"{step}.parquet").unlink()
        # Step 3 decided on a queue with step 2 in it, which is gone; step 4 has 3 and 4.
        assert replay(folder).differences == {"3": None, "4": [], "5": [], "6": []}

    def test_a_gap(self, write_run):
        folder, _ = write_run(queue_batches=3)
        (folder / "groupwise" / "3.parquet").unlink()
        # A queue of three batches: steps 4 and 5 held step 3; step 6 has 4, 5 and 6. Steps 1 and 2 began the run.
        assert replay(folder).differences == {"1": [], "2": [], "4": None, "5": None, "6": []}

    @pytest.mark.parametrize("estimator", ["dipo", "grpo"])
    def test_dumps_of_a_real_run_from_before_methods_had_an_interface(self, estimator):
        """Four steps of scripts/run_cpu_demo.sh at revision 28dbe5d, whose files are of format 1."""
        folder = Path(__file__).parent / "golden" / estimator
        result = replay(folder)
        assert result.differences == {"1": [], "2": [], "3": [], "4": []}
        assert sum(map(reallocated, result.lines)) > 0
        assert sum(line.responses for line in result.lines) == 4 * 24 * 8


class TestOtherSettings:
    def test_other_rules_are_not_compared_with_the_runs(self, write_run):
        folder, logged = write_run()
        result = replay(folder, group_perplexity="max", alpha=0.5)
        assert result.differences == {}
        # The run logged what each rule would have done.
        would = [int(metrics["dipo/would_reallocate_total/peak"]) for metrics in logged]
        assert [reallocated(line) for line in result.lines] == would
        assert [line.metrics["dipo/would_reallocate_total/any"] for line in result.lines] == [
            int(metrics["dipo/reallocated_total/up"] + metrics["dipo/reallocated_total/down"]) for metrics in logged
        ]

    def test_alpha_scales_the_advantages_share(self, write_run):
        folder, _ = write_run(1)
        small, large = (replay(folder, alpha=alpha).records[0]["data"]["dipo/advantage_share"] for alpha in (0.1, 0.2))
        # share = alpha r / (v + alpha r): v/r = alpha (1/share - 1) is the same for both.
        assert 0.1 * (1 / small - 1) == pytest.approx(0.2 * (1 / large - 1))

    def test_the_settings_come_from_the_run(self, write_run):
        folder, _ = write_run(1, alpha=0.3, confidence=None)
        first = read_dump(find_dumps([folder])[0])
        chosen = choose(first, {"group_perplexity": "mean"})
        wanted = {"alpha": 0.3, "queue_batches": 2, "confidence": None, "group_perplexity": "mean"}
        assert chosen.settings == {**wanted, "normalize_by_std": True}
        assert (chosen.source, chosen.is_the_runs) == ("the run", False)
        assert choose(first, {"alpha": 0.3}).is_the_runs

    def test_or_from_the_defaults(self, tmp_path):
        (tmp_path / "1.jsonl").write_text('{"uid": "a", "score": 1.0, "step": 1}\n')
        chosen = choose(read_dump(tmp_path / "1.jsonl"), {}, method="dipo")
        wanted = {"alpha": 0.1, "queue_batches": 2, "confidence": 0.95, "group_perplexity": "any_group"}
        assert chosen.settings == {**wanted, "normalize_by_std": True}
        assert (chosen.source, chosen.is_the_runs) == ("its defaults", False)

    def test_out_of_range(self, write_run):
        folder, _ = write_run(1)
        with pytest.raises(GroupwiseError, match=r"alpha must be a number of at least 0, but is -1"):
            replay(folder, alpha=-1.0)


def lines_of(*rows):
    return "".join(json.dumps({"step": 1, **row}) + "\n" for row in rows)


class TestWhichMethod:
    def test_the_one_that_trained_or_else_the_first_that_was_observed(self, write_run):
        for estimator in ("dipo", "grpo"):
            folder, _ = write_run(1, estimator=estimator)
            assert method_of_run(read_dump(find_dumps([folder])[0])) == "dipo"

    def test_a_run_without_any_asks_for_one(self, tmp_path):
        (tmp_path / "1.jsonl").write_text('{"uid": "a", "score": 1.0, "step": 1}\n')
        with pytest.raises(GroupwiseError, match=r"name one with --method \(.*dipo.*\), or compare"):
            choose(read_dump(tmp_path / "1.jsonl"), {})

    def test_no_such_method_or_setting(self, write_run):
        folder, _ = write_run(1)
        with pytest.raises(GroupwiseError, match=r"must be one of .*, but is 'dippo'; did you mean 'dipo'"):
            replay(folder, method="dippo")
        with pytest.raises(GroupwiseError, match=r"algorithm.dipo has no key 'alfa'; did you mean 'alpha'"):
            replay(folder, alfa=1)

    def test_settings_are_read_as_they_are_written_for_a_training(self):
        words = [
            "alpha=1e-2",
            "b=.5",
            "confidence=null",
            "c=None",
            "rule=any",
            "on=true",
            "algorithm.dipo.n=3",
            "e=a=b",
        ]
        assert read_settings([*words, "algorithm.dipo.n=3"]) == {
            (None, "alpha"): 0.01, (None, "b"): 0.5, (None, "confidence"): None, (None, "c"): None,
            (None, "rule"): "any", (None, "on"): True, ("dipo", "n"): 3, (None, "e"): "a=b",
        }  # fmt: skip
        for word in ("alpha", "=3", "dipo.=3"):
            with pytest.raises(GroupwiseError, match=r"must be followed by key=value, such as alpha=0.3, but got"):
                read_settings([word])


class TestOtherRunsDumps:
    @pytest.fixture
    def batches(self, tmp_path):
        def read(*rows, correct_above=None):
            (tmp_path / "1.jsonl").write_text(lines_of(*rows))
            return read_batches(read_dump(tmp_path / "1.jsonl"), correct_above=correct_above)

        return read

    def test_log_probs_give_perplexities(self, batches):
        rows = [
            {"uid": "a_0_0", "score": 1, "old_log_probs": [-1.0, -3.0]},
            {"uid": "a_1_0", "score": 0, "old_log_probs": [-1.0, float("nan")], "response_mask": [1, 0]},
            {"uid": "b_0_0", "score": 0, "old_log_probs": []},
            {"uid": "b_1_0", "score": 0, "old_log_probs": [-1.0], "response_mask": [0]},
        ]
        rows[0]["response_mask"] = [1, 1]
        (batch,) = batches(*rows)
        # exp of the mean of 1 and 3; exp(1); no token of the policy in the other two.
        assert batch.responses.perplexity[:2].tolist() == pytest.approx([2.718281828**2, 2.718281828])
        assert batch.responses.perplexity[2:].isnan().all()
        assert batch.responses.correct.tolist() == [True, False, False, False]
        assert batch.responses.group.tolist() == [0, 0, 1, 1]
        assert batch.responses.has_perplexity

    def test_earlier_outputs_of_a_session_are_left_out(self, batches):
        (batch,) = batches(*({"uid": f"a_0_{index}", "score": 1} for index in (1, 10, 2)), {"uid": "a_1_0", "score": 0})
        assert batch.rows == [1, 3]

    @pytest.mark.parametrize(
        ("scores", "correct"), [([1, 0], [True, False]), ([1.0, -1.0], [True, False]), ([-1, -1], [False, False])]
    )
    def test_binary_scores_are_verdicts(self, batches, scores, correct):
        (batch,) = batches(*({"uid": f"a_{place}_0", "score": score} for place, score in enumerate(scores)))
        assert batch.responses.correct.tolist() == correct

    def test_graded_scores_are_not(self, batches):
        rows = [{"uid": "a_0_0", "score": 0.3}, {"uid": "a_1_0", "score": 1.0}]
        with pytest.raises(GroupwiseError, match=r"has the scores 0.3, 1; say with --correct-above from which score"):
            batches(*rows)
        (batch,) = batches(*rows, correct_above=0.5)
        assert batch.responses.correct.tolist() == [False, True]

    def test_a_missing_verdict_is_a_failure(self, batches):
        (batch,) = batches({"uid": "a_0_0", "score": 0, "acc": None}, {"uid": "a_1_0", "score": 1, "acc": 1})
        assert batch.has_verdict.tolist() == [False, True]

    @pytest.mark.parametrize(
        ("row", "sentence"),
        [
            (
                {"uid": "a_0_0"},
                r"must have the columns uid \(of the prompt\) and score, but .* has only step, uid, key",
            ),
            ({"score": 1.0}, r"must have the columns uid"),
            ({"uid": "a_0_0", "score": "good"}, r"column score of .* must hold numbers, but row 0 has 'good'"),
            ({"uid": "a_0_0", "score": None}, r"must hold numbers, but row 0 has None"),
            ({"uid": "a_0_0", "score": 1.0, "acc": 0.5}, r"must hold verdicts, 0 or 1, but has 0.5"),
            (
                {"uid": "a_0_0", "score": 1, "old_log_probs": [0.9]},
                r"but: A log-prob is at most 0, .* in row 0;",
            ),
            (
                {"uid": "a_0_0", "score": 1, "old_log_probs": [-1.0], "response_mask": [1, 1]},
                r"response_mask must hold a number for each token .* but row 0 of .* does not",
            ),
        ],
    )
    def test_what_cannot_be_used(self, batches, row, sentence):
        with pytest.raises(GroupwiseError, match=sentence):
            batches(row)

    def test_without_perplexities_the_groups_are_counted_all_the_same(self, tmp_path):
        # a is hard, b easy, c mixed, d has one response.
        scores = {"a": [0, 0], "b": [1, 1], "c": [0, 1], "d": [1]}
        rows = [
            {"uid": f"{uid}_{place}_0", "score": score}
            for uid, group in scores.items()
            for place, score in enumerate(group)
        ]
        (tmp_path / "1.jsonl").write_text(lines_of(*rows))
        result = replay(tmp_path)
        (line,) = result.lines
        assert (line.groups, line.hard, line.easy, line.metrics) == (4, 1, 1, None)
        told = by_step.sentences(result.lines, DISPLAY, lacking=result.lacking)
        assert told == [
            "2 of 4 groups (50%) had no gradient: 1 hard, 1 easy.",
            f"What DiPO would have done with them cannot be told: the dumps lack {NEEDED['perplexities']}.",
        ]


class TestCommand:
    def run(self, monkeypatch, capsys, *arguments):
        monkeypatch.setattr(sys, "argv", ["replay", *map(str, arguments)])
        command.main()
        return capsys.readouterr().out

    def test_says_what_dipo_would_have_done(self, write_run, monkeypatch, capsys, tmp_path):
        folder, logged = write_run(estimator="grpo")
        wanted, metrics = tmp_path / "replay.json", tmp_path / "metrics.jsonl"
        told = self.run(monkeypatch, capsys, folder, "--json", wanted, "--metrics", metrics)
        # Six steps with 12 groups, of which a third is hard and a third easy.
        assert "6 steps, 288 responses of a run with grpo" in told
        assert "of 72 groups" in told
        assert "6 of 6 steps are, bit for bit, what the run itself decided." in told
        written = json.loads(wanted.read_text())
        used = sum(m["dipo/reallocated_total/up"] + m["dipo/reallocated_total/down"] for m in logged)
        assert written["total"]["up"] + written["total"]["down"] == used
        assert written["total"]["groups"] == 72
        assert written["differences"] == {str(step): [] for step in range(1, 7)}
        records = [json.loads(line) for line in metrics.read_text().splitlines()]
        assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6]
        assert records[0]["data"] == {"training/global_step": 1, **logged[0]}

    def test_other_settings(self, write_run, monkeypatch, capsys):
        folder, _ = write_run()
        told = self.run(monkeypatch, capsys, folder, "--set", "alpha=1", "confidence=null", "--no-norm-by-std")
        assert (
            "DiPO with alpha=1, queue_batches=2, confidence=None, group_perplexity=any, normalize_by_std=False" in told
        )
        assert "bit for bit" not in told

    def test_a_fault_is_a_sentence(self, tmp_path, monkeypatch, capsys):
        with pytest.raises(SystemExit, match="must hold dumps"):
            self.run(monkeypatch, capsys, tmp_path)

    def test_a_run_without_a_threshold(self, write_run, monkeypatch, capsys):
        folder, _ = write_run(confidence=0.9999999)
        told = self.run(monkeypatch, capsys, folder)
        assert "tau* was admissible in 0 of 6 steps: perplexity does not separate right from wrong here." in told
        assert "DiPO would have used 0 of them (0%): 0 up, 0 down." in told


class TestSummary:
    @pytest.fixture
    def lines(self, write_run):
        def make(count):
            folder, _ = write_run(1)
            (line,) = replay(folder).lines
            return [line._replace(name=str(step)) for step in range(1, count + 1)]

        return make

    @pytest.mark.parametrize(("count", "rows"), [(1, 1), (40, 40), (41, 21), (80, 40), (1000, 40)])
    def test_a_long_table_is_thinned_and_ends_with_the_last_step(self, lines, count, rows, capsys):
        write(by_step.table(lines(count), DISPLAY))
        head, *text = capsys.readouterr().out.splitlines()
        assert head.split() == ["step", "groups", "hard", "easy", "tau", "(err)", "up", "down", "gradient"]
        shown = [line for line in text if not line.startswith("(")]
        assert len(shown) == rows
        assert shown[-1].split()[0] == str(count)
        assert (text[-1].startswith("(every")) == (count > 40)

    def test_no_dead_group(self, lines):
        (line,) = lines(1)
        none = {f"dipo/reallocated_total/{side}": 0.0 for side in ("up", "down")}
        idle = line._replace(hard=0, easy=0, metrics=line.metrics | none)
        (first, second, *_) = by_step.sentences([idle], DISPLAY)
        assert first == "0 of 12 groups (0%) had no gradient: 0 hard, 0 easy."
        assert second == "DiPO would have used 0 of them (none): 0 up, 0 down."

    def test_shares_are_weighted_by_responses(self, lines):
        (line,) = lines(1)
        before, after = DISPLAY.gradient
        pair = [
            line._replace(responses=10, metrics=line.metrics | {before: 0.0, after: 1.0}),
            line._replace(responses=30, metrics=line.metrics | {before: 1.0, after: 1.0}),
        ]
        total = by_step.totals(pair, DISPLAY)
        assert (total["gradient_before"], total["gradient_after"]) == (0.75, 1.0)

    def test_verdicts_in_words(self):
        told = by_step.verdict({"1": None, "2": [], "3": ["threshold", "chosen"]})
        assert told == [
            "1 of 2 steps are, bit for bit, what the run itself decided.",
            "Not compared, since dumps of the steps before are missing: 1 steps (1).",
            "Step 3 differs in threshold, chosen.",
        ]
        assert by_step.verdict({}) == []
