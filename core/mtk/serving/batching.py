"""Requests that wait become one batch: all that has come while the last one was computed. Nothing waits for a clock."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mtk.errors import MtkError
from mtk.model.multitask import Model

Answers = dict[str, list[dict[str, Any]]]
"""task -> what it says of each text, in their order."""


class BusyError(MtkError):
    """More waits than may."""


@dataclass(eq=False)
class Job:
    """What one request asks."""

    tasks: Sequence[str]
    texts: Sequence[Any]
    probabilities: bool = False
    answer: asyncio.Future[Answers] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batching:
    """One model, computing for one batch of jobs at a time, in a thread of its own."""

    def __init__(self, model: Model, *, batch: int, most_waiting: int) -> None:
        """`batch` texts at most are computed at once, but for a job that has more; of more than `most_waiting`, the next
        job is refused."""
        self.model, self.batch, self.most_waiting = model, batch, most_waiting
        self.waiting, self.served, self.batches = 0, 0, 0
        self._jobs: deque[Job] = deque()
        self._has_come = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "mtk model")

    async def ask(self, tasks: Sequence[str], texts: Sequence[Any], *, probabilities: bool = False) -> Answers:
        """The answers of these tasks to these texts. Raises BusyError, and whatever the model raises."""
        if self.waiting and self.waiting + len(texts) > self.most_waiting:
            raise BusyError(f"{self.waiting:,} texts wait already. Ask again in a second.")
        job = Job(tasks, texts, probabilities)
        self._jobs.append(job)
        self.waiting += len(texts)
        self._has_come.set()
        return await job.answer

    async def run(self) -> None:
        """Answer whatever comes, until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._has_come.wait()
            self._has_come.clear()
            while self._jobs:
                jobs = self._next()
                for job, found in zip(jobs, await loop.run_in_executor(self._thread, self._found, jobs), strict=True):
                    self.waiting -= len(job.texts)
                    if job.answer.done():  # whoever asked has gone
                        continue
                    if isinstance(found, BaseException):
                        job.answer.set_exception(found)
                    else:
                        self.served += len(job.texts)
                        job.answer.set_result(found)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(cancel_futures=True)

    def _next(self) -> list[Job]:
        jobs = [self._jobs.popleft()]
        count = len(jobs[0].texts)
        while self._jobs and count + len(self._jobs[0].texts) <= self.batch:
            count += len(self._jobs[0].texts)
            jobs.append(self._jobs.popleft())
        self.batches += 1
        return jobs

    def _found(self, jobs: Sequence[Job]) -> list[Answers | BaseException]:
        """The answer to each; where all together fail, each by itself, so that one does not spoil it for the others."""
        with suppress(Exception):
            return [*answers(self.model, jobs)]
        found: list[Answers | BaseException] = []
        for job in jobs:
            try:
                found += answers(self.model, [job])
            except Exception as error:
                found.append(error)
        return found


def answers(model: Model, jobs: Sequence[Job]) -> list[Answers]:
    """The answer to each job. Tasks that read alike get one encoding of all texts that any of their jobs has."""
    found: list[Answers] = [{} for _ in jobs]
    asked = {task for job in jobs for task in job.tasks}
    for group in model.alike(task for task in model.tasks if task in asked):
        concerned = [number for number, job in enumerate(jobs) if set(job.tasks) & set(group)]
        texts = [text for number in concerned for text in jobs[number].texts]
        likely = any(jobs[number].probabilities for number in concerned)
        tokens = model.tokenize(group[0], model.split_of(group[0], texts))
        together = model.answer(group, tokens, probabilities=likely)
        start = 0
        for number in concerned:
            job = jobs[number]
            for task in (task for task in group if task in job.tasks):
                own = together[task][start : start + len(job.texts)]
                found[number][task] = [_as_asked(answer, job) for answer in own]
            start += len(job.texts)
    return found


def _as_asked(answer: Mapping[str, Any], job: Job) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name == "prediction" or job.probabilities}
