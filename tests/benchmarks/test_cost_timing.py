"""Calls are timed in turn, and the memory of one is seen whatever was freed before."""

import time

import cost_timing
import torch


class TestTiming:
    def test_every_round_is_measured(self):
        called = []
        times = cost_timing.time_calls(
            {"a": lambda: called.append("a"), "b": lambda: called.append("b")}, rounds=5, budget=60
        )
        assert {name: len(values) for name, values in times.items()} == {"a": 5, "b": 5}
        assert sorted(called) == ["a"] * 5 + ["b"] * 5

    def test_each_round_has_every_call_once_in_changing_order(self):
        called = []
        cost_timing.time_calls({name: lambda name=name: called.append(name) for name in "abcd"}, rounds=7, budget=60)
        rounds = [tuple(called[start : start + 4]) for start in range(0, 28, 4)]
        assert all(sorted(found) == list("abcd") for found in rounds)
        assert len(set(rounds)) > 1

    def test_one_round_is_made_in_any_case(self):
        assert len(cost_timing.time_calls({"a": lambda: None}, rounds=9, budget=0.0)["a"]) == 1

    def test_seconds_are_those_of_the_call(self):
        (least, *_) = sorted(cost_timing.time_calls({"a": lambda: time.sleep(0.01)}, rounds=3, budget=60)["a"])
        assert 0.01 <= least.wall < 1
        # A sleeper takes none of the processor's time.
        assert least.processor < 0.005


class TestMemory:
    def test_the_peak_of_what_a_call_lets_go(self):
        # 64 MiB written, and freed at its end; pages are counted a little late.
        assert 63 <= cost_timing.peak_bytes(lambda: torch.ones(2**24)) / 2**20 < 80

    def test_nothing(self):
        torch.ones(2**24)
        assert cost_timing.peak_bytes(lambda: None) / 2**20 < 8
