"""How ToolRL's own BFCL handler reads calls, which published figures may rest on.

Source: benchmarks/BFCL/rlla_qwen.py of https://github.com/qiancheng0/ToolRL, `decode_ast` and `decode_execute`: the
last `<tool_call>` block, in the thinking or not, a call on each line; a line that is none is passed over, and so is a
call of a tool named "None", which the prompt offers for "no call".
"""

import json
from typing import Final, cast

from reward_score.tool_calls.json import Call
from reward_score.tool_calls.parser import CALL_CLOSE, CALL_OPEN

HANDLER_STYLE: Final = "toolrl_handler"
"""The prompt style that goes with it."""


def read_last_block(response: str, *, in_session: bool = False) -> list[Call] | None:
    """Reads the calls; None where one has a name or arguments of another type, on which the handler fails as a whole.

    In a session a call may lack "parameters" and name; elsewhere one that does is no call.
    """
    if CALL_OPEN not in response:
        return []
    calls: list[Call] = []
    block = response.rpartition(CALL_OPEN)[2].partition(CALL_CLOSE)[0]
    for line in block.strip().split("\n"):
        try:
            fields: object = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(fields, dict):
            continue
        call = cast("dict[str, object]", fields)
        if in_session:
            call = cast("dict[str, object]", {"name": "", "parameters": {}, **call})
        elif "parameters" not in call or not isinstance(call.get("name"), str):
            continue
        name, arguments = call["name"], call["parameters"]
        if isinstance(name, str) and name.strip().lower() == "none":
            continue
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return None
        calls.append(Call(name, cast("dict[str, object]", arguments)))
    return calls
