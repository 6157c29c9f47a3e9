"""Guess & Check: random networks that happen to have no training error, and how rare they are.

`search` finds some and `acceptance` counts them; `Found` is what a search gives, and `load` reads it back.
`closed_form` has probabilities that are known exactly.
"""

from lib.guess import closed_form
from lib.guess.found import Found, load
from lib.guess.rounds import acceptance, search

__all__ = ["Found", "acceptance", "closed_form", "load", "search"]
