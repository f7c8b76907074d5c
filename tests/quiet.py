"""A listener that says nothing, and raises where a job fails."""

from mi_ray.experiments.plan.plan import Job


class Quiet:
    def started(self, job: Job) -> None:
        pass

    def finished(self, job: Job) -> None:
        pass

    def failed(self, job: Job, reason: str) -> None:
        raise AssertionError(reason)

    def tick(self) -> None:
        pass
