"""Lines over a socket: whole, in pieces, late, cut off."""

import pickle
import socket
import threading
import time

import pytest

from reward_score.worker_protocol import MAX_LINE_BYTES, JobError, ask, decode, encode, receive_line


@pytest.fixture
def channels():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    "message",
    [None, 0, -1.5, "", "a\nb\r\n\u2028", "\ud800", "é" * 3, [], {"a": [1, {"b": None}]}, float("inf"), 2**70],
)
def test_what_json_holds_is_one_line_and_comes_back(message):
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line) == message


@pytest.mark.parametrize("message", [{1}, b"x", object(), {("a", "b"): 1}])
def test_what_json_cannot_hold_is_an_error(message):
    with pytest.raises(TypeError):
        encode(message)


def test_longest_line():
    # Two quotes and the end of the line.
    assert len(encode("x" * (MAX_LINE_BYTES - 3))) == MAX_LINE_BYTES
    with pytest.raises(ValueError, match=f"at most {MAX_LINE_BYTES} bytes as JSON, got {MAX_LINE_BYTES + 1}"):
        encode("x" * (MAX_LINE_BYTES - 2))


def test_a_line_in_pieces_is_whole(channels):
    ours, theirs = channels
    line = encode(list(range(100_000)))  # more than a socket holds

    def dribble():
        for start in range(0, len(line), 50_000):
            theirs.sendall(line[start : start + 50_000])

    thread = threading.Thread(target=dribble)
    thread.start()
    assert receive_line(ours, time.monotonic() + 5) == line
    thread.join()


@pytest.mark.parametrize("sent", [b"", b'["ok", 1]'])
def test_a_line_cut_off_is_no_line(channels, sent):
    ours, theirs = channels
    theirs.sendall(sent)
    with pytest.raises(TimeoutError):
        receive_line(ours, time.monotonic() + 0.05)
    theirs.sendall(sent)
    theirs.close()
    with pytest.raises(EOFError):
        receive_line(ours, None)


def test_a_deadline_holds_for_all_pieces_and_for_sending(channels):
    ours, theirs = channels
    stop = threading.Event()

    def dribble():
        while not stop.wait(0.02):
            theirs.sendall(b"x")

    thread = threading.Thread(target=dribble)
    thread.start()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        ask(ours, b"", 0.2)
    # Each byte that comes would begin the 0.2 s anew; for ever, but for the test's end.
    assert 0.2 <= time.monotonic() - began < 5
    stop.set()
    thread.join()
    with pytest.raises(TimeoutError):  # nobody reads
        ask(ours, b"x" * 10**7, 0.1)


def test_a_deadline_that_has_passed_is_a_timeout(channels):
    with pytest.raises(TimeoutError):
        receive_line(channels[0], time.monotonic() - 1)


def test_a_jobs_error_pickles_with_its_parts():
    error = pickle.loads(pickle.dumps(JobError("ValueError", "must be")))
    assert (error.type_name, error.message, str(error)) == (
        "ValueError",
        "must be",
        "the job raised ValueError: must be",
    )
