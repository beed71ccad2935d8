"""Claims on a shared folder: one owner at a time, and none for ever."""

import os
import subprocess
import sys
import time

import pytest

from learn_recall.files.claims import Claims
from learn_recall.files.whole_files import HOST


def test_of_many_processes_one_gets_the_piece(tmp_path):
    code = (
        "import sys; from pathlib import Path; from learn_recall.files.claims import Claims\n"
        "claims = Claims(Path(sys.argv[1]))\n"
        "print(sum(claims.take(f'piece-{number}') for number in range(40)), flush=True)\n"
        "sys.stdin.read()  # stay alive until all have counted"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", code, tmp_path / "claims"]
    racers = [subprocess.Popen(command, **pipes) for _ in range(3)]
    got = [int(racer.stdout.readline()) for racer in racers]
    for racer in racers:
        racer.communicate(timeout=60)
    assert sum(got) == 40


def test_a_piece_that_was_given_back_can_be_taken_again(tmp_path):
    with Claims(tmp_path / "claims") as one, Claims(tmp_path / "claims") as other:
        assert one.take("piece")
        assert one.take("piece")  # still its own
        assert not other.take("piece")
        assert other.others() == ["piece"]
        one.release("piece")
        assert other.others() == []
        assert other.take("piece")
        assert not one.take("piece")
    assert not (tmp_path / "claims").exists()


def test_a_claim_is_renewed_while_its_owner_lives_and_expires_when_it_is_silent(tmp_path):
    with Claims(tmp_path, expiry_seconds=0.4) as other:
        living = Claims(tmp_path, expiry_seconds=0.4)
        with living:
            assert living.take("piece")
            time.sleep(0.9)
            assert not other.take("piece")
        silent = Claims(tmp_path, expiry_seconds=0.4)  # never entered: no heart beats
        assert silent.take("piece")
        assert not other.take("piece")
        time.sleep(0.6)
        assert other.take("piece")
        assert not Claims(tmp_path, expiry_seconds=0.4).take("piece")


@pytest.mark.parametrize(
    ("owner", "is_taken_over"),
    [(f"{HOST} {2**22 + 1} 00", True), ("another-machine 4 00", False), (f"{HOST} {os.getpid()} 00", False)],
    ids=["dead", "of another machine", "alive"],
)
def test_a_dead_process_of_this_machine_is_taken_over_at_once(tmp_path, owner, is_taken_over):
    (tmp_path / "piece.3.claim").write_text(owner)
    with Claims(tmp_path) as claims:
        assert claims.take("piece") is is_taken_over
        if is_taken_over:
            assert [path.name for path in tmp_path.glob("*.claim")] == ["piece.4.claim"]


def test_a_claim_that_two_find_dead_goes_to_one(tmp_path, monkeypatch):
    (tmp_path / "piece.0.claim").write_text(f"{HOST} {2**22 + 1} 00")
    with Claims(tmp_path) as one, Claims(tmp_path) as other:
        seen = one._newest("piece")
        assert other.take("piece")
        monkeypatch.setattr(one, "_newest", lambda name: seen)  # looked before the other took it
        monkeypatch.setattr(one, "_is_dead", lambda claim: True)
        assert not one.take("piece")


def test_the_age_of_a_claim_is_measured_by_the_clock_of_the_file_system(tmp_path, monkeypatch):
    with Claims(tmp_path) as claims:
        (tmp_path / "piece.0.claim").write_text("another-machine 4 00")
        monkeypatch.setattr(time, "time", lambda: 1e12)
        assert not claims.take("piece")
        past = time.clock_gettime(time.CLOCK_REALTIME) - 3600
        os.utime(tmp_path / "piece.0.claim", (past, past))
        assert claims.take("piece")
