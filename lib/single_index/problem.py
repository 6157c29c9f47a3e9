"""The task: Gaussian inputs, a teacher that sees one direction, three independent samples and a student at random."""

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
import torch

from lib.linearized import chosen_device, float_type


@dataclass(frozen=True, eq=False)
class Problem:
    """One draw of the task, or several stacked along a leading axis.

    teacher: (d,), of length one. inputs, probe_inputs: (n, d); test_inputs: (n_test, d). targets, probe_targets,
    test_targets: with their noise. weights: (h, d) and readout: (h,), the student at its start.
    """

    teacher: torch.Tensor
    inputs: torch.Tensor
    targets: torch.Tensor
    probe_inputs: torch.Tensor
    probe_targets: torch.Tensor
    test_inputs: torch.Tensor
    test_targets: torch.Tensor
    weights: torch.Tensor
    readout: torch.Tensor

    def map(self, function) -> "Problem":
        """The problem with a function applied to each of its tensors."""
        return replace(self, **{f.name: function(getattr(self, f.name)) for f in fields(self)})


def make(
    dim: int,
    width: int,
    n_samples: int,
    *,
    n_test: int = 2000,
    label_noise: float = 0.3,
    rng: np.random.Generator,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Problem:
    r"""Draw a teacher, a student, and a training, a probe and a test sample.

    $x\sim N(0,I_d)$, $y=\log(1+e^{\langle\beta^*,x\rangle})+\rho\,\xi$ with $\xi\sim N(0,1)$ and $\beta^*$ uniform on
    the sphere; the student is $f(x)=h^{-1/2}a^T\tanh(Wx/\sqrt d)$, all of its weights standard normal.

    dim d, width h, n_samples n (also of the probe sample), n_test: integers >= 1. label_noise $\rho$ >= 0.
    rng: five streams are spawned from it. With a fresh generator of the same seed, teacher and student do not depend
    on n_samples or label_noise, a smaller sample is the beginning of a larger one, and noise only changes its scale.
    dtype: torch.float64 unless told, or float32. device: CUDA where there is one, unless told.
    Raises ValueError on sizes below 1, a negative label_noise, or an rng that is no Generator.
    Kothapalli et al. 2025, arXiv:2406.04657.
    """
    for name, value in {"dim": dim, "width": width, "n_samples": n_samples, "n_test": n_test}.items():
        positive_integer(name, value)
    if not (np.isfinite(label_noise) and label_noise >= 0):
        raise ValueError(f"label_noise is {label_noise}; allowed: a finite number >= 0")
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}; allowed: a numpy.random.Generator")
    teachers, students, *samples = rng.spawn(5)
    teacher = teachers.standard_normal(dim)
    teacher /= np.linalg.norm(teacher)
    readout, weights = students.standard_normal(width), students.standard_normal((width, dim))
    tensors = {"teacher": teacher, "weights": weights, "readout": readout}
    for stream, prefix, n in zip(samples, ("", "probe_", "test_"), (n_samples, n_samples, n_test), strict=True):
        noise_stream, input_stream = stream.spawn(2)
        inputs = input_stream.standard_normal((n, dim))
        tensors[prefix + "inputs"] = inputs
        tensors[prefix + "targets"] = np.logaddexp(0, inputs @ teacher) + label_noise * noise_stream.standard_normal(n)
    options = {"dtype": float_type(dtype), "device": chosen_device(device)}
    return Problem(**{name: torch.as_tensor(value, **options) for name, value in tensors.items()})


@dataclass(frozen=True)
class Constants:
    r"""Gaussian averages of tanh, softplus and the targets, for $z\sim N(0,1)$.

    slope: $\mu_1=E\tanh'(z)$. slope_variance: $\mathrm{Var}\tanh'(z)$. student_square: $E\tanh^2z$.
    teacher_mean: $\mu_0^*$, teacher_slope: $\mu_1^*=\frac12$, teacher_square: mean, slope and mean square of softplus.
    even_square: mean square of its even part, all of it but $z/2$. target_square: $E\,y^2$.
    residual_square: $E(f-y)^2$ of an untrained student. floor: least test error of any odd function.
    kta_linear, kta_sign: alignment of the kernel of the one feature $\langle\beta^*,x\rangle$, or of its sign, with
    the targets; the first is the largest of any odd features.
    """

    slope: float
    slope_variance: float
    student_square: float
    teacher_mean: float
    teacher_slope: float
    teacher_square: float
    even_square: float
    target_square: float
    residual_square: float
    floor: float
    kta_linear: float
    kta_sign: float


@lru_cache(maxsize=8)
def gaussian_constants(label_noise: float = 0.3) -> Constants:
    """Averages over a standard normal number that enter the theory of the first step, for one label noise.

    By the trapezoidal rule on the line, whose error is far below rounding here. Raises ValueError on a negative
    label_noise. Derived in: notebooks/16_one_step.
    """
    if not (np.isfinite(label_noise) and label_noise >= 0):
        raise ValueError(f"label_noise is {label_noise}; allowed: a finite number >= 0")
    z = np.arange(-160, 161) / 16
    density = np.exp(-(z**2) / 2)
    density /= density.sum()
    softplus, slopes = np.logaddexp(0, z), 1 / np.cosh(z) ** 2
    slope, teacher_slope = density @ slopes, density @ (z * softplus)
    teacher_square, student_square = density @ softplus**2, density @ np.tanh(z) ** 2
    even_square = density @ (softplus - z / 2) ** 2
    target_square = teacher_square + label_noise**2
    numbers = {
        "slope": slope,
        "slope_variance": density @ slopes**2 - slope**2,
        "student_square": student_square,
        "teacher_mean": density @ softplus,
        "teacher_slope": teacher_slope,
        "teacher_square": teacher_square,
        "even_square": even_square,
        "target_square": target_square,
        "residual_square": target_square + student_square,
        "floor": even_square + label_noise**2,
        "kta_linear": teacher_slope**2 / target_square,
        "kta_sign": (2 / np.pi) * teacher_slope**2 / target_square,
    }
    return Constants(**{name: float(value) for name, value in numbers.items()})


def positive_integer(name: str, value: object) -> None:
    """Raise ValueError unless a size is an integer >= 1."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"{name} is {value!r}; allowed: an integer >= 1")
