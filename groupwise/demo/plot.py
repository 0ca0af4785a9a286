"""The comparison's one picture: learning curves, tau* between the perplexities, and what became of the groups."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

from groupwise.demo.summary import CAVEAT, reallocations
from groupwise.record.run_log import RunLog

# Okabe and Ito's palette, which the common forms of colour blindness tell apart. Grey is the baseline throughout.
GRPO, DIPO = "#555555", "#0072B2"
RIGHT, WRONG, THRESHOLD = "#009E73", "#D55E00", "#000000"
GROUPS = {"hard": "#D55E00", "mixed": "#DDDDDD", "easy": "#56B4E9"}
TEXT, FAINT = "#222222", "#E6E6E6"

DPI = 150
LEGEND_INCHES = 0.46
# A curve fills its panel only where it moves by this much, so that noise does not look like learning.
SMALLEST_SPAN = 0.2
# Ticks at 1, 2, 5, 10, 20, 50, ...
WHOLE_STEPS = [1, 2, 5, 10]
LINE = {"linewidth": 2.0, "solid_capstyle": "round"}


def draw(grpo: RunLog, dipo: RunLog, file: Path) -> None:
    """Draws two runs into a PNG.

    Args:
        grpo: The run with `adv_estimator=grpo`.
        dipo: The run with `adv_estimator=dipo`.
        file: Where to write; a metric that a run lacks leaves a note in its panel.
    """
    figure = Figure(figsize=(12.5, 11.5), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, 2, height_ratios=(1.1, 1, 0.8))
    panels = [[figure.add_subplot(grid[row, column]) for column in range(2)] for row in range(3)]
    _learning_curves(panels[0][0], grpo, dipo)
    _perplexities(panels[0][1], dipo)
    _composition(panels[1][0], grpo, "GRPO")
    _composition(panels[1][1], dipo, "DiPO")
    _without_advantage(panels[2][0], grpo, dipo)
    _reallocated(panels[2][1], dipo)
    last_step = max(max(grpo.steps), max(dipo.steps), 1)
    for panel in (panel for row in panels for panel in row):
        _finish(panel, last_step)
    figure.suptitle("GRPO and DiPO from the same start, on the same data; one key differs", fontsize=15, color=TEXT)
    figure.supxlabel(CAVEAT, fontsize=10, color=GRPO, style="italic")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12, hspace=0.04, wspace=0.04)
    figure.savefig(file, dpi=DPI)


def _finish(panel: Axes, last_step: int) -> None:
    panel.set_xlim(0, last_step + 0.5)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, steps=WHOLE_STEPS))
    panel.set_xlabel("training step", color=TEXT)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(colors=TEXT)
    panel.set_axisbelow(True)


def _title(panel: Axes, text: str) -> None:
    panel.set_title(text, loc="left", fontsize=11.5, color=TEXT, fontweight="bold", pad=10)


def _nothing(panel: Axes, what: str) -> None:
    _title(panel, what)
    panel.text(0.5, 0.5, "not logged", transform=panel.transAxes, ha="center", va="center", color=GRPO)
    panel.set_yticks([])


def _legend(panel: Axes, columns: int) -> None:
    """Puts the legend under the panel and its axis label, where it hides no data."""
    below = panel.transAxes + ScaledTranslation(0, -LEGEND_INCHES, panel.figure.dpi_scale_trans)
    panel.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=below,
        ncols=columns,
        frameon=False,
        fontsize=9.5,
        columnspacing=1.2,
        handlelength=1.6,
    )


def _learning_curves(panel: Axes, grpo: RunLog, dipo: RunLog) -> None:
    parts, values, kind = [], [], "mean"
    for name, run, colour, marker in (("GRPO", grpo, GRPO, "s"), ("DiPO", dipo, DIPO, "o")):
        kind, steps, accuracy = run.validation()
        if not steps:
            continue
        panel.plot(steps, accuracy, color=colour, marker=marker, markersize=5, label=name, **LINE)
        parts.append(f"{name} {accuracy[0]:.1%} → {accuracy[-1]:.1%}")
        values += accuracy
    if not parts:
        _nothing(panel, "Validation accuracy")
        return
    _title(panel, f"Validation: {', '.join(parts)}")
    panel.set_ylabel(f"right answers, {kind}", color=TEXT)
    middle, span = (min(values) + max(values)) / 2, max(1.2 * (max(values) - min(values)), SMALLEST_SPAN)
    panel.set_ylim(max(0, middle - span / 2), min(1, middle + span / 2))
    panel.yaxis.set_major_locator(MaxNLocator(steps=WHOLE_STEPS))
    panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panel.grid(color=FAINT)
    _legend(panel, 2)


def _perplexities(panel: Axes, run: RunLog) -> None:
    steps, threshold = run.series("dipo/threshold/value")
    curves = {
        "wrong responses, mean": ("dipo/perplexity/wrong", WRONG, "v"),
        "right responses, mean": ("dipo/perplexity/correct", RIGHT, "^"),
    }
    for label, (metric, colour, marker) in curves.items():
        panel.plot(*run.series(metric), color=colour, marker=marker, markersize=4, label=label, **LINE)
    if not panel.lines or not any(len(line.get_xdata()) for line in panel.lines):
        _nothing(panel, "DiPO: perplexity of right and wrong responses")
        return
    trained = len(run.series("dipo/threshold/admissible")[0])
    panel.plot(steps, threshold, "D", color=THRESHOLD, markersize=4.5, label="τ*")
    _title(panel, f"DiPO: τ* found in {len(steps)} of {trained} steps")
    panel.set_ylabel("perplexity of a response", color=TEXT)
    panel.grid(color=FAINT)
    _legend(panel, 3)


def _composition(panel: Axes, run: RunLog, name: str) -> None:
    steps, shares = run.together(*(f"dipo/group_share/{kind}" for kind in GROUPS))
    if not steps:
        _nothing(panel, f"{name}: groups")
        return
    base = [0.0] * len(steps)
    for kind, share in zip(GROUPS, shares, strict=True):
        panel.bar(steps, share, width=0.85, bottom=base, color=GROUPS[kind], label=_meaning(kind), linewidth=0)
        base = [low + height for low, height in zip(base, share, strict=True)]
    silent = 1 - sum(shares[list(GROUPS).index("mixed")]) / len(steps)
    _title(panel, f"{name}: {silent:.0%} of groups were all wrong or all right")
    panel.set_ylabel("share of groups", color=TEXT)
    panel.set_ylim(0, 1)
    panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _legend(panel, 3)


def _meaning(kind: str) -> str:
    return {"hard": "hard (all wrong)", "mixed": "mixed", "easy": "easy (all right)"}[kind]


def _without_advantage(panel: Axes, grpo: RunLog, dipo: RunLog) -> None:
    means = []
    for name, run, colour in (("GRPO", grpo, GRPO), ("DiPO", dipo, DIPO)):
        steps, share = run.series(f"dipo/gradient_share/{name.lower()}")
        if steps:
            panel.plot(steps, [1 - value for value in share], color=colour, label=name, **LINE)
            means.append(f"{name} {1 - sum(share) / len(share):.0%}")
    if not means:
        _nothing(panel, "Responses without advantage")
        return
    _title(panel, f"Responses without advantage: mean {', '.join(means)}")
    panel.set_ylabel("share of responses", color=TEXT)
    panel.set_ylim(0, 1)
    panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panel.grid(color=FAINT)
    _legend(panel, 2)


def _reallocated(panel: Axes, run: RunLog) -> None:
    steps, up, down = reallocations(run)
    if not steps:
        _nothing(panel, "DiPO: groups reallocated")
        return
    panel.bar(steps, up, width=0.85, color=GROUPS["hard"], label="given in hard groups (explore)")
    panel.bar(
        steps, [-count for count in down], width=0.85, color=GROUPS["easy"], label="taken in easy groups (exploit)"
    )
    panel.axhline(0, color=TEXT, linewidth=0.8)
    acted = sum(u + d > 0 for u, d in zip(up, down, strict=True))
    _title(panel, f"DiPO reallocated a reward in {acted} of {len(steps)} steps")
    panel.set_ylabel("groups", color=TEXT)
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    panel.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
    panel.grid(axis="y", color=FAINT)
    _legend(panel, 2)
