"""Axes that sweeps share, in groups by the declaration that they set, with the defaults of that declaration.

A trial takes a group as one value; ``--axis`` names the fields of a group like the trial's own parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar, get_type_hints

from mi_ray.compute.images.catalogue import DATASETS
from mi_ray.experiments.declare import CDP, Data, Embedding, Estimation, Labelled, Pairing, Views
from mi_ray.experiments.declare.checks import refuse
from mi_ray.experiments.declare.images import CropsFrom

Result = TypeVar("Result")
ARCH = "resnet10t"
"""The encoder of studies at a laptop's scale."""


@dataclass(frozen=True, kw_only=True)
class CDPAxes:
    """Axes of CDP images. ``test_images`` is also the number of validation images."""

    canvas: int = CDP.canvas
    digits: str = CDP.digits
    backgrounds: str = CDP.backgrounds
    train_images: int = CDP.train_images
    test_images: int = CDP.test_images

    def declared(self, **settings: Any) -> CDP:
        """The declaration of the images, with further ``settings`` of `CDP`."""
        return CDP(
            canvas=self.canvas, digits=self.digits, backgrounds=self.backgrounds, train_images=self.train_images,
            validation_images=self.test_images, test_images=self.test_images, **settings,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LabelledAxes:
    """Axes of labelled images, named like the fields of `Labelled`; None leaves a field as the study has it."""

    root: str | None = None
    class_list: str | None = None
    side: int | None = None
    held_out: float | None = None
    matte: str | None = None
    crops: CropsFrom | None = None

    def applied(self, data: Data) -> Data:
        """The declaration of labelled images with the axes that are set; Refused for an axis that the images lack."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        for name, value in given.items():
            if not isinstance(data, Labelled):
                raise refuse(name, value, f"nothing with {type(data).__name__} images; {name} is of labelled images")
            if name == "class_list" and not DATASETS[data.name].needs_class_list:
                raise refuse(name, value, f"nothing with {data.name}, which has no list of classes")
        return replace(data, **given) if isinstance(data, Labelled) else data


@dataclass(frozen=True, kw_only=True)
class EstimationAxes:
    """Axes of post-training estimation: fewer critics and steps than by default, to suit a laptop."""

    k_est: int = Estimation.k_est
    critics: int = 2
    critic_steps: int = 200

    def declared(self, embedding: Embedding | Views, pairing: Pairing, **settings: Any) -> Estimation:
        """The declaration of an estimation under ``pairing``, with further ``settings`` of `Estimation`."""
        return Estimation(
            embedding=embedding, pairing=pairing, k_est=self.k_est, critics=self.critics, steps=self.critic_steps,
            **settings,
        )  # fmt: skip


def with_axes(*groups: Any) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Decorate a trial: the fields of its first arguments, ``groups``, become axes with these values as defaults."""

    def decorate(trial: Callable[..., Result]) -> Callable[..., Result]:
        @wraps(trial)
        def trial_of_axes(**axes: Any) -> Result:
            values = []
            for group in groups:
                given = {field.name: axes.pop(field.name) for field in fields(group) if field.name in axes}
                values.append(replace(group, **given))
            return trial(*values, **axes)

        parameters = list(signature(trial).parameters.values())[len(groups) :]
        hints = get_type_hints(trial, include_extras=True)
        for group in groups:
            hints |= get_type_hints(type(group))
            for field in fields(group):
                default = getattr(group, field.name)
                parameters.append(Parameter(field.name, Parameter.KEYWORD_ONLY, default=default))
        trial_of_axes.__annotations__ = hints
        trial_of_axes.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        return trial_of_axes

    return decorate
