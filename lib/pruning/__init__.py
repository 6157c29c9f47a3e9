"""Pruning of weights and networks: by magnitude, by singular values, by nodes, at random; what remains; bounds.

The names are flat: `from lib import pruning; pruning.magnitude(...)`. Functions of one weight return a `Pruned`;
`prune` and `prune_path` take a whole network. A stored number is a number: positions of kept entries are not counted.
"""

from lib.compressibility import best_k_term_error, removable
from lib.compressible_laws import initial_node_ratio, limit_error, median_error, pruning_ratio, rate
from lib.pruning.bounds import generalization_bound, perturbation_bound
from lib.pruning.low_rank import break_even_rank, singular_value
from lib.pruning.models import METHODS, LayerCount, Remaining, prune, prune_path
from lib.pruning.units import UNITS, global_magnitude, magnitude, node, random
from lib.pruning.weights import Pruned

__all__ = [
    "METHODS",
    "UNITS",
    "LayerCount",
    "Pruned",
    "Remaining",
    "best_k_term_error",
    "break_even_rank",
    "generalization_bound",
    "global_magnitude",
    "initial_node_ratio",
    "limit_error",
    "magnitude",
    "median_error",
    "node",
    "perturbation_bound",
    "prune",
    "prune_path",
    "pruning_ratio",
    "random",
    "rate",
    "removable",
    "singular_value",
]
