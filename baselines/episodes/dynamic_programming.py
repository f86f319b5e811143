r"""The best plan of an MU that knows how the market changes, but not how it will: dynamic programming.

    W_t(m, z, u) = max_s [e^v ω S(x) - p(x) + E W_(t+1)(min(cap, m - p(x) + y), z', u')],
    v = z + u log f,    x = v + log s,

over levels s <= 1, with m the money, z and u the logarithm of worth and whether requests are urgent (Markov chains, as
:class:`~aigc_market_env.Dynamics` says), f the factor of urgent ones, p and S what a slot costs and gives at a level
(:mod:`baselines.episodes.slot_model`), and the load profile known. Rewards are the equilibrium of the slot at the
levels planned, as of the other mechanisms. It looks at no slot to come: what it earns less than the oracle is what
foresight is worth, but for what the model leaves out: it averages over fading and over what other MUs do.

The model is fitted twice, the second time to slots in which MUs play at the levels of the first plan.

Source: Bellman (1957); AR(1) processes as Markov chains: Tauchen (1986), Economics Letters 20(2).
"""

import math
from collections.abc import Sequence
from typing import Self

import numpy as np

from aigc_market_env import (
    Dynamics,
    Episode,
    Market,
    Scenario,
    SlotView,
    Wallet,
    episode_path,
    play_episode,
    solve_equilibrium,
)
from aigc_market_env._numerics.compile import compiled
from aigc_market_env.model.parameters import FloatArray
from baselines.episodes.slot_model import GRID, Samples, SlotModel, log_load

#: Points of money, denser where there is little; of the worth of usual requests; and of levels, on a log scale.
_MONEY, _WORTHS, _LEVELS = np.linspace(0.0, 1.0, 49) ** 1.5, 11, np.linspace(-5.0, 0.0, 51)
#: Caps are at most so many slots' highest payments, beyond which money is never short.
_MOST_SLOTS = 64
_MODEL_SEED = 2 * 10**15
#: Episodes whose wallets the model is fitted to: how many, and the seed of the first.
_FITTED_TO, _OTHER_EPISODES = 4, 10**6


class DynamicProgramming:
    """Equilibria of slots at levels that every MU plans by dynamic programming.

    Args:
        scenario: with one base market; what is known of it are its dynamics, and slots of other episodes.
        wallets: of some episodes, in credits, to fit the model to the levels at which MUs with such wallets play.
        horizon: T, slots in an episode.
    """

    name = "dynamic_programming"
    label = "dynamic programming"

    def __init__(self, scenario: Scenario, wallets: Sequence[Wallet], horizon: int) -> None:
        self._dynamics, self._rng = scenario.dynamics, np.random.default_rng(0)
        self._samples = Samples.of(scenario, _MODEL_SEED)
        self._worth, self._worth_moves = _worth_chain(self._dynamics.worth_deviation, self._dynamics.worth_correlation)
        begin, end = self._dynamics.urgent_probability, 1.0 / self._dynamics.urgent_slots
        self._urgency_moves = np.array([[1.0 - begin, begin], [end, 1.0 - end]])
        num_mus = scenario.num_mus
        levels = np.exp(self._rng.uniform(-2.5, 0.0, size=(256, num_mus)))
        self.model: SlotModel = self._samples.fit(levels, self._rng)
        played: list[FloatArray] = []
        for episode, wallet in enumerate(wallets):
            path = self._samples.path[episode % 8, : min(horizon, self._samples.path.batch_shape[1])]
            self._play(path, wallet, played)
        if played:
            self.model = self._samples.fit(np.stack(played), self._rng)

    @classmethod
    def of(cls, scenario: Scenario, horizon: int) -> Self:
        """With wallets of a few training episodes of a scenario."""
        drawn = [episode_path(scenario, _OTHER_EPISODES + i, 1)[1] for i in range(_FITTED_TO)]
        return cls(scenario, [wallet for wallet in drawn if wallet is not None], horizon)

    def run(self, path: Market, wallet: Wallet, rng: np.random.Generator) -> Episode:
        """Play the slots at the levels planned."""
        return self._play(path, wallet, [])

    def _play(self, path: Market, wallet: Wallet, played: list[FloatArray]) -> Episode:
        plans = self._plans(path, wallet)
        urgency = _Urgency(self._dynamics, self._urgency_moves, path.num_mus)
        base = self._samples.base.satisfaction_scale

        def post(view: SlotView) -> FloatArray:
            usual, urgent = urgency.told_by(np.log(view.market.satisfaction_scale / base))
            levels = np.array([
                _at(plans[m][view.slot, urgent[m]], self._worth, usual[m], view.money[m] / self._most[m])
                for m in range(path.num_mus)
            ])  # fmt: skip
            played.append(levels)
            paced = view.market.replace(satisfaction_scale=view.market.satisfaction_scale * levels)
            return solve_equilibrium(paced, certify=False).rewards

        return play_episode(path, post, wallet)

    def _plans(self, path: Market, wallet: Wallet) -> list[FloatArray]:
        """For each MU the logarithm of the level to play at, by slot, urgency, worth and money. (T, 2, Z, I) each."""
        num_slots, place = path.batch_shape[0], self._first_place(path)
        money, income, cap = (np.broadcast_to(amount, (path.num_mus,)) for amount in wallet.amounts)
        needed = np.maximum(self.model.payment[..., -1].max(axis=-1) * min(num_slots, _MOST_SLOTS), 1e-300)
        self._most = np.minimum(np.where(np.isfinite(cap), cap, np.maximum(money, num_slots * income + money)), needed)
        self._most = np.maximum(self._most, 1e-300)
        plans = []
        for m in range(path.num_mus):
            plan = np.zeros((num_slots, 2, len(self._worth), len(_MONEY)))
            _plan(
                self.model.payment[m],
                self.model.satisfaction[m],
                float(self._samples.base.satisfaction_scale[m]),
                _MONEY * self._most[m],
                float(income[m]),
                place,
                self._worth,
                self._worth_moves,
                self._urgency_moves,
                math.log(self._dynamics.urgent_factor),
                GRID,
                _LEVELS,
                plan,
            )
            plans.append(plan)
        return plans

    def _first_place(self, path: Market) -> int:
        """Where in the load profile an episode begins, which MUs see."""
        load, loads = log_load(self._samples.base, path), self._samples.loads
        misses = [
            np.abs(loads[(first + np.arange(len(load))) % len(loads)] - load).sum() for first in range(len(loads))
        ]
        return int(np.argmin(misses))


class _Urgency:
    """Tells whether requests are urgent from what they are worth, which is all that MUs see: the likelier."""

    def __init__(self, dynamics: Dynamics, moves: FloatArray, num_mus: int) -> None:
        self._dynamics, self._moves = dynamics, moves
        self._usual: FloatArray | None = None
        self._urgent = np.zeros(num_mus, int)

    def told_by(self, worth: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The logarithm of what usual requests are worth, and whether those of this slot are urgent. (M,) each."""
        d = self._dynamics
        if self._usual is None:
            share = self._moves[0, 1] / (self._moves[0, 1] + self._moves[1, 0])
            mean, deviation = np.zeros_like(worth), d.worth_deviation
            chances: FloatArray = np.broadcast_to([1.0 - share, share], (len(worth), 2))
        else:
            mean = d.worth_correlation * self._usual
            deviation = d.worth_deviation * math.sqrt(1.0 - d.worth_correlation**2)
            chances = self._moves[self._urgent]
        jumps = np.array([0.0, math.log(d.urgent_factor)])
        off = (worth[:, None] - jumps - mean[:, None]) / max(deviation, 1e-6)
        with np.errstate(divide="ignore"):
            likely = np.log(chances) - 0.5 * off**2
        self._urgent = likely.argmax(axis=1)
        self._usual = worth - jumps[self._urgent]
        return self._usual, self._urgent


def _worth_chain(deviation: float, correlation: float) -> tuple[FloatArray, FloatArray]:
    """Points of the AR(1) process and the probabilities to move between them (Tauchen 1986)."""
    if deviation == 0.0:
        return np.zeros(1), np.ones((1, 1))
    points = deviation * np.linspace(-2.6, 2.6, _WORTHS)
    edges = 0.5 * (points[1:] + points[:-1])
    step = deviation * math.sqrt(1.0 - correlation**2)
    below = [[_normal_below((edge - correlation * point) / max(step, 1e-9)) for edge in edges] for point in points]
    return points, np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0.0, 1.0))), axis=1)


def _normal_below(z: float) -> float:
    return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))


def _at(plan: FloatArray, worths: FloatArray, worth: float, money: float) -> float:
    """The level of a plan (Z, I) at a worth and at money over the most there is."""
    place = np.interp(worth, worths, np.arange(len(worths)))
    low = min(int(place), max(len(worths) - 2, 0))
    high, share = min(low + 1, len(worths) - 1), place - low
    row = plan[low] * (1.0 - share) + plan[high] * share
    return math.exp(float(np.interp(money, _MONEY, row)))


@compiled
def _plan(
    payment: FloatArray,
    satisfied: FloatArray,
    omega: float,
    money: FloatArray,
    income: float,
    place: int,
    worths: FloatArray,
    worth_moves: FloatArray,
    urgency_moves: FloatArray,
    log_factor: float,
    grid: FloatArray,
    levels: FloatArray,
    plan: FloatArray,
) -> None:
    """Fill in log levels (T, 2, Z, I) backwards from the end, where money is worth nothing."""
    num_worths, num_money = len(worths), len(money)
    value = np.zeros((2, num_worths, num_money))
    for t in range(plan.shape[0] - 1, -1, -1):
        k = (place + t) % payment.shape[0]
        ahead = _expected(value, worth_moves, urgency_moves)
        for u in range(2):
            for z in range(num_worths):
                worth = worths[z] + u * log_factor
                at = levels + worth
                paid, gained = np.interp(at, grid, payment[k]), np.interp(at, grid, satisfied[k])
                for i in range(num_money):
                    share = np.minimum(1.0, money[i] / np.maximum(paid, 1e-300))
                    kept = np.minimum(money[-1], money[i] - share * paid + income)
                    total = share * (omega * math.exp(worth) * gained - paid) + np.interp(kept, money, ahead[u, z])
                    best = total.argmax()
                    value[u, z, i], plan[t, u, z, i] = total[best], levels[best]


@compiled
def _expected(value: FloatArray, worth_moves: FloatArray, urgency_moves: FloatArray) -> FloatArray:
    """What values (2, Z, I) of the slot after are worth, seen from each urgency and worth."""
    ahead = np.zeros_like(value)
    for u in range(2):
        for z in range(value.shape[1]):
            for v in range(2):
                for y in range(value.shape[1]):
                    ahead[u, z] += urgency_moves[u, v] * worth_moves[z, y] * value[v, y]
    return ahead
