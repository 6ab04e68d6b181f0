"""What an exercise asks for: the right function, and the wrong ones that people write."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Function = Callable[..., Any]
BY_HAND = "compare with two loops over a batch of four points, by hand"
NAN = (
    "nan is no number: is 0 divided by 0, infinity by infinity, or one taken from the other, or "
    "multiplied by 0?"
)


@dataclass(frozen=True)
class Exercise:
    """A function that students write.

    Args:
        name: what they call it.
        reference: the right one.
        mistakes: `{words: function}`, the function of somebody who made that mistake. If a
            student's answers are all those of such a function, the words are the feedback.
        closed: modules of `dmlviz.losses` that answer nothing while the student's function runs.
        hint: the feedback where no mistake fits.
        nan: the feedback where no mistake fits and nan is among the answers.
    """

    name: str
    reference: Function
    mistakes: Mapping[str, Function] = field(default_factory=dict)
    closed: tuple[str, ...] = ()
    hint: str = BY_HAND
    nan: str = NAN


@dataclass(frozen=True)
class Case:
    """One input to try a function on.

    Args:
        name: in words; answers are filed under it, so two inputs need two names.
        arguments: of the function, the embeddings first.
    """

    name: str
    arguments: tuple[Any, ...]
