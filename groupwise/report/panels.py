"""Which charts a page has: for each its title, its series, and the metrics that they show."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from groupwise.report.charts import bars, lines
from groupwise.report.themes import ARMS, TOKEN

SHARE = ".2~%"
NUMBER = ".4~g"
BAND_REACH = 1.0


class Series(NamedTuple):
    """What a curve, or a layer of a stack, shows.

    Attributes:
        label: Its name in the legend; None where it goes by the arm's.
        metrics: The metric; in a validation chart the metric by the name of the figure.
        ends: Metrics of the ends of its band; None where the band is the interval over seeds. An interval over prompts
            is drawn for a single seed alone, and quantiles always, since their means are no seed's.
    """

    label: str | None
    metrics: str | dict[str, str]
    ends: tuple[str, str] | None = None


class Panel(NamedTuple):
    """A chart.

    Attributes:
        key: Its name in the page and of its picture's file.
        title: Its heading.
        shape: `lines`, `stack` (on each other) or `opposed` (the second below zero).
        series: What it shows.
        arm: Place of the arm that it is of; None where each arm has its curve.
        spec: The Vega-Lite spec, without data.
        span: Smallest extent of the y axis, so that noise does not fill it.
        floor: What the y axis reaches down to; None where the curves say it.
        is_share: Whether values lie in [0, 1].
        is_log: Whether the y axis is logarithmic.
        reach: How far bands may stretch the y axis, in extents of the curves, 0 where none are drawn: the interval of
            two seeds is 13 standard errors wide, and would leave the curves flat. None: bands are shown whole.
        explores: Whether the reader picks the metric.
    """

    key: str
    title: str
    shape: str
    series: list[Series]
    arm: int | None
    spec: dict[str, Any]
    span: float = 0.0
    floor: float | None = None
    is_share: bool = False
    is_log: bool = False
    reach: float | None = BAND_REACH
    explores: bool = False


class Section(NamedTuple):
    """A part of the page.

    Attributes:
        title: Its heading.
        caption: How to read it.
        panels: Its charts.
    """

    title: str
    caption: str
    panels: list[Panel]


def arm_colours(count: int, baseline: int | None) -> list[str]:
    """Gives each arm the token of its colour: the baseline is grey, the others follow.

    Args:
        count: Number of arms.
        baseline: Place of the baseline; None where there is none.

    Returns:
        A token for each arm.
    """
    others = iter(range(count))
    return [
        f"{TOKEN}arm0" if place == baseline else f"{TOKEN}arm{1 + next(others) % (ARMS - 1)}" for place in range(count)
    ]


class Painter(NamedTuple):
    """Makes panels for some arms.

    Attributes:
        labels: The arms, the baseline first.
        colours: Their tokens.
    """

    labels: list[str]
    colours: list[str]

    def across(
        self,
        key: str,
        title: str,
        metric: str | dict[str, str],
        *,
        y_title: str,
        ends: tuple[str, str] | None = None,
        is_share: bool = False,
        span: float = 0.0,
        floor: float | None = None,
        explores: bool = False,
    ) -> Panel:
        """Makes a chart with a curve for each arm; arguments as in `Panel` and `Series`."""
        spec = lines(self.labels, self.colours, y_title=y_title, number_format=SHARE if is_share else NUMBER)
        series = [Series(None, metric, ends)]
        return Panel(key, title, "lines", series, None, spec, span, floor, is_share, explores=explores)

    def of_each(
        self,
        key: str,
        title: str,
        shape: str,
        series: Sequence[tuple[Series, str]],
        *,
        y_title: str,
        is_share: bool = False,
        floor: float | None = None,
        is_banded: bool = True,
        is_log: bool = False,
    ) -> list[Panel]:
        """Makes a chart of several series for each arm; each series with its token, other arguments as in `Panel`."""
        named, colours = [one.label or "" for one, _ in series], [f"{TOKEN}{colour}" for _, colour in series]
        number_format = SHARE if is_share else NUMBER
        if shape == "lines":
            spec = lines(
                named, colours, y_title=y_title, number_format=number_format, is_banded=is_banded, is_log=is_log
            )
        else:
            spec = bars(named, colours, y_title=y_title, number_format=number_format)
        parts = [one for one, _ in series]
        reach = None if any(one.ends for one in parts) else BAND_REACH if is_banded else 0.0
        return [
            Panel(
                *(f"{key}-{place + 1}", f"{title}: {name}", shape, parts, place, spec, 0.0),
                **{"floor": floor, "is_share": is_share, "is_log": is_log, "reach": reach},
            )
            for place, name in enumerate(self.labels)
        ]
