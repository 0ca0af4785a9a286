"""Your own single-turn tool calls, from any of the layouts in which such data is published.

    python -m data_prep.tool_calls --input FILE... --data-source NAME --split train|val|test --output DIR

Read are the layouts of `data_prep.tool_layouts`. What judges a row is BFCL's checker, with the values of the calls that
are right as the only ones that are accepted (`data_prep.tool_schema`); a row whose answer makes no call wants none.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from data_prep.bfcl_rows import question_text
from data_prep.command import Part, add_own_options, converter_parser, own_parts, run
from data_prep.conversion import Rows, make_rows, numbered
from data_prep.inputs import Split
from data_prep.records import Record
from data_prep.schema import Row, make_row
from data_prep.tool_layouts import read_exchange
from data_prep.tool_prompts import TOOL_STYLES, add_think_option
from data_prep.tool_schema import write_gold
from reward_score.tool_calls.bfcl.gold import read_bfcl_gold


def make_tool_row(source: str, split: str, style: str, think: str, record: Record, identity: str) -> Row:
    """Makes the row of a record in one of TOOL_STYLES and THINKING; its reference response makes the right calls."""
    messages, tools, calls = read_exchange(record)
    ground_truth = write_gold(tools, calls, record.where)
    return make_row(
        data_source=source,
        prompt=TOOL_STYLES[style].prompt(messages, tools),
        ability="tool",
        ground_truth=ground_truth,
        reference_response=TOOL_STYLES[style].response(calls, think),
        split=split,
        identity=identity,
        question=question_text(messages),
        category=read_bfcl_gold(ground_truth).category,
        prompt_style=style,
        answer_format="calls",
        think=think,
    )


def _plan(options: argparse.Namespace) -> list[Part]:
    name, style = options.data_source, options.prompt_style
    think = options.think or TOOL_STYLES[style].think

    def rows(found: Split, split: str) -> Rows:
        make = partial(make_tool_row, name, split, style, think)
        return make_rows(found.records, numbered(name, split), make)

    return own_parts(options, rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    description = "Your own single-turn tool calls for verl."
    parser = converter_parser("tool_calls", description, styles=TOOL_STYLES, style="hermes")
    add_own_options(parser)
    add_think_option(parser)
    return run(parser, _plan, argv)


if __name__ == "__main__":
    sys.exit(main())
