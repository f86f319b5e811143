"""A network over the links of a market that does not care in what order MUs and ASPs are listed, or how many there are.

Every layer mixes a link's hidden features with their averages over the links of its ASP, of its MU and of the market.
Beside plain means there are averages weighted by what a link matters: an MU's by where its QoE comes from, an ASP's by
who uses its resources. Sums over a market of any size, QoE received or capacity used, change by such averages.

Source: Hartford, Graham, Leyton-Brown, Ravanbakhsh, "Deep Models of Interactions Across Sets", ICML 2018,
arXiv 1803.02879 (exchangeable matrix layers); the weighted averages are this project's.
"""

from typing import cast

import torch
from torch import nn

#: Standardised features are clipped here, so that a market unlike all those seen does not send hidden features afar.
_FARTHEST = 8.0


class ExchangeableLayer(nn.Module):
    """Linear in a link's features and in their averages over rows and columns of the M×N array.

    Args:
        width: W, features in and out.
        over_mus: number of averages over the MUs of an ASP.
        over_asps: number of averages over the ASPs of an MU; with 0, each ASP's column is on its own.
    """

    def __init__(self, width: int, over_mus: int, over_asps: int) -> None:
        super().__init__()
        self.own = nn.Linear(width, width)
        self.of_asp = nn.Linear(over_mus * width, width, bias=False)
        self.of_mu = nn.Linear(over_asps * width, width, bias=False) if over_asps else None
        self.of_market = nn.Linear(over_mus * width, width, bias=False) if over_asps else None

    def forward(self, hidden: torch.Tensor, over_mus: torch.Tensor, over_asps: torch.Tensor) -> torch.Tensor:
        """Hidden features (B, M, N, W) to as many, with weights (P, B, M, N, 1) and (R, B, M, N, 1) of averages."""
        columns = torch.cat([(weights * hidden).sum(dim=1, keepdim=True) for weights in over_mus], dim=-1)
        mixed = self.own(hidden) + self.of_asp(columns)
        if self.of_mu is not None and self.of_market is not None:
            rows = torch.cat([(weights * hidden).sum(dim=2, keepdim=True) for weights in over_asps], dim=-1)
            mixed = mixed + self.of_mu(rows) + self.of_market(columns.mean(dim=2, keepdim=True))
        return cast(torch.Tensor, mixed)


class SetNetwork(nn.Module):
    """Residual exchangeable layers between a linear map of the features and one to the outputs.

    Args:
        features: K, features of a link.
        width: W, hidden features of a link.
        layers: number of exchangeable layers.
        outputs: numbers to give for each link or, without averages over ASPs, for each ASP.
        shares_of_asp: indices of features that say which share of its ASP a link takes; they weight averages over MUs.
        shares_of_mu: indices of features that say which share of its MU's total a link brings; they weight averages
            over ASPs. Empty for a network that sees each ASP's column on its own.
    """

    def __init__(
        self,
        features: int,
        width: int,
        layers: int,
        outputs: int,
        shares_of_asp: tuple[int, ...],
        shares_of_mu: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.shares_of_asp, self.shares_of_mu = shares_of_asp, shares_of_mu
        self.register_buffer("feature_mean", torch.zeros(features))
        self.register_buffer("feature_gain", torch.ones(features))
        self.first = nn.Linear(features, width)
        averages = 1 + len(shares_of_asp), 1 + len(shares_of_mu) if shares_of_mu else 0
        self.layers = nn.ModuleList(ExchangeableLayer(width, *averages) for _ in range(layers))
        self.last = nn.Linear(width if shares_of_mu else averages[0] * width, outputs)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features (B, M, N, K) to outputs, (B, M, N, outputs) or (B, N, outputs)."""
        hidden = self.hidden(features)
        if not self.shares_of_mu:
            over_mus = _weights(features, self.shares_of_asp, 1)
            hidden = torch.cat([(weights * hidden).sum(dim=1) for weights in over_mus], dim=-1)
        return cast(torch.Tensor, self.last(hidden))

    def hidden(self, features: torch.Tensor) -> torch.Tensor:
        """Hidden features of links after the last layer. (B, M, N, W)."""
        over_mus, over_asps = _weights(features, self.shares_of_asp, 1), _weights(features, self.shares_of_mu, 2)
        standard = (features - self.feature_mean) * self.feature_gain
        hidden: torch.Tensor = self.first(standard.clamp(-_FARTHEST, _FARTHEST))
        for layer in self.layers:
            hidden = hidden + nn.functional.gelu(layer(hidden, over_mus, over_asps))
        return hidden

    def standardise(self, features: torch.Tensor) -> None:
        """Give features the mean 0 and the deviation 1 that they have in a sample (..., K)."""
        flat = features.reshape(-1, features.shape[-1])
        self.feature_mean = flat.mean(dim=0)
        self.feature_gain = 1.0 / flat.std(dim=0).clamp_min(1e-2)


def _weights(features: torch.Tensor, shares: tuple[int, ...], axis: int) -> torch.Tensor:
    """Weights of a plain mean along an axis of the links, then those that features hold. (1 + shares, B, M, N, 1)."""
    even = torch.full_like(features[..., 0], 1.0 / features.shape[axis])
    return torch.stack([even, *(features[..., index] for index in shares)])[..., None]
