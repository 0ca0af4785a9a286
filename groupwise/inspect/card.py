"""One group as a card of the page."""

from html import escape
from typing import Final

from groupwise.inspect.groups import Group, Response
from groupwise.inspect.strip import draw
from groupwise.inspect.text import excerpt, number, one_line, visible
from groupwise.inspect.words import fate

MOST: Final = 10_000
"""Characters of a text, --full apart."""

INKS: Final = {"right": "good", "wrong": "bad", "unjudged": "warn"}


def card(group: Group, *, is_open: bool, full: bool) -> str:
    """Writes the card of a group.

    Args:
        group: The group.
        is_open: Whether its responses are unfolded.
        full: Whether texts are left uncut.

    Returns:
        HTML; what the filters go by stands in data attributes.
    """
    most = None if full else MOST
    responses = "\n".join(_response(response, group, most) for response in group.responses)
    source = escape(visible(group.data_source))
    return f"""<details class="group panel" data-step="{group.step}" data-kind="{group.kind}"
 data-direction="{group.direction or "none"}" data-source="{source}"{" open" if is_open else ""}>
<summary>{_summary(group)}</summary>
<dl class="facts">{_facts(group)}</dl>
<h3>Prompt</h3>
{_text(group.prompt, most)}
<h3>Responses</h3>
{responses}
<p class="faint rest" hidden></p>
</details>
"""


def _summary(group: Group) -> str:
    right = sum(response.verdict == "right" for response in group.responses)
    prompt = escape(one_line(group.prompt, 160))
    return (
        f'<span class="line"><span class="badge {group.direction or "none"}">{_badge(group)}</span> '
        f"<b>step {group.step}</b> {group.kind} <span class='faint'>{right} of {len(group.responses)} right</span>"
        f' <span class="faint source">{escape(one_line(group.data_source, 40))}</span></span>'
        f'<span class="snippet" dir="auto">{prompt}</span>{draw(group)}'
    )


def _badge(group: Group) -> str:
    if group.direction is None:
        return "left alone"
    arrow, word = ("\u25b2", "up") if group.direction == "up" else ("\u25bc", "down")
    return f"{arrow} {word}" if group.applied else f"{arrow} would be {word}"


def _facts(group: Group) -> str:
    tau = "none admissible" if group.threshold is None else number(group.threshold)
    facts = {
        "Ground truth": escape(one_line(group.ground_truth, 400)) or "-",
        "\u03c4*": tau,
        f"Group perplexity ({escape(group.rule)})": number(group.group_perplexity),
        "Prompt's uid": f"<code>{escape(one_line(group.uid, 120))}</code>",
        "Data source": escape(one_line(group.data_source, 120)) or "-",
    }
    return "".join(f'<div><dt>{name}</dt><dd dir="auto">{value}</dd></div>' for name, value in facts.items())


def _response(response: Response, group: Group, most: int | None) -> str:
    chosen = response.chosen and group.direction is not None
    facts = [
        ("perplexity", number(response.perplexity)),
        ("score", number(response.score, ".4g")),
        ("R<sub>r</sub>", f"{response.reallocated_reward:g}"),
        ("advantage", f"{number(response.advantage_before, '+.3f')} \u2192 {number(response.advantage_after, '+.3f')}"),
        ("tokens", number(response.length, "d")),
    ]
    pairs = "".join(f"<span><i>{name}</i> {value}</span>" for name, value in facts)
    why = escape(one_line(response.error or response.reason, 200))
    read = f" <span><i>answer</i> <code>{escape(one_line(response.pred, 120))}</code></span>" if response.pred else ""
    note = f'<b class="fate">{fate(group.direction or "", applied=group.applied)}</b>' if chosen else ""
    return (
        f'<article class="response{" chosen " + (group.direction or "") if chosen else ""}" '
        f'data-quadrant="{response.quadrant or "none"}" data-verdict="{response.verdict}"><header>'
        f'<b>{response.number}</b><b class="{INKS[response.verdict]}">{response.verdict}</b>'
        f'<abbr title="quadrant">{response.quadrant or "--"}</abbr>{note}{pairs}'
        f"<span class='faint'>{why}</span>{read}</header>{_text(response.text, most)}</article>"
    )


def _text(text: str, most: int | None) -> str:
    parts = excerpt(text.strip("\n"), most)
    middle = ""
    if parts.left_out:
        middle = f'<span class="cut">{parts.left_out:,} characters left out; --full keeps them</span>'
    return f'<pre dir="auto" tabindex="0">{escape(parts.head)}{middle}{escape(parts.tail)}</pre>'
