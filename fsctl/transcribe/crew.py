"""The live workers of one process, as many as the engine decodes side by side. They share its model and nothing
else: none waits for the slowest of another's batch.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from fsctl.transcribe.worker import Worker


class Crew:
    """Runs them as one."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        """Args: workers: at least one; each with a wake-up of its own."""
        self._workers = workers

    def run(self, sleep: Callable[[float], None]) -> None:
        """Work until stopped, the first worker in this thread. What ends one ends all, and is raised."""
        first, *others = self._workers
        with ThreadPoolExecutor(max(1, len(others)), "worker") as beside:
            running = [beside.submit(one.run, sleep) for one in others]
            for one in running:
                one.add_done_callback(self._ended)
            try:
                first.run(sleep)
            finally:
                self.stop()
        for one in running:
            one.result()

    def stop(self) -> None:
        """End after the batches in hand. Safe in a signal handler."""
        for worker in self._workers:
            worker.stop()

    def busy(self) -> float:
        """Share of the last time that went into live text, of all of them."""
        return sum(worker.busy() for worker in self._workers) / len(self._workers)

    def _ended(self, _one: Future[None]) -> None:
        self.stop()
