r"""Empirical spectral densities of weight matrices: their eigenvalues, laws to compare them with, and tail exponents.

The eigenvalues $\lambda_i$ of a weight $W$ (rows, columns) are the squares of its singular values, without any
factor of its size. `marchenko_pastur` is the law of an untrained weight, `spike` the law of one that has a rank-one
part. `hill` and `fit_power_law` read a tail exponent, `stable_rank`, `alignment` and `overlaps` what the vectors do.
An untrained weight has a Hill exponent too: compare only with `marchenko_pastur(...).hill()` of the same shape.
"""

from lib.esd.marchenko_pastur import MarchenkoPastur, marchenko_pastur
from lib.esd.outliers import Phase, Spike, edge, phase, spike
from lib.esd.power_law import PowerLaw, fit_power_law, hill
from lib.esd.spectra import effective_ranks, eigenvalues, stable_rank
from lib.esd.vectors import alignment, kernel_target_alignment, overlaps

__all__ = [
    "MarchenkoPastur",
    "Phase",
    "PowerLaw",
    "Spike",
    "alignment",
    "edge",
    "effective_ranks",
    "eigenvalues",
    "fit_power_law",
    "hill",
    "kernel_target_alignment",
    "marchenko_pastur",
    "overlaps",
    "phase",
    "spike",
    "stable_rank",
]
