"""The growth benchmark around its measurements: points, limit, results, table, figure."""

import json

import cost_bandwidth
import cost_growth
import cost_plot
import cost_table
import pytest
import torch


def spread(value: float) -> dict[str, float]:
    return {"min": value / 2, "median": value, "max": 2 * value}


def make_point(responses: int, tokens: int, *, threads: int = 1, held_out: bool = False) -> dict:
    seconds = {"dipo": 0.006, "verl_grpo": 0.012}
    seconds |= {"controller_dipo": 0.05, "controller_padded": 0.12, "controller_grpo": 0.1}
    ratios = {"dipo/verl_grpo": 0.5, "controller_dipo/controller_grpo": 0.4, "controller_padded/controller_grpo": 1.2}
    return {
        "responses": responses,
        "tokens": tokens,
        "threads": threads,
        "held_out": held_out,
        "rounds": dict.fromkeys(seconds, 3),
        "seconds": {name: spread(value) for name, value in seconds.items()},
        "wall_seconds": {name: spread(2 * value) for name, value in seconds.items()},
        "ratios": {name: spread(value) for name, value in ratios.items()},
        "peak_bytes": {name: 2**20 * place for place, name in enumerate(seconds, start=1)},
    }


@pytest.fixture
def results():
    points = [make_point(2048, 512), make_point(512, 512), make_point(2048, 128), make_point(1024, 8192, held_out=True)]
    bandwidth = {"1": {"read": 12e9, "write": 4e9, "copy": 8e9}}
    return {"machine": {"cpu": "x", "cores": 2, "torch": "2"}, "bandwidth": bandwidth, "points": points}


class TestPoints:
    def test_both_sweeps_and_no_point_twice(self):
        points = cost_growth.growth_points()
        assert len(points) == len(set(points)) == 5 + 5 - 1 + 3
        assert {b for b, t in points if t == 512} >= {512, 2048, 8192, 32768, 131072}
        assert {t for b, t in points if b == 2048} >= {128, 512, 2048, 4096, 16384}

    def test_all_fit_into_ten_gib(self):
        assert all(b * t * cost_growth.BYTES_PER_TOKEN <= 10 * 2**30 for b, t in cost_growth.growth_points())

    @pytest.mark.parametrize("text", ["512", "512x", "x512", "0x512", "-1x5", "1.5x2", "axb", ""])
    def test_what_is_no_point(self, text):
        with pytest.raises(ValueError, match="must be responses x tokens"):
            cost_growth.read_pair(text)

    def test_a_point(self):
        assert cost_growth.read_pair("2048x16384") == (2048, 16384)

    def test_a_point_that_takes_too_much_memory_is_refused(self, monkeypatch, capsys):
        monkeypatch.setattr("sys.argv", ["cost_growth.py", "--points", "131072x16384"])
        with pytest.raises(SystemExit):
            cost_growth.read_arguments()
        # 2^31 tokens x 120 bytes / 2^30.
        assert "131072x16384 may need 240.0 GiB" in capsys.readouterr().err

    def test_points_for_each_number_of_threads(self, monkeypatch):
        monkeypatch.setattr("sys.argv", ["cost_growth.py", "--points", "8x8", "16x8", "--threads", "1", "2"])
        assert [tuple(point) for point in cost_growth.read_arguments().points] == [
            (8, 8, 1),
            (16, 8, 1),
            (8, 8, 2),
            (16, 8, 2),
        ]


class TestLimit:
    def test_sixteen_bytes_a_token(self):
        # 1000 x 1000 tokens: 12 MB read at 12 GB/s is 1 ms, 4 MB written at 4 GB/s another.
        assert cost_bandwidth.limit_seconds(1000, 1000, {"read": 12e9, "write": 4e9}) == pytest.approx(2e-3)

    def test_bandwidth_is_measured_and_threads_are_as_before(self):
        before = torch.get_num_threads()
        found = cost_bandwidth.measure_bandwidth(threads=1, rounds=2, size=2**20)
        assert torch.get_num_threads() == before
        assert set(found) == {"read", "write", "copy"}
        # Between a floppy disk and a core's first cache.
        assert all(1e6 < rate < 1e13 for rate in found.values())


class TestResults:
    def test_spread_in_four_digits(self):
        assert cost_growth.spread([3.0, 1.0, 2.00004]) == {"min": 1.0, "median": 2.0, "max": 3.0}

    def test_written_and_read(self, results):
        text = cost_table.to_json(results)
        assert json.loads(text) == results
        assert len(text.splitlines()) == 2 + 1 + len(results["points"]) + 2 - 1

    def test_table(self, results):
        row = cost_table.table(results).splitlines()[2]
        # 2048 x 512 tokens: 1048576 x 2 ns is 2.097 ms; 3 ms is 1.43 times that. 6 ms is half of verl's 12.
        assert row == (
            "| 2,048 x 512 | 3.0, 6.0, 12.0 | 6.0, 12.0, 24.0 | 0.25, 0.50, 1.00 | 2.1 | 1.4 | 50.0, 100.0, 200.0 "
            "| 25.0, 50.0, 100.0 | 0.20, 0.40, 0.80 | 0.60, 1.20, 2.40 | 1, 2, 5, 4, 3 |"
        )

    def test_what_was_measured_again_takes_its_place(self, results):
        again = {
            **make_point(2048, 512),
            "rounds": {"dipo": 9},
            "seconds": {"dipo": spread(1.0)},
            "wall_seconds": {"dipo": spread(3.0)},
            "ratios": {},
            "peak_bytes": {"dipo": 7},
        }
        joined = cost_growth.join(results, {"machine": {}, "bandwidth": {}, "points": [again]})
        assert (joined["machine"], joined["bandwidth"]) == (results["machine"], results["bandwidth"])
        assert joined["points"][1:] == results["points"][1:]
        point = joined["points"][0]
        assert (point["rounds"]["dipo"], point["seconds"]["dipo"], point["peak_bytes"]["dipo"]) == (9, spread(1.0), 7)
        assert point["seconds"]["verl_grpo"] == results["points"][0]["seconds"]["verl_grpo"]

    def test_threads_are_named(self, results):
        results["bandwidth"]["2"] = results["bandwidth"]["1"]
        results["points"] = [make_point(8, 8, threads=2)]
        assert "| 8 x 8, 2 threads |" in cost_table.table(results)


class TestFigure:
    def test_a_sweep_leaves_out_what_is_held_out_or_has_more_threads(self, results):
        results["points"] += [make_point(4096, 512, held_out=True), make_point(8192, 512, threads=2)]
        found = cost_plot.sweep(results, "responses", "tokens", 512)
        assert [point["responses"] for point in found] == [512, 2048]

    def test_it_is_drawn(self, results, tmp_path):
        file = tmp_path / "new" / "figure.png"
        cost_plot.plot(results, file)
        assert file.read_bytes().startswith(b"\x89PNG")

    def test_points_of_no_sweep_leave_it_empty(self, results, tmp_path):
        results["points"] = [make_point(3, 5)]
        cost_plot.plot(results, tmp_path / "figure.png")
        assert (tmp_path / "figure.png").is_file()
