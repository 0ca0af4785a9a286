"""The page's sections, in order: what each asks, how to read it, and its charts."""

from collections.abc import Iterable, Iterator

from groupwise.report.comparison import validation_sets
from groupwise.report.derived import CUT_OFF, PHASES, REST, TIME, UNJUDGED
from groupwise.report.dump_metrics import DUMPED_SET
from groupwise.report.method_sections import method_sections
from groupwise.report.panels import Painter, Panel, Section, Series, arm_colours
from groupwise.report.results import Results
from groupwise.report.store import ArmCurves
from groupwise.report.themes import MIXED
from groupwise.report.validation_names import MAIN, interval_of
from groupwise.report.wording import is_share

SMALLEST_SPAN = 0.1
"""Extent of a validation's axis, so that noise does not look like learning."""


def lay_out(results: Results, curves: list[ArmCurves]) -> list[Section]:
    """Lays out the page.

    Args:
        results: What the runs show.
        curves: The curves of each arm.

    Returns:
        The sections.
    """
    names = [arm.label for arm in results.arms]
    paint = Painter(names, arm_colours(len(names), results.baseline))
    logged = list(dict.fromkeys(name for arm in curves for name in arm.curves))
    return [
        _validation(paint, results),
        *method_sections(paint, logged),
        _policy(paint),
        _rewards(paint, logged),
        _time(paint, logged),
        _explorer(paint),
    ]


def _validation(paint: Painter, results: Results) -> Section:
    panels = [
        paint.across(
            f"validation-{place + 1}",
            source,
            figures,
            y_title="accuracy" if is_share(figures[MAIN]) else "score",
            ends=interval_of(figures[MAIN]),
            is_share=is_share(figures[MAIN]),
            span=SMALLEST_SPAN if is_share(figures[MAIN]) else 0.0,
        )
        for place, (source, figures) in enumerate(validation_sets(results.arms).items())
        if MAIN in figures
    ]
    caption = (
        "Mean over the seeds of an arm, with its 95% interval (Student's t) as a band. For a single seed the band of "
        "mean@k is the interval over prompts, which says nothing about other seeds."
    )
    return Section("Validation", caption, panels)


def _policy(paint: Painter) -> Section:
    panels = [
        paint.across("entropy", "Entropy", "actor/entropy", y_title="nats a token", floor=0.0),
        paint.across("length", "Response length", "response_length/mean", y_title="tokens"),
        paint.across(
            "cut-off",
            "Responses at the length limit",
            CUT_OFF,
            y_title="share",
            is_share=True,
            floor=0.0,
        ),
    ]
    return Section("Entropy and length", "Early collapse of the entropy, or growing truncation, spoils a run.", panels)


def _rewards(paint: Painter, logged: list[str]) -> Section:
    panels = [
        paint.across("score", "Score, mean", "critic/score/mean", y_title="score"),
        paint.across("reward", "Reward, mean", "critic/rewards/mean", y_title="reward"),
        paint.across("unjudged", "Could not be judged", UNJUDGED, y_title="share", is_share=True, floor=0.0, span=0.01),
    ]
    dumped = sorted(name for name in logged if name.startswith(DUMPED_SET))
    for number, name in enumerate(dumped):
        source, _, component = name.removeprefix(DUMPED_SET).rpartition("/")
        panels.append(paint.across(f"dump-{number + 1}", f"{source}: {component}, from dumps", name, y_title=component))
    caption = "Score is the verifier's; reward is what was trained on before reallocation, less penalties."
    return Section("Rewards", caption, panels)


def _time(paint: Painter, logged: Iterable[str]) -> Section:
    known = set(logged)
    timers = {**{f"{TIME}{phase}": label for phase, label in PHASES.items()}, REST: "rest of the step"}
    layers = [
        (Series(label, metric), f"mix{place % MIXED}")
        for place, (metric, label) in enumerate({**timers, f"{TIME}testing": "validation"}.items())
        if metric in known
    ]
    panels = paint.of_each("time", "Time of a step", "stack", layers, y_title="seconds") if layers else []
    caption = "The phases of a step, one after the other. Timers that lie inside of another are left out."
    return Section("Time", caption, panels)


def _explorer(paint: Painter) -> Section:
    panel = paint.across("any", "Any metric", "", y_title="value", explores=True)
    return Section("Any metric", "Every metric that was logged, for all arms.", [panel])


def all_panels(sections: Iterable[Section]) -> Iterator[Panel]:
    """Lists the charts of all sections."""
    for section in sections:
        yield from section.panels
