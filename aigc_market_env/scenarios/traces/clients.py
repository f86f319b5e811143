"""Measured clients: how often each asks, and in what bursts (docs/traces.md#who-asks)."""

from functools import cache

import numpy as np

from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.traces.splits import Split, clients_of
from aigc_market_env.scenarios.traces.tables import LANGUAGE_MODELS, SLOT, tables

# Rows of the clients of a part.
WEIGHT, ASKING, PERSISTENCE = range(3)


@cache
def clients(split: Split) -> FloatArray:
    """The clients of a part, model by model.

    Row ``WEIGHT`` is the sum of the weights up to each client: clients are drawn in proportion to how often they ask,
    as one meets them. Row ``ASKING`` is the probability that a client asks in a slot, row ``PERSISTENCE`` the
    correlation of that from slot to slot. (3, clients).
    """
    chosen = clients_of(split, tables()["client_model"], tables()["client_rate"])
    asking, persistence = asking_chain(
        tables()["client_rate"][chosen].astype(np.float64), tables()["client_variation"][chosen].astype(np.float64)
    )
    return np.stack([np.cumsum(asking), asking, persistence])


def range_of(split: Split, service: str) -> tuple[float, float]:
    """The cumulative weights between which the clients of a service lie.

    A model's are its own. Request logs do not tell clients; theirs are those of all models.
    """
    weights = clients(split)[WEIGHT]
    if service not in LANGUAGE_MODELS:
        return 0.0, float(weights[-1])
    chosen = clients_of(split, tables()["client_model"], tables()["client_rate"])
    own = np.flatnonzero(tables()["client_model"][chosen] == LANGUAGE_MODELS.index(service))
    return float(weights[own[0] - 1]) if own[0] else 0.0, float(weights[own[-1]])


def asking_chain(rate: FloatArray, variation: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Whether a client asks in a slot, as a stationary Markov chain of two states.

    A client's requests are a renewal process whose gaps X are gamma distributed, with the mean and the coefficient of
    variation measured (a family that ServeGen fits, arXiv 2505.09999). In an interval of length d it has no request
    with probability E(X - d)^+ / E X. One slot and two of them give the chain's two figures; for variation 1, a
    Poisson process, these are 1 - exp(-rate · slot) and 0.

    Args:
        rate: mean requests/s.
        variation: coefficient of variation of the time between requests.

    Returns:
        The probability of asking, and the correlation from slot to slot, at least 0.
    """
    silent, twice = _silence(SLOT, rate, variation), _silence(2.0 * SLOT, rate, variation)
    spread = silent * (1.0 - silent)
    correlation = np.divide(twice - silent**2, spread, out=np.zeros_like(spread), where=spread > 1e-12)
    return 1.0 - silent, np.clip(correlation, 0.0, 1.0)


def _silence(duration: float, rate: FloatArray, variation: FloatArray) -> FloatArray:
    """The probability of no request in an interval: with gaps of shape k and Q the upper incomplete gamma ratio."""
    from scipy.special import gammaincc  # a quarter of the package's import, and not everybody plays traces

    shape = variation**-2.0
    mean = rate * duration
    silence: FloatArray = gammaincc(shape + 1.0, shape * mean) - mean * gammaincc(shape, shape * mean)
    return np.clip(silence, 0.0, 1.0)
