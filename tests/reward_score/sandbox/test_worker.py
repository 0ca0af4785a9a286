"""Jobs that hang, grow, crash or are killed: the right error in time, and the next call works."""

import asyncio
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from reward_score.sandbox import protocol, slot
from reward_score.sandbox.protocol import (
    JobError,
    Limits,
    WorkerCrashError,
    WorkerError,
    WorkerMemoryError,
    WorkerPreparationError,
    WorkerTimeoutError,
    WorkerUnavailableError,
)
from reward_score.sandbox.server import IDLE_SECONDS
from reward_score.sandbox.worker import WorkerPool

pytestmark = pytest.mark.slow  # processes that hang, grow and are killed: seconds of waiting

HERE = Path(__file__).parent
WALL = 0.2
LATE = 20.0
"""What a call may take beyond its deadline, or a server to start, on a machine that is busy with other things."""
BEGUN = 0.5
"""After which a call has surely begun."""
PLENTY = Limits(60, 60)
"""For what must succeed, on such a machine as well."""


@pytest.fixture(scope="module", autouse=True)
def _jobs_on_path():
    sys.path.insert(0, str(HERE))
    yield
    sys.path.remove(str(HERE))


@pytest.fixture(autouse=True)
def graces(monkeypatch):
    """Time to heed an alarm and to answer, on a busy machine; gives what sets the usual ones, for those who do not."""
    with monkeypatch.context() as patch:
        patch.setattr(slot, "CHILD_GRACE", LATE)
        patch.setattr(slot, "SERVER_GRACE", LATE)
        yield patch.undo


@contextmanager
def pool_of(function, **changes):
    limits = {"size": 1, "wall_seconds": 60, "cpu_seconds": 60, "memory_bytes": 1 << 30}
    pool = WorkerPool(f"worker_jobs:{function}", **limits | changes)
    try:
        yield pool
    finally:
        pool.close()


@pytest.fixture(scope="module")
def strict():
    """A pool with a short deadline and little memory, and the call that follows each misdeed."""
    with pool_of("misbehave", wall_seconds=WALL, memory_bytes=1 << 28) as pool:
        pool.warm_up()
        yield pool


def seconds_of(call, *arguments):
    began = time.monotonic()
    call(*arguments)
    return time.monotonic() - began


def gone(pid, seconds=LATE):
    """Whether a process ends within a time; one that waits only to be reaped has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)
                continue
        return True
    return False


def run_script(text, *arguments, **options):
    """Runs Python text with this folder on its path; gives what it printed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[2])])}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, input=text, env=environment, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


CALL_ONCE = """
from reward_score.sandbox.worker import WorkerPool
pool = WorkerPool("worker_jobs:echo", size=1, wall_seconds=60, cpu_seconds=60, memory_bytes=1 << 30)
print(pool.call("answer"))
"""


# What a job may do, what the caller is told, and whether it takes until the deadline.
@pytest.mark.parametrize(
    ("how", "error", "match", "least"),
    [
        ("loop", WorkerTimeoutError, r"0\.2 s of wall clock: ", WALL),
        ("sum in C", WorkerTimeoutError, r"0\.2 s of wall clock: ", WALL),
        ("power in C", WorkerTimeoutError, r"0\.2 s of wall clock: ", WALL),
        ("re", WorkerTimeoutError, r"0\.2 s of wall clock: ", WALL),
        ("sleep", WorkerTimeoutError, r"0\.2 s of wall clock: ", WALL),
        ("ignore alarm", WorkerTimeoutError, "did not heed SIGALRM", WALL + protocol.CHILD_GRACE),
        ("block alarm", WorkerTimeoutError, "did not heed SIGALRM", WALL + protocol.CHILD_GRACE),
        ("fork and exit", WorkerTimeoutError, "did not heed", WALL + protocol.CHILD_GRACE),
        ("one bomb", WorkerMemoryError, "268435456 bytes", 0),
        ("grow", WorkerMemoryError, "268435456 bytes", 0),
        ("raise memory", WorkerMemoryError, "268435456 bytes", 0),
        ("segfault", WorkerCrashError, "signal 11", 0),
        ("kill itself", WorkerCrashError, "signal 9", 0),
        ("close all", WorkerCrashError, "got", 0),
        ("exit", WorkerCrashError, "exit status 1:", 0),
        ("hard exit", WorkerCrashError, "exit status 5:", 0),
        ("interrupt", WorkerCrashError, "exit status 1:", 0),
        ("set", JobError, "TypeError: .*not JSON serializable", 0),
        ("recursion", JobError, "RecursionError: deep", 0),
    ],
)
def test_each_misdeed_has_its_error_in_time_and_the_next_call_works(strict, graces, how, error, match, least):
    if least > WALL:
        graces()
    began = time.monotonic()
    with pytest.raises(error, match=match) as caught:
        strict.call(how, limits=None if least else PLENTY)
    assert type(caught.value) is error
    assert least <= time.monotonic() - began < WALL + LATE
    assert strict.call(7, limits=PLENTY) == 7


def test_memory_taken_in_small_pieces_ends_too():
    # Slower to fill than its deadline above would allow: two words an element and no large block.
    with pool_of("misbehave", memory_bytes=1 << 27) as pool:
        with pytest.raises(WorkerMemoryError):
            pool.call("grow small")
        assert pool.call(7) == 7


def test_cpu_time_has_its_own_deadline():
    with pool_of("misbehave", cpu_seconds=0.2) as pool:
        with pytest.raises(WorkerTimeoutError, match=r"0\.2 s of CPU time"):
            pool.call("loop")
        assert pool.call(7) == 7


def test_cpu_time_is_counted_for_each_job_alone():
    # Eight jobs of at least 0.03 s would together be over a limit of 0.2 s for the process.
    with pool_of("burn", cpu_seconds=0.2) as pool:
        assert [pool.call(0.03) for _ in range(8)] == ["burnt"] * 8


def test_a_job_that_disarms_its_deadline_does_not_disarm_the_next_one(strict):
    assert strict.call("ignore alarm and return", limits=PLENTY) == "done"
    with pytest.raises(WorkerTimeoutError, match=r"0\.2 s of wall clock: "):
        strict.call("sleep")


def test_a_child_may_idle_for_longer_than_its_deadline():
    with pool_of("pids", wall_seconds=WALL) as pool:
        before = pool.call(0, limits=PLENTY)
        assert pool.call(0, limits=Limits(1, 1)) == before
        time.sleep(1.2)
        assert pool.call(0, limits=PLENTY) == before


def test_an_exception_of_the_job_is_told_and_its_process_goes_on():
    with pool_of("pids_or_raise") as pool:
        before = pool.call("pids")
        with pytest.raises(JobError) as caught:
            pool.call("value")
        assert (caught.value.type_name, len(caught.value.message)) == ("ValueError", 1000)
        assert caught.value.message.startswith("two\nlinesxxx")
        assert pool.call("pids") == before


def test_a_result_that_is_too_long_is_the_jobs_error():
    with pool_of("misbehave") as pool:
        with pytest.raises(JobError, match="ValueError: a message must have at most"):
            pool.call("long")
        assert pool.call(7) == 7


@pytest.mark.parametrize(("how", "result"), [("print", "printed"), ("stdin", "")])
def test_what_a_job_prints_or_reads_is_not_the_protocol(strict, capfd, how, result):
    assert strict.call(how, limits=PLENTY) == result
    assert strict.call(7, limits=PLENTY) == 7
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("request_", [None, "a\nb", "\ud800", {"k": [1, 2.5, None, True]}, "x" * 1_000_000, 2**100])
def test_requests_and_results_come_through_whole(strict, request_):
    assert strict.call(request_, limits=PLENTY) == request_


@pytest.mark.parametrize(
    ("request_", "error"), [(threading.Lock(), TypeError), (lambda: 1, TypeError), ("x" * (1 << 24), ValueError)]
)
def test_a_request_that_cannot_be_sent_costs_nothing(strict, request_, error):
    with pytest.raises(error):
        strict.call(request_)
    assert strict.call(7, limits=PLENTY) == 7


def test_sixteen_threads_get_their_own_answers():
    with pool_of("echo", size=3) as pool, ThreadPoolExecutor(16) as threads:
        assert list(threads.map(pool.call, range(200))) == list(range(200))


def test_at_most_size_jobs_at_once_and_a_turn_waited_for_is_not_counted():
    with pool_of("sleep", size=2, wall_seconds=1.4) as pool, ThreadPoolExecutor(6) as threads:
        pool.warm_up()
        spans = list(threads.map(pool.call, [0.5] * 6))
    # Six jobs of 0.5 s on two slots end after 1.5 s: later than a deadline of 1.4 s from submission.
    assert max(end for _, end in spans) - min(began for began, _ in spans) >= 1.5
    assert max(sum(began <= moment < end for began, end in spans) for moment, _ in spans) == 2


def test_a_hang_in_one_slot_leaves_the_other_to_work():
    with pool_of("misbehave", size=2) as pool, ThreadPoolExecutor(2) as threads:
        hang = threads.submit(pool.call, "sleep")
        assert [pool.call(number) for number in range(100)] == list(range(100))
        assert not hang.done()
        pool.close()
        assert isinstance(hang.exception(timeout=LATE), WorkerError)


def test_only_as_many_servers_start_as_callers_need():
    with pool_of("pids", size=8) as pool:
        assert len({pool.call(0)["server"] for _ in range(20)}) == 1


def test_works_in_an_executor_of_asyncio():
    async def call_all(pool):
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(None, pool.call, number) for number in range(20)))

    with pool_of("echo", size=2) as pool:
        assert asyncio.run(call_all(pool)) == list(range(20))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_works_in_daemonic_processes(method):
    import worker_jobs

    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=worker_jobs.call_once, args=(theirs,), daemon=True)
    process.start()
    assert ours.poll(20)
    assert ours.recv() == "from another process"
    process.join(60)
    assert process.exitcode == 0


def test_a_forked_process_has_servers_of_its_own_and_leaves_the_others_alone():
    """Threads of the parent hold slots at the fork, so locks and half-read replies are about."""
    with (
        pool_of("pids_or_raise", size=2) as pool,
        ThreadPoolExecutor(4) as threads,
        warnings.catch_warnings(record=True) as seen,
    ):
        warnings.simplefilter("always", ResourceWarning)
        parents = pool.call("pids")
        calls = [threads.submit(pool.call, number) for number in range(300)]
        pid = os.fork()
        if pid == 0:
            status = 1
            with suppress(BaseException):
                answers = [pool.call(number) for number in range(1000, 1050)]
                own = pool.call("pids")["server"]
                pool.close()
                assert answers == list(range(1000, 1050))
                assert own != parents["server"]
                assert gone(own)
                assert not any(warning.category is ResourceWarning for warning in seen)
                status = 0
            os._exit(status)
        assert [call.result() for call in calls] == list(range(300))
        assert os.waitpid(pid, 0)[1] == 0
        # The other process's close() did not reach this one's.
        assert pool.call("pids")["server"] in {slot._process.pid for slot in pool._slots if slot._process}
        assert psutil.Process(parents["server"]).is_running()


@pytest.mark.parametrize("arguments", [["-"], ["-c", CALL_ONCE], ["unguarded.py"]])
def test_works_without_an_importable_main(arguments, tmp_path):
    (tmp_path / "unguarded.py").write_text(CALL_ONCE)
    # "answer" once: nothing ran the script again.
    assert run_script(CALL_ONCE, *arguments, cwd=tmp_path) == "answer\n"


def test_modules_are_found_where_the_caller_found_them(tmp_path):
    """A copy that is not installed, known by sys.path alone, from another folder."""
    package = tmp_path / "copy" / "reward_score"
    shutil.copytree(Path(slot.__file__).parents[1], package)
    (package / "__init__.py").write_text("")
    text = f"import os, sys; sys.path.insert(0, {str(package.parent)!r}); os.chdir('/')" + CALL_ONCE.replace(
        "echo", "describe"
    ).replace('pool.call("answer")', 'pool.call(0)["code"], pool.call(0)["main"]')
    assert run_script(text, "-", cwd=tmp_path) == f"{package / 'sandbox' / 'server.py'} None\n"


def test_nothing_is_open_in_a_child_but_its_streams_and_its_channel(tmp_path):
    with (tmp_path / "private").open("w") as private, pool_of("describe") as pool:
        os.set_inheritable(private.fileno(), True)
        found = pool.call(0)["fds"]
    assert [name for fd, name in found if fd < 2] == ["/dev/null"] * 2
    others = [name for fd, name in found if fd > 2]
    assert [name.partition(":")[0] for name in others] == ["socket"]


@pytest.mark.parametrize("victim", ["child", "server"])
def test_a_process_killed_between_calls_is_replaced_unseen(victim):
    with pool_of("pids") as pool:
        before = pool.call(0)
        os.kill(before[victim], signal.SIGKILL)
        assert gone(before[victim])
        if victim == "child":  # an idle server reaps it without being asked
            time.sleep(IDLE_SECONDS + 0.1)
            assert not psutil.pid_exists(before["child"])
        began = time.monotonic()
        assert pool.call(0)[victim] != before[victim]
        assert time.monotonic() - began < LATE


def test_a_child_killed_during_a_call_is_an_error_and_replaced():
    with pool_of("pids_or_raise") as pool, ThreadPoolExecutor(1) as threads:
        before = pool.call("pids")
        call = threads.submit(pool.call, "sleep")
        time.sleep(BEGUN)
        os.kill(before["child"], signal.SIGKILL)
        with pytest.raises(WorkerCrashError, match="signal 9"):
            call.result(timeout=LATE)
        began = time.monotonic()
        after = pool.call("pids")
        assert time.monotonic() - began < LATE
        assert after["child"] != before["child"]
        assert after["server"] == before["server"]


def test_a_server_killed_during_a_call_does_not_disturb_it_and_is_replaced():
    with pool_of("pids_or_sleep") as pool, ThreadPoolExecutor(1) as threads:
        before = pool.call("pids")
        call = threads.submit(pool.call, 2 * BEGUN)
        time.sleep(BEGUN)
        os.kill(before["server"], signal.SIGKILL)
        assert len(call.result(timeout=LATE)) == 2
        began = time.monotonic()
        after = pool.call("pids")
        assert time.monotonic() - began < LATE
        assert after["server"] != before["server"]
        assert gone(before["child"])


def test_a_child_that_hangs_after_its_server_was_killed_ends_with_its_deadline(graces):
    graces()
    with pool_of("pids_or_raise", wall_seconds=WALL) as pool, ThreadPoolExecutor(1) as threads:
        before = pool.call("pids", limits=PLENTY)
        call = threads.submit(pool.call, "block alarm")
        time.sleep(WALL / 2)
        os.kill(before["server"], signal.SIGKILL)
        assert isinstance(call.exception(timeout=LATE), WorkerTimeoutError)
        assert gone(before["child"])
        assert pool.call("pids", limits=PLENTY)["server"] != before["server"]


def test_a_server_and_a_child_that_stand_still_are_replaced(graces):
    with pool_of("pids", wall_seconds=WALL) as pool:
        before = pool.call(0, limits=PLENTY)
        graces()
        os.kill(before["server"], signal.SIGSTOP)
        assert pool.call(0, limits=PLENTY) == before  # a job takes the child alone
        os.kill(before["child"], signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(WorkerTimeoutError, match="did not heed SIGALRM"):
            pool.call(0)
        raised = time.monotonic()
        assert raised - began < WALL + protocol.CHILD_GRACE + protocol.SERVER_GRACE + LATE
        assert pool.call(0, limits=PLENTY)["server"] != before["server"]
        assert time.monotonic() - raised < LATE
        assert gone(before["server"])
        assert gone(before["child"])


def test_what_a_request_needs_is_loaded_once_by_the_server_and_stays():
    with pool_of("loaded") as pool:
        assert pool.call("none") == []
        first = pool.call("none", needs=["one"])
        assert first == ["one"]
        assert pool.call("pid") == pool.call("pid", needs=["one"])
        # The job itself may say what it needs; the time that loading takes is not its own.
        assert pool.call("needs slow", limits=Limits(0.4, 5)) == ["one", "slow"]


def test_what_cannot_be_loaded_is_told_and_other_requests_go_on():
    with pool_of("loaded") as pool:
        before = pool.call("pid")
        with pytest.raises(WorkerPreparationError, match="bad: ValueError: no such thing"):
            pool.call("none", needs=["bad"])
        assert pool.call("pid") == before
        with pytest.raises(WorkerPreparationError, match="bad: ValueError"):
            pool.call("needs bad")
        assert pool.call("none") == []


def test_a_job_may_have_limits_of_its_own():
    with pool_of("sleep", wall_seconds=WALL) as pool:
        assert pool.call(2 * WALL, limits=PLENTY)
        with pytest.raises(WorkerTimeoutError, match=r"0\.2 s of wall clock"):
            pool.call(2 * WALL)


def test_an_interrupted_caller_leaves_no_reply_to_the_next():
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pool_of("sleep") as pool:
            pool.warm_up()
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                pool.call(1)
            time.sleep(1)
            began = time.monotonic()
            assert pool.call(0)[0] >= began
    finally:
        signal.signal(signal.SIGALRM, before)


def test_interrupts_from_the_terminal_are_left_to_the_caller():
    with pool_of("pids") as pool:
        before = pool.call(0)
        assert before["session"] == before["server"] != os.getsid(0)
        for pid in (before["server"], before["child"]):
            os.kill(pid, signal.SIGINT)
        time.sleep(0.1)
        assert pool.call(0) == before


def test_signals_that_the_caller_ignores_and_blocks_still_end_a_job():
    numbers = {signal.SIGALRM, signal.SIGPROF, signal.SIGCHLD}
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        with pool_of("misbehave", wall_seconds=WALL) as pool:
            pool.warm_up()
            with pytest.raises(WorkerTimeoutError, match=r"0\.2 s of wall clock: "):
                pool.call("sleep")
            assert pool.call(7, limits=PLENTY) == 7
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_child_is_renewed_after_its_jobs():
    with pool_of("pids", jobs_per_child=5) as pool:
        pids = [pool.call(0) for _ in range(17)]
    children = [pid["child"] for pid in pids]
    # 17 jobs are three children of five, and two jobs of a fourth.
    assert [children.count(child) for child in dict.fromkeys(children)] == [5, 5, 5, 2]
    assert len({pid["server"] for pid in pids}) == 1


def test_nothing_is_left_behind():
    me = psutil.Process()
    before = (me.num_fds(), threading.active_count(), len(me.children(recursive=True)))
    with pool_of("pids_or_raise", size=2, wall_seconds=WALL) as pool:
        pool.warm_up()
        for how, limits in (("sleep", None), ("segfault", PLENTY), ("value", PLENTY)):
            with pytest.raises(WorkerError):
                pool.call(how, limits=limits)
        family = pool.call("pids", limits=PLENTY)
        os.kill(family["server"], signal.SIGKILL)
        assert gone(family["server"])
        family = pool.call("pids", limits=PLENTY)
        # Servers with one child each, none of them waiting to be reaped.
        assert all(process.status() != psutil.STATUS_ZOMBIE for process in psutil.Process(family["server"]).children())
    assert (me.num_fds(), threading.active_count(), len(me.children(recursive=True))) == before
    assert gone(family["server"])
    assert gone(family["child"])


def test_a_closed_pool_refuses_and_ends_what_is_under_way():
    with pool_of("sleep", size=2) as pool, ThreadPoolExecutor(3) as threads:
        pool.warm_up()
        calls = [threads.submit(pool.call, 50) for _ in range(3)]  # the third waits for its turn
        time.sleep(0.1)
        assert seconds_of(pool.close) < LATE
        assert all(isinstance(call.exception(timeout=LATE), WorkerError) for call in calls)
        for _ in range(2):
            with pytest.raises(WorkerUnavailableError, match="must be open, it was closed"):
                pool.call(0)
        pool.close()


def test_an_exit_is_not_delayed_by_a_job():
    text = CALL_ONCE.replace("echo", "sleep").replace('"answer"', "0") + (
        "import threading, time\nthreading.Thread(target=pool.call, args=[50], daemon=True).start()\ntime.sleep(0.1)\n"
    )
    assert seconds_of(run_script, text, "-") < 40


@pytest.mark.parametrize("state", ["busy", "idle", "idle, its channel held open by another process"])
def test_nothing_outlives_a_killed_caller(state):
    text = CALL_ONCE.replace("echo", "pids_or_raise").replace("wall_seconds=60", "wall_seconds=2").replace(
        'print(pool.call("answer"))', ""
    ) + (
        "import subprocess, threading, time\n"
        "family = pool.call('pids')\n"
        f"if 'another' in {state!r}:\n"
        "    channel = pool._slots[0]._channel.fileno()\n"
        "    subprocess.Popen(['sleep', '25'], pass_fds=[channel], stdout=subprocess.DEVNULL)\n"
        f"if {state!r} == 'busy':\n"
        "    threading.Thread(target=pool.call, args=('loop',)).start()\n"
        "    time.sleep(0.1)\n"
        "print(family['server'], family['child'], flush=True)\n"
        "time.sleep(30)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[2])])}
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, env=environment) as caller:
        server, child = map(int, caller.stdout.readline().split())
        assert psutil.Process(server).ppid() == caller.pid
        caller.kill()
    # The deadline of 2 s and 1.5 s more, before the other process lets go of the channel.
    assert gone(server)
    assert gone(child)


@pytest.mark.parametrize(
    ("job", "found"),
    [
        ("no_such_module:f", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("worker_jobs:no_such_job", "AttributeError: .*no_such_job"),
        ("worker_jobs:MISBEHAVIOURS", "TypeError: MISBEHAVIOURS is a dict, not a function"),
        ("breaks:f", "ZeroDivisionError: "),
        ("leaves:f", "SystemExit: 3"),
    ],
)
def test_a_job_that_cannot_be_loaded_is_said_and_not_tried_again(job, found, tmp_path, monkeypatch):
    (tmp_path / "breaks.py").write_text("1 / 0")
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    pool = WorkerPool(job, size=1, wall_seconds=1, cpu_seconds=1, memory_bytes=1 << 30)
    message = f"must import the job '{job}', got {found}.*: correct it, or install"
    with pytest.raises(WorkerUnavailableError, match=message):
        pool.call(0)
    monkeypatch.setattr(slot.subprocess, "Popen", None)  # another start would be a TypeError
    for call in (lambda: pool.call(0), pool.warm_up):
        with pytest.raises(WorkerUnavailableError, match=message):
            call()
    pool.close()


@pytest.mark.parametrize(
    ("program", "found"), [("/no/such/python", "No such file"), (shutil.which("false"), r"exit status 1\)")]
)
def test_a_server_that_cannot_start_is_said_and_tried_again(program, found, monkeypatch):
    with pool_of("echo") as pool:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", program)
            for _ in range(2):
                with pytest.raises(WorkerUnavailableError, match=f"must start .*, got .*{found}"):
                    pool.call(1)
        assert pool.call(2) == 2


def test_a_job_that_takes_too_long_to_load_is_said(tmp_path, monkeypatch):
    (tmp_path / "slow_to_load.py").write_text("import time; time.sleep(30)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(slot, "START_SECONDS", 0.2)
    pool = WorkerPool("slow_to_load:f", size=1, wall_seconds=1, cpu_seconds=1, memory_bytes=1 << 30)
    with pytest.raises(WorkerUnavailableError, match=r"must start within 0\.2 s, got timed out"):
        pool.call(0)
    pool.close()


@pytest.mark.parametrize("job", ["", "module", ":f", "module:", "module:a.b", "__main__:f"])
def test_a_name_that_cannot_be_a_job_is_refused(job):
    with pytest.raises(ValueError, match=r"job must be 'package\.module:function'"):
        WorkerPool(job, size=1, wall_seconds=1, cpu_seconds=1, memory_bytes=1 << 30)


@pytest.mark.parametrize(
    ("name", "value"),
    [("size", 0), ("size", -1)]
    + [
        (name, value)
        for name in ("wall_seconds", "cpu_seconds", "memory_bytes", "jobs_per_child")
        for value in (0, -1, float("nan"), float("inf"))
    ],
)
def test_a_limit_that_bounds_nothing_is_refused(name, value):
    with pytest.raises(ValueError, match="must be positive and finite"), pool_of("echo", **{name: value}):
        pass


@pytest.mark.slow
def test_works_in_an_actor_of_ray():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, address="local")
    try:

        @ray.remote(num_cpus=1)
        class Scorer:
            def score(self, folder):
                sys.path.insert(0, folder)
                pool = WorkerPool(
                    "worker_jobs:misbehave", size=1, wall_seconds=0.3, cpu_seconds=5, memory_bytes=1 << 30
                )
                try:
                    pool.call("loop")
                except WorkerTimeoutError:
                    return pool.call(7)

        assert ray.get(Scorer.remote().score.remote(str(HERE)), timeout=60) == 7
    finally:
        ray.shutdown()
