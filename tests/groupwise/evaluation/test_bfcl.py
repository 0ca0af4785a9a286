"""BFCL's aggregates against the leaderboard's own code, and what they say where they must differ from it."""

import ast
import importlib.util
import json
import types
from pathlib import Path

import numpy as np
import pytest

from groupwise.evaluation.bfcl import LIVE_AST, NON_LIVE_AST, ROWS, SINGLE_TURN, UNSATISFIABLE, aggregate, notes

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


def with_what_is_not_judged(categories, multi_turn):
    """Java and JavaScript as Python, and multi-turn as given: the leaderboard's averages then do not see them."""
    more = dict.fromkeys(("java", "javascript"), (categories["simple"][0], 50))
    parts = ("base", "miss_func", "miss_param", "long_context")
    return categories | more | {f"multi_turn_{part}": (multi_turn, 200) for part in parts}


def test_all_aggregates_are_the_leaderboards(leaderboard):
    figures = aggregate(FULL, count_unsatisfiable=False).aggregates
    tables = leaderboard(with_what_is_not_judged(FULL, figures[SINGLE_TURN].accuracy))
    non_live, live, overall = tables["data_non_live"], tables["data_live"], tables["data_overall"]
    expected = {
        "non-live AST (Python)": non_live["AST Summary"],
        "non-live overall (Python)": non_live["Non_Live Overall Acc"],
        "live AST": live["AST Summary"],
        "live overall": live["Live Overall Acc"],
        "irrelevance, both": overall["Irrelevance Detection"],
        "relevance": overall["Relevance Detection"],
        SINGLE_TURN: overall["Overall Acc"],
    }
    assert {name: figure.accuracy for name, figure in figures.items()} == pytest.approx(expected, abs=1e-14)
    assert all(figure.missing == () for figure in figures.values())


def test_rows_that_nothing_satisfies_are_counted_as_on_the_leaderboard(leaderboard):
    result = aggregate(OURS, count_unsatisfiable=True)
    # On the leaderboard they are wrong: 256 of 258 rows and 1051 of 1053 keep their accuracy.
    published = FULL | {
        "live_simple": (FULL["live_simple"][0] * 256 / 258, 258),
        "live_multiple": (FULL["live_multiple"][0] * 1051 / 1053, 1053),
    }
    tables = leaderboard(with_what_is_not_judged(published, 0.0))
    assert result.counted_wrong == {"live_simple": 2, "live_multiple": 2}
    assert result.incomplete == {}
    assert result.categories["live_simple"] == pytest.approx(published["live_simple"])
    assert result.categories["live_multiple"] == pytest.approx(published["live_multiple"])
    assert result.aggregates["live AST"].accuracy == pytest.approx(tables["data_live"]["AST Summary"], abs=1e-14)
    assert result.aggregates["live overall"].accuracy == pytest.approx(
        tables["data_live"]["Live Overall Acc"], abs=1e-14
    )
    assert result.aggregates["live overall"].count == sum(ROWS[name] for name in ROWS if name.startswith("live_"))


def test_live_is_weighted_by_rows_and_non_live_is_not():
    # By rows (1*1 + 0*3 + 1/2*4 + 0*2) / 10 = 0.3, by category (1 + 0 + 1/2 + 0) / 4 = 0.375.
    numbers = [(1.0, 1), (0.0, 3), (0.5, 4), (0.0, 2)]
    categories = dict(zip(NON_LIVE_AST, numbers, strict=True)) | dict(zip(LIVE_AST, numbers, strict=True))
    figures = aggregate(categories, count_unsatisfiable=False).aggregates
    assert figures["live AST"] == (pytest.approx(0.3), 10, ())
    assert figures["non-live AST (Python)"] == (pytest.approx(0.375), 10, ())


def test_rows_are_not_counted_as_wrong_unless_all_others_were_evaluated():
    some = OURS | {"live_simple": (0.5, 100), "live_multiple": (0.5, 1053)}
    result = aggregate(some, count_unsatisfiable=True)
    assert result.counted_wrong == {}
    assert result.categories["live_simple"] == (0.5, 100)
    # The file of live_multiple that holds all rows was evaluated whole.
    assert result.incomplete == {"live_simple": (100, 258)}
    assert any("not comparable with the leaderboard: live_simple 100 of 258 rows" in note for note in notes(result))


def test_rows_are_not_counted_as_wrong_unasked():
    result = aggregate(OURS, count_unsatisfiable=False)
    assert (result.counted_wrong, result.incomplete) == ({}, {})
    assert result.categories["live_simple"] == OURS["live_simple"]


@pytest.mark.parametrize("missing", ROWS)
def test_a_missing_category_leaves_the_aggregates_that_need_it_without_figure(missing):
    figures = aggregate({name: FULL[name] for name in ROWS if name != missing}, count_unsatisfiable=True)
    whole = aggregate(FULL, count_unsatisfiable=True)
    needs = {
        "non-live AST (Python)": set(NON_LIVE_AST),
        "non-live overall (Python)": {*NON_LIVE_AST, "irrelevance"},
        "live AST": set(LIVE_AST),
        "live overall": {*LIVE_AST, "live_irrelevance", "live_relevance"},
        "irrelevance, both": {"irrelevance", "live_irrelevance"},
        "relevance": {"live_relevance"},
        SINGLE_TURN: set(ROWS),
    }
    for name, figure in figures.aggregates.items():
        if missing in needs[name]:
            assert figure.accuracy is None
            assert figure.missing == (missing,)
            assert f"No figure for {name}: not evaluated {missing}." in list(notes(figures))
        else:
            assert figure == whole.aggregates[name]


def test_nothing_evaluated_is_no_zero():
    figures = aggregate({}, count_unsatisfiable=True).aggregates
    assert [figure.accuracy for figure in figures.values()] == [None] * len(figures)
    assert figures[SINGLE_TURN].missing == (
        *NON_LIVE_AST, "irrelevance", *LIVE_AST, "live_irrelevance", "live_relevance"
    )  # fmt: skip


def test_resamples_are_aggregated_one_by_one():
    pairs = [{name: (accuracy * scale, count) for name, (accuracy, count) in OURS.items()} for scale in (1.0, 0.5)]
    together = {name: (np.array([pairs[0][name][0], pairs[1][name][0]]), count) for name, (_, count) in OURS.items()}
    figures = aggregate(together, count_unsatisfiable=True).aggregates
    for place, pair in enumerate(pairs):
        for name, figure in aggregate(pair, count_unsatisfiable=True).aggregates.items():
            assert figures[name].accuracy[place] == pytest.approx(figure.accuracy, abs=1e-15)


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ({"java": (0.5, 100)}, "java is not judged here"),
        ({"multi_turn_base": (0.5, 200)}, "multi_turn_base is not judged here"),
        ({"simple": (0.0, 0)}, "simple has none"),
    ],
)
def test_what_is_no_category_is_refused(categories, message):
    with pytest.raises(ValueError, match=message):
        aggregate(categories, count_unsatisfiable=True)


def test_notes_say_what_is_not_the_leaderboards():
    assert [note.partition(":")[0] for note in notes(aggregate(OURS, count_unsatisfiable=True))] == [
        "These are not the leaderboard's overall figures",
        "Counted as wrong, as on the leaderboard, because no answer satisfies them",
    ]
    assert len(list(notes(aggregate(FULL, count_unsatisfiable=True)))) == 1


def test_the_numbers_of_rows_are_those_of_the_published_files(shared_data):
    for category, count in ROWS.items():
        lines = (shared_data / f"bfcl_v3/BFCL_v3_{category}.json").read_text().splitlines()
        ids = {json.loads(line)["id"] for line in lines if line.strip()}
        assert len(ids) == count
        assert ids >= set(UNSATISFIABLE.get(category, ()))
