"""What one process writes on a board another reads whole, or not at all."""

import itertools
import os
import signal
import time

from bickford_sora.board import BOARD_BYTES, Board


def test_what_a_forked_process_wrote_is_read() -> None:
    board = Board()
    assert board.read() == b""
    child = os.fork()
    if child == 0:
        board.write(b"from the child")
        os._exit(0)
    os.waitpid(child, 0)
    assert board.read() == b"from the child"


def test_a_reader_never_gets_half_a_text() -> None:
    board = Board()
    child = os.fork()
    if child == 0:
        for number in itertools.count():  # until it is killed
            board.write(b"%d " % (number % 10) * (200 + number % 3_000))
    try:
        while not board.read():
            time.sleep(0.001)
        for _ in range(2_000):
            assert len(set(board.read().split())) <= 1, "two texts in one"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_text_that_is_too_long_leaves_the_last_one() -> None:
    board = Board()
    assert board.write(b"short")
    assert not board.write(b"x" * BOARD_BYTES)
    assert board.read() == b"short"


def test_a_writer_that_died_in_the_middle_leaves_nothing_that_looks_right() -> None:
    board = Board()
    board.write(b"whole")
    board._memory[40:42] = b"??"
    assert board.read() == b""
