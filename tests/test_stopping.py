"""Stopping rules on constructed histories: when a training ends, how, and which iterates are averaged."""

import numpy as np
import pytest

from lib import stopping


def follow(rule, losses, accuracies, every=200, inert=True):
    """The status and the steps of a constructed history, (evaluations,) each; and the iterates that were averaged."""
    watch, averaged, mean, count = stopping.Watch(rule, [inert]), [], 0.0, 0
    for t in range(10**6):
        if (shares := watch.shares(t)) is not None:
            averaged.append(t)
            mean += shares[0] * (t - mean)
        if t % every == 0:
            watch.see(t, *([values[min(t // every, len(values) - 1)]] for values in (losses, accuracies)))
        elif t < min(watch.next_step, rule.max_steps):
            continue
        count += 1
        code = watch.finished(t)[0]
        if code:
            assert not averaged or np.isclose(mean, np.mean(averaged))
            return stopping.STATUS[code], t, (averaged[0], averaged[-1]) if averaged else None


def test_convergence_and_the_last_iterates():
    """Found at step 600 with n_average 100: burn-in 600 + 900, end 600 + 1000; for 2000, 2 and 3 times 2000."""
    losses, accuracies = [2.0, 1e-6, 1e-3, 1e-6], [0.9, 0.99, 1.0, 1.0]
    assert follow(stopping.converged(100), losses, accuracies) == ("converged", 1600, (1501, 1600))
    assert follow(stopping.converged(2000), losses, accuracies) == ("converged", 6600, (4601, 6600))
    assert follow(stopping.converged(1000), losses, accuracies) == ("converged", 10_600, (9601, 10_600))


def test_the_criterion_must_hold_at_the_end():
    """Found at 0, lost at the evaluation before step 10 * 50, and back at 600; the average goes on until then."""
    losses = [1e-6, 1e-6, 1.0, 1e-6]
    assert follow(stopping.converged(50), losses, [1.0] * 4) == ("converged", 600, (451, 600))


def test_the_threshold_is_strict_and_between_evaluations_the_last_counts():
    assert follow(stopping.converged(30, max_steps=900), [5e-5], [1.0])[0] == "out of steps"
    assert follow(stopping.converged(33), [4.9e-5], [1.0]) == ("converged", 330, (298, 330))


def test_out_of_steps_averages_the_last_iterates():
    rule = stopping.converged(100, max_steps=2500)
    assert follow(rule, [1.0], [0.5]) == ("out of steps", 2500, (2401, 2500))
    late = [1.0] * 9 + [1e-6]  # found at 1800: the wait does not fit
    assert follow(rule, late, [1.0]) == ("out of steps", 2500, (2401, 2500))
    assert follow(stopping.steps(30, 5), [0.0], [1.0], every=7) == ("out of steps", 30, (26, 30))


def test_an_accuracy_that_is_reached():
    accuracies = [0.1, 0.9, 0.949, 0.95, 1.0]
    assert follow(stopping.reached(0.95), [1.0], accuracies, every=100, inert=False) == ("converged", 300, None)
    both = stopping.reached(0.95, loss=0.5)
    assert follow(both, [1.0, 1.0, 0.1, 0.5, 0.4], accuracies, every=100) == ("converged", 400, None)
    assert follow(stopping.reached(max_steps=250), [1.0], [0.2], every=100) == ("out of steps", 250, None)


def test_hopeless_and_diverged_trainings_end():
    moving = [1.0 + 0.1**k for k in range(9)]
    assert follow(stopping.converged(10, patience=1000), moving, [0.1]) == ("stuck", 1200, None)
    assert follow(stopping.converged(10, patience=1000, max_steps=1600), moving, [0.11])[0] == "out of steps"
    assert follow(stopping.converged(10), [1.0, np.nan], [0.5]) == ("diverged", 200, None)
    assert follow(stopping.reached(0.5), [np.inf, 0.1], [1.0])[0] == "diverged"


def test_dead_networks_end_at_once():
    assert follow(stopping.converged(10), [2.0, 1.5, 1.5], [0.1]) == ("stuck", 400, None)
    assert follow(stopping.converged(10, max_steps=900), [2.0, 1.5, 1.5], [0.1], inert=False)[0] == "out of steps"
    assert follow(stopping.steps(900), [1.5], [0.1])[0] == "out of steps"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"loss": 0.0}, "loss"),
        ({"accuracy": -1.0}, "accuracy"),
        ({"wait": 1.5}, "wait"),
        ({"n_average": 11, "max_steps": 10}, "n_average"),
        ({"patience": -1}, "patience"),
        ({"hopeless": 2.0}, "hopeless"),
    ],
)
def test_bad_rules_are_named(options, name):
    with pytest.raises(ValueError, match=name):
        stopping.Rule(**options)
