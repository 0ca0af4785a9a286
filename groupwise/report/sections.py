"""The page's sections, in order: what each asks, how to read it, and its charts with the curves that they show."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from groupwise.display import Panel, Section, Series
from groupwise.report.charts import bars, lines
from groupwise.report.columns import CUT_OFF, PHASES, REST, TIME, UNJUDGED
from groupwise.report.comparison import validation_sets
from groupwise.report.curves import VariantCurves
from groupwise.report.dump_metrics import DUMPED_SET
from groupwise.report.findings import Results
from groupwise.report.health import LIMITS, health_section
from groupwise.report.themes import SERIES, token, variant_colours
from groupwise.report.validation_names import MAIN, interval_of
from groupwise.report.wording import is_share

SMALLEST_SPAN = 0.1
"""Extent of a validation's axis, so that noise does not look like learning."""

EXPLORER = Panel("any", "Any metric", [Series(None, "")], "value")
"""The chart whose metric the reader picks."""


class Trace(NamedTuple):
    """A curve of a chart, as it is found among a page's curves."""

    variant: int  # place of its variant
    label: str  # its name in the legend
    place: int  # its number in a stack
    figures: dict[str, tuple[str, tuple[str, str] | None]]
    """By figure of a validation, or by "" where there is no choice: the metric, and the metrics of the ends of its
    band; None where the band is the interval over seeds, as far as there is one."""


class Chart(NamedTuple):
    """A chart of the page."""

    key: str  # its name in the page and of its picture's file
    panel: Panel  # what it is made of
    title: str
    variant: int | None  # place of the variant that it is of; None where each variant has its curve
    spec: dict[str, Any]  # the Vega-Lite spec, without data
    traces: list[Trace]  # its curves

    @property
    def file(self) -> str:
        """Its picture's name: its key, and of its title what a file name may hold."""
        return f"{self.key}-{re.sub(r'[^a-z0-9]+', '-', self.title.lower()).strip('-')[:60]}".rstrip("-")

    @property
    def figures(self) -> list[str]:
        """The figures that its reader may choose from."""
        metric = self.panel.series[0].metric
        return [] if isinstance(metric, str) else list(metric)


def lay_out(results: Results, curves: Sequence[VariantCurves]) -> list[tuple[Section, list[Chart]]]:
    """Lays out the page: its sections, and of each the charts."""
    logged = list(dict.fromkeys(name for variant in curves for name in variant.curves))
    several = len(results.displays) > 1
    of_methods = [
        section._replace(title=f"{display}: {section.title}") if several else section
        for display in results.displays
        for section in display.sections(logged)
    ]
    sections = [
        _validation(results),
        *of_methods,
        _policy(),
        *health_section(logged),
        _rewards(logged),
        _time(logged),
        Section("Any metric", "Every metric that was logged, for all variants.", [EXPLORER]),
    ]
    return [
        (section, [chart for panel in section.panels for chart in charts_of(panel, curves, results.baseline)])
        for section in sections
    ]


def charts_of(panel: Panel, curves: Sequence[VariantCurves], baseline: int | None) -> Iterator[Chart]:
    """Makes a panel's chart, or those of each variant."""
    if panel.series[0].label is None:
        (series,) = panel.series
        labels, colours = [one.label for one in curves], variant_colours(len(curves), baseline)
        spec = lines(labels, [token(colour) for colour in colours], reach=1.0, **_axis(panel))
        traces = [Trace(place, one.label, place, _figures(series, one)) for place, one in enumerate(curves)]
        yield Chart(panel.key, panel, panel.title, None, spec, traces)
        return
    labels = [one.label or "" for one in panel.series]
    colours = [token(one.colour or SERIES[place % len(SERIES)]) for place, one in enumerate(panel.series)]
    if panel.shape == "lines":
        # Quantiles are what a chart is there for, so that their band is shown whole.
        reach = None if any(one.ends for one in panel.series) else 1.0 if panel.is_banded else 0.0
        spec = lines(labels, colours, reach=reach, **_axis(panel))
    else:
        opposed = panel.shape == "opposed"
        spec = bars(labels, colours, y_title=panel.y_title, is_share=panel.is_share, is_opposed=opposed)
    for place, variant in enumerate(curves):
        traces = [
            Trace(place, label, number, _figures(series, variant))
            for number, (label, series) in enumerate(zip(labels, panel.series, strict=True))
        ]
        title = f"{panel.title}: {variant.label}"
        yield Chart(f"{panel.key}-{place + 1}", panel, title, place, spec, _of_one_grid(panel, traces, variant))


def _axis(panel: Panel) -> dict[str, Any]:
    return {name: getattr(panel, name) for name in ("y_title", "is_share", "floor", "span", "is_log", "limit")}


def _figures(series: Series, variant: VariantCurves) -> dict[str, tuple[str, tuple[str, str] | None]]:
    """The metrics of a series that the variant has, with their bands."""
    named = {"": series.metric} if isinstance(series.metric, str) else series.metric
    found: dict[str, tuple[str, tuple[str, str] | None]] = {}
    for figure, metric in named.items():
        curve = variant.curves.get(metric)
        if curve is None:
            continue
        # What was logged with a mean@k says nothing of other figures, and less than several seeds do.
        fits = figure in ("", MAIN) and (series.label is not None or curve.low is None)
        ends = [end for name in series.ends or () if fits and (end := variant.curves.get(name)) is not None]
        same = len(ends) == 2 and all(end.grid == curve.grid for end in ends)
        found[figure] = (metric, series.ends if same else None)
    return found


def _of_one_grid(panel: Panel, traces: list[Trace], variant: VariantCurves) -> list[Trace]:
    """Those of a stack that can be put on each other."""
    if panel.shape == "lines":
        return traces
    grids = [variant.curves[trace.figures[""][0]].grid if trace.figures else None for trace in traces]
    first = next((grid for grid in grids if grid is not None), None)
    return [trace for trace, grid in zip(traces, grids, strict=True) if grid is not None and grid == first]


def _across(key: str, title: str, metric: str, y_title: str, **shape: Any) -> Panel:
    return Panel(key, title, [Series(None, metric)], y_title, **shape)


def _validation(results: Results) -> Section:
    panels: list[Panel] = []
    for place, (source, figures) in enumerate(validation_sets(results.variants).items()):
        if MAIN in figures:
            share = is_share(figures[MAIN])
            series, span = [Series(None, figures, ends=interval_of(figures[MAIN]))], SMALLEST_SPAN if share else 0.0
            y_title = "accuracy" if share else "score"
            panels.append(Panel(f"validation-{place + 1}", source, series, y_title, is_share=share, span=span))
    caption = (
        "Mean over the seeds of a variant, with its 95% interval (Student's t) as a band. For a single seed the band "
        "of mean@k is the interval over prompts, which says nothing about other seeds."
    )
    return Section("Validation", caption, panels)


def _policy() -> Section:
    panels = [
        _across("entropy", "Entropy", "actor/entropy", "nats a token", floor=0.0),
        _across("length", "Response length", "response_length/mean", "tokens"),
        _across(
            *("cut-off", "Responses at the length limit", CUT_OFF, "share"),
            is_share=True,
            floor=0.0,
            limit=LIMITS[CUT_OFF],
        ),
    ]
    return Section("Entropy and length", "Early collapse of the entropy, or growing truncation, spoils a run.", panels)


def _rewards(logged: Sequence[str]) -> Section:
    panels = [
        _across("score", "Score, mean", "critic/score/mean", "score"),
        _across("reward", "Reward, mean", "critic/rewards/mean", "reward"),
        _across("unjudged", "Could not be judged", UNJUDGED, "share", is_share=True, floor=0.0, span=0.01),
    ]
    for number, name in enumerate(sorted(name for name in logged if name.startswith(DUMPED_SET))):
        source, _, component = name.removeprefix(DUMPED_SET).rpartition("/")
        panels.append(_across(f"dump-{number + 1}", f"{source}: {component}, from dumps", name, component))
    caption = "Score is the verifier's; reward is what was trained on before a method's own rewards, less penalties."
    return Section("Rewards", caption, panels)


def _time(logged: Sequence[str]) -> Section:
    timers = {**{f"{TIME}{phase}": label for phase, label in PHASES.items()}, REST: "rest of the step"}
    # A colour each whatever was logged, so that a phase looks alike on every page.
    coloured = zip({**timers, f"{TIME}testing": "validation"}.items(), SERIES, strict=True)
    layers = [Series(label, metric, colour) for (metric, label), colour in coloured if metric in logged]
    panels = [Panel("time", "Time of a step", layers, "seconds", shape="stack")] if layers else []
    caption = "The phases of a step, one after the other. Timers that lie inside of another are left out."
    return Section("Time", caption, panels)
