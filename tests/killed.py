"""Inspects and resolves in children that are killed at random moments, until one ends by itself.

``python -m tests.killed HOME PHOTOS SEED`` prints as JSON how often it killed. It is a process of
its own: whoever forks must have one thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from echo.cli import main as command_line
from echo.inspector import Inspector
from echo.line import ProductLine
from echo.review import Reviews
from experts.decoder import efficientnet
from experts.errors import HistoryError
from tests.conftest import good_part

# The real encoder on small images: 500 inspections take seconds.
INPUT_AREA_PX = 64 * 64
ENROLLED = 6
KILLS = 30
LONGEST_S = 0.6
# So many reviews are resolved by one child, which is killed so often at most.
TOGETHER = 8
MOST_KILLS = 5
LONGEST_RESOLVE_S = 0.1


def main(home: Path, photos: Path, seed: int) -> None:
    """Kill what inspects, copy the home, and kill what resolves."""
    torch.set_num_threads(1)
    efficientnet.INPUT_AREA_PX = INPUT_AREA_PX
    rng = random.Random(seed)
    parts = [good_part(number) for number in range(ENROLLED)]
    line = ProductLine.enroll("nut", parts, home=home, progress=False)
    # What a start takes is done once, before the children are forked.
    Inspector(line, keep=False).inspect(good_part(0))
    sys.argv = ["echo-iad", "inspect", "nut", str(photos), "--resume", "--home", str(home)]
    code, kills = run(command_line, rng, KILLS, LONGEST_S)
    reviews = Reviews("nut", home)
    shutil.copytree(home, home.with_name("before"))
    waiting = [one.record.id for one in reviews.waiting()]
    ended, longest_s = list[list[int]](), LONGEST_RESOLVE_S
    for start in range(0, len(waiting), TOGETHER):
        together = waiting[start : start + TOGETHER]
        ended.append(run(partial(resolve, reviews, together), rng, MOST_KILLS, longest_s))
        # Machines differ: a child shall be killed a few times, and get on with its work between.
        longest_s *= 0.5 if ended[-1][1] < MOST_KILLS // 2 else 1.25
    told = {"code": code, "kills": kills, "waiting": waiting, "resolved": ended}
    print(json.dumps(told))


def run(work: Callable[[], int], rng: random.Random, most: int, longest_s: float) -> list[int]:
    """Work in children until one ends by itself; its exit code, and how many were killed."""
    for killed in range(most + 1):
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                for stream in (1, 2):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
                os._exit(work())
            os._exit(3)
        if killed < most:
            time.sleep(rng.uniform(0, longest_s))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            return [os.WEXITSTATUS(status), killed]
    raise AssertionError("the last one is not killed")


def resolve(reviews: Reviews, identifiers: list[str]) -> int:
    """0 if all are resolved, now or before."""
    for identifier in identifiers:
        try:
            reviews.resolve(identifier, "accept", by="Ann", reason="only dust")
        except HistoryError as error:
            if "is resolved already by Ann" not in str(error):
                return 3
    return 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
