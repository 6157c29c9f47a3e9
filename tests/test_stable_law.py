"""Distribution function, density and quantiles of stable laws: against series in high precision and closed forms."""

import mpmath
import numpy as np
import pytest
from scipy import special
from scipy.integrate import quad
from scipy.stats import levy_stable

from lib import stable


def by_series(x, alpha):
    r"""Upper tail and density in high precision, from the one of two power series that converges.

    For alpha > 1 $f = \frac{1}{\pi\alpha} \sum_k \frac{(-1)^k}{(2k)!} \Gamma(\frac{2k+1}{\alpha}) x^{2k}$; below,
    $P(X > x) = \frac1\pi \sum_{k \ge 1} \frac{(-1)^{k+1}}{k!} \Gamma(k\alpha) \sin(\frac{k\pi\alpha}{2}) x^{-k\alpha}$.
    """
    with mpmath.workdps(250):
        x, a, k = mpmath.mpf(float(x)), mpmath.mpf(float(alpha)), 0
        tail, density, size = (mpmath.mpf(0.5), 0, 1) if alpha > 1 else (mpmath.mpf(0), 0, 1)
        while size > mpmath.mpf(10) ** -40 or k < 5:
            if alpha > 1:
                size = mpmath.gamma((2 * k + 1) / a) / mpmath.factorial(2 * k) * x ** (2 * k) / (mpmath.pi * a)
                term, integral = (-1) ** k * size, -((-1) ** k) * size * x / (2 * k + 1)
            else:
                size = mpmath.gamma((k + 1) * a) / mpmath.factorial(k + 1) * x ** (-(k + 1) * a) / mpmath.pi
                integral = (-1) ** k * size * mpmath.sin((k + 1) * mpmath.pi * a / 2)
                term = integral * (k + 1) * a / x
            tail, density, k = tail + integral, density + term, k + 1
        return float(tail), float(density)


def by_asymptotics(x, alpha, terms):
    """The first terms of the tail's power series, which for alpha > 1 is only asymptotic."""
    k = np.arange(1, terms + 1)
    series = (-1.0) ** (k + 1) * special.gamma(k * alpha) / special.factorial(k) * np.sin(k * np.pi * alpha / 2)
    return np.sum(series * x ** (-k * alpha)) / np.pi


@pytest.mark.parametrize(
    ("alpha", "x"),
    [
        *((a, x) for a in (1.2, 1.5, 1.8, 1.95, 1.999, 2 - 1e-6) for x in (1e-8, 1e-3, 0.1, 0.7, 2.0)),
        *((a, x) for a in (1.5, 1.8, 1.95, 1.999, 2 - 1e-6) for x in (5.0, 10.0)),
        *((a, x) for a in (0.3, 0.5) for x in (1e-2, 0.1, 1.0, 30.0, 1e6)),
        *((a, x) for a in (0.8, 0.95) for x in (0.8, 2.0, 30.0, 1e6)),
        (1.05, 0.3),
        (0.999, 2.0),
    ],
)
def test_tail_and_density_against_the_series(alpha, x):
    tail, density = by_series(x, alpha)
    assert stable.sf(x, alpha) == pytest.approx(tail, rel=2e-12)
    assert stable.cdf(x, alpha) == pytest.approx(1 - tail, rel=2e-15)
    assert stable.pdf(x, alpha) == pytest.approx(density, rel=1e-10)


@pytest.mark.parametrize(("alpha", "x", "terms"), [(1.2, 1e4, 5), (1.5, 1e4, 5), (1.95, 100.0, 6), (1.05, 1e3, 4)])
def test_far_tail(alpha, x, terms):
    assert stable.sf(x, alpha) == pytest.approx(by_asymptotics(x, alpha, terms), rel=1e-13)


def test_index_one_half_in_closed_form():
    """The density by Fresnel integrals, from the centre to far out."""
    x = np.geomspace(0.02, 1e3, 30)
    s, c = special.fresnel(1 / np.sqrt(2 * np.pi * x))
    density = (np.sin(1 / (4 * x)) * (0.5 - s) + np.cos(1 / (4 * x)) * (0.5 - c)) / np.sqrt(2 * np.pi * x**3)
    np.testing.assert_allclose(stable.pdf(x, 0.5), density, rtol=1e-11)


def test_cauchy_and_normal():
    x = np.array([-1e200, -30.0, -1.0, 0.0, 1.0, 30.0, 1e200])
    np.testing.assert_allclose(stable.cdf(x, 1.0, 2.0), 0.5 - np.arctan2(-x, 2.0) / np.pi, rtol=0, atol=1e-16)
    assert stable.sf(1e200, 1.0) == pytest.approx(1e-200 / np.pi, rel=1e-14)
    np.testing.assert_allclose(stable.cdf(x, 2.0, 3.0), special.ndtr(x / np.sqrt(18)), rtol=1e-13)
    np.testing.assert_allclose(stable.pdf(x[1:-1], 1.0), 1 / (np.pi * (1 + x[1:-1] ** 2)), rtol=1e-15)


@pytest.mark.parametrize(("close", "alpha"), [(1 - 1e-7, 1.0), (1 + 1e-7, 1.0), (2 - 1e-9, 2.0)])
def test_continuous_at_the_special_indices(close, alpha):
    x = np.array([-20.0, -3.0, -0.4, 0.0, 1e-5, 1.0, 4.0])
    np.testing.assert_allclose(stable.cdf(x, close), stable.cdf(x, alpha), rtol=0, atol=2e-7)
    np.testing.assert_allclose(stable.pdf(x, close), stable.pdf(x, alpha), rtol=0, atol=2e-7)


@pytest.mark.parametrize("alpha", [1.2, 1.5, 1.9])
def test_scipy_agrees_in_the_centre(alpha):
    x = np.array([-3.0, -0.5, 0.1, 2.0])
    np.testing.assert_allclose(stable.cdf(x, alpha), levy_stable.cdf(x, alpha, 0), rtol=0, atol=1e-9)


@pytest.mark.parametrize("alpha", [0.15, 0.5, 0.9, 1.1, 1.7, 1.99])
def test_the_range_has_no_seams(alpha):
    """Across the switches to the leading term far out, and to the value at 0: log-slopes of tail and density."""
    x = 1e18 ** (1 / alpha) * np.array([0.999, 0.9999, 1.0001, 1.001])
    np.testing.assert_allclose(stable.sf(x, alpha) * x**alpha, stable.tail_constant(alpha) / 2, rtol=1e-12)
    np.testing.assert_allclose(stable.pdf(x, alpha) * x / stable.sf(x, alpha), alpha, rtol=1e-11)
    near = np.array([0.0, 1e-291, 1e-289, 1e-150])
    np.testing.assert_allclose(stable.pdf(near, alpha), special.gamma(1 + 1 / alpha) / np.pi, rtol=1e-11)
    np.testing.assert_allclose(stable.sf(near, alpha), 0.5, rtol=1e-15)
    ends = np.array([-np.inf, np.inf])
    np.testing.assert_array_equal(stable.cdf(ends, alpha), [0, 1])
    np.testing.assert_array_equal(stable.pdf(ends, alpha), [0, 0])


@pytest.mark.parametrize("alpha", [0.7, 1.3, 1.9])
def test_density_is_the_derivative_and_symmetric(alpha):
    area = quad(stable.pdf, 0.3, 4.0, args=(alpha, 1.5), epsabs=1e-12)[0]
    assert area == pytest.approx(stable.cdf(4.0, alpha, 1.5) - stable.cdf(0.3, alpha, 1.5), abs=1e-11)
    x = np.array([0.2, 3.0, 50.0])
    np.testing.assert_array_equal(stable.pdf(-x, alpha), stable.pdf(x, alpha))
    np.testing.assert_array_equal(stable.cdf(-x, alpha), stable.sf(x, alpha))


@pytest.mark.parametrize("alpha", [0.3, 0.7, 1.0, 1.3, 1.9, 1.99999, 2.0])
def test_quantiles(alpha):
    q = np.array([1e-300, 1e-20, 1e-5, 0.1, 0.3, 0.499999, 0.5, 0.6, 0.975])
    x = stable.ppf(q, alpha, 2.0)
    inside = np.isfinite(x)  # for alpha = 0.3 the first is beyond the largest float
    assert inside[1:].all() and np.all(np.diff(x[1:]) > 0)
    np.testing.assert_allclose(stable.cdf(x[inside], alpha, 2.0), q[inside], rtol=3e-13)
    np.testing.assert_array_equal(stable.ppf([0.0, 0.5, 1.0], alpha), [-np.inf, 0, np.inf])
    np.testing.assert_allclose(stable.ppf(0.75, alpha), -stable.ppf(0.25, alpha), rtol=1e-14)


def test_shapes():
    assert np.shape(stable.cdf(0.5, 1.5)) == () and stable.cdf(np.ones((2, 3)), 1.5).shape == (2, 3)
    assert np.shape(stable.ppf(0.5, 1.5)) == () and stable.pdf([], 1.5).shape == (0,)
