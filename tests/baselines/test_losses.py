"""Losses against values worked out by hand, and their gradients against finite differences."""

import math

import pytest
import torch

from baselines.losses import (
    clip_fraction,
    clipped_surrogate,
    clipped_value_loss,
    kl_k3,
    masked_mean,
    probability_ratio,
)

ONES = torch.ones(4, dtype=torch.float64)


def column(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("ratio", "advantage", "dual", "objective"),
    [
        (1.1, 2.0, 0.0, 2.2),  # within the clip
        (1.5, 2.0, 0.0, 2.4),  # too far up: held at 1.2
        (0.5, 2.0, 0.0, 1.0),  # down, and good: not held
        (0.5, -2.0, 0.0, -1.6),  # too far down: held at 0.8
        (1.5, -2.0, 0.0, -3.0),  # up, and bad: not held
        (5.0, -2.0, 3.0, -6.0),  # ... but by the dual clip at 3
        (2.5, -2.0, 3.0, -5.0),
        (5.0, 2.0, 3.0, 2.4),  # the dual clip is for negative advantages
    ],
)
def test_surrogate_by_hand(ratio, advantage, dual, objective):
    one = torch.ones(1, dtype=torch.float64)
    loss = clipped_surrogate(ratio * one, advantage * one, one, 0.2, dual)
    assert float(loss) == pytest.approx(-objective)


def test_surrogate_is_a_mean_over_what_the_mask_keeps():
    ratio, advantage = column(1.0, 1.0, 1.0, 7.0), column(1.0, 2.0, 3.0, 1e9)
    mask = column(1.0, 1.0, 1.0, 0.0)
    assert float(clipped_surrogate(ratio, advantage, mask, 0.2)) == pytest.approx(-2.0)


def test_masked_mean_survives_what_is_masked():
    values = column(1.0, math.inf, math.nan, 3.0)
    assert float(masked_mean(values, column(1.0, 0.0, 0.0, 1.0))) == 2.0
    assert float(masked_mean(values, torch.zeros(4, dtype=torch.float64))) == 0.0
    assert float(masked_mean(column(1.0, 3.0), column(3.0, 1.0))) == 1.5


def test_kl_k3_by_hand():
    log_r = math.log(2.0)
    got = kl_k3(column(-1.0, -1.0), column(-1.0, -1.0 + log_r), column(1.0, 1.0))
    assert float(got) == pytest.approx((2.0 - log_r - 1.0) / 2)


def test_kl_k3_estimates_the_divergence():
    policy, reference = column(0.5, 0.3, 0.2), column(0.2, 0.3, 0.5)
    terms = torch.stack(
        [
            kl_k3(p.log()[None], r.log()[None], ONES[:1])
            for p, r in zip(policy, reference, strict=True)
        ]
    )
    exact = (policy * (policy / reference).log()).sum()
    assert float((policy * terms).sum()) == pytest.approx(float(exact))


def test_ratio_and_clip_fraction():
    ratio = probability_ratio(column(math.log(0.6), 0.0, 500.0), column(math.log(0.3), 0.0, 0.0))
    assert ratio[:2].tolist() == pytest.approx([2.0, 1.0])
    assert torch.isfinite(ratio).all()
    assert float(clip_fraction(column(0.7, 0.9, 1.1, 1.3), ONES, 0.2)) == 0.5


@pytest.mark.parametrize(
    ("value", "old", "target", "clip", "loss"),
    [
        (3.0, 1.0, 4.0, 0.0, 0.5),  # plain: (3 - 4)^2 / 2
        (3.0, 1.0, 4.0, 0.5, 3.125),  # held at 1.5: (1.5 - 4)^2 / 2
        (1.2, 1.0, 0.0, 0.5, 0.72),
        (3.0, 1.0, 1.0, 0.5, 2.0),  # the larger error counts
    ],
)
def test_value_loss_by_hand(value, old, target, clip, loss):
    args = [column(value), column(old), column(target), column(1.0)]
    assert float(clipped_value_loss(*args, clip)) == pytest.approx(loss)


def test_gradients():
    generator = torch.Generator().manual_seed(0)
    log_probs = torch.randn(6, generator=generator, dtype=torch.float64).requires_grad_()
    old = log_probs.detach() + 0.5 * torch.randn(6, generator=generator, dtype=torch.float64)
    advantages = torch.randn(6, generator=generator, dtype=torch.float64)
    mask = column(1, 1, 0, 1, 1, 1)

    def surrogate(x):
        return clipped_surrogate(probability_ratio(x, old), advantages, mask, 0.2, 3.0)

    assert torch.autograd.gradcheck(surrogate, log_probs)
    assert torch.autograd.gradcheck(lambda x: kl_k3(x, old, mask), log_probs)
    assert torch.autograd.gradcheck(
        lambda x: clipped_value_loss(x, old, advantages, mask, 0.3), log_probs
    )


def test_the_gradient_of_the_first_step_is_the_policy_gradient():
    log_probs = column(-0.5, -1.0, -2.0, -0.1).requires_grad_()
    advantages = column(1.0, -2.0, 0.5, 3.0)
    ratio = probability_ratio(log_probs, log_probs.detach())
    clipped_surrogate(ratio, advantages, ONES, 0.2, 3.0).backward()
    assert log_probs.grad.tolist() == pytest.approx((-advantages / 4).tolist())


def test_nothing_flows_where_the_clip_holds():
    log_probs = column(0.0, 0.0, 0.0, 0.0).requires_grad_()
    old = column(math.log(0.5), math.log(2.0), 0.0, math.log(0.2))
    advantages = column(1.0, -1.0, 1.0, -1.0)
    clipped_surrogate(probability_ratio(log_probs, old), advantages, ONES, 0.2, 3.0).backward()
    # Ratios 2, 0.5, 1, 5: up and good, down and bad, free, and beyond the dual clip.
    assert log_probs.grad.tolist() == pytest.approx([0.0, 0.0, -0.25, 0.0])
