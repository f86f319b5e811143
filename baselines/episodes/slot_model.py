"""What a slot costs an MU and gives it, as functions of its level: the model that a plan is made by.

Over many slots of a scenario, with all MUs at random levels s, the logarithm of an MU's payment p is fitted by a
polynomial in x = log(s ω_t/ω) and the logarithm of the load, least squares; what is left of other MUs and of fading is
averaged over, some 4 % of payments on campus. What it gets for that follows: at a level s an MU pays, for the last of
its satisfaction S, what that is worth at s ω_t = ω e^x, so that dS = dp/(ω e^x). The fit is this project's.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market, Scenario, Wallet, episode_path, solve_equilibrium
from aigc_market_env.model.parameters import FloatArray

#: x at which functions are tabulated: from nothing to many times what is usual.
GRID = np.linspace(-5.0, 4.0, 361)
#: Slots that a model is fitted to, in episodes of so many, and draws of levels for each.
_EPISODES, _SLOTS, _DRAWS = 8, 64, 2
_LOWEST = 1e-9


@dataclass(frozen=True, eq=False)
class SlotModel:
    """Tables over x of :data:`GRID` for each MU and place in the load profile.

    Attributes:
        payment: credits. (M, K, X)
        satisfaction: in ω of the slot, from nothing on. (M, K, X)
    """

    payment: FloatArray
    satisfaction: FloatArray


@dataclass(frozen=True, eq=False)
class Samples:
    """Slots of a scenario to fit models to, of one base market.

    Attributes:
        base: the market that episodes begin from.
        path: the slots, batch (E, T).
        load: logarithm of the load in each of them. (E, T)
        loads: of the places in the load profile. (K,)
    """

    base: Market
    path: Market
    load: FloatArray
    loads: FloatArray

    @classmethod
    def of(cls, scenario: Scenario, seed: int) -> "Samples":
        """Slots of episodes with this seed and the next ones."""
        unlimited = Wallet(0.0)  # the path is the same whatever wallets there are
        paths = [episode_path(scenario, seed + i, _SLOTS, wallet=unlimited)[0] for i in range(_EPISODES)]
        path, base = Market.stack(paths), scenario.sample(0)
        profile = scenario.dynamics.load_profile or (1.0,)
        return cls(base, path, log_load(base, path), np.log(profile))

    def fit(self, levels: FloatArray, rng: np.random.Generator) -> SlotModel:
        """A model of slots in which MUs play at levels drawn from some, (L, M), a row at a time."""
        shape = self.path.satisfaction_scale.shape
        worth = np.log(self.path.satisfaction_scale / self.base.satisfaction_scale)
        x, paid = [], []
        for _ in range(_DRAWS):
            level = levels[rng.integers(len(levels), size=shape[:2])] * np.exp(0.3 * rng.normal(size=shape))
            level = np.clip(level, 1e-3, 1.0)
            scale = self.path.satisfaction_scale * level
            outcome = solve_equilibrium(self.path.replace(satisfaction_scale=scale), certify=False).outcome
            x.append(np.log(level) + worth)
            paid.append(outcome.service_cost)
        load = np.broadcast_to(self.load[..., None], shape)
        payment = self._tables(np.stack(x), np.stack([load] * _DRAWS), np.stack(paid))
        lower = np.append(
            GRID[0], GRID[:-1]
        )  # ends of steps, so that level 1 is best where money is worth nothing later
        worth = self.base.satisfaction_scale[:, None, None] * np.exp(lower)
        return SlotModel(payment, np.cumsum(np.diff(payment, axis=-1, prepend=0.0) / worth, axis=-1))

    def _tables(self, x: FloatArray, load: FloatArray, values: FloatArray) -> FloatArray:
        tables = np.zeros((self.base.num_mus, len(self.loads), len(GRID)))
        for m in range(self.base.num_mus):
            served = values[..., m].ravel() > _LOWEST
            if served.sum() < 100:
                continue
            terms = _terms(x[..., m].ravel()[served], load[..., m].ravel()[served])
            fitted, *_ = np.linalg.lstsq(terms, np.log(values[..., m].ravel()[served]), rcond=None)
            low, high = x[..., m].min(), x[..., m].max()
            for k, place in enumerate(self.loads):
                inside = np.clip(GRID, low, high)  # beyond what was seen, a straight line in x goes on
                logs = _terms(inside, np.full_like(GRID, place)) @ fitted
                tables[m, k] = np.exp(logs + 0.5 * (GRID - inside))
        monotone: FloatArray = np.maximum.accumulate(tables, axis=-1)
        return monotone


def log_load(base: Market, path: Market) -> FloatArray:
    """The logarithm of the load in every slot, 0 for the base market's capacities."""
    load: FloatArray = np.log(base.compute_capacity / path.compute_capacity)[..., 0]
    return load


def _terms(x: FloatArray, load: FloatArray) -> FloatArray:
    return np.stack([np.ones_like(x), x, x**2, x**3, load, x * load, load**2, x**2 * load], axis=-1)
