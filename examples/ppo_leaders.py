"""PPO for the mobile users of one market, providers responding exactly: one network for all users, in one file.

python examples/ppo_leaders.py --seed 1; tensorboard --logdir runs
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

from aigc_market_env import BatchedMarketEnv, Scenario, leader_regret, relative_regret, solve_equilibrium, spaces
from aigc_market_env.files import write_whole

LOWEST = 1e-3  # the least reward posted, as a share of the bound: nobody serves for it


@dataclass
class Args:
    """Options.

    Attributes:
        scenario: a preset; one market of it is played, whose links fade.
        market_seed: which one.
        seed: of the weights, the noise and the fading.
        total_timesteps: transitions, one for each user in each slot.
        num_envs: markets side by side.
        num_steps: slots between updates.
        minibatch_size: transitions in a gradient step.
        update_epochs: passes over a rollout.
        learning_rate: at the start; it falls to zero.
        clip_coef: how far a ratio of probabilities may move from 1.
        vf_coef: weight of the critic's loss.
        max_grad_norm: where gradients are clipped.
        first_log_std: exploration at the start, in outputs that span [-1, 1].
        last_log_std: at the end. It is on a schedule, not learned: what is best amid wide noise is another reward.
        unserved_cost: what an offer that nobody serves costs at first, in U/ω for each e-fold below the bound.
        eval_slots: held-out slots in which regret is measured at the end.
        out: folder for events and weights.
    """

    scenario: str = "campus"
    market_seed: int = 0
    seed: int = 0
    total_timesteps: int = 300_000
    num_envs: int = 64
    num_steps: int = 8
    minibatch_size: int = 512
    update_epochs: int = 4
    learning_rate: float = 1e-3
    clip_coef: float = 0.2
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    first_log_std: float = -2.0
    last_log_std: float = -3.9
    unserved_cost: float = 0.03
    eval_slots: int = 256
    out: Path = Path("runs/ppo_leaders")


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
    env = BatchedMarketEnv(scenario, args.num_envs, asps="best_response", seed=args.seed)
    users, providers = env.num_mus, env.num_asps
    entries = env.single_observation_space["mu"].shape[0]
    links_end = spaces.MU_LINKS + providers * spaces.MU_LINK_SIZE
    last_qoe = slice(spaces.MU_LINKS + spaces.MU_LINK.last_qoe, links_end, spaces.MU_LINK_SIZE)
    actor, critic = mlp(entries + users, providers, 0.01), mlp(entries + users, 1, 1.0)
    nn.init.constant_(
        actor[-1].bias, 0.5
    )  # 0.18 of the bound, above entry thresholds: who is not served learns nothing
    optimizer = torch.optim.Adam([*actor.parameters(), *critic.parameters()], args.learning_rate, eps=1e-5)
    writer = SummaryWriter(str(args.out))
    writer.add_text("args", "\n".join(f"    {name}: {value}" for name, value in asdict(args).items()))

    rollout = args.num_steps * args.num_envs * users
    updates, start = max(round(args.total_timesteps / rollout), 1), time.perf_counter()
    observations, episode = env.reset()[0]["mu"], 0.0
    worth = env.base_market.satisfaction_scale  # ω: payoffs in units of it are of order one for all users
    for update in range(updates):
        remaining = 1.0 - update / updates
        optimizer.param_groups[0]["lr"] = args.learning_rate * remaining
        log_std = torch.tensor(args.last_log_std + (args.first_log_std - args.last_log_std) * remaining)

        seen, done, paid = [], [], []
        for _ in range(args.num_steps):
            given = features(observations)
            with torch.no_grad():
                outputs = Normal(actor(given), log_std.exp()).sample()
            posted = shares(outputs.numpy())
            following, payoffs, _, truncations, infos = env.step({"mu": posted})
            served = infos.get("final_obs", following)["mu"][..., last_qoe] > 0.0
            # Below the entry threshold payoffs are flat; this tells where it is, and falls to zero.
            missed = np.where(served, 0.0, np.log(posted)).sum(axis=-1)
            seen.append(given)
            done.append(outputs)
            paid.append(torch.from_numpy(payoffs["mu"] / worth + args.unserved_cost * remaining**2 * missed).float())
            episode += payoffs["mu"].mean()
            if truncations.all():
                writer.add_scalar("charts/episodic_return", episode, (update + 1) * rollout)
                episode = 0.0
            observations = following["mu"]

        # Nothing that a user does changes the next slot (gamma = 0): an advantage is a payoff less what was expected.
        inputs, outputs, returns = (torch.stack(parts).flatten(0, 2) for parts in (seen, done, paid))
        with torch.no_grad():
            old_log_probs = Normal(actor(inputs), log_std.exp()).log_prob(outputs).sum(-1)
            values = critic(inputs).squeeze(-1)
        advantages, clipped = returns - values, []
        for _ in range(args.update_epochs):
            for batch in torch.randperm(rollout).split(args.minibatch_size):
                log_probs = Normal(actor(inputs[batch]), log_std.exp()).log_prob(outputs[batch]).sum(-1)
                log_ratio = log_probs - old_log_probs[batch]
                ratio, advantage = log_ratio.exp(), advantages[batch]
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                limited = ratio.clamp(1.0 - args.clip_coef, 1.0 + args.clip_coef)
                policy_loss = -torch.min(advantage * ratio, advantage * limited).mean()
                value_loss = (critic(inputs[batch]).squeeze(-1) - returns[batch]).square().mean()
                optimizer.zero_grad()
                (policy_loss + args.vf_coef * value_loss).backward()
                nn.utils.clip_grad_norm_([*actor.parameters(), *critic.parameters()], args.max_grad_norm)
                optimizer.step()
                clipped.append(((ratio - 1.0).abs() > args.clip_coef).float().mean().item())

        step = (update + 1) * rollout
        writer.add_scalar("charts/learning_rate", optimizer.param_groups[0]["lr"], step)
        writer.add_scalar("charts/SPS", step / (time.perf_counter() - start), step)
        writer.add_scalar("losses/policy_loss", policy_loss.item(), step)
        writer.add_scalar("losses/value_loss", value_loss.item(), step)
        writer.add_scalar("losses/approx_kl", (ratio - 1.0 - log_ratio).mean().item(), step)
        writer.add_scalar("losses/clipfrac", np.mean(clipped), step)
        writer.add_scalar("losses/explained_variance", 1.0 - ((returns - values).var() / returns.var()).item(), step)
    seconds = time.perf_counter() - start
    torch.save(actor.state_dict(), weights := io.BytesIO())
    write_whole(args.out / "actor.pt", weights.getvalue())
    figures = evaluate(policy(args.out / "actor.pt")["mu"], scenario, args.eval_slots)
    for name, value in figures.items():
        writer.add_scalar(f"eval/{name}", value, updates * rollout)
    writer.close()
    return figures | {"seconds": seconds, "transitions": updates * rollout}


def evaluate(act: Callable[[np.ndarray], np.ndarray], scenario: Scenario, slots: int) -> dict[str, float]:
    """Regret in slots not trained on, one from each of as many episodes, relative to utility at the equilibrium."""
    env = BatchedMarketEnv(scenario, slots, asps="best_response", seed=10**9)
    observations, _ = env.reset()
    for _ in range(8):  # until price boards are those of a running market
        observations, *_ = env.step({"mu": act(observations["mu"])})
    market = env.market
    regret = leader_regret(market, act(observations["mu"]) * market.reward_bound[..., None])
    relative = relative_regret(regret, solve_equilibrium(market, certify=False).outcome.mu_utility)
    return {"relative_regret": float(relative.mean), "relative_regret_worst": float(relative.worst)}


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
