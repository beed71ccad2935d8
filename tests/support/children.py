"""Processes that a test may kill: forked from a server that has imported what they need once."""

import multiprocessing

SERVER = multiprocessing.get_context("forkserver")
# installed modules alone: the server of Python 3.11 does not get the path of the tests
SERVER.set_forkserver_preload(["learn_rank.pipeline.order", "learn_recall.encoder.text_encoder"])


def exit_code_of(function, *arguments) -> int:
    """Run a function of an importable module in a process of its own; minus the signal where one ended it."""
    child = SERVER.Process(target=function, args=arguments)
    child.start()
    child.join()
    return child.exitcode
