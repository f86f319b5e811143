"""PPO for mobile users with wallets: whole episodes, in which what is paid now is missing later.

python examples/wallet_ppo.py --seed 1; tensorboard --logdir runs
"""

import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import nn
from torch.distributions import Normal
from torch.utils.tensorboard import SummaryWriter

from aigc_market_env import BatchedMarketEnv, Scenario, episode_path, episode_regret, solve_wallet_equilibrium
from aigc_market_env.files import write_whole

LOWEST = 1e-3  # the least reward posted, as a share of the bound: nobody serves for it


@dataclass
class Args:
    """Options.

    Attributes:
        scenario: a preset with wallets; one market of it is played, whose links, demand and wallets change.
        market_seed: which one.
        seed: of the weights, the noise and the episodes.
        total_timesteps: transitions, one for each user in each slot.
        paths: episodes in a rollout that go through something else.
        plays: how often each of them is played, side by side.
        num_steps: slots in an episode.
        minibatch_size: transitions in a gradient step.
        update_epochs: passes over a rollout.
        learning_rate: at the start; it falls to zero.
        gamma: discount of later slots; 0 spends what is there, slot by slot.
        gae_lambda: how much later payoffs count in an advantage, beyond what the critic expects.
        first_log_std: exploration at the start, in outputs that span [-1, 1].
        last_log_std: at the end.
        eval_episodes: held-out episodes in which regret is measured at the end.
        out: folder for events and weights.
    """

    scenario: str = "prepaid"
    market_seed: int = 0
    seed: int = 0
    total_timesteps: int = 2_000_000
    paths: int = 8
    plays: int = 8
    num_steps: int = 64
    minibatch_size: int = 2048
    update_epochs: int = 4
    learning_rate: float = 1e-3
    gamma: float = 0.99
    gae_lambda: float = 0.95
    first_log_std: float = -1.8
    last_log_std: float = -3.0
    eval_episodes: int = 4
    out: Path = Path("runs/wallet_ppo")


def mlp(inputs: int, outputs: int, gain: float) -> nn.Sequential:
    """A network of two hidden layers."""
    layers = nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, outputs)
    for layer in layers[::2]:
        nn.init.orthogonal_(layer.weight, gain if layer is layers[-1] else 2**0.5)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def features(observations: np.ndarray) -> torch.Tensor:
    """What users see, and a one-hot vector of who they are: (B, M, D) to (B, M, D + M)."""
    lanes, users, _ = observations.shape
    identity = np.broadcast_to(np.eye(users, dtype=np.float32), (lanes, users, users))
    return torch.from_numpy(np.concatenate([observations, identity], axis=-1))


def shares(outputs: np.ndarray) -> np.ndarray:
    """Rewards as shares of the bound ω/q, evenly in log: -1 is LOWEST, 1 is the bound."""
    return LOWEST ** (0.5 * (1.0 - np.clip(outputs, -1.0, 1.0)))


def train(args: Args) -> dict[str, float]:
    """Train, measure, and save; the final figures."""
    torch.set_num_threads(1)  # the networks are small, threads would wait for one another
    torch.manual_seed(args.seed)
    scenario = Scenario.preset(args.scenario).fix(args.market_seed)
    lanes = args.paths * args.plays
    env = BatchedMarketEnv(scenario, lanes, asps="best_response", max_cycles=args.num_steps)
    users = env.num_mus
    inputs = env.single_observation_space["mu"].shape[0] + users
    actor, critic = mlp(inputs, env.num_asps, 0.01), mlp(inputs, 1, 1.0)
    nn.init.constant_(actor[-1].bias, 0.4)  # 0.13 of the bound, above most entry thresholds
    parameters = [*actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, args.learning_rate, eps=1e-5)
    writer = SummaryWriter(str(args.out))
    writer.add_text("args", "\n".join(f"    {name}: {value}" for name, value in asdict(args).items()))

    rollout = args.num_steps * lanes * users
    updates, start = max(round(args.total_timesteps / rollout), 1), time.perf_counter()
    unit = 1.0 / max(1.0 - args.gamma, 1.0 / args.num_steps)  # slots ahead that count, about: returns are of order one
    for update in range(updates):
        remaining = 1.0 - update / updates
        optimizer.param_groups[0]["lr"] = args.learning_rate * remaining
        log_std = torch.tensor(args.last_log_std + (args.first_log_std - args.last_log_std) * remaining)
        # An episode is what its seed makes of it, whatever is played: every path is played several times.
        first = args.seed * 2**32 + update * args.paths
        observations = env.reset(seed=[first + lane % args.paths for lane in range(lanes)])[0]["mu"]
        worth = env.base_market.satisfaction_scale
        seen, done, paid = [], [], []
        for _ in range(args.num_steps):
            seen.append(features(observations))
            with torch.no_grad():
                done.append(Normal(actor(seen[-1]), log_std.exp()).sample())
            following, payoffs, *_ = env.step({"mu": shares(done[-1].numpy())})
            paid.append(torch.from_numpy(payoffs["mu"] / worth / unit).float())
            observations = following["mu"]

        inputs, outputs, rewards = (torch.stack(parts) for parts in (seen, done, paid))
        with torch.no_grad():
            old_log_probs = Normal(actor(inputs), log_std.exp()).log_prob(outputs).sum(-1)
            values = critic(inputs).squeeze(-1)
        advantages, later, later_value = torch.zeros_like(rewards), 0.0, 0.0
        for slot in reversed(range(args.num_steps)):  # money left at the end is worth nothing: no bootstrapping there
            error = rewards[slot] + args.gamma * later_value - values[slot]
            advantages[slot] = later = error + args.gamma * args.gae_lambda * later
            later_value = values[slot]
        returns = advantages + values
        # Most of what is to come is chance that all plays of a path share: their mean is a baseline that knows it
        # (input-dependent baselines, Mao et al., arXiv 1807.02264).
        paths = advantages.unflatten(1, (args.plays, args.paths))
        advantages = (paths - paths.mean(dim=1, keepdim=True)).flatten(1, 2)
        inputs, outputs, flat = inputs.flatten(0, 2), outputs.flatten(0, 2), old_log_probs.flatten()
        wanted, gains = returns.flatten(), advantages.flatten()
        for _ in range(args.update_epochs):
            for batch in torch.randperm(rollout).split(args.minibatch_size):
                log_ratio = Normal(actor(inputs[batch]), log_std.exp()).log_prob(outputs[batch]).sum(-1) - flat[batch]
                ratio, advantage = log_ratio.exp(), gains[batch]
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                policy_loss = -torch.min(advantage * ratio, advantage * ratio.clamp(0.8, 1.2)).mean()
                value_loss = (critic(inputs[batch]).squeeze(-1) - wanted[batch]).square().mean()
                optimizer.zero_grad()
                (policy_loss + 0.5 * value_loss).backward()
                nn.utils.clip_grad_norm_(parameters, 0.5)
                optimizer.step()
        step = (update + 1) * rollout
        writer.add_scalar("charts/episodic_return", (rewards.sum(0).mean() * unit).item(), step)
        writer.add_scalar("charts/SPS", step / (time.perf_counter() - start), step)
        writer.add_scalar("losses/policy_loss", policy_loss.item(), step)
        writer.add_scalar("losses/value_loss", value_loss.item(), step)
        writer.add_scalar("losses/approx_kl", (ratio - 1.0 - log_ratio).mean().item(), step)
        writer.add_scalar("losses/explained_variance", 1.0 - ((returns - values).var() / returns.var()).item(), step)
    seconds = time.perf_counter() - start
    torch.save(actor.state_dict(), weights := io.BytesIO())
    write_whole(args.out / "actor.pt", weights.getvalue())
    figures = evaluate(policy(args.out / "actor.pt")["mu"], scenario, args.eval_episodes, args.num_steps)
    for name, value in figures.items():
        writer.add_scalar(f"eval/{name}", value, updates * rollout)
    writer.close()
    return figures | {"seconds": seconds, "transitions": updates * rollout}


def evaluate(act: Callable, scenario: Scenario, episodes: int, slots: int) -> dict[str, float]:
    """A bound on regret in episodes not trained on, against hindsight, relative to utility at their equilibrium."""
    env = BatchedMarketEnv(scenario, episodes, asps="best_response", max_cycles=slots)
    observations, _ = env.reset(seed=10**15)
    posted, utility = [], 0.0
    for _ in range(slots):
        chosen = act(observations["mu"])
        posted.append(chosen * env.market.reward_bound[..., None])
        observations, payoffs, *_ = env.step({"mu": chosen})
        utility += payoffs["mu"].mean()
    bound, best = 0.0, 0.0
    for episode in range(episodes):
        path, wallet = episode_path(scenario, seed=10**15 + episode, slots=slots)
        rewards = np.stack([posted[slot][episode] for slot in range(slots)])
        bound += episode_regret(path, rewards, wallet).regret_bound.mean() / episodes
        best += solve_wallet_equilibrium(path, wallet).outcome.mu_utility.sum(axis=0).mean() / episodes
    return {"relative_regret_bound": float(bound / best), "relative_utility": float(utility / best)}


def policy(path: Path | str) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What was learned, from observations (B, M, D) to actions (B, M, N), without noise."""
    weights = torch.load(path, weights_only=True)
    actor = mlp(weights["0.weight"].shape[1], len(weights["4.bias"]), 1.0)
    actor.load_state_dict(weights)

    @torch.no_grad()
    def act(observations: np.ndarray) -> np.ndarray:
        return shares(actor(features(observations)).double().numpy())

    return {"mu": act}


if __name__ == "__main__":
    print(train(tyro.cli(Args)))
