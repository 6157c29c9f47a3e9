r"""A single-index teacher, a student of two layers, and what full-batch training does to the student's weights.

settings = single_index.grid(optimizer=["gd", "adam"], learning_rate=[0.1, 1.0], seed=range(5))
trained = single_index.train(settings, dim=200, width=300, n_samples=400, n_steps=10, probes=[0, 1, 10])
trained.table  # a row for each member, probe and ridge: losses, alignments
trained.singular_values  # (members, probes, min(width, dim))

`make` draws a problem, `gradient`, `gd_step` and `adam_step` are the steps, `features` and `ridge` the read-out.
`one_step_theory` and `outlier` say what the first step does to the singular values, `expected_risk` what a read-out
loses on new inputs.
"""

from lib.single_index.network import SCALINGS, evaluate, features, gradient, output, ridge
from lib.single_index.one_step import OneStep, Spike, one_step_theory, outlier
from lib.single_index.optimizers import adam_step, gd_step, normalize, step_lr, velocity
from lib.single_index.problem import Constants, Problem, gaussian_constants, make
from lib.single_index.risk import Risk, expected_risk
from lib.single_index.run import Trained, train
from lib.single_index.settings import grid

__all__ = [
    "SCALINGS",
    "Constants",
    "OneStep",
    "Problem",
    "Risk",
    "Spike",
    "Trained",
    "adam_step",
    "evaluate",
    "expected_risk",
    "features",
    "gaussian_constants",
    "gd_step",
    "gradient",
    "grid",
    "make",
    "normalize",
    "one_step_theory",
    "outlier",
    "output",
    "ridge",
    "step_lr",
    "train",
    "velocity",
]
