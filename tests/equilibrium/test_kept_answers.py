import numpy as np

from aigc_market_env.equilibrium.kept_answers import new_kept_answers, place_of


def test_what_is_kept_is_what_was_answered():
    kept, rng = new_kept_answers(2, 1), np.random.default_rng(0)
    questions = np.exp(rng.normal(0, [10, 1e-12], (20_000, 2)))
    asked, again = rng.integers(0, len(questions), 60_000), 0
    for i in asked:
        place, known = place_of(kept, questions[i])
        if known:
            assert kept.answers[place, 0] == i
            again += 1
        kept.answers[place, 0] = i
    assert again > 0.5 * (len(asked) - len(np.unique(asked)))  # most places are one question's


def test_questions_that_differ_in_the_last_bit_are_different():
    kept = new_kept_answers(2, 1)
    question = np.array([0.5, 2.0])
    assert not place_of(kept, question)[1]
    assert place_of(kept, question)[1]
    assert not place_of(kept, np.nextafter(question, [1.0, 2.0]))[1]
    assert not place_of(kept, question[::-1].copy())[1]
