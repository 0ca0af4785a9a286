"""The optional syntax of Python calls: literals are read, nothing is run."""

import pytest

from reward_score import tool_call_python
from reward_score.tool_call_json import Call, UnreadableError
from reward_score.tool_call_python import read_python


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        ("[f(a=1)]", [Call("f", {"a": 1})]),
        (" [ m.n.f( a = 1 ), g() ]\n", [Call("m.n.f", {"a": 1}), Call("g", {})]),
        ("```python\n[f(a=1)]\n```", [Call("f", {"a": 1})]),
        ("```[f(a=1)]```", [Call("f", {"a": 1})]),
        ("[f(a='x]; (y', b=\"it's\", c='''z\n''')]", [Call("f", {"a": "x]; (y", "b": "it's", "c": "z\n"})]),
        ("[f(a=True, b=None, c=-1.5, d=--2)]", [Call("f", {"a": True, "b": None, "c": -1.5, "d": 2})]),
        ("[f(a=[[2]], b=(1,), c={'x': {'y': 1}})]", [Call("f", {"a": [[2]], "b": (1,), "c": {"x": {"y": 1}}})]),
        ("[f(a=true, b=[x])]", [Call("f", {"a": "true", "b": ["x"]})]),
        ("[f(a=2*3+1, b=1/4, c=10-20)]", [Call("f", {"a": 7, "b": 0.25, "c": -10})]),
        ("[f(a='--------------------')]", [Call("f", {"a": "-" * 20})]),
        ("[f(a='" + "(" * 99 + "')]", [Call("f", {"a": "(" * 99})]),
    ],
)  # fmt: skip
def test_calls_are_read(answer, calls):
    found = read_python(answer)
    assert found == (calls, ("",))
    # 1 == True == 1.0 above: the types count too.
    assert repr(found.calls) == repr(calls)


@pytest.mark.parametrize(
    "answer", ["", "hello", "[]", "f(a=1)", "[Note] f(a=1)", "[1, 2]", '[{"name": "f"}]', "x [f(a=1)]"]
)
def test_what_does_not_begin_like_a_list_of_calls_is_no_attempt(answer):
    assert read_python(answer) is None


@pytest.mark.parametrize(
    "answer",
    [
        "[f(1)]",
        "[f(a=1, *b)]",
        "[f(**{'a': 1})]",
        "[f(a=1, a=2)]",
        "[f(a=1), 2]",
        "[f(a=1), [g()]]",
        "[f(a=1)",
        "[f(a=1)] done",
        "[f(a=1)]; [g()]",
        "[f(a=1)]()",
        "[f()()]",
        "[f(a=1).g()]",
        "[f(a=g())]",
        "[f(a=g(b=1))]",
        "[f(a=__import__('os').system('x')+'')]",
        "[f(a=x.y)]",
        "[f(a=x[0])]",
        "[f(a=lambda: 1)]",
        "[f(a=[x for x in y])]",
        "[f(a=f'{x}')]",
        "[f(a=b'x')]",
        "[f(a=...)]",
        "[f(a=1j)]",
        "[f(a={1, 2})]",
        "[f(a={1: 2})]",
        "[f(a={'x': 1, 'x': 2})]",
        "[f(a={**x})]",
        "[f(a=1e999)]",
        "[f(a='x'+'y')]",
        "[f(a='x'*3)]",
        "[f(a=[1]*3)]",
        "[f(a=-'x')]",
        "[f(a=-True)]",
        "[f(a=not x)]",
        "[f(a=1 if x else 2)]",
        "[f(a=1/0)]",
        "[f(a=2**2)]",
        "[f(a=7//2)]",
        "[f(a=7%2)]",
        "[f(a=1<<2)]",
        "[f(a=1000000000000000000000*2)]",
        "[f(a=0x" + "f" * 5000 + ")]",
        "[f(a=" + "9" * 5000 + ")]",
        "[f(a='\x00')]",
        "[f(a='\ud800')]",
        "[f(a=" + "[" * 40 + "]" * 40 + ")]",
        "[f(a=" + "-" * 40 + "1)]",
        "[f(a=1" + "+1" * 40 + ")]",
        "[" + "f()," * 65 + "]",
        "[f(a='" + "x" * 20_000 + "')]",
    ],
)
def test_what_is_no_list_of_calls_with_literals_is_unreadable(answer):
    with pytest.raises(UnreadableError):
        read_python(answer)


def test_expensive_text_is_refused_before_python_parses_it(monkeypatch):
    monkeypatch.setattr(tool_call_python.ast, "parse", lambda *_, **__: pytest.fail("parsed"))
    for value in ("[" * 100_000, "-" * 19_000, "~ " * 9_000, "not " * 4_000, "(" * 33, "'" + "x" * 20_000):
        with pytest.raises(UnreadableError):
            read_python(f"[f(a={value})]")


def test_nothing_is_run(tmp_path):
    file = tmp_path / "made"
    for value in (f"open({str(file)!r}, 'w')", f"open({str(file)!r}, 'w').write('x')+1", f"[open({str(file)!r}, 'w')]"):
        with pytest.raises(UnreadableError):
            read_python(f"[f(a={value})]")
    assert not file.exists()
