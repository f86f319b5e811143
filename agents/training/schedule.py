"""Who learns when on one market, and how fast, in rollouts counted from 0.

A schedule says how many ``rollouts`` there are in all, in which folder the policy is of the learner that plays one and
learns from it (``who_learns``), and what share is ``remaining`` of the learning rate at the start.
"""

from dataclasses import dataclass

from agents.config import JointConfig
from agents.policy.files import ASPS_FOLDER, MUS_FOLDER


@dataclass(frozen=True)
class Alone:
    """One learner; its rate falls to zero with the transitions left after each rollout.

    Attributes:
        folder: the learner's.
        transitions: least transitions in the run.
        rollout: transitions in a rollout.
    """

    folder: str
    transitions: int
    rollout: int

    @property
    def rollouts(self) -> int:
        """As many whole ones as give at least the transitions asked for."""
        return _whole(self.transitions, self.rollout)

    def who_learns(self, rollout: int) -> str:
        """The only one."""
        return self.folder

    def remaining(self, rollout: int) -> float:
        """Never below zero: the last rollout may reach beyond the end."""
        return max(1.0 - (rollout + 1) * self.rollout / self.transitions, 0.0)


@dataclass(frozen=True)
class InTurns:
    """Two learners: first the ASPs alone, then rounds of one rollout of the MUs and one of the ASPs.

    Attributes:
        head_start: rollouts of the ASPs alone.
        rounds: rounds.
    """

    head_start: int
    rounds: int

    @classmethod
    def of(cls, config: JointConfig, mus_rollout: int, asps_rollout: int, head_start: int | None = None) -> "InTurns":
        """As many whole rounds as give at least the transitions asked for; sizes of rollouts are in transitions.

        Args:
            config: of the run.
            mus_rollout: transitions in a rollout of the MUs.
            asps_rollout: of the ASPs.
            head_start: rollouts that the ASPs learn alone, in a run that is begun; by default those of the
                configuration. A run that has become longer keeps what it was begun with.
        """
        if head_start is None:
            head_start = _whole(config.head_start * config.transitions, asps_rollout)
        return cls(head_start, _whole(config.transitions - head_start * asps_rollout, mus_rollout + asps_rollout))

    @property
    def rollouts(self) -> int:
        """How many there are in all."""
        return self.head_start + 2 * self.rounds

    def who_learns(self, rollout: int) -> str:
        """The MUs in every other rollout after the head start."""
        return MUS_FOLDER if rollout >= self.head_start and (rollout - self.head_start) % 2 == 0 else ASPS_FOLDER

    def remaining(self, rollout: int) -> float:
        """It falls from round to round and is not yet zero in the last one."""
        rounds_done = max(rollout - self.head_start, 0) // 2
        return 1.0 - rounds_done / self.rounds if self.rounds else 1.0


Schedule = Alone | InTurns


def _whole(transitions: float, rollout: int) -> int:
    return max(-int(-transitions // rollout), 0)
