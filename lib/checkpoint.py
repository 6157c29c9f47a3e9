"""Files from which an interrupted training goes on, and interruptions that wait for the end of a step."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Checkpoint:
    """A file that holds the last state saved, never half of one.

    path: None saves nothing. seconds: `due` says whether so many have passed since the last save. fingerprint: what
    the training is; a file with another one belongs to another training.
    States are made of tensors, numbers, strings, lists and dicts: reading one runs no code.
    Raises ValueError when seconds is not >= 0.
    """

    def __init__(self, path: str | os.PathLike | None, fingerprint: str, seconds: float = 60.0) -> None:
        if not seconds >= 0:
            raise ValueError(f"checkpoint_seconds is {seconds}; allowed: a number >= 0")
        self.path = None if path is None else Path(path)
        self.fingerprint, self.seconds, self.saved = fingerprint, seconds, time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return self.path is not None and time.monotonic() - self.saved >= self.seconds

    def save(self, state: dict) -> None:
        """Write the state to a file beside the old one, then take its place."""
        import torch

        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            with open(part, "wb") as file:
                torch.save({"fingerprint": self.fingerprint, "state": state}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, self.path)
        finally:
            part.unlink(missing_ok=True)
        self.saved = time.monotonic()

    def load(self) -> dict | None:
        """The last state saved, None when there is none.

        Raises ValueError when the file is of another training, or not a checkpoint.
        """
        import torch

        if self.path is None or not self.path.exists():
            return None
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            fingerprint, state = content["fingerprint"], content["state"]
        except Exception as error:
            raise ValueError(f"checkpoint {self.path} cannot be read: {error}; allowed: a file written here") from error
        if fingerprint != self.fingerprint:
            raise ValueError(
                f"checkpoint {self.path} is of a training with other settings, data, networks or rules; allowed: "
                "the training that wrote it, or a path without a file"
            )
        return state


@contextmanager
def deferred_interrupt() -> Iterator["threading.Event"]:
    """Within, Ctrl-C sets the event given and no more; a second Ctrl-C raises KeyboardInterrupt at once.

    Outside the main thread, where no handler can be set, the event never comes.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handler(number: int, frame: object) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
