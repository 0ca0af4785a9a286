"""From the command line to files: what is written, what is refused, and what follows a run."""

import json
import re

import numpy as np
import pytest

from groupwise.errors import GroupwiseError
from groupwise.report import __main__ as command
from groupwise.report.building import build, follow, stamp
from groupwise.report.options import parse


@pytest.fixture
def run_report(tmp_path):
    def run_report(*words):
        output = tmp_path / "out" / "report.html"
        report = build(parse([*map(str, words), "-o", str(output)]))
        return report, output.read_text(encoding="utf-8")

    return run_report


def page_data(page):
    return json.loads(re.search(r'id="report-data">(.*?)</script>', page)[1])


def test_one_page_with_everything_in_it(make_run, steps, run_report, tmp_path):
    numbers = tmp_path / "numbers.json"
    grpo = make_run("grpo", steps(4), config={"algorithm.adv_estimator": "grpo"})
    report, page = run_report(make_run("dipo", steps(4)), grpo, "--json", numbers, "--title", "A <b> title")
    assert "<title>A &lt;b&gt; title</title>" in page
    assert "default-src 'none'" in page
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r'(src|href)="(?!data:)', markup)
    data = page_data(page)
    assert [variant["label"] for variant in data["variants"]] == ["grpo", "dipo"]
    assert data["reload"] is None
    tree = json.loads(numbers.read_text())
    assert tree["baseline"] == "grpo"
    assert tree["sentences"][0] in report.text
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["report.html"]


def test_hostile_names_are_text(make_run, steps, run_report):
    hostile = "</script><script>alert(1)</script>"
    records = steps(2)
    records[0]["data"][f"val-core/{hostile}/acc/mean@8"] = 0.5
    records[1]["data"][f"metric {hostile}"] = 1.0
    folder = make_run("dipo", records)
    _, page = run_report(folder, "--name", f"{folder}={hostile}")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert hostile in page_data(page)["variants"][0]["label"]


def test_a_long_run_makes_a_small_page(make_run, run_report):
    # 20,000 steps of 90 metrics without a pattern; the page holds means of buckets.
    random = np.random.default_rng(0)
    names = [f"group{n % 9}/metric{n}" for n in range(89)]
    tails = [json.dumps(dict(zip(names, random.random(89).tolist(), strict=True)))[1:] for _ in range(997)]
    lines = (f'{{"step": {s}, "data": {{"training/global_step": {s}, {tails[s % 997]}}}' for s in range(1, 20_001))
    _, page = run_report(make_run("long", end="\n".join(lines)))
    assert len(page.encode()) < 5_000_000
    data = page_data(page)
    assert len(data["variants"][0]["grids"][0]["steps"]) == 500
    assert "a point is the mean of up to 40 steps" in page


def test_runs_of_different_data_are_refused_unless_that_is_wanted(make_run, steps, run_report):
    other = {"train_files": {"t": "sha256:" + "c" * 64}, "val_files": {"v": "sha256:" + "b" * 64}}
    first, second = make_run("a", steps(2)), make_run("b", steps(2), data=other)
    with pytest.raises(GroupwiseError, match="must have the same data"):
        run_report(first, second)
    report, page = run_report(first, second, "--different-data")
    assert report.text.startswith("- The data differ: ")
    assert "Differences between variants may come from that alone." in page


def test_a_run_that_is_named_twice_is_refused(make_run, steps, run_report):
    folder = make_run("dipo", steps(2))
    for again in (folder, folder / ".." / "dipo", folder / "metrics.jsonl"):
        with pytest.raises(GroupwiseError, match="Each run must be named once"):
            run_report(folder, again)


def test_labels_and_baseline_of_the_user(make_run, steps, run_report):
    a, b = make_run("a", steps(2)), make_run("b", steps(2), config={"algorithm.dipo.alpha": 0.3})
    report, _ = run_report(a, b, "--name", f"{a}=alpha=0.1, mine", "--baseline", "dipo alpha=0.3")
    assert [variant.label for variant in report.results.variants] == ["dipo alpha=0.3", "alpha=0.1, mine"]
    with pytest.raises(GroupwiseError, match=r"must name a variant \(dipo alpha=0\.1, dipo alpha=0\.3\), but got x"):
        run_report(a, b, "--baseline", "x")


@pytest.mark.parametrize("words", [["--name", "no/run=x"], ["--name", "x"], ["--name", "{run}="], ["--follow", "0"]])
def test_a_faulty_command_line(make_run, steps, words):
    folder = make_run("dipo", steps(2))
    with pytest.raises(GroupwiseError, match=r"must be (RUN=LABEL|given seconds)"):
        parse([str(folder), *(word.format(run=folder) for word in words)])


def test_the_command_shows_the_summary_or_a_sentence(make_run, steps, capsys, tmp_path):
    command.main([str(make_run("dipo", steps(2))), "-o", str(tmp_path / "r.html")])
    shown = capsys.readouterr().out
    assert "the threshold was admissible in 100% of the steps" in shown
    assert shown.endswith(f"page: {tmp_path / 'r.html'}\n")
    with pytest.raises(SystemExit, match="there is no"):
        command.main([str(tmp_path / "absent"), "-o", str(tmp_path / "s.html")])
    assert not (tmp_path / "s.html").exists()


def test_following_a_run_from_its_start_to_its_end(make_run, steps, capsys, tmp_path):
    records = steps(4)
    config = {"trainer.total_training_steps": 4}
    folder = make_run("dipo", config=config)
    output = tmp_path / "r.html"
    whole = json.dumps(records[3])
    # What the run writes between two looks: nothing, then two steps and half of a third, then that one whole, ...
    writes = iter([
        lambda: None,
        lambda: make_run("dipo", records[:3], config=config, end=whole[:-20]),
        lambda: None,
        lambda: make_run("dipo", records[:4], config=config),
        lambda: make_run("dipo", records, config=config),
    ])  # fmt: skip
    pages = []

    def sleep(seconds):
        assert seconds == 7.0
        pages.append(output.read_text(encoding="utf-8") if output.exists() else None)
        next(writes)()

    options = parse([str(folder), "-o", str(output), "--follow", "7"])
    follow(options, sleep=sleep)
    shown = capsys.readouterr().out
    assert pages[0] is pages[1] is None
    assert page_data(pages[2])["reload"] == 7.0
    # Nothing was logged in between, so that nothing was written.
    assert pages[2] == pages[3]
    assert max(max(grid["steps"]) for grid in page_data(pages[4])["variants"][0]["grids"]) == 3
    assert page_data(output.read_text(encoding="utf-8"))["reload"] is None
    assert shown.count("Waiting: ") == 1
    assert shown.count("page: ") == 1
    # Once for step 3 and once for step 4; not for the look between.
    assert shown.count("  steps: ") == 2
    assert re.search(r"\d\d:\d\d:\d\d  steps: dipo 3\n", shown)
    assert shown.endswith("All runs have logged their last step.\n")


def test_following_ends_with_ctrl_c(make_run, steps, monkeypatch, tmp_path):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    monkeypatch.setattr(follow, "__kwdefaults__", {"sleep": interrupted})
    with pytest.raises(SystemExit, match="No longer following"):
        command.main([str(make_run("dipo", steps(2))), "-o", str(tmp_path / "r.html"), "--follow"])


def test_following_does_not_wait_for_what_is_no_run(tmp_path):
    options = parse([str(tmp_path / "absent"), "--follow"])
    with pytest.raises(GroupwiseError, match="there is no"):
        follow(options, sleep=lambda _: pytest.fail("waited"))


def test_a_stamp_changes_with_what_a_report_reads(make_run, steps):
    folder = make_run("dipo", steps(1))
    before = stamp(folder)
    (folder / "train.log").write_text("noise")
    assert stamp(folder) == before
    (folder / "metrics.jsonl").write_text("more")
    assert stamp(folder) != before
    assert stamp(folder / "metrics.jsonl") != stamp(folder)
    assert stamp(folder / "absent") == frozenset()
