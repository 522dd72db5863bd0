"""The losses of GRPO and PPO: pure functions of tensors of one shape, e.g. (B,).

Every loss is a mean over the entries whose mask is not 0, weighted by the mask.
"""

from __future__ import annotations

import torch
from torch import Tensor

_MAX_LOG_RATIO = 20.0


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean weighted by the mask; 0 where the mask is 0 everywhere."""
    # Values under a zero mask may be anything, infinity included.
    kept = torch.where(mask > 0, values, torch.zeros_like(values))
    return (kept * mask).sum() / mask.sum().clamp_min(torch.finfo(mask.dtype).tiny)


def probability_ratio(log_probs: Tensor, old_log_probs: Tensor) -> Tensor:
    """Return how much likelier each action has become since it was taken."""
    return torch.exp((log_probs - old_log_probs).clamp(-_MAX_LOG_RATIO, _MAX_LOG_RATIO))


def clipped_surrogate(
    ratio: Tensor, advantages: Tensor, mask: Tensor, clip: float, dual_clip: float = 0.0
) -> Tensor:
    """Return the policy loss (Schulman et al. 2017, equation 7), with a symmetric clip.

    Args:
        ratio: Probability ratio.
        advantages: Advantage of each action.
        mask: Weight of each entry.
        clip: The ratio counts within ``1 - clip .. 1 + clip``.
        dual_clip: Above 1: where the advantage is negative, the loss is at most ``dual_clip``
            times its size (Ye et al. 2020, equation 5). 0 for none.
    """
    unclipped = ratio * advantages
    bounded = ratio.clamp(1.0 - clip, 1.0 + clip) * advantages
    objective = torch.minimum(unclipped, bounded)
    if dual_clip:
        lower = torch.maximum(objective, dual_clip * advantages)
        objective = torch.where(advantages < 0, lower, objective)
    return -masked_mean(objective, mask)


def clip_fraction(ratio: Tensor, mask: Tensor, clip: float) -> Tensor:
    """Return the share of entries whose ratio lies outside the clip."""
    return masked_mean(((ratio - 1.0).abs() > clip).to(ratio.dtype), mask)


def kl_k3(log_probs: Tensor, reference_log_probs: Tensor, mask: Tensor) -> Tensor:
    """Return the k3 estimate of KL(policy || reference): mean of ``r - log r - 1``.

    ``r`` is the reference's probability over the policy's; every term is at least 0.
    """
    log_r = (reference_log_probs - log_probs).clamp(-_MAX_LOG_RATIO, _MAX_LOG_RATIO)
    return masked_mean(torch.exp(log_r) - log_r - 1.0, mask)


def clipped_value_loss(
    values: Tensor, old_values: Tensor, targets: Tensor, mask: Tensor, clip: float
) -> Tensor:
    """Return half the squared error of the critic.

    Args:
        values: Estimates now.
        old_values: Estimates when the actions were taken.
        targets: What the critic should say.
        mask: Weight of each entry.
        clip: The larger error counts: of the estimate, or of the estimate moved by at most
            ``clip`` from the old one. 0 for none.
    """
    error = (values - targets).square()
    if clip:
        bounded = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.maximum(error, (bounded - targets).square())
    return 0.5 * masked_mean(error, mask)
