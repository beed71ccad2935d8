"""Processes that a test may kill or join: forked from a server that has imported what they need once."""

import multiprocessing
import time
from collections.abc import Callable

SERVER = multiprocessing.get_context("forkserver")
# installed modules alone: the server of Python 3.11 does not get the path of the tests
SERVER.set_forkserver_preload(
    [
        "learn_rank.pipeline.order",
        "learn_rank.engine.ranker_engine",
        "learn_recall.encoder.text_encoder",
        "torchrec.metrics.metric_module",
    ]
)


def exit_codes_of(function, *calls: tuple) -> list[int]:
    """Call a function of an importable module in processes of their own, side by side.

    Returns:
        their exit codes; minus the signal where one ended a process.
    """
    children = [SERVER.Process(target=function, args=arguments) for arguments in calls]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return [child.exitcode for child in children]


def exit_code_of_killed(function, *arguments: object, when: Callable[[], bool]) -> int:
    """Call a function of an importable module in a process of its own, and kill that once `when` is true.

    Returns:
        its exit code: minus SIGKILL, but for one that ended before by itself.
    """
    child = SERVER.Process(target=function, args=arguments)
    child.start()
    while child.is_alive() and not when():
        time.sleep(0.01)
    child.kill()
    child.join()
    return child.exitcode
