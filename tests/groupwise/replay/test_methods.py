"""Several methods on one run's dumps, against numbers worked by hand."""

import json
from dataclasses import dataclass

import pandas as pd
import pytest
import torch

from groupwise.method import METHODS, Method, Outcome
from groupwise.replay.__main__ import main

E = 2.718281828459045


@dataclass(frozen=True)
class Weight:
    weight: float = 0.5


class Flat(Method):
    """Lifts all that is right and lowers all that is wrong in groups without variance; asks for no perplexity."""

    name, Config = "flat", Weight

    def advantages(self, whole):
        base = whole.base_advantage(normalize_by_std=self.normalize_by_std)
        return Outcome(torch.where(base == 0, self.config.weight * (2 * whole.correct.float() - 1), base))


class Sure(Method):
    """Adds how much surer than its group a response is, in nats per token."""

    name, Config = "sure", Weight

    def advantages(self, whole):
        surer = whole.mean_log_prob - whole.group_mean(whole.mean_log_prob)
        return Outcome(
            whole.base_advantage(normalize_by_std=self.normalize_by_std) + self.config.weight * surer.float()
        )


class EachToken(Method):
    """Gives each token its log-prob."""

    name, Config, needs = "each_token", Weight, frozenset({"log_probs"})

    def advantages(self, whole):
        return Outcome(self.config.weight * whole.tokens.log_probs * whole.tokens.mask)


class Surprised(Method):
    """Asks for what no dump holds."""

    name, Config, needs = "surprised", Weight, frozenset({"entropies"})


class Broken(Method):
    """Refuses its batch."""

    name, Config = "broken", Weight

    def advantages(self, whole):
        raise ValueError("A batch must be of another kind.")


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    for method in (Flat, Sure, EachToken, Surprised, Broken):
        monkeypatch.setitem(METHODS._registered, method.name, method)


# In groups of two: mean log-probs -1 and -3 (hard), -1 and -2 (easy), -2 and -2 (mixed: 0 and 1).
ROWS = [
    {"uid": f"{uid}_{place}_0", "score": score, "step": 1, "old_log_probs": log_probs}
    for uid, group in {
        "hard": [(0, [-1.0, -1.0]), (0, [-3.0])],
        "easy": [(1, [-1.0]), (1, [-1.0, -3.0])],
        "mixed": [(0, [-2.0]), (1, [-2.0])],
    }.items()
    for place, (score, log_probs) in enumerate(group)
]


@pytest.fixture
def dumps(tmp_path):
    """Writes rows as plain verl's dump of step 1."""

    def write(rows=ROWS, folder=tmp_path / "rollouts", step=1):
        folder.mkdir(exist_ok=True)
        (folder / f"{step}.jsonl").write_text("".join(json.dumps({**row, "step": step}) + "\n" for row in rows))
        return folder

    return write


def without(*names):
    return [{key: value for key, value in row.items() if key not in names} for row in ROWS]


def run(capsys, *arguments):
    main([str(argument) for argument in arguments])
    return capsys.readouterr().out


def test_figures_by_hand(dumps, capsys, tmp_path):
    out = tmp_path / "methods.json"
    run(capsys, dumps(), "--methods", "flat,sure,each_token", "--no-norm-by-std", "--json", out)
    found = json.loads(out.read_text())["methods"]
    # GRPO, not divided: 0 in both groups without variance, -0.5 and 0.5 in the mixed one.
    base = {"gradient_share": 2 / 6, "dead_share": 0.0, "mean_size/hard": 0.0, "mean_size/easy": 0.0}
    base |= {f"pushed_up/{kind}{side}": 0.0 for kind in ("hard", "easy") for side in ("", "/sure", "/unsure")}
    assert found["grpo"] == pytest.approx(base)
    # Four times 0.5 in the groups without variance, and the mixed group's 1.0.
    flat = {"gradient_share": 1.0, "dead_share": 2.0 / 3.0, "mean_size/hard": 0.5, "mean_size/easy": 0.5}
    flat |= {f"pushed_up/easy{side}": 1.0 for side in ("", "/sure", "/unsure")}
    assert found["flat"] == pytest.approx({**base, **flat})
    # Half of: hard +1, -1; easy +0.5, -0.5; mixed 0, 0, beside GRPO's -0.5, 0.5.
    sure = {"gradient_share": 1.0, "dead_share": 1.5 / 2.5, "mean_size/hard": 0.5, "mean_size/easy": 0.25}
    sure |= {f"pushed_up/{kind}": 0.5 for kind in ("hard", "easy")}
    sure |= {f"pushed_up/{kind}/sure": 1.0 for kind in ("hard", "easy")}
    assert found["sure"] == pytest.approx({**base, **sure})
    # Half the mean log-probs: hard 0.5, 1.5; easy 0.5, 1; mixed 1, 1; all downwards.
    tokens = {"gradient_share": 1.0, "dead_share": 3.5 / 5.5, "mean_size/hard": 1.0, "mean_size/easy": 0.75}
    assert found["each_token"] == pytest.approx({**base, **tokens})


def test_agreement_by_hand(dumps, capsys, tmp_path):
    out = tmp_path / "methods.json"
    run(capsys, dumps(), "--methods", "flat,sure,each_token", "--json", out)
    found = json.loads(out.read_text())["agreement"]
    # Hard, hard, easy, easy: flat -.5 -.5 .5 .5; sure .5 -.5 .25 -.25; each_token -.5 -1.5 -.5 -1.
    # Equal signs: flat and sure in the second and the third; flat and each_token in the hard ones; sure and each_token
    # in the second and the fourth.
    assert [found["flat"]["sure"]["equal_signs"], found["flat"]["each_token"]["equal_signs"]] == [0.5, 0.5]
    assert found["sure"]["each_token"]["equal_signs"] == 0.5
    # Ranks: flat 1.5 1.5 3.5 3.5; sure 4 1 3 2; each_token 3.5 1 3.5 2. Less their mean 2.5 they have the squares 4, 5,
    # 4.5 and the products 0 (flat, sure), -1 + 1.5 + 1 - 0.5 = 1 (flat, each_token), 1.5 + 2.25 + 0.5 + 0.25 = 4.5.
    assert found["flat"]["sure"]["rank_correlation"] == pytest.approx(0.0)
    assert found["each_token"]["flat"]["rank_correlation"] == pytest.approx(1 / 18**0.5)
    assert found["sure"]["each_token"]["rank_correlation"] == pytest.approx(4.5 / 22.5**0.5)
    assert "grpo" not in found


def test_a_constant_method_has_no_rank_correlation(dumps, capsys, tmp_path):
    out = tmp_path / "methods.json"
    told = run(capsys, dumps(ROWS[:2]), "--methods", "flat,sure", "--set", "flat.weight=2", "--json", out)
    # All wrong: -2 for both, beside 0.5 and -0.5.
    assert json.loads(out.read_text())["agreement"]["flat"]["sure"] == {"equal_signs": 0.5, "rank_correlation": None}
    assert "50% -" in told
    # A number stands for a method's name in the head of this table.
    assert [line.split()[:2] for line in told.splitlines() if "50% -" in line] == [["1", "flat"], ["2", "sure"]]
    assert json.loads(out.read_text())["settings"]["flat"] == {"weight": 2, "normalize_by_std": True}


def test_agreement_is_of_those_that_act_there(dumps, capsys, tmp_path):
    out = tmp_path / "methods.json"
    run(capsys, dumps(), "--methods", "flat,sure,each_token", "--set", "flat.weight=0", "--json", out)
    assert sorted(json.loads(out.read_text())["agreement"]) == ["each_token", "sure"]


def test_what_each_would_push_up_is_written_by_response(dumps, capsys, tmp_path):
    file = tmp_path / "advantages.parquet"
    dumps(step=2)
    run(capsys, dumps(), "--methods", "sure", "--no-norm-by-std", "--advantages", file)
    table = pd.read_parquet(file)
    assert list(table.columns) == ["step", "update", "row", "perplexity", "uid", "kind", "side", "grpo", "sure"]
    assert table["step"].tolist() == [1] * 6 + [2] * 6
    first = table[table["step"] == 1]
    assert first["uid"].tolist() == ["hard", "hard", "easy", "easy", "mixed", "mixed"]
    assert first["kind"].tolist() == first["uid"].tolist()
    assert first["side"].tolist() == ["sure", "unsure", "sure", "unsure", "", ""]
    assert first["perplexity"].tolist() == pytest.approx([E, E**3, E, E**2, E**2, E**2])
    assert first["sure"].tolist() == pytest.approx([0.5, -0.5, 0.25, -0.25, -0.5, 0.5])


def test_a_method_that_needs_what_the_dumps_lack_is_named_and_the_others_go_on(dumps, capsys):
    told = run(capsys, dumps(without("old_log_probs")), "--methods", "all")
    # No perplexities: what does not ask for them is computed all the same.
    rows = {line.split()[0] for line in told.splitlines() if "%" in line}
    assert {"grpo", "flat"} <= rows
    assert not rows & {"sure", "dipo", "each_token", "surprised", "broken"}
    assert "sure was left out: the dumps lack perplexities: a column perplexity, or old_log_probs" in told
    assert "DiPO was left out: the dumps lack perplexities" in told
    assert "each_token was left out: the dumps lack log-probs of each token: a column old_log_probs" in told
    assert "surprised was left out: the dumps lack entropies of each token: columns old_log_probs and entropies" in told
    assert "broken was left out: A batch must be of another kind." in told


def test_entropies_are_read_where_a_dump_was_given_them(dumps, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(Surprised, "advantages", lambda _, whole: seen.append(whole) or Outcome(whole.reward), False)
    run(
        capsys,
        dumps([{**row, "entropies": [0.5] * len(row["old_log_probs"])} for row in ROWS]),
        "--methods",
        "surprised",
    )
    # The second response has one token of at most two.
    assert seen[0].tokens.entropies[:2].tolist() == [[0.5, 0.5], [0.5, 0.0]]
    assert seen[0].tokens.mask[:2].tolist() == [[True, True], [True, False]]


def test_perplexities_alone_give_no_token_an_advantage(dumps, capsys):
    rows = [{**row, "perplexity": 1.5} for row in without("old_log_probs")]
    told = run(capsys, dumps(rows), "--methods", "sure,each_token")
    assert "each_token was left out: the dumps lack log-probs of each token" in told
    assert "sure was left out" not in told


def test_our_own_dumps_with_the_settings_of_the_run(write_run, capsys, tmp_path):
    folder, logged = write_run(alpha=0.3, estimator="grpo")
    out = tmp_path / "methods.json"
    run(capsys, folder, "--methods", "dipo,sure", "--json", out)
    written = json.loads(out.read_text())
    assert written["settings"]["dipo"]["alpha"] == 0.3
    shares = [metrics["dipo/gradient_share/dipo"] for metrics in logged]
    assert written["methods"]["dipo"]["gradient_share"] == pytest.approx(sum(shares) / len(shares))
    assert written["left_out"] == {}


def test_unjudged_groups_are_neither_hard_nor_easy(dumps, capsys, tmp_path):
    rows = [{**row, "acc": None if row["uid"] == "hard_1_0" else float(row["score"])} for row in ROWS]
    file, out = tmp_path / "a.parquet", tmp_path / "a.json"
    told = run(capsys, dumps(rows), "--methods", "sure", "--advantages", file, "--json", out)
    assert "6 responses, 2 of them in groups without variance" in told
    assert pd.read_parquet(file)["kind"].tolist() == ["unjudged", "unjudged", "easy", "easy", "mixed", "mixed"]
    assert json.loads(out.read_text())["methods"]["sure"]["mean_size/hard"] is None


def test_the_page_holds_both_tables_and_who_was_left_out(dumps, capsys, tmp_path):
    page = tmp_path / "methods.html"
    run(capsys, dumps(), "--methods", "flat,sure,surprised", "-o", page)
    text = page.read_text()
    assert text.count("<table>") == 2
    assert "surprised was left out" in text
    assert "<script src" not in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--methods", "flat,nope"], r"A method must be one of .*, but is 'nope'"),
        (["--methods", "flat", "--set", "weight=1"], r"must be followed by METHOD.weight=VALUE, .* but names none"),
        (["--methods", "flat", "--set", "sure.weight=1"], r"that is compared \(flat\), but names sure"),
        (["--methods", "flat", "--set", "flat.wieght=1"], r"algorithm.flat has no key 'wieght'"),
        (
            ["--method", "flat", "--set", "sure.weight=1"],
            r"must name keys of flat, .* but names sure's",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_a_sentence(dumps, arguments, sentence):
    with pytest.raises(SystemExit, match=sentence):
        main([str(dumps()), *arguments])


@pytest.mark.parametrize("arguments", [["--method", "a", "--methods", "b"], ["-o", "p.html"], ["--advantages", "x"]])
def test_options_that_do_not_go_together(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(["dumps", *arguments])
    assert ended.value.code == 2


def test_a_method_that_cannot_be_imported_is_named(dumps, monkeypatch, capsys):
    def missing(cls):
        raise ImportError("No module named 'elsewhere'")

    monkeypatch.setattr(Sure, "defaults", classmethod(missing))
    told = run(capsys, dumps(), "--methods", "flat,sure")
    assert "sure was left out: No module named 'elsewhere'" in told
