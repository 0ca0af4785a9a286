"""Whether one value is among the accepted ones of one parameter, by the rules of BFCL's AST checker.

Written from the rules, quirks included, because a number reported as BFCL's must be BFCL's:
https://github.com/ShishirPatil/gorilla, berkeley-function-call-leaderboard,
bfcl_eval/eval_checker/ast_eval/ast_checker.py (`type_checker`, `string_checker`, `list_checker`, `dict_checker`,
`list_dict_checker`), as of bfcl-eval 2025.8.6.2.

- Types are compared exactly: True is no integer and 5.0 is none; an int will do for a float, except within a list.
- A value of the type that the first accepted value has will do as well ("variable"), and is then compared as it is.
- Strings are compared by `standardize`, lists of them too. Within dicts and below, types do not count: True == 1.
- "" among the accepted values says that the parameter may be left out. It is a value as well, and opens a list to any
  type of item.

Where BFCL's checker raises an exception on a value, so does `value_fault`: see UNJUDGED.
"""

from reprlib import Repr
from typing import Final, NamedTuple, cast

PYTHON_TYPES: Final[dict[str, type]] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}

UNJUDGED: Final = (OverflowError, AttributeError, TypeError, LookupError)
"""What a value can make the comparison raise: an int too large for a float, or an item that is no dict where "" has
opened the list. BFCL's checker stops there; it counts as wrong."""

_IGNORED = str.maketrans("'", '"', " ,./-_*^")


class Parameter(NamedTuple):
    """What is accepted for one parameter.

    Attributes:
        kind: The schema's name for its type, None if the schema does not have the parameter.
        python_type: The Python type that stands for.
        item_type: That of the items of a list, None for anything else.
        variable_type: The type of the first accepted value that is not "", None without one.
        accepted: The accepted values.
        optional: Whether it may be left out.
    """

    kind: str | None
    python_type: type | None
    item_type: type | None
    variable_type: type | None
    accepted: list[object]
    optional: bool


def read_parameter(kind: str | None, item: str | None, accepted: list[object]) -> Parameter:
    """Puts together what is known about one parameter, from the schema's types and the accepted values.

    Raises KeyError if a type is not one of PYTHON_TYPES.
    """
    variable_type = next((type(value) for value in accepted if value != ""), None)
    python_type = None if kind is None else PYTHON_TYPES[kind]
    item_type = None if item is None else PYTHON_TYPES[item]
    return Parameter(kind, python_type, item_type, variable_type, accepted, "" in accepted)


def value_fault(parameter: Parameter, value: object) -> str | None:
    """Says in a few words, bounded where they are the value's, what is wrong with it; None if it is accepted.

    Raises:
        OverflowError: One of UNJUDGED, where BFCL's checker raises.
    """
    if parameter.kind == "tuple" and type(value) is tuple:
        value = list(cast("tuple[object, ...]", value))
    if parameter.kind == "float" and type(value) is int:
        value = float(value)
    variable = parameter.variable_type not in (None, parameter.python_type)
    if type(value) is parameter.python_type:
        if parameter.item_type is not None and not _items_fit(parameter, cast("list[object]", value)):
            return f"an item's type in {show(value)}"
    elif type(value) is not parameter.variable_type:
        return f"type {type(value).__name__} for {parameter.kind}"
    if _is_accepted(parameter, value, variable):
        return None
    return f"{show(value)} is not among {show(parameter.accepted)}"


def accepts(parameter: Parameter, value: object) -> bool:
    """Says whether a value is accepted for a parameter that the schema has; one that cannot be compared is not."""
    try:
        return parameter.kind is not None and value_fault(parameter, value) is None
    except UNJUDGED:
        return False


def show(value: object) -> str:
    """Prints a value of any size in a few words, all of them printable."""
    if isinstance(value, str) and len(value) <= _REPR.maxstring:
        return repr(value)
    return _REPR.repr(value)


def standardize(text: str) -> str:
    """Drops what BFCL does not compare: blanks and `,./-_*^`, upper case, the kind of straight quote."""
    return text.translate(_IGNORED).lower()


def _items_fit(parameter: Parameter, items: list[object]) -> bool:
    for accepted in parameter.accepted:
        if type(accepted) is not list:
            return True
        values = cast("list[object]", accepted)
        variable_type = next((type(value) for value in values if value != ""), None)
        if all(type(item) is parameter.item_type or type(item) is variable_type for item in items):
            return True
    return False


def _is_accepted(parameter: Parameter, value: object, variable: bool) -> bool:
    if not variable:
        if isinstance(value, dict):
            return _dict_fits(cast("dict[str, object]", value), parameter.accepted)
        if isinstance(value, list) and parameter.item_type is dict:
            dicts = cast("list[dict[str, object]]", value)
            several = cast("list[list[object]]", parameter.accepted)
            return any(
                len(dicts) == len(golds)
                and all(_dict_fits(one, [gold]) for one, gold in zip(dicts, golds, strict=True))
                for golds in several
            )
        if isinstance(value, str):
            return standardize(value) in [standardize(text) for text in parameter.accepted if type(text) is str]
        if isinstance(value, list):
            items = _standardize_items(cast("list[object]", value))
            return items in [_standardize_items(cast("list[object]", accepted)) for accepted in parameter.accepted]
    return value in parameter.accepted


def _standardize_items(items: list[object]) -> list[object]:
    return [standardize(item) if type(item) is str else item for item in items]


def _dict_fits(value: dict[str, object], accepted: list[object]) -> bool:
    for one in accepted:
        if one == "":
            continue
        fields = cast("dict[str, list[object]]", one)
        given = all(
            key in fields and (standardize(item) if isinstance(item, str) else item) in _standardize_items(fields[key])
            for key, item in value.items()
        )
        if all(key in value or "" in values for key, values in fields.items()) and given:
            return True
    return False


_REPR = Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 50
_REPR.maxlevel = 3
