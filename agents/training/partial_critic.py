"""A critic that sees less than the actor: not what the last slot's actions have made, which later slots do not feel."""

from collections.abc import Sequence
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn


class PartialCritic(ActorCriticPolicy):
    """An actor of all that is seen, and a critic of some entries alone.

    What an agent has just paid moves its price board and its last QoE, and these tell of what it paid; but nothing that
    comes later depends on them, given its money. Fitted to chance, a critic that sees them says otherwise, and takes
    that for what the action has led to. Narrow exploration makes it worse, for then there is little else to see.

    Args:
        args: see stable-baselines3's.
        critic_entries: of the observations, what the critic sees.
        options: see stable-baselines3's.
    """

    def __init__(self, *args: Any, critic_entries: Sequence[int], **options: Any) -> None:
        self._critic_entries = tuple(critic_entries)
        super().__init__(*args, **options)

    def _build_mlp_extractor(self) -> None:
        super()._build_mlp_extractor()
        first, *others = self.mlp_extractor.value_net
        assert isinstance(first, nn.Linear)
        narrow = nn.Linear(len(self._critic_entries), first.out_features)
        self.mlp_extractor.value_net = nn.Sequential(_Entries(self._critic_entries), narrow, *others)


class _Entries(nn.Module):
    """Some entries of what is seen."""

    def __init__(self, entries: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("entries", torch.tensor(entries), persistent=False)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Only these."""
        return seen.index_select(-1, self.get_buffer("entries"))
