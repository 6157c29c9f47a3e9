"""Symmetric stable laws: draws, characteristic functions, moments, distribution function, density, quantiles.

The standard law of index $\\alpha \\in (0, 2]$ has the characteristic function $e^{-|u|^\\alpha}$: the normal law of
variance 2 at $\\alpha = 2$, the Cauchy law at 1. For $\\alpha < 2$ its tail is a power, $x^{-\\alpha}$.
"""

from lib.stable.draws import noise, sample, sample_isotropic, sample_positive
from lib.stable.formulas import cf, log_moments, moment, noise_cf, noise_scale, tail_constant
from lib.stable.law import cdf, pdf, ppf, sf

__all__ = [
    "cdf",
    "cf",
    "log_moments",
    "moment",
    "noise",
    "noise_cf",
    "noise_scale",
    "pdf",
    "ppf",
    "sample",
    "sample_isotropic",
    "sample_positive",
    "sf",
    "tail_constant",
]
