"""Frames over a socket: whole, in pieces, late, cut off, with a socket in them."""

import json
import pickle
import socket
import threading
import time

import pytest

from reward_score.sandbox.protocol import (
    MAX_FRAME_BYTES,
    JobError,
    Limits,
    decode_request,
    encode,
    encode_request,
    receive,
    send,
)


@pytest.fixture
def channels():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    "message",
    [None, 0, -1.5, "", "a\nb\r\n\u2028", "\ud800", "é" * 3, [], {"a": [1, {"b": None}]}, float("inf"), 2**70],
)
def test_what_json_holds_comes_back(message, channels):
    ours, theirs = channels
    send(ours, encode(message), None)
    assert json.loads(receive(theirs, 1)) == message


@pytest.mark.parametrize("request_", [None, "\ud800", {1}, (1, [2.5, None]), b"x", {("a", "b"): 2**70}])
def test_a_request_comes_back_with_its_limits_and_types(request_, channels):
    ours, theirs = channels
    send(ours, encode_request(request_, Limits(1.5, 0.25)), None)
    limits, found = decode_request(receive(theirs, 1))
    assert (limits, pickle.loads(found)) == ((1.5, 0.25), request_)


@pytest.mark.parametrize("request_", [lambda: 1, threading.Lock(), {"deep": [threading.Lock()]}])
def test_what_does_not_pickle_is_an_error(request_):
    with pytest.raises(TypeError):
        encode_request(request_, Limits(1, 1))


@pytest.mark.parametrize("message", [{1}, b"x", object(), {("a", "b"): 1}])
def test_what_json_cannot_hold_is_an_error(message):
    with pytest.raises(TypeError):
        encode(message)


def test_longest_frame():
    # Two quotes, and four bytes of length.
    assert len(encode("x" * (MAX_FRAME_BYTES - 6))) == MAX_FRAME_BYTES
    with pytest.raises(ValueError, match=f"at most {MAX_FRAME_BYTES - 4} bytes, got {MAX_FRAME_BYTES - 3}"):
        encode("x" * (MAX_FRAME_BYTES - 5))


@pytest.mark.parametrize("step", [1, 3, 50_000])
def test_a_frame_in_pieces_is_whole(channels, step):
    ours, theirs = channels
    frame = encode(list(range(100_000 if step > 3 else 10)))  # more than a socket holds, or single bytes

    def dribble():
        for start in range(0, len(frame), step):
            theirs.sendall(frame[start : start + step])

    thread = threading.Thread(target=dribble)
    thread.start()
    assert receive(ours, 5) == frame[4:]
    thread.join()


@pytest.mark.parametrize("sent", [b"", b"\x05", b"\x05\x00\x00\x00true"])
def test_a_frame_cut_off_is_no_frame(channels, sent):
    ours, theirs = channels
    theirs.sendall(sent)
    with pytest.raises(TimeoutError):
        receive(ours, 0.05)
    theirs.sendall(sent)
    theirs.close()
    with pytest.raises(EOFError):
        receive(ours, None)


def test_a_deadline_holds_for_all_pieces_and_for_sending(channels):
    ours, theirs = channels
    stop = threading.Event()
    theirs.sendall(b"\xff\xff\x00\x00")

    def dribble():
        while not stop.wait(0.02):
            theirs.sendall(b"x")

    thread = threading.Thread(target=dribble)
    thread.start()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        receive(ours, 0.2)
    # Each byte that comes would begin the 0.2 s anew; for ever, but for the test's end.
    assert 0.2 <= time.monotonic() - began < 5
    stop.set()
    thread.join()
    with pytest.raises(TimeoutError):  # nobody reads
        send(ours, b"x" * 10**7, 0.1)


def test_a_socket_goes_along_and_is_not_inherited(channels):
    ours, theirs = channels
    one, other = socket.socketpair()
    with one, other:
        socket.send_fds(ours, [encode("with it")], [one.fileno()])
        found: list[socket.socket] = []
        assert json.loads(receive(theirs, 1, found)) == "with it"
        with found[0] as same:
            assert not same.get_inheritable()
            same.sendall(b"x")
            assert other.recv(1) == b"x"


def test_a_jobs_error_pickles_with_its_parts():
    error = pickle.loads(pickle.dumps(JobError("ValueError", "must be")))
    assert (error.type_name, error.message, str(error)) == (
        "ValueError",
        "must be",
        "the job raised ValueError: must be",
    )
