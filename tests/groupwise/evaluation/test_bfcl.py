"""BFCL's aggregates against the leaderboard's own code, and what they say where they must differ from it."""

import ast
import importlib.util
import json
import types
from pathlib import Path

import numpy as np
import pytest

from groupwise.evaluation.bfcl import (
    LANGUAGES,
    LIVE_AST,
    MULTI_TURN,
    NON_LIVE_AST,
    OVERALL,
    ROWS,
    SINGLE_TURN,
    UNSATISFIABLE,
    aggregate,
    notes,
)

# Accuracies that are all different, so that no two categories can be taken for one another.
FULL = {name: (round(0.31 + 0.047 * place, 3), count) for place, (name, count) in enumerate(ROWS.items())}
OURS = {name: (accuracy, count - len(UNSATISFIABLE.get(name, ()))) for name, (accuracy, count) in FULL.items()}


@pytest.fixture(scope="module")
def leaderboard():
    """bfcl-eval's generate_leaderboard_csv, without what it imports: gives the rows of its tables by header."""
    spec = importlib.util.find_spec("bfcl_eval")
    if spec is None or spec.origin is None:
        pytest.skip("needs bfcl-eval")
    folder = Path(spec.origin).parent
    names: dict = {"os": types.SimpleNamespace(getenv=lambda name: None), "print": lambda *words: None}
    exec(compile((folder / "constants/column_headers.py").read_text(), "column_headers", "exec"), names)
    module = ast.parse((folder / "eval_checker/eval_runner_helper.py").read_text())
    wanted = {"calculate_weighted_accuracy", "calculate_unweighted_accuracy", "get_category_score"}
    wanted.add("generate_leaderboard_csv")
    module.body = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name in wanted]
    exec(compile(module, "eval_runner_helper", "exec"), names)
    model = types.SimpleNamespace(display_name="m", url="", org="", license="")
    names["MODEL_CONFIG_MAPPING"] = {"m": model}
    names["get_cost_latency_info"] = lambda *costs: (0, 0, 0, 0)

    def run(categories):
        tables = {}

        def keep(data, file_path, header, **options):
            tables[Path(file_path).stem] = dict(zip(header, data[0], strict=True))

        names["write_score_csv_file"] = keep
        scores = {name: {"accuracy": accuracy, "total_count": count} for name, (accuracy, count) in categories.items()}
        names["generate_leaderboard_csv"]({"m": scores}, Path())
        return tables

    return run


NAMES = {
    "live AST": ("data_live", "AST Summary"),
    "live overall": ("data_live", "Live Overall Acc"),
    "irrelevance, both": ("data_overall", "Irrelevance Detection"),
    "relevance": ("data_overall", "Relevance Detection"),
    "non-live simple": ("data_non_live", "Simple AST"),
    "non-live AST": ("data_non_live", "AST Summary"),
    "non-live overall": ("data_non_live", "Non_Live Overall Acc"),
    "multi-turn overall": ("data_multi_turn", "Multi Turn Overall Acc"),
    "overall": ("data_overall", "Overall Acc"),
}
PYTHON = {name: row for name, row in FULL.items() if name not in (*LANGUAGES, *MULTI_TURN)}


@pytest.mark.parametrize("seed", range(20))
def test_all_aggregates_are_the_leaderboards(leaderboard, seed):
    rng = np.random.default_rng(seed)
    table = {name: (rng.integers(0, count + 1) / count, count) for name, count in ROWS.items()}
    figures, tables = aggregate(table).aggregates, leaderboard(table)
    for name, (csv, column) in NAMES.items():
        assert figures[name].accuracy == pytest.approx(tables[csv][column], abs=1e-14), name
    assert all(figure.missing == () for figure in figures.values())


def test_the_figures_of_python_are_the_leaderboards_where_the_languages_do_not_differ(leaderboard):
    # Java and JavaScript as Python, and multi-turn as the other two: its averages then do not see them.
    figures = aggregate(PYTHON).aggregates
    more = dict.fromkeys(LANGUAGES, PYTHON["simple"]) | dict.fromkeys(MULTI_TURN, (figures[SINGLE_TURN].accuracy, 200))
    tables = leaderboard(PYTHON | more)
    assert OVERALL not in figures
    assert figures[SINGLE_TURN].accuracy == pytest.approx(tables["data_overall"]["Overall Acc"], abs=1e-14)
    for name, column in (("AST", "AST Summary"), ("overall", "Non_Live Overall Acc")):
        assert figures[f"non-live {name} (Python)"].accuracy == pytest.approx(
            tables["data_non_live"][column], abs=1e-14
        )


def test_rows_that_nothing_satisfies_are_counted_as_on_the_leaderboard(leaderboard):
    result = aggregate(OURS)
    # On the leaderboard they are wrong: of 258 rows 256 keep their accuracy, and so on.
    published = {name: (FULL[name][0] * count / ROWS[name], ROWS[name]) for name, (_, count) in OURS.items()}
    assert result.counted_wrong == {"java": 2, "live_simple": 2, "live_multiple": 2, "multi_turn_base": 1}
    assert result.incomplete == {}
    tables = leaderboard(published)
    assert result.categories["live_simple"] == pytest.approx(published["live_simple"])
    for name, (csv, column) in NAMES.items():
        assert result.aggregates[name].accuracy == pytest.approx(tables[csv][column], abs=1e-14), name
    assert result.aggregates[OVERALL].count == sum(ROWS.values())


def test_live_is_weighted_by_rows_and_non_live_is_not():
    # By rows (1*1 + 0*3 + 1/2*4 + 0*2) / 10 = 0.3, by category (1 + 0 + 1/2 + 0) / 4 = 0.375.
    numbers = [(1.0, 1), (0.0, 3), (0.5, 4), (0.0, 2)]
    categories = dict(zip(NON_LIVE_AST, numbers, strict=True)) | dict(zip(LIVE_AST, numbers, strict=True))
    figures = aggregate(categories).aggregates
    assert figures["live AST"] == (pytest.approx(0.3), 10, ())
    assert figures["non-live AST (Python)"] == (pytest.approx(0.375), 10, ())


def test_rows_are_not_counted_as_wrong_unless_all_others_were_evaluated():
    some = OURS | {"live_simple": (0.5, 100), "live_multiple": (0.5, 1053)}
    result = aggregate(some)
    assert result.counted_wrong == {"java": 2, "multi_turn_base": 1}
    assert result.categories["live_simple"] == (0.5, 100)
    # The file of live_multiple that holds all rows was evaluated whole.
    assert result.incomplete == {"live_simple": (100, 258)}
    assert any("not comparable with the leaderboard: live_simple 100 of 258 rows" in note for note in notes(result))


@pytest.mark.parametrize("missing", ROWS)
def test_a_missing_category_leaves_the_aggregates_that_need_it_without_figure(missing):
    figures = aggregate({name: FULL[name] for name in ROWS if name != missing})
    whole = aggregate(FULL)
    whole_simple = {*NON_LIVE_AST, *LANGUAGES}
    needs = {
        "non-live simple": {"simple", *LANGUAGES},
        "non-live AST": whole_simple,
        "non-live overall": {*whole_simple, "irrelevance"},
        "multi-turn overall": set(MULTI_TURN),
        OVERALL: set(ROWS),
        "non-live AST (Python)": set(NON_LIVE_AST),
        "non-live overall (Python)": {*NON_LIVE_AST, "irrelevance"},
        "live AST": set(LIVE_AST),
        "live overall": {*LIVE_AST, "live_irrelevance", "live_relevance"},
        "irrelevance, both": {"irrelevance", "live_irrelevance"},
        "relevance": {"live_relevance"},
        SINGLE_TURN: set(PYTHON),
    }
    for name, figure in figures.aggregates.items():
        if missing in needs[name]:
            assert figure.accuracy is None
            assert figure.missing == (missing,)
            assert f"No figure for {name}: not evaluated {missing}." in list(notes(figures))
        else:
            assert figure == whole.aggregates[name]


def test_nothing_evaluated_is_no_zero():
    figures = aggregate({}).aggregates
    assert [figure.accuracy for figure in figures.values()] == [None] * len(figures)
    assert figures[SINGLE_TURN].missing == (
        *NON_LIVE_AST, "irrelevance", *LIVE_AST, "live_irrelevance", "live_relevance"
    )  # fmt: skip


def test_resamples_are_aggregated_one_by_one():
    pairs = [{name: (accuracy * scale, count) for name, (accuracy, count) in OURS.items()} for scale in (1.0, 0.5)]
    together = {name: (np.array([pairs[0][name][0], pairs[1][name][0]]), count) for name, (_, count) in OURS.items()}
    figures = aggregate(together).aggregates
    for place, pair in enumerate(pairs):
        for name, figure in aggregate(pair).aggregates.items():
            assert figures[name].accuracy[place] == pytest.approx(figure.accuracy, abs=1e-15)


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ({"sql": (0.5, 100)}, "sql is none of them"),
        ({"simple": (0.0, 0)}, "simple has none"),
    ],
)
def test_what_is_no_category_is_refused(categories, message):
    with pytest.raises(ValueError, match=message):
        aggregate(categories)


def test_notes_say_what_is_not_the_leaderboards():
    def told(*given):
        return [note.partition(":")[0] for note in notes(aggregate(*given))]

    wrong = "Counted as wrong, as on the leaderboard, because no answer satisfies them"
    assert told({name: OURS[name] for name in PYTHON}) == ["These are not the leaderboard's overall figures", wrong]
    assert told(OURS) == [wrong]
    assert told(FULL) == []


def test_the_numbers_of_rows_are_those_of_the_published_files():
    folder = Path(pytest.importorskip("bfcl_eval").__file__).parent / "data"
    for category, count in ROWS.items():
        lines = (folder / f"BFCL_v3_{category}.json").read_text().splitlines()
        ids = {json.loads(line)["id"] for line in lines if line.strip()}
        assert len(ids) == count
        assert ids >= set(UNSATISFIABLE.get(category, ()))
