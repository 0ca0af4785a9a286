"""What counts as an answer without a call: ordinary text in any language, and neither nothing nor gibberish."""

import time

import pytest

from reward_score.tool_calls.abstention import says_something

SAID = [
    "I cannot do that.",
    "No.",
    "N/A",
    "OK",
    "B",
    "(b)",
    "None",
    "null",
    "[]",
    " [ ]\n",
    "```json\n[]\n```",
    "No function fits.",
    "Which city do you mean?",
    "The area is 25 m^2.",
    "x = 25, so the answer is 25.",
    r"\[ \text{Area} = \frac{1}{2} \times 10 \times 5 = 25 \]",
    "The BMI needs kg and cm; HTML, CSS and PDF do not.",
    r"First, $\sqrt{2} + \sqrt{3} + \sqrt{5} = \sqrt{3} + \sqrt{2} + \sqrt{5}$",
    r"We have \begin{align*}" + r"\frac{\sqrt{2}}{\cos x} &= \frac{\sqrt{2}}{\sin x} \\" * 20 + r"\end{align*}",
    "```python\nprint(2 ** 0.5)\n```",
    "| a | b |\n|---|---|\n| one | two |",
    "1. First\n2. Second",
    "no no no",
    "https://example.org/a/b",
    "Supercalifragilisticexpialidocious!",
    "1989 😀 fine",
    "Je ne peux pas.",
    "Lo siento, no puedo.",
    "Não posso.",
    "Das geht nicht: Rechtsschutzversicherungsgesellschaften sind nicht dabei.",
    "Angstschweiss und Borschtsch helfen nicht.",
    "Strč prst skrz krk.",
    "Krk je otok, a vrt je trg.",
    "Nie mogę tego zrobić: brak funkcji w źdźble.",
    "Nem tudom megtenni.",
    "En voi tehdä sitä.",
    "Bunu yapamam.",
    "Nuk mundem, që do qytet.",
    "Bu, qara qoyun deyil.",
    "Dydw i ddim yn gallu gwneud hynny; cwm, crwth, hwyl.",
    "Ní féidir liom é sin a dhéanamh.",
    "Tôi không thể.",
    "Saya tidak bisa.",
    "Siwezi kufanya hivyo.",
    "Angikwazi ukukwenza lokho.",
    "Hindi ko kaya.",
    "Wo bu neng zuo zhe ge.",
    "Watashi wa dekimasen.",
    "否",
    "无法完成。",
    "申し訳ありませんが、できません。",
    "できません",
    "할 수 없습니다.",
    "ฉันทำไม่ได้",
    "Я не могу.",
    "Δεν μπορώ.",
    "لا أستطيع",
    "אני לא יכול",
    "मैं नहीं कर सकता",
    "আমি পারি না",
    "என்னால் முடியாது",
    "አልችልም",
    "არ შემიძლია",
    "Չեմ կարող",
    "ខ្ញុំមិនអាច",
]
NOT_SAID = [
    "",
    " \n\t",
    ".",
    "...",
    "!?",
    "-",
    "()",
    "{}",
    "[[]]",
    "[ ] [ ]",
    "1",
    "12345 67890",
    "@#$%^&*()",
    "____",
    "😀😀😀",
    "\x00\x01\x02",
    "\x00a\x00b",
    "\ufffd\ufffd\ufffd no",
    "\ue000\ue001 ab",
    "\ud800\ud801ab",
    "asdf",
    "asdfgh",
    "asdf jkl",
    "sdfsdf",
    "sghrtejtrjrj",
    "\x1b[A\x1b[B",
    "9:45",
    "\t/",
    "asdf jkl qwer zxcv",
    "qwertyuiop",
    "xzqk vbnm",
    "sdkjfh skdjfh",
    "hjkl hjkl",
    "zzz",
    "aaaaaaaaaa",
    "bcdfg hjklm npqrs",
    "xqzkw jjjq vxz",
    "blah blah blah blah",
    "the the the the the the",
    "no " * 50,
    "the of " * 40,
    "x x x x",
    "哈哈哈哈哈",
    "a" * 100,
    "ab" * 100,
    "x" * 1000,
]


@pytest.mark.parametrize("text", SAID)
def test_ordinary_text_says_something(text):
    assert says_something(text)
    assert says_something(f"\n{text}\n")


@pytest.mark.parametrize("text", NOT_SAID)
def test_nothing_and_gibberish_do_not(text):
    assert not says_something(text)


def test_time_is_linear():
    for unit in ("a", "a ", "\x00", "[", "``` ", "```a", "q", "x1", "é", "[ ", "哈 "):
        start = time.process_time()
        says_something(unit * (200_000 // len(unit)))
        assert time.process_time() - start < 0.1, unit  # measured: below 0.02 s
