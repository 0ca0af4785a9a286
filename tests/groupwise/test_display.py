"""A method without a word about itself is shown by what every method logs, and by whatever else it does."""

import pytest

from groupwise.display import Display, Found, Metric, count, percent
from groupwise.method import display_of


class Log:
    """Metrics of two steps each."""

    def __init__(self, **metrics: tuple[float, float]) -> None:
        self.metrics = {f"sure/{name.replace('__', '/')}": values for name, values in metrics.items()}

    def mean(self, metric):
        return sum(self.metrics[metric]) / 2 if metric in self.metrics else None


def numbers(**metrics):
    return Display("sure").numbers(Log(**metrics))


def test_numbers():
    found = numbers(gradient_share__grpo=(0.5, 0.7), gradient_share__sure=(0.6, 0.8), advantage_share=(0.1, 0.3))
    assert found == {
        "without_gradient": pytest.approx(0.4),
        "with_method": pytest.approx(0.3),
        "given_gradient": pytest.approx(0.25),
        "advantage_share": pytest.approx(0.2),
        "judged_share": None,
    }


@pytest.mark.parametrize(
    ("metrics", "applied", "cell", "words"),
    [
        ({"grpo": 0.6, "sure": 0.7}, True, "25%", "; Sure Thing gave 25% of these one"),
        ({"grpo": 0.6, "sure": 0.7}, False, "25% (observed)", "; Sure Thing would have given 25% of these one"),
        (
            {"grpo": 0.6, "sure": 0.7},
            None,
            "25% (done or observed)",
            "; Sure Thing gave, or would have given, 25% of these one",
        ),
        ({"grpo": 1.0, "sure": 1.0}, True, "none lack one", ""),
        ({"grpo": 0.6}, True, "not logged", ""),
        ({}, True, "not logged", ""),
    ],
)
def test_row_and_sentence(metrics, applied, cell, words):
    found = numbers(**{f"gradient_share__{name}": (share, share) for name, share in metrics.items()})
    display = Display("sure", "Sure Thing")
    (row,) = display.rows()
    told = Found("variant", applied, 1, found)
    assert (row.label, row.cell(told)) == ("given one by Sure Thing", cell)
    assert display.gave(told) == words


def test_charts_show_all_that_it_logs_and_nothing_of_others():
    logged = ["sure/z", "sure/a", "sure/judged_share", "sure/gradient_share/sure", "surer/b", "actor/entropy"]
    (section,) = Display("sure", metrics={"z": Metric("the last letter")}).sections(logged)
    assert [[one.metric for one in panel.series] for panel in section.panels] == [
        ["sure/gradient_share/grpo", "sure/gradient_share/sure"],
        ["sure/advantage_share"],
        ["sure/z"],
        ["sure/a"],
    ]
    assert len({panel.key for panel in section.panels}) == len(section.panels)


def test_meanings():
    meanings = Display("sure", metrics={"z": Metric("the last letter", "z")}).meanings()
    assert meanings["sure/z"] == ("the last letter", "z")
    assert set(meanings) >= {"sure/gradient_share/grpo", "sure/gradient_share/sure", "sure/advantage_share"}


@pytest.mark.parametrize(("applied", "line"), [(True, "gradient 62%"), (False, "gradient would be 62%")])
def test_the_line_of_a_step(applied, line):
    assert Display("sure").line({"sure/gradient_share/sure": 0.62}, applied=applied) == line
    assert Display("sure").line({"loss": 1.0}, applied=applied) == ""


def test_a_method_that_is_not_installed_here_is_shown_all_the_same():
    assert display_of("elsewhere") == Display("elsewhere")
    assert str(display_of("elsewhere")) == "elsewhere"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (1.0, "100%"), (0.0004, "under 0.1%"), (0.0005, "0.1%"), (0.099, "9.9%"), (0.1, "10%"), (0.9, "90%"),
     (0.901, "90.1%"), (0.9994, "99.9%"), (0.9996, "over 99.9%"), (0.474, "47%")],
)  # fmt: skip
def test_a_share_that_is_neither_none_nor_all_never_reads_so(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(("number", "text"), [(3.0, "3"), (2.5, "2.5"), (1234.0, "1,234"), (1234.5, "1,234")])
def test_counts(number, text):
    assert count(number) == text
