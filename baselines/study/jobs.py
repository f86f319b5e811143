"""The units of work of a study: one mechanism in one market, or ours at the QoE that another mechanism delivers."""

import hashlib
from dataclasses import dataclass

import numpy as np

from aigc_market_env import Market, Scenario
from baselines.mechanism import Mechanism
from baselines.study.equal_qoe import match_qoe
from baselines.study.fingerprint import fingerprint
from baselines.study.metrics import Figures, measure
from baselines.study.own import code_of


@dataclass(frozen=True)
class Setting:
    """Markets that are alike: drawn from one preset, of one size, at one load."""

    scenario: str
    num_mus: int
    num_asps: int
    load: float

    def market(self, seed: int) -> Market:
        """The market of a seed; the same at every load but for its capacities, which are divided by the load."""
        return Scenario.preset(self.scenario, load=self.load, num_mus=self.num_mus, num_asps=self.num_asps).sample(seed)

    def __str__(self) -> str:
        return f"{self.scenario} {self.num_mus}x{self.num_asps} load={self.load!r}"


@dataclass(frozen=True)
class Trial:
    """One mechanism in the market of one seed."""

    setting: Setting
    seed: int
    mechanism: Mechanism

    @property
    def name(self) -> str:
        """The mechanism's."""
        return self.mechanism.name

    @property
    def key(self) -> str:
        """Setting, market, mechanism and its code."""
        return f"{self.setting} seed={self.seed} {self.name} code={code_of(self.mechanism)}"

    def run(self) -> Figures:
        """Play; randomness depends on the seed and the mechanism's name alone, so that loads share it."""
        digest = hashlib.sha256(self.name.encode()).digest()
        rng = np.random.default_rng([self.seed, int.from_bytes(digest[:8], "little")])
        market = self.setting.market(self.seed)
        result = self.mechanism.run(market, rng)
        return measure(market, result) | {"reached": float(result.reached)}


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
