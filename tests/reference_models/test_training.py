"""Trainings can be repeated: the same bits, at the rate that was planned, and nothing left behind in torch."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from reference_models import decoder, digits
from reference_models.training import THREADS, adamw, follow, reproducible


def equal(first: nn.Module, second: nn.Module) -> bool:
    other = second.state_dict()
    return all(torch.equal(value, other[name]) for name, value in first.state_dict().items())


def test_the_first_steps_of_the_decoder_are_the_same_bits_every_time() -> None:
    assert equal(decoder.train(steps=3), decoder.train(steps=3))
    assert not equal(decoder.train(steps=2), decoder.train(steps=3))


@pytest.mark.parametrize("train", [digits.train_vit, digits.train_cnn])
def test_the_first_steps_on_digits_are_the_same_bits_every_time(train: Callable[[digits.Course], nn.Module]) -> None:
    course = digits.CNN._replace(epochs=1)
    assert equal(train(course), train(course))
    assert not equal(train(course), train(course._replace(seed=2)))


def test_torch_is_left_as_it_was_found() -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    drawn = []
    for _ in range(2):
        with reproducible(3) as order:
            assert torch.get_num_threads() == THREADS
            assert torch.are_deterministic_algorithms_enabled()
            drawn.append(torch.cat((torch.rand(2), torch.rand(2, generator=order))))
    with pytest.raises(ZeroDivisionError), reproducible(3):
        raise ZeroDivisionError
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(*drawn)


def test_the_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    optimizer = adamw(nn.Linear(2, 2), peak=1.0, decay=0.1)
    rates = []
    for step in range(100):
        follow(optimizer, peak=1.0, step=step, warmup=10, steps=100)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.001


def test_only_matrices_decay() -> None:
    optimizer = adamw(nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)), peak=1.0, decay=0.1)
    decaying, free = optimizer.param_groups
    assert (decaying["weight_decay"], len(decaying["params"])) == (0.1, 1)
    assert (free["weight_decay"], len(free["params"])) == (0.0, 3)
