"""What MUs post along a path: a row of rewards each in every slot, or a few to draw from (docs/wallets.md#mixing)."""

from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env.equilibrium.mixture import Mixture
from aigc_market_env.market import Market
from aigc_market_env.model.outcome import Outcome
from aigc_market_env.model.parameters import FloatArray


class Posted(NamedTuple):
    """Rewards in T slots, and what MUs draw from in the slots in which some of them mix."""

    rewards: FloatArray  # (T, M, N), credits per QoE; on average, where MUs mix
    mixtures: dict[int, Mixture]  # by slot

    def with_mixtures(self, mixtures: dict[int, Mixture]) -> "Posted":
        """The same with these mixtures in their slots."""
        rewards = self.rewards.copy()
        for slot, mixture in mixtures.items():
            rewards[slot] = mixture.mean
        return Posted(rewards, self.mixtures | mixtures)

    def without(self, slot: int, mus: npt.NDArray[np.bool_]) -> "Posted":
        """The same with nothing posted by some MUs (M,) in one slot."""
        rewards, mixtures = self.rewards.copy(), dict(self.mixtures)
        rewards[slot][mus] = 0.0
        if slot in mixtures:
            nothing, ones = np.zeros((1, rewards.shape[2])), np.ones(1)
            rows = [nothing if none else own for own, none in zip(mixtures[slot].rows, mus, strict=True)]
            often = [ones if none else own for own, none in zip(mixtures[slot].probabilities, mus, strict=True)]
            mixtures[slot] = Mixture(rows, often)
        return Posted(rewards, mixtures)

    def only(self, slot: int) -> "Posted":
        """What is posted in one slot, as a path of one."""
        return Posted(self.rewards[slot : slot + 1], {0: self.mixtures[slot]} if slot in self.mixtures else {})

    def padded(self) -> tuple[FloatArray, FloatArray]:
        """Rows (T, M, K, N) and probabilities (T, M, K); MUs with fewer than K repeat their first, never posted."""
        most = max((int(mixture.sizes.max()) for mixture in self.mixtures.values()), default=1)
        rows = np.repeat(self.rewards[:, :, None], most, axis=2)
        often = np.zeros(rows.shape[:3])
        often[..., 0] = 1.0
        for slot, mixture in self.mixtures.items():
            rows[slot], often[slot] = mixture.padded(most)
        return rows, often


class Profiles(NamedTuple):
    """All J joint profiles of the T slots: one for a slot in which nobody mixes."""

    market: Market  # (J,), that of the slot
    rewards: FloatArray  # (J, M, N)
    slot: npt.NDArray[np.int64]  # (J,), ascending
    share: FloatArray  # (J,), of its slot

    @property
    def mixed(self) -> npt.NDArray[np.bool_]:
        """In which slots there are several. (T,)."""
        several: npt.NDArray[np.bool_] = np.bincount(self.slot) > 1
        return several

    def mean(self, values: FloatArray) -> FloatArray:
        """Values of profiles (J, ...) on average over each slot. (T, ...)."""
        starts = np.flatnonzero(np.diff(self.slot, prepend=-1))
        if len(starts) == len(self.slot):
            return values
        shares = self.share.reshape(-1, *[1] * (values.ndim - 1))
        averages: FloatArray = np.add.reduceat(shares * values, starts)
        return averages

    def mean_outcome(self, outcome: Outcome) -> Outcome:
        """Every field on average over each slot."""
        return replace(outcome, **{field.name: self.mean(getattr(outcome, field.name)) for field in fields(outcome)})


def profiles_of(path: Market, posted: Posted) -> Profiles:
    """All profiles along a path (T,), slot by slot."""
    slots = np.arange(len(posted.rewards))
    if not posted.mixtures:
        return Profiles(path, posted.rewards, slots, np.ones(len(slots)))
    joint = {int(slot): mixture.joint() for slot, mixture in posted.mixtures.items()}
    slot = np.repeat(slots, [len(joint[t][1]) if t in joint else 1 for t in range(len(slots))])
    rewards, share = posted.rewards[slot], np.ones(len(slot))
    for t, (own, often) in joint.items():
        rewards[slot == t], share[slot == t] = own, often
    return Profiles(path[slot], rewards, slot, share)
