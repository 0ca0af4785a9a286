r"""No pattern that sees what a model or a file says takes more than linear time, but for those excused by name.

`re` tries one way after another. Where a repetition can split one text in several ways, as in `(?:[a-z]+ ?)+`, their
number doubles with each character: a sentence in a box could stop a reward worker for ever. Where a search can begin a
repetition at each of its places, as with `[0-9]+!`, time grows with the square. Both are ambiguities of the pattern's
automaton (Weber and Seidl, On the degree of ambiguity of finite automata, 1991), and are looked for there.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pytest
from our_patterns import all_patterns, parser
from our_patterns import constants as c

MOST_COUNTED = 4
"""A repetition of more is taken for one without end: up to its number it costs the same."""

OTHERS = "éЖ٣中½\u00a0\u2028\ue000\ue001\ue002\ue003"
CATEGORIES = {
    c.CATEGORY_DIGIT: r"\d",
    c.CATEGORY_NOT_DIGIT: r"\D",
    c.CATEGORY_SPACE: r"\s",
    c.CATEGORY_NOT_SPACE: r"\S",
    c.CATEGORY_WORD: r"\w",
    c.CATEGORY_NOT_WORD: r"\W",
}
ONE_CHARACTER = (c.LITERAL, c.NOT_LITERAL, c.ANY, c.IN)

BEFORE = ""
"""Stands for the character before a text's first."""

Characters = frozenset[str]


class Step(NamedTuple):
    """A way on that reads nothing: where to, what the last and the next character must be, whether that is all."""

    to: int
    last: Characters
    next: Characters
    sure: bool


class Automaton:
    """A pattern's automaton (Thompson's construction). State 0 is where a search passes over what does not match."""

    def __init__(self, pattern: str, flags: int):
        tree = parser.parse(pattern, flags)
        self.flags = tree.state.flags
        self.all = frozenset({*map(chr, range(128)), *OTHERS, *named(tree.data)})
        self.reads: dict[int, Characters] = {0: self.all}
        self.after = {0: 1}
        self.steps: defaultdict[int, list[Step]] = defaultdict(list)
        self.groups: dict[int, Any] = {}
        self.states = 2
        self.end = self.add(tree, 1)

    def new(self) -> int:
        self.states += 1
        return self.states - 1

    def join(self, here: int, there: int, last: Characters | None = None, next_: Characters | None = None) -> None:
        sure = last is None and next_ is None
        sure = last is None and next_ is None
        last = self.all if last is None else last
        # Nothing stands before the text: what may be asked of it is not held against it.
        self.steps[here].append(Step(there, last | {BEFORE}, self.all if next_ is None else next_, sure))

    def add(self, items: Any, here: int) -> int:
        for kind, value in items:
            if kind in ONE_CHARACTER:
                state, there = self.new(), self.new()
                self.join(here, state)
                self.reads[state], self.after[state] = self.characters(kind, value), there
                here = there
            elif kind is c.SUBPATTERN:
                self.groups[value[0]] = value[3]
                here = self.add(value[3], here)
            elif kind is c.GROUPREF:
                here = self.add(self.groups[value], here)
            elif kind is c.BRANCH:
                here = self.add_branches(value[1], here)
            elif kind in (c.MAX_REPEAT, c.MIN_REPEAT):
                here = self.add_repetition(*value, here)
            else:
                here = self.add_condition(kind, value, here)
        return here

    def add_branches(self, branches: Any, here: int) -> int:
        there = self.new()
        for branch in branches:
            start = self.new()
            self.join(here, start)
            self.join(self.add(branch, start), there)
        return there

    def add_repetition(self, least: int, most: int, items: Any, here: int) -> int:
        there = self.new()
        for _ in range(min(least, MOST_COUNTED)):
            here = self.add(items, here)
        self.join(here, there)
        if most > MOST_COUNTED:
            loop = self.new()
            self.join(here, loop)
            last = self.add(items, loop)
            self.join(last, loop)
            self.join(last, there)
            return there
        for _ in range(most - least):
            here = self.add(items, here)
            self.join(here, there)
        return there

    def add_condition(self, kind: Any, value: Any, here: int) -> int:
        there = self.new()
        if kind is c.AT:
            at_start = value in (c.AT_BEGINNING, c.AT_BEGINNING_STRING)
            line_ends = "\n" if self.flags & re.MULTILINE else ""
            # All but the beginning is taken for what may hold anywhere, and may fail.
            self.join(here, there, last=frozenset(line_ends) if at_start else self.all)
            return there
        direction, items = value
        one = self.one(items)
        allowed = one if kind is c.ASSERT or one is None else self.all - one
        if direction < 0:
            self.join(here, there, last=self.all if allowed is None else allowed)
        else:
            if one is None:
                # Looking ahead takes time as well: it begins here and leads nowhere.
                self.add(items, here)
            self.join(here, there, next_=self.all if allowed is None else allowed)
        return there

    def one(self, items: Any) -> Characters | None:
        """The characters that items read, where they read one."""
        if len(items) != 1:
            return None
        kind, value = items[0]
        if kind is c.SUBPATTERN:
            return self.one(value[3])
        if kind is c.BRANCH:
            branches = [self.one(branch) for branch in value[1]]
            return None if None in branches else frozenset().union(*branches)  # type: ignore[arg-type]
        return self.characters(kind, value) if kind in ONE_CHARACTER else None

    def characters(self, kind: Any, value: Any) -> Characters:
        return frozenset(character for character in self.all if holds(kind, value, character, self.flags))

    def ways(self, state: int) -> Iterator[tuple[int, Characters, Characters]]:
        """The states that read next, once for each way there, with what the last and the next character must be."""
        stack = [(self.after[state], self.all | {BEFORE}, self.all, frozenset[int]())]
        while stack:
            here, last, next_, seen = stack.pop()
            if here in self.reads:
                yield here, last, next_ & self.reads[here]
            for step in self.steps[here]:
                if step.to not in seen:
                    stack.append((step.to, last & step.last, next_ & step.next, seen | {here}))

    def matched(self, state: int) -> bool:
        """Whether the pattern has matched, whatever follows, once the state has read its character."""
        stack, seen = [self.after[state]], set[int]()
        while stack:
            here = stack.pop()
            seen.add(here)
            stack += [step.to for step in self.steps[here] if step.sure and step.to not in seen]
        return self.end in seen


def named(tree: Any) -> Iterator[str]:
    """The characters that a pattern names, with the ends of its ranges."""
    for item in tree:
        if isinstance(item, tuple) and len(item) == 2 and item[0] in (c.LITERAL, c.NOT_LITERAL):
            yield chr(item[1])
        elif isinstance(item, tuple) and len(item) == 2 and item[0] is c.RANGE:
            yield from map(chr, item[1])
        elif isinstance(item, list | tuple | parser.SubPattern):
            yield from named(item)


def holds(kind: Any, value: Any, character: str, flags: int) -> bool:
    """Whether a part of a pattern that reads one character reads this one."""
    if flags & re.IGNORECASE:
        forms = {character, character.lower(), character.upper()}
        return any(holds(kind, value, form, flags & ~re.IGNORECASE) for form in forms)
    if kind is c.IN:
        negated = value[0][0] is c.NEGATE
        return negated is not any(holds(*item, character, flags) for item in value[negated:])
    if kind is c.ANY:
        return character != "\n" or bool(flags & re.DOTALL)
    if kind is c.RANGE:
        return value[0] <= ord(character) <= value[1]
    if kind is c.CATEGORY:
        return re.match(CATEGORIES[value], character, flags & re.ASCII) is not None
    return (ord(character) == value) is (kind is c.LITERAL)


Place = tuple[int, str]
"""A state, and the character that it has just read."""


def places(automaton: Automaton, *, searched: bool, whole: bool) -> dict[Place, list[Place]]:
    """Where the automaton may be, and where from there; without what cannot fail any more."""
    left_out = {} if whole else {state for state in automaton.reads if state and automaton.matched(state)}
    ways = {state: list(automaton.ways(state)) for state in automaton.reads}
    if searched:
        ways[0].append((0, automaton.all | {BEFORE}, automaton.all))
    sets = {*automaton.reads.values(), *(each for found in ways.values() for way in found for each in way[1:])}
    alike: dict[frozenset[int], str] = {}
    for character in sorted(automaton.all):
        alike.setdefault(frozenset(n for n, characters in enumerate(sets) if character in characters), character)
    graph: dict[Place, list[Place]] = {}
    todo: list[Place] = [(0, BEFORE)]
    while todo:
        state, last = place = todo.pop()
        if place not in graph:
            graph[place] = [
                (to, character)
                for to, behind, ahead in ways[state]
                for character in alike.values()
                if last in behind and character in ahead and to not in left_out
            ]
            todo += graph[place]
    return graph


def components(graph: dict[Any, list[Any]]) -> list[set[Any]]:
    """The strongly connected parts that have a cycle (Kosaraju)."""
    left: list[Any] = []
    seen = set()
    todo = [(node, False) for node in graph]
    while todo:
        node, is_left = todo.pop()
        if is_left:
            left.append(node)
        elif node not in seen:
            seen.add(node)
            todo.append((node, True))
            todo += [(to, False) for to in graph[node]]
    back = backwards(graph)
    found: list[set[Any]] = []
    for node in reversed(left):
        part = reachable(back, {node}, seen)
        seen -= part
        if len(part) > 1 or (part and node in graph[node]):
            found.append(part)
    return found


def backwards(graph: dict[Any, list[Any]]) -> dict[Any, list[Any]]:
    """The graph with each of its ways turned round."""
    turned: dict[Any, list[Any]] = {node: [] for node in graph}
    for node, following in graph.items():
        for to in following:
            turned[to].append(node)
    return turned


def reachable(graph: dict[Any, list[Any]], start: set[Any], within: set[Any] | None = None) -> set[Any]:
    """The nodes of `start` and those one comes to from there, by way of nodes in `within`."""
    found = set(start) if within is None else start & within
    todo = list(found)
    while todo:
        new = set(graph[todo.pop()]) - found
        new = new if within is None else new & within
        found |= new
        todo += new
    return found


def is_exponential(graph: dict[Place, list[Place]], part: set[Place]) -> bool:
    """Whether two ways lead from a place back to itself over the same characters."""
    inner = {place: [to for to in graph[place] if to in part] for place in part}
    if any(len(set(to)) < len(to) for to in inner.values()):
        return True
    pairs: dict[tuple[Place, Place], list[tuple[Place, Place]]] = {}
    todo = [(place, place) for place in part]
    while todo:
        pair = todo.pop()
        if pair not in pairs:
            one, other = (inner[place] for place in pair)
            pairs[pair] = [(a, b) for a in one for b in other if a[1] == b[1]]
            todo += pairs[pair]
    return any(any(a == b for a, b in together) and any(a != b for a, b in together) for together in components(pairs))


def is_square(graph: dict[Place, list[Place]], first: set[Place], second: set[Place], reach: set[Place]) -> bool:
    """Whether two loops and the way between them read the same characters, so that it is open where one gives over."""
    loops: dict[tuple[Place, Place], list[tuple[Place, Place]]] = {}
    todo = [(a, b) for a in first for b in second if a[1] == b[1]]
    for one, other in todo:
        ahead = second.intersection(graph[other])
        loops[one, other] = [(a, b) for a in first.intersection(graph[one]) for b in ahead if a[1] == b[1]]
    # Of places that lead to one another together, each is as good as any.
    return any(leads_over(graph, min(together), loops, together, reach) for together in components(loops))


def leads_over(
    graph: dict[Place, list[Place]],
    loop: tuple[Place, Place],
    loops: dict[tuple[Place, Place], list[tuple[Place, Place]]],
    together: set[tuple[Place, Place]],
    reach: set[Place],
) -> bool:
    """Whether the word that leads round both loops also leads from the first to the second."""
    seen = set()
    todo = [(loop, loop[0])]
    while todo:
        both, between = todo.pop()
        for following in together.intersection(loops[both]):
            for place in reach.intersection(graph[between]):
                if place[1] == following[0][1] and (following, place) not in seen:
                    seen.add((following, place))
                    todo.append((following, place))
    return (loop, loop[1]) in seen


def fault(pattern: str, flags: int, uses: Iterable[str]) -> str:
    """Says how the time of a pattern grows, "" if with its text's length at most."""
    uses = frozenset(uses)
    graph = places(Automaton(pattern, flags), searched=not uses <= {"match", "fullmatch"}, whole="fullmatch" in uses)
    parts = components(graph)
    for part in parts:
        if is_exponential(graph, part):
            return f"exponential, around {min(part)[1]!r}"
    back = backwards(graph)
    for first in parts:
        to_all = reachable(graph, first)
        for second in parts:
            if second is first or not second <= to_all:
                continue
            reach = to_all & reachable(back, second)
            if is_square(graph, first, second, reach):
                return f"square, around {min(second)[1]!r}"
    return ""


EXPONENTIAL = [
    (r"(?:\\?[A-Za-z]+ ?(?:_\{[^{}]*\}|')*)+", "fullmatch"),
    (r"(?:[A-Za-z]{2,}| |-)+", "fullmatch"),
    (r"(a*)*b", "match"),
    (r"(?:a|ab|b)*c", "match"),
    (r"(?:\s*-?\s*)*x", "search"),
    (r"(?:[0-9]+,?)+$", "search"),
]
SQUARE = [
    (r"[0-9]+!", "search"),
    (r"\s+$", "sub"),
    (r"\s*x", "findall"),
    (r"a(?=[ab]*c)", "search"),
    (r"(?=[ab]*c)", "search"),
    (r"```\s*(.*?)\s*```", "fullmatch"),
    (r"[ab]*[bc]*", "fullmatch"),
    (r"x[0-9]{0,100}[0-9]{0,100}y", "match"),
    (r"^\s*pid: ", "multiline"),
    (r"'(?:\\.|[^\\])*?'", "search"),
]
LINEAR = [
    (r"(?:\\?[A-Za-z] ?(?:_\{[^{}]*\}|')*)+", "fullmatch"),
    (r"(?:[A-Za-z]{2,}(?![A-Za-z])| |-)+", "fullmatch"),
    (r"(?:a|b)*c", "match"),
    (r"(?<![0-9])[0-9]+!", "search"),
    (r"[0-9]+", "findall"),
    (r"(a*)*", "match"),
    (r"[ab]*[bc]*", "match"),
    (r"[ab]*c[ab]*", "fullmatch"),
    (r"^[ \t]*pid: ", "multiline"),
    (r"<(a|b)>.*</\1>", "fullmatch"),
    (r"'(?:\\.|[^'\\])*'?", "search"),
    (r"x(?:a?){4}y", "search"),
    (r"x(?=[ab]*c)", "search"),
]


@pytest.mark.parametrize(("pattern", "use"), EXPONENTIAL)
def test_sees_what_doubles_with_each_character(pattern, use):
    assert fault(pattern, 0, [use]).startswith("exponential")


@pytest.mark.parametrize(("pattern", "use"), SQUARE)
def test_sees_what_grows_with_the_square(pattern, use):
    assert fault(pattern, re.MULTILINE if use == "multiline" else 0, [use]).startswith("square")


@pytest.mark.parametrize(("pattern", "use"), LINEAR)
def test_lets_pass_what_does_not(pattern, use):
    assert fault(pattern, re.MULTILINE if use == "multiline" else 0, [use]) == ""


EXCUSED = {"FREE": "reads the keys of a configuration, which whoever starts the run has written"}
"""Patterns by name that may take longer, and why."""


@pytest.fixture(scope="module")
def ours():
    """Reading them imports their modules, which takes seconds."""
    return all_patterns()


def test_finds_the_patterns_of_every_package(ours):
    assert {pattern.name for pattern in ours} > {"_NAME", "_TAIL", "_INTEGER", "_HUB_NAME", "KEY", "HIDDEN"}
    assert any("\ue000" in pattern.text for pattern in ours)
    assert len(ours) > 100


def test_each_of_ours_takes_linear_time(ours):
    faults = {pattern: fault(pattern.text, pattern.flags, pattern.uses) for pattern in ours}
    assert [
        f"{pattern.place} {pattern.name}: {pattern.text} must take linear time when used for "
        f"{', '.join(pattern.uses)}, is {found}"
        for pattern, found in faults.items()
        if found and pattern.name not in EXCUSED
    ] == []
    needless = {pattern.name for pattern, found in faults.items() if pattern.name in EXCUSED and not found}
    assert not needless, f"{needless} take linear time and need no excuse: take them off EXCUSED"
