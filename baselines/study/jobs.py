"""The units of work of a study: one mechanism in one market, or ours at the QoE that another mechanism delivers."""

import hashlib
from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market, Scenario
from baselines.mechanism import Mechanism
from baselines.study.equal_guarantee import guarantee, match_guarantee
from baselines.study.equal_qoe import match_qoe
from baselines.study.fingerprint import fingerprint
from baselines.study.metrics import Figures, measure
from baselines.study.own import code_of

#: What begins the names of figures of a mechanism at the guarantee of ours, among those of it as it is played.
AT_GUARANTEE = "at_guarantee_"


@dataclass(frozen=True)
class Setting:
    """Markets that are alike: drawn from one preset, of one size, at one load, and with users of one kind.

    Attributes:
        scenario: the preset's name.
        num_mus: M.
        num_asps: N.
        load: demand against capacity.
        satiation: k of every MU; the preset's own if not given.
        spread: how far apart the MUs' requirements are, as a multiple of the preset's (:func:`with_spread`).
    """

    scenario: str
    num_mus: int
    num_asps: int
    load: float
    satiation: float | None = None
    spread: float = 1.0

    def market(self, seed: int) -> Market:
        """The market of a seed: everywhere the same but for wants, and capacities, which are divided by the load."""
        preset = Scenario.preset(
            self.scenario, load=self.load, num_mus=self.num_mus, num_asps=self.num_asps, satiation=self.satiation
        )
        market = preset.sample(seed)
        return market if self.spread == 1.0 else with_spread(market, self.spread)

    def __str__(self) -> str:
        place = f"{self.scenario} {self.num_mus}x{self.num_asps} load={self.load!r}"
        satiation = "" if self.satiation is None else f" satiation={self.satiation!r}"
        return place + satiation + ("" if self.spread == 1.0 else f" spread={self.spread!r}")


def with_spread(market: Market, spread: float) -> Market:
    """The market with its MUs' requirements as many times as far apart on a log scale, about their geometric mean.

    q_m ← ḡ (q_m/ḡ)^spread, ḡ the geometric mean over MUs: all alike at 0, as they are at 1. What satisfaction is worth,
    ω, stays: meeting a requirement is worth as much as before (ω log 2 without satiation), however much QoE that takes.
    So the reward bounds ω/q move with the requirements.
    """
    logs = np.log(market.qoe_requirement)
    centre = logs.mean(axis=-1, keepdims=True)
    return market.replace(qoe_requirement=np.exp(centre + spread * (logs - centre)))


@dataclass(frozen=True)
class Trial:
    """One mechanism in the market of one seed.

    Attributes:
        setting: markets that are alike.
        seed: which of them.
        mechanism: who plays.
        guarantee: Q/q of the MU that ours serves worst, which the mechanism is to be matched to, if it is given.
    """

    setting: Setting
    seed: int
    mechanism: Mechanism
    guarantee: float | None = None

    @property
    def name(self) -> str:
        """The mechanism's."""
        return self.mechanism.name

    @property
    def key(self) -> str:
        """Setting, market, mechanism, the guarantee wanted, and the code."""
        wanted = "" if self.guarantee is None else f" at guarantee {self.guarantee!r}"
        return f"{self.setting} seed={self.seed} {self.name}{wanted} code={code_of(self.mechanism)}"

    def run(self) -> Figures:
        """Play; randomness depends on the seed and the mechanism's name alone, so that loads share it."""
        digest = hashlib.sha256(self.name.encode()).digest()
        rng = np.random.default_rng([self.seed, int.from_bytes(digest[:8], "little")])
        market = self.setting.market(self.seed)
        result = self.mechanism.run(market, rng)
        own = {"reached": float(result.reached), "guarantee": guarantee(market, result.outcome)}
        figures = measure(market, result) | own
        if self.guarantee is None:
            return figures
        matched = match_guarantee(market, result.at_intensity, self.guarantee) | {"guarantee": self.guarantee}
        return figures | {AT_GUARANTEE + name: value for name, value in matched.items()}


@dataclass(frozen=True)
class Match:
    """Ours in the market of one seed, its MUs made to want the mean QoE that another mechanism delivers."""

    setting: Setting
    seed: int
    name: str
    qoe: float

    @property
    def key(self) -> str:
        """Setting, market, the QoE wanted and whose it is, and the code of the search."""
        code = fingerprint(match_qoe.__module__)
        return f"{self.setting} seed={self.seed} at QoE {self.qoe!r} of {self.name} code={code}"

    def run(self) -> Figures:
        """Find the market in which our equilibrium delivers it."""
        return match_qoe(self.setting.market(self.seed), self.qoe)
