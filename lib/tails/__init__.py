"""Tail-index estimators: what each assumes differs, so it pays to look at several.

`block` and `davydov_paulauskas` work on blocks; `hill`, `pickands`, `de_haan` and `dekkers` on the largest values;
`mcculloch` and `ecf` fit a stable law, and `stable_fit` says how far the data are from it. `layer_indices` does them
all for the layers of a network. A law that is not stable gets different answers: the Laplace law, whose tail is
exponential, has a `block` index of about 1.7.
"""

from lib.tails.blocks import block, block_grid, block_standard_error, davydov_paulauskas
from lib.tails.characteristic import StableFit, ecf, mcculloch, stable_fit
from lib.tails.layers import layer_indices, layer_samples
from lib.tails.order_statistics import de_haan, dekkers, hill, pickands

__all__ = [
    "StableFit",
    "block",
    "block_grid",
    "block_standard_error",
    "davydov_paulauskas",
    "de_haan",
    "dekkers",
    "ecf",
    "hill",
    "layer_indices",
    "layer_samples",
    "mcculloch",
    "pickands",
    "stable_fit",
]
