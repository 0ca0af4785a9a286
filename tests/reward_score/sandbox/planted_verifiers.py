"""Verifiers that hang, fail, or tell where they run; registered when imported, as a project of its own would."""

import os
import re
import signal
import time

import reward_score
from reward_score import Verdict
from reward_score.verdict import binary_verdict

SECONDS = 1.0


@reward_score.register("planted/hangs longer", seconds=3 * SECONDS)
@reward_score.register("planted/hangs", seconds=SECONDS)
def hang(solution_str, ground_truth, extra_info):
    """Holds the interpreter's lock for ever on a run of letters, else judges."""
    re.fullmatch(r"(a+)+b", solution_str)
    return binary_verdict(right=solution_str == ground_truth, pred=solution_str[:9])


@reward_score.register("planted/where")
def tell_process(solution_str, ground_truth, extra_info):
    """Says in which process it runs."""
    return Verdict(score=float(os.getpid()), acc=0.0, format=1.0, pred=str(os.getppid()), reason="told")


@reward_score.register("planted/killed", seconds=5)
def wait(solution_str, ground_truth, extra_info):
    """Writes its process into a file and waits until it is killed; the next time it judges."""
    with open(solution_str, "a+") as file:
        file.write(f"{os.getpid()}\n")
        file.seek(0)
        times = len(file.readlines())
    if times < int(extra_info["times"]):
        time.sleep(60)
    return binary_verdict(right=True, pred="alive")


MISDEEDS = {
    "value": lambda: int("no number"),
    "gold": lambda: (_ for _ in ()).throw(reward_score.GroundTruthError("must be a number")),
    "memory": lambda: bytearray(10**12),
    "exit": lambda: os._exit(3),
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "nothing": lambda: None,
    "dict": lambda: {"score": 1.0},
}


@reward_score.register("planted/fails")
def fail(solution_str, ground_truth, extra_info):
    """Does the misdeed that the response names."""
    return MISDEEDS[solution_str]()


@reward_score.register("planted/seen")
def show(solution_str, ground_truth, extra_info, *, option="default"):
    """Says what it was given."""
    return binary_verdict(right=True, pred=repr((solution_str, ground_truth, extra_info, option)))


@reward_score.register("planted/delegates")
def delegate(solution_str, ground_truth, extra_info):
    """Leaves the verdict to a verifier of ours, computer algebra included."""
    found = reward_score.compute_score("math500", solution_str, ground_truth, extra_info)
    return Verdict(**{**found, "reason": f"delegated: {found['reason']}"[:200]})


reward_score.register("planted/unnamed")(lambda s, g, e: Verdict(0.0, 0.0, 1.0, str(os.getpid()), "told"))
