"""Processes that a test may kill or join: forked from a server that has imported what they need once."""

import multiprocessing

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
