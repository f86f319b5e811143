"""What a trace and the scenario that plays it have in common: token counts, loads and links, and how these follow.

Of the trace, figures come from the measured tables; of the scenario, from markets and states of its environments. A
slot's requests are as many as its load says, so token counts are weighted by it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc_market_env import BatchedMarketEnv, Scenario
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import radio
from aigc_market_env.scenarios.traces.demand import LOAD, SLOTS, demand_of
from aigc_market_env.scenarios.traces.drives import efficiency_of, stretches
from aigc_market_env.scenarios.traces.splits import Split, times_of
from aigc_market_env.scenarios.traces.tables import (
    QUANTILE_LEVELS,
    REQUEST_LOGS,
    SERVICES,
    SLOT,
    SLOTS_PER_QUANTILES,
    SLOTS_PER_RATE,
    tables,
)

LAGS = np.arange(1, 11)


@dataclass(frozen=True)
class Played:
    """What a scenario did in S slots of B lanes.

    Attributes:
        service: index of the lane's service. (B,)
        load: (S, B).
        asking: whether an MU asks. (S, B, M)
        tokens: that it asks for. (S, B, M)
        sinr: of the links, in dB, of the mean spectral efficiency of a slot. (S, B, M, N)
    """

    service: npt.NDArray[np.int64]
    load: FloatArray
    asking: npt.NDArray[np.bool_]
    tokens: FloatArray
    sinr: FloatArray


def play(scenario: Scenario, lanes: int, slots: int, seed: int = 0) -> Played:
    """Play a scenario that follows a trace; MUs post nothing."""
    trace = scenario.dynamics.trace
    assert trace is not None
    env = BatchedMarketEnv(scenario, lanes, asps="best_response", max_cycles=None, seed=seed)
    env.reset()
    nothing = {"mu": np.zeros((lanes, env.num_mus, env.num_asps))}
    seen = []
    for _ in range(slots):
        state = env.state()
        load = state["base.compute_capacity"][:, 0] / state["now.compute_capacity"][:, 0]
        asking = state["now.satisfaction_scale"] == state["base.satisfaction_scale"]
        seen.append((load, asking, state["now.desired_tokens"], sinr_of(state["now.spectral_efficiency"])))
        env.step(nothing)
    window = state["window"][:, 0].astype(int)
    service = np.searchsorted(demand_of(trace.split).services, window, side="right") - 1
    return Played(service, *(np.stack(parts) for parts in zip(*seen, strict=True)))


def sinr_of(efficiency: FloatArray) -> FloatArray:
    """The SINR, dB, at which the radio model gives a spectral efficiency."""
    decibels: FloatArray = 10.0 * np.log10(2.0 ** (efficiency / radio.IMPLEMENTATION) - 1.0)
    return decibels


def measured_sinr(split: Split) -> list[FloatArray]:
    """The SINR of slots of every stretch of the drives of a part, dB, one series for each second to begin at."""
    length = int(SLOT)
    series = []
    for seconds in stretches(split):
        for start in range(min(length, len(seconds) - length + 1)):
            whole = (len(seconds) - start) // length
            efficiency = efficiency_of(tables()["sinr"][seconds[start : start + whole * length]] / 100.0)
            series.append(sinr_of(efficiency.reshape(whole, length).mean(axis=1)))
    return series


def measured_loads(split: Split, service: str) -> FloatArray:
    """The load of every slot of a service's part of the trace, in order."""
    demand = demand_of(split)
    place = SERVICES.index(service)
    windows = demand.windows[slice(*[*demand.services, len(demand.windows)][place : place + 2])]
    return np.repeat(windows[:, LOAD], windows[:, SLOTS].astype(int))


def autocorrelation(series: list[FloatArray]) -> FloatArray:
    """At lags 1 … 10, over all series (S,) or (S, …), around their common mean; pairs within a series only."""
    values = np.concatenate([one.reshape(-1) for one in series])
    mean, variance = values.mean(), values.var()
    found = []
    for lag in LAGS:
        pairs = [((one[lag:] - mean) * (one[:-lag] - mean)).reshape(-1) for one in series if len(one) > lag]
        found.append(np.concatenate(pairs).mean() / variance)
    return np.array(found)


def walked_autocorrelation(values: FloatArray, after: npt.NDArray[np.int64]) -> FloatArray:
    """At lags 1 … 10, of an endless walk from each place to the one ``after`` it, all places being as likely.

    What a replay has in the long run, without the noise of playing: where a part of a trace ends, its beginning comes
    next, which in the trace is not so.

    Args:
        values: of all places. (S,)
        after: a permutation of the places, or what comes close to one. (S,)
    """
    apart, place, found = values - values.mean(), np.arange(len(values)), []
    for _ in LAGS:
        place = after[place]
        found.append((apart * apart[place]).mean() / values.var())
    return np.array(found)


def kolmogorov_smirnov(played: Played, split: Split, service: str) -> float:
    """The largest distance between the shares of requests for up to x tokens, of the scenario and of the trace.

    Of a request log, the trace's share is known. Of a model, its quantiles tell two shares that it lies between; then
    it is the distance from there.
    """
    at = np.unique(played.tokens[:, played.service == SERVICES.index(service)])
    share = played_shares(played, service, at)
    low, high = measured_shares(split, service, at)
    return float(np.maximum(share - high, low - share).max(initial=0.0))


def played_shares(played: Played, service: str, at: FloatArray) -> FloatArray:
    """The share of a scenario's requests for up to so many tokens."""
    own = played.service == SERVICES.index(service)
    asking = played.asking[:, own]
    tokens = played.tokens[:, own][asking]
    weights = np.broadcast_to(played.load[:, own, None], asking.shape)[asking]
    order = tokens.argsort()
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    share: FloatArray = sums[np.searchsorted(tokens[order], at, side="right")] / sums[-1]
    return share


def measured_shares(split: Split, service: str, at: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The share of requests for up to so many tokens, at least and at most."""
    found = tables()
    if service in REQUEST_LOGS:
        counts = found[f"{service}_counts"].astype(int)
        part = times_of(split, len(counts))
        ends = [counts[: part.start].sum(), counts[: part.stop].sum()]
        tokens = np.sort(np.maximum(found[f"{service}_tokens"][slice(*ends)], 1))
        share = np.searchsorted(tokens, at, side="right") / len(tokens)
        return share, share
    rates, per_table = found[f"{service}_rates"].astype(float), SLOTS_PER_QUANTILES // SLOTS_PER_RATE
    part = times_of(split, len(rates), per_table)
    weights = np.maximum(rates[part], 0.0).reshape(-1, per_table).sum(axis=1)
    quantiles = np.maximum(found[f"{service}_quantiles"][part.start // per_table : part.stop // per_table], 1)
    levels = np.array(QUANTILE_LEVELS)
    reached = np.array([np.searchsorted(row, at, side="right") for row in quantiles])  # how many are at most x
    low = levels[np.maximum(reached - 1, 0)] * (reached > 0)
    high = levels[np.minimum(reached, len(levels) - 1)]
    return weights @ low / weights.sum(), weights @ high / weights.sum()
