"""Claims on a shared folder: which process does which piece of work, without a service between them.

A claim is a small file whose time of change its owner renews. One whose owner is gone (on this machine) or
that was not renewed for `expiry_seconds` is dead, and another process takes the piece over by making the next
generation of the file; the file system lets only one succeed. Claims save work and decide nothing: two
processes that do the same piece write the same bytes under the same name, each by one rename.
"""

import os
import re
import secrets
import threading
from contextlib import suppress
from pathlib import Path

from learn_recall.files.whole_files import HOST, is_alive

EXPIRY_SECONDS = 60.0
_BEATS_PER_EXPIRY = 4
_GENERATION = re.compile(r"(.+)\.(\d+)\.claim")


class Claims:
    """The claims of this process in one folder; a context manager, within which they are renewed.

    Args:
        folder: shared by all processes that work together; made when first needed.
        expiry_seconds: A claim that was not renewed for so long is dead.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with Claims(folder) as one, Claims(folder) as other:
        ...     one.take("shard-7"), other.take("shard-7"), other.take("shard-8")
        (True, False, True)
    """

    def __init__(self, folder: Path, *, expiry_seconds: float = EXPIRY_SECONDS) -> None:
        if expiry_seconds <= 0:
            raise ValueError(
                f"expiry_seconds: expected more than 0, got {expiry_seconds}. Remedy: leave it out"
            )
        self._folder, self._expiry_seconds = folder, expiry_seconds
        self._owner = f"{HOST} {os.getpid()} {secrets.token_hex(4)}"
        self._mine: dict[str, Path] = {}
        self._clock = folder / f"{secrets.token_hex(8)}.clock"
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._heart: threading.Thread | None = None

    def __enter__(self) -> "Claims":
        self._heart = threading.Thread(target=self._beat, name="claims", daemon=True)
        self._heart.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        if self._heart is not None:
            self._heart.join()
        for name in list(self._mine):
            self.release(name)
        self._clock.unlink(missing_ok=True)
        with suppress(OSError):  # others may still have claims there
            self._folder.rmdir()

    def take(self, name: str) -> bool:
        """Claim a piece of work; True if it is this process's from now on."""
        if name in self._mine:
            return True
        self._folder.mkdir(parents=True, exist_ok=True)
        generation, newest = self._newest(name)
        if newest is not None and not self._is_dead(newest):
            return False
        path = self._folder / f"{name}.{generation + 1}.claim"
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except (FileExistsError, FileNotFoundError):
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(self._owner)
        with self._lock:
            self._mine[name] = path
        if newest is not None:
            newest.unlink(missing_ok=True)
        return True

    def release(self, name: str) -> None:
        """Give a piece of work back, done or not."""
        with self._lock:
            path = self._mine.pop(name, None)
        if path is not None:
            path.unlink(missing_ok=True)

    def others(self) -> list[str]:
        """Name the pieces that other living processes work on."""
        found = {match[1] for entry in self._entries() if (match := _GENERATION.fullmatch(entry.name))}
        alive = []
        for name in sorted(found - set(self._mine)):
            _, newest = self._newest(name)
            if newest is not None and not self._is_dead(newest):
                alive.append(name)
        return alive

    def _entries(self) -> list[Path]:
        try:
            return list(self._folder.iterdir())
        except FileNotFoundError:
            return []

    def _newest(self, name: str) -> tuple[int, Path | None]:
        """The highest generation of a claim and its file; -1 where there is none."""
        generations = [
            (int(match[2]), entry)
            for entry in self._entries()
            if (match := _GENERATION.fullmatch(entry.name)) and match[1] == name
        ]
        return max(generations, default=(-1, None))

    def _is_dead(self, claim: Path) -> bool:
        try:
            owner = claim.read_text().split()
            age_seconds = self._now() - claim.stat().st_mtime
        except FileNotFoundError:
            return False  # given back this moment; the next look will show it
        if len(owner) == 3 and owner[0] == HOST and not is_alive(int(owner[1])):
            return True
        return age_seconds > self._expiry_seconds

    def _now(self) -> float:
        """The time by the clock that stamps the claims: the file system's, not this machine's."""
        self._clock.touch()
        return self._clock.stat().st_mtime

    def _beat(self) -> None:
        while not self._stopped.wait(self._expiry_seconds / _BEATS_PER_EXPIRY):
            with self._lock:
                mine = list(self._mine.values())
            for path in mine:
                with suppress(OSError):  # taken over, or the folder is gone: the work itself will show it
                    os.utime(path)


__all__ = ["EXPIRY_SECONDS", "Claims"]
