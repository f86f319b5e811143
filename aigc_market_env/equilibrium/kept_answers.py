"""A table of answers to questions that come back, of a fixed size: what was answered last in a place is kept."""

from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled
from aigc_market_env.model.parameters import FloatArray

#: Places of a table, a power of two.
_PLACES = 1 << 16


class KeptAnswers(NamedTuple):
    """Questions, rows of K numbers, and their answers, rows of A numbers."""

    questions: FloatArray  # (_PLACES, K), NaN where there is none yet
    answers: FloatArray  # (_PLACES, A)


@compiled
def new_kept_answers(question: int, answer: int) -> KeptAnswers:
    """An empty table for questions and answers of so many numbers."""
    return KeptAnswers(np.full((_PLACES, question), np.nan), np.empty((_PLACES, answer)))


@compiled
def place_of(kept: KeptAnswers, question: FloatArray) -> tuple[int, bool]:
    """Where the answer to a question belongs, and whether it is there; if not, the caller has to write it."""
    mixed = np.int64(0)
    for i in range(question.shape[0]):
        mixed = (mixed ^ np.float64(question[i]).view(np.int64)) * np.int64(0x2545F4914F6CDD1D)
        mixed ^= mixed >> 29
    place, known = int(mixed) & (_PLACES - 1), True
    for i in range(question.shape[0]):
        known &= kept.questions[place, i] == question[i]
        kept.questions[place, i] = question[i]
    return place, known
