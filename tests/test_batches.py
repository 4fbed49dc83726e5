"""Class-balanced triplets: the distribution, the reproducibility, and the rows that a batch takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hypav.data import Phase, TripletSampler, make_batch, sampling_weights
from hypav.errors import DataError

GOLDEN = json.loads((Path(__file__).parent / "golden" / "sampler.json").read_text())


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shuffled_label() -> torch.Tensor:
    """Four classes of 2, 5, 11 and 40 samples, in no order, with gaps between their ids."""
    label = torch.repeat_interleave(torch.tensor([3, 7, 8, 50]), torch.tensor([2, 5, 11, 40]))
    return label[torch.randperm(label.shape[0], generator=generator(9))]


def chi_square(observed: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((observed - expected) ** 2 / expected).sum())


def test_weights_are_those_of_the_released_sampler():
    label = torch.empty(sum(map(len, GOLDEN["class_idxs"])), dtype=torch.int64)
    for class_id, members in enumerate(GOLDEN["class_idxs"]):
        label[torch.tensor(members)] = class_id
    assert sampling_weights(label).tolist() == pytest.approx(GOLDEN["weights"], rel=1e-15)


def test_positives_follow_the_weights():
    label = shuffled_label()
    index, _ = TripletSampler(label, batch_size=256, generator=generator(1)).draw(400)
    n = index.numel()
    observed = torch.bincount(index.flatten(), minlength=label.shape[0]).double()
    # 57 degrees of freedom: 99.9 % of fair draws stay below 95.8.
    assert chi_square(observed, n * sampling_weights(label)) < 95.8


def test_negatives_are_uniform_over_the_other_classes_and_their_samples():
    label = shuffled_label()
    index, negative = TripletSampler(label, batch_size=256, generator=generator(2)).draw(400)
    positive_class, negative_class = label[index].flatten(), label[negative].flatten()
    assert not (positive_class == negative_class).any()
    for class_id in label.unique():
        chosen = negative.flatten()[positive_class == class_id]
        observed = torch.bincount(chosen, minlength=label.shape[0]).double()
        others = label != class_id
        assert observed[~others].sum() == 0
        expected = chosen.numel() * sampling_weights(label[others])
        # At most 55 degrees of freedom: 99.9 % below 93.2, for each of the four classes.
        assert chi_square(observed[others], expected) < 93.2


def test_the_negative_sample_does_not_follow_the_positive_sample():
    label = torch.tensor([0, 0, 1, 1])
    index, negative = TripletSampler(label, batch_size=256, generator=generator(3)).draw(200)
    pairs = torch.bincount((index * 4 + negative).flatten(), minlength=16).double()
    allowed = torch.tensor([[i, j] for i in range(4) for j in range(4) if i // 2 != j // 2])
    observed = pairs[allowed[:, 0] * 4 + allowed[:, 1]]
    # 7 degrees of freedom: 99.9 % below 24.3.
    assert chi_square(observed, torch.full((8,), index.numel() / 8, dtype=torch.float64)) < 24.3
    assert observed.sum() == index.numel()


def test_a_seed_fixes_the_draws_and_a_second_draw_continues():
    label = shuffled_label()
    samplers = [TripletSampler(label, batch_size=50, generator=generator(5)) for _ in range(2)]
    before = torch.get_rng_state()
    (index, negative), (again, negative_again) = (sampler.draw(7) for sampler in samplers)
    assert index.shape == negative.shape == (7, 50)
    assert index.dtype == negative.dtype == torch.int64
    assert torch.equal(index, again)
    assert torch.equal(negative, negative_again)
    assert len({tuple(row) for row in [*index.tolist(), *samplers[0].draw(3)[0].tolist()]}) == 10
    assert torch.equal(torch.get_rng_state(), before)


def test_a_class_with_one_sample_can_be_drawn():
    label = torch.tensor([4, 9, 9, 9])
    index, negative = TripletSampler(label, batch_size=64, generator=generator()).draw(10)
    assert set(label[index].flatten().tolist()) == {4, 9}
    assert (label[index] != label[negative]).all()


def test_a_single_class_is_refused():
    for label in (torch.zeros(5, dtype=torch.int64), torch.empty(0, dtype=torch.int64)):
        with pytest.raises(DataError, match="at least two classes"):
            TripletSampler(label, batch_size=4, generator=generator())


def test_a_batch_holds_the_rows_and_the_vectors_of_their_classes():
    classes = torch.tensor([2, 5, 11])
    label = torch.tensor([11, 2, 5, 2, 11, 5])
    audio = torch.arange(6.0)[:, None].expand(6, 3)
    text = classes.double()[:, None].expand(3, 4)
    phase = Phase("train", audio, audio * 10, label, classes, text, classes, classes[:0])
    batch = make_batch(phase, torch.tensor([0, 3, 3]), torch.tensor([1, 2, 4]))
    assert batch.audio[:, 0].tolist() == [0, 3, 3]
    assert batch.video[:, 0].tolist() == [0, 30, 30]
    assert batch.text[:, 0].tolist() == [11, 2, 2]
    assert batch.audio_neg[:, 0].tolist() == [1, 2, 4]
    assert batch.video_neg[:, 0].tolist() == [10, 20, 40]
    assert batch.text_neg[:, 0].tolist() == [2, 5, 11]
    assert batch.audio.dtype == torch.float32
    assert batch.text.dtype == torch.float64
