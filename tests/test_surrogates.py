"""Surrogates of a matrix keep what they promise, and lose the rest."""

import numpy as np
import pytest

from lib import stable, surrogates, tails


def rng(seed=0):
    return np.random.default_rng(seed)


WEIGHT = rng(1).standard_t(2, size=(40, 7)) * rng(2).lognormal(size=(40, 1))


def test_each_keeps_its_own():
    sizes = np.linalg.norm(WEIGHT, axis=1)
    shuffled = surrogates.shuffled(WEIGHT, rng=rng(3))
    assert shuffled.shape == WEIGHT.shape and np.any(shuffled != WEIGHT)
    np.testing.assert_array_equal(np.sort(shuffled, axis=None), np.sort(WEIGHT, axis=None))
    random = surrogates.sizes_only(WEIGHT, rng=rng(4))
    np.testing.assert_allclose(np.linalg.norm(random, axis=1), sizes, rtol=1e-13)
    directions = surrogates.directions_only(WEIGHT)
    np.testing.assert_allclose(directions * sizes[:, None], WEIGHT, rtol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-13)
    flipped = surrogates.signs_flipped(WEIGHT, rng=rng(5))
    signs = flipped / WEIGHT
    assert set(np.unique(signs)) == {-1.0, 1.0} and np.all(signs == signs[:, :1])
    assert not surrogates.directions_only(np.zeros((3, 2))).any()


def test_directions_of_sizes_only_are_uniform():
    """Mean zero and covariance 1/r: of 20000 unit vectors in 5 dimensions, within 4.5 standard errors."""
    n, r = 20_000, 5
    x = surrogates.sizes_only(np.ones((n, r)), rng=rng(6)) / np.sqrt(r)
    assert np.abs(x.mean(0)).max() < 4.5 / np.sqrt(n * r)
    # Var x_i^2 = 2(r-1)/(r^2(r+2)) and Var x_i x_j = 1/(r(r+2)) on the sphere; the latter is the larger
    assert np.abs(x.T @ x / n - np.eye(r) / r).max() < 4.5 / np.sqrt(n * r * (r + 2)) * 1.3


def test_what_the_index_reads():
    """Normal rows of log-normal sizes: sizes alone give their index, directions and shuffled entries give 2."""
    weight = rng(7).standard_normal((1024, 50)) * rng(8).lognormal(0, 0.8, (1024, 1))
    index = tails.block(weight)
    assert index < 1.5
    assert tails.block(surrogates.sizes_only(weight, rng=rng(9))) == pytest.approx(index, abs=0.08)
    assert tails.block(surrogates.directions_only(weight)) > 1.97
    assert tails.block(surrogates.shuffled(weight, rng=rng(10))) > 1.9
    iid = stable.sample(1.5, (1024, 50), rng=rng(11))
    assert tails.block(surrogates.shuffled(iid, rng=rng(12))) == pytest.approx(1.5, abs=0.15)
    drifting = rng(13).standard_normal((1024, 50)) + 0.5
    assert tails.block(drifting) < 1.6 < 1.95 < tails.block(surrogates.signs_flipped(drifting, rng=rng(14)))


@pytest.mark.parametrize("weight", [[1.0, 2.0], [[1.0, np.nan]], np.ones((2, 2, 2)), np.ones((0, 3))])
def test_refuses(weight):
    for call in (surrogates.shuffled, surrogates.sizes_only, surrogates.signs_flipped):
        with pytest.raises(ValueError, match=r"^weight .*allowed"):
            call(weight, rng=rng())
    with pytest.raises(ValueError, match=r"^weight .*allowed"):
        surrogates.directions_only(weight)
