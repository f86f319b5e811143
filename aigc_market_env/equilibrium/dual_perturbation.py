"""Dual-perturbation reward optimisation: MUs learn their rewards from delivered QoE alone.

A round takes two probes of the whole market, whatever its size. Every MU multiplies each of its rewards by exp(δD),
then by exp(-δD), D = ±1 at random and independent across pairs. Half the difference of the log QoE that came back, over
δD, is the pair's own elasticity e, plus the cross effects of other rewards times the product of two independent signs,
which is zero on average. The MU then moves the reward towards its markdown V e/(1 + e), V = ω/(q + Q): the first-order
condition of its best response (docs/market.md#what-a-user-does). A pair that was delivered nothing raises its reward,
round by round, up to V: it is either served again or rightly priced out.

**Convergence.** This is stochastic approximation of the markdown map on logarithms. Elasticities are averaged with
gains (1 + t)^-0.55 and rewards move by steps (1 + t/τ)^-0.6. Both sum to infinity, so the start is forgotten, and their
squares do not, so the noise of the signs dies out, as Robbins and Monro require. What they also require, that the
averaged map contracts, is not proved: that rewards end near an equilibrium is observed. Where QoE is smooth in the
rewards, the bias of a two-sided difference is of order δ², and δ (1 + t)^-0.5 goes to zero; QoE is delivered without
noise, so a small δ amplifies none. On a kink, where a capacity is used up at a shadow price of zero or an MU stands at
its entry threshold, the difference lies between the elasticities on both sides however small δ is: its bias may be as
large as they are apart.

Source: the name, and that it lowers the complexity of adaptive pricing, are the paper's; this reading is the project's.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from aigc_market_env.game.followers import follower_response
from aigc_market_env.market import Market
from aigc_market_env.model import satisfaction
from aigc_market_env.model.options import fraction, positive_fraction, positive_number, whole_number
from aigc_market_env.model.parameters import FloatArray

#: What the mechanism sees of a market: posted rewards (..., M, N) in, delivered QoE (..., M, N) out.
Probe = Callable[[FloatArray], FloatArray]

#: Bytes of a reward or a QoE on the wire, as a float32.
BYTES_PER_NUMBER = 4


@dataclass(frozen=True)
class Overhead:
    """What a mechanism costs, per market.

    Attributes:
        rounds: updates of the rewards.
        probes: times that the market was served to learn.
        follower_solves: best responses that ASPs computed: one per ASP and probe.
        messages: one reward and one QoE per MU-ASP pair and probe.
        bytes_down: rewards, MUs to ASPs, as float32.
        bytes_up: QoE reports, back to the MUs, as float32.
        lean_follower_solves: the same where only ASPs that are posted another reward solve anew.
        lean_messages: the same where only rewards that are perturbed, and the QoE for them, are sent.
    """

    rounds: int
    probes: int
    follower_solves: int
    messages: int
    bytes_down: int
    bytes_up: int
    lean_follower_solves: int
    lean_messages: int

    @classmethod
    def of(cls, rounds: int, probes: int, num_mus: int, num_asps: int, perturbed: int | None = None) -> "Overhead":
        """Count for ``probes`` of M MUs and N ASPs, each of which perturbs so many rewards; all if not given."""
        pairs = num_mus * num_asps * probes
        perturbed = num_mus * num_asps if perturbed is None else perturbed
        return cls(
            rounds=rounds,
            probes=probes,
            follower_solves=num_asps * probes,
            messages=2 * pairs,
            bytes_down=BYTES_PER_NUMBER * pairs,
            bytes_up=BYTES_PER_NUMBER * pairs,
            lean_follower_solves=min(perturbed, num_asps) * probes,
            lean_messages=2 * perturbed * probes,
        )


@dataclass(frozen=True, eq=False)
class Learned:
    """Rewards that a mechanism ended with, credits per QoE (..., M, N), and what it took to learn them."""

    rewards: FloatArray
    overhead: Overhead


@dataclass(frozen=True)
class DualPerturbation:
    """Two probes a round for the whole market.

    Attributes:
        rounds: updates; twice as many probes.
        start: rewards to start from, as a share of the reward bound ω/q.
        perturbation: δ, first size of a perturbation of log r.
        perturbation_decay: exponent with which it shrinks.
        averaging_decay: exponent of the gain with which elasticities are averaged.
        step_decay: exponent of the step with which log r moves.
        step_rounds: τ, rounds before steps start to shrink.
        raise_by: growth of log r, a round, while a pair is delivered nothing.
        lowest: markdown below which no reward is set, whatever elasticity was seen.

    Raises:
        ValueError: an attribute is out of its range.
    """

    rounds: int = 200
    start: float = 0.2
    perturbation: float = 0.3
    perturbation_decay: float = 0.5
    averaging_decay: float = 0.55
    step_decay: float = 0.6
    step_rounds: float = 0.8
    raise_by: float = 0.8
    lowest: float = 0.02

    def __post_init__(self) -> None:
        whole_number("rounds", self.rounds, 0)
        positive_fraction("start", self.start)
        for name in ("perturbation", "step_rounds", "raise_by", "lowest"):
            positive_number(name, getattr(self, name))
        for name in ("perturbation_decay", "averaging_decay", "step_decay"):
            fraction(name, getattr(self, name))

    def run(self, market: Market, rng: np.random.Generator) -> Learned:
        """Learn rewards in a market, or in every market of a batch.

        The mechanism is handed nothing but the MUs' own ω, q and k and a probe.

        Args:
            market: one market or a batch.
            rng: source of the random signs.

        Returns:
            Rewards (..., M, N) and the overhead.
        """
        wants = market.satisfaction_scale, market.qoe_requirement
        return self.learn(probe_of(market), *wants, market.num_asps, rng, market.satiation)

    def learn(
        self,
        probe: Probe,
        satisfaction_scale: FloatArray,
        qoe_requirement: FloatArray,
        num_asps: int,
        rng: np.random.Generator,
        satiation: FloatArray | float = 0.0,
    ) -> Learned:
        """Learn rewards from delivered QoE, for ``rounds`` rounds.

        Args:
            probe: serves the market once at rewards (..., M, N) and returns the QoE delivered (..., M, N).
            satisfaction_scale: ω of every MU, credits per slot. (..., M)
            qoe_requirement: q of every MU. (..., M)
            num_asps: N.
            rng: source of the random signs.
            satiation: k of every MU. (..., M), or one number for all.

        Returns:
            Rewards (..., M, N) and the overhead.
        """
        updates = self.updates(probe, satisfaction_scale, qoe_requirement, num_asps, rng, satiation)
        *_, rewards = itertools.islice(updates, self.rounds + 1)
        m, n = rewards.shape[-2:]
        probes = self.probes_per_round(m, n) * self.rounds
        return Learned(rewards, Overhead.of(self.rounds, probes, m, n, self.perturbed_per_probe(m, n)))

    def updates(
        self,
        probe: Probe,
        satisfaction_scale: FloatArray,
        qoe_requirement: FloatArray,
        num_asps: int,
        rng: np.random.Generator,
        satiation: FloatArray | float = 0.0,
    ) -> Iterator[FloatArray]:
        """The start, then the rewards (..., M, N) after every round, without end; arguments as in :meth:`learn`."""
        omega, q, k = satisfaction_scale[..., None], qoe_requirement[..., None], np.asarray(satiation)[..., None]
        rewards = np.repeat(satisfaction.marginals(0.0, self.start * omega, q, k), num_asps, axis=-1)
        elasticity = np.ones_like(rewards)
        seen = np.zeros_like(rewards)  # rounds in which a pair's elasticity was seen
        for t in itertools.count():
            yield rewards
            size = self.perturbation * (1.0 + t) ** -self.perturbation_decay
            qoe, sample = self.sample(probe, rewards, size, rng)
            served = qoe > 0.0
            gain = (1.0 + seen) ** -self.averaging_decay
            elasticity += np.where(served, gain * (sample - elasticity), 0.0)
            seen += served
            worth = satisfaction.marginals(qoe.sum(axis=-1, keepdims=True), omega, q, k)
            markdown = np.maximum(elasticity, 0.0) / (1.0 + np.maximum(elasticity, 0.0))
            target = np.where(served, np.maximum(worth * markdown, self.lowest * worth), worth)
            step = (1.0 + t / self.step_rounds) ** -self.step_decay * np.log(target / rewards)
            factor = np.exp(np.where(served, step, np.clip(step, -self.raise_by, self.raise_by)))
            rewards = np.minimum(rewards * factor, satisfaction.marginals(0.0, omega, q, k))

    def probes_per_round(self, num_mus: int, num_asps: int) -> int:
        """Times that a market of M MUs and N ASPs is served in a round."""
        return 2

    def perturbed_per_probe(self, num_mus: int, num_asps: int) -> int:
        """Rewards that a probe perturbs in a market of M MUs and N ASPs: all."""
        return num_mus * num_asps

    def sample(
        self, probe: Probe, rewards: FloatArray, size: float, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Mean QoE of a round's two probes and the elasticity that every pair reads off them, both (..., M, N).

        The difference over the sum is tanh(e·size) when QoE is a power of the reward, and ±1 for a pair that was
        delivered something in one probe only.
        """
        signs = rng.integers(0, 2, rewards.shape) * 2.0 - 1.0
        high, low = probe(rewards * np.exp(size * signs)), probe(rewards * np.exp(-size * signs))
        return 0.5 * (high + low), signs * slope_of_logs(high, low, size)


def slope_of_logs(high: FloatArray, low: FloatArray, size: float) -> FloatArray:
    """Elasticity dlog Q/dlog r from QoE at exp(±size) times the reward; 0 where both are 0."""
    total = high + low
    ratio = np.divide(high - low, total, out=np.zeros_like(total), where=total > 0.0)
    slope: FloatArray = np.arctanh(np.clip(ratio, -0.99, 0.99)) / size
    return slope


def probe_of(market: Market) -> Probe:
    """A probe of a market: all that a mechanism gets to see of the ASPs and of other MUs."""

    def probe(rewards: FloatArray) -> FloatArray:
        response = follower_response(market, rewards)
        return market.outcome(rewards, response.compute, response.bandwidth).qoe

    return probe
