"""Figures of runs, of the protocol and of the network (notebooks 04, 05 and the shared ones) by their numbers."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from hypav.avca import AVCA, AVCAConfig
from hypav.baselines import build_network
from hypav.data.simulated import simulated
from hypav.errors import DataError, SettingError
from hypav.evaluation import Curve, Scores, harmonic_mean
from hypav.figures import avca, batch_norm, zero_shot
from hypav.training import score

close = torch.testing.assert_close


def curve(S: list[float], U: list[float], betas: list[float] | None = None) -> Curve:
    s, u = torch.tensor(S, dtype=torch.float64), torch.tensor(U, dtype=torch.float64)
    steps = torch.arange(len(S)).double() if betas is None else torch.tensor(betas, dtype=torch.float64)
    return Curve(steps, s, u, harmonic_mean(s, u), ZSL=U[-1])


def history(stages: dict[int, int], **more: float) -> list[dict[str, Any]]:
    return [
        {"stage": s, "epoch": n, "total": 9 / n, "S": 0.5, "U": 0.1, "HM": 0.3 - 0.01 * (n - 3) ** 2, **more}
        for s, epochs in stages.items()
        for n in range(1, epochs + 1)
    ]


@pytest.fixture
def scores() -> Scores:
    """Six samples; class 3 is unseen. They switch at -0.5, 1, 2 (samples of seen classes), 0.5, 1.5, 3 (unseen)."""
    distances = torch.full((6, 3), 9.0, dtype=torch.float64)
    distances[torch.arange(6), torch.tensor([0, 0, 1, 0, 0, 1])] = 4.0
    distances[:, 2] = 4.0 + torch.tensor([-0.5, 1.0, 2.0, 0.5, 1.5, 3.0], dtype=torch.float64)
    classes = torch.tensor([1, 2, 3])
    return Scores(distances, torch.tensor([1, 1, 2, 3, 3, 3]), classes, classes[:2], classes[2:])


def test_the_border_of_the_unseen_word_moves_outwards() -> None:
    figure, shown = zero_shot.plot_borders((0.0, 0.4, 1.0))
    S, U = zip(*shown.values(), strict=True)
    assert sorted(S, reverse=True) == list(S)
    assert sorted(U) == list(U)
    words, videos, label = zero_shot.border_toy()
    distances = torch.cdist(videos, torch.stack(list(words.values())))
    distances[:, :3] += 0.4
    right = distances.argmin(dim=1) == label
    assert shown["β = 0.4"] == pytest.approx(
        [100 * float(right[label < 3].double().mean()), 100 * float(right[75:].double().mean())]
    )
    assert torch.equal(videos, (100 * videos).round() / 100), "the same bits on every machine"
    dogs = distances[75:] - torch.tensor([0.4, 0.4, 0.4, 0.0], dtype=torch.float64)
    assert 0.3 < float((dogs.argmin(dim=1) == 0).double().mean()) < 0.7, "many dogs are nearer to cat"
    assert len(figure.axes) == 3


def test_four_videos_show_how_an_answer_switches(scores: Scores) -> None:
    table = zero_shot.switches(scores, ["", "a.b.one", "two", "three"])
    assert table["kind"].tolist() == ["seen, right before", "unseen, right after"], (
        "no video of the other kinds"
    )
    assert table["switches at β"].tolist() == [1.0, 1.5], "the median of -0.5, 1, 2 and of 0.5, 1.5, 3"
    assert table["class"].tolist() == ["one", "three"]
    assert table.loc[1, ["nearest seen", "nearest unseen"]].tolist() == ["one", "three"]
    assert table.loc[0, "distance "] - table.loc[0, "distance"] == 1.0


def test_a_look_at_test_never_costs_and_more_choices_gain_more() -> None:
    gains = zero_shot.peeking_gains({"small": 3})
    beta, both = (gains[name]["4 unseen classes"] for name in ("β", "β and ridges"))
    assert len(beta) == len(both) == 3
    assert min(beta) >= 0
    assert all(more >= less for more, less in zip(both, beta, strict=True))
    assert max(both) > 0


def test_the_best_beta_of_each_phase_is_marked(scores: Scores) -> None:
    data = zero_shot.plot_best_betas({"val": scores, "test": scores}, data="SIMULATED")[1]
    for phase in ("val", "test"):
        assert data[phase]["beta"] == scores.exact_optimum().beta
        assert float(data[phase]["curve"].max()) == pytest.approx(data[phase]["HM"])


def test_the_tables_of_the_linear_map_can_be_multiplied() -> None:
    X, V, W, product = zero_shot.plot_linear_map()[1].values()
    assert (X[2], V[2]) == (V[3], W[3])
    assert (product[2], product[3]) == (W[2], X[3])


def test_the_drawn_attention_weights_sum_to_one() -> None:
    for row in avca.plot_reading()[1]["weights"]:
        assert sum(row) == pytest.approx(1)


def test_the_top_of_the_curve_is_marked_by_a_beta() -> None:
    steps = curve([0.9, 0.6, 0.3], [0.0, 0.3, 0.6], [0.0, 0.5, 1.0])
    data = zero_shot.plot_beta(steps, betas=(0.0, 0.5), data="x")[1]
    assert data["β = 0.50"] == pytest.approx([60, 30, 40])
    assert data["top"] == pytest.approx(40)
    with pytest.raises(SettingError, match=r"not measured at β = 0\.3"):
        zero_shot.plot_beta(steps, betas=(0.3,), data="x")


def test_phases_are_those_of_the_data() -> None:
    data = simulated("small")
    figure, shown = zero_shot.plot_phases(data)
    for name, n in shown.items():
        phase = data.phase(name)
        assert (n["seen"], n["unseen"]) == (len(phase.seen), len(phase.unseen))
        assert n["unseen_samples"] == int(torch.isin(phase.label, phase.unseen).sum())
    columns = [sorted(float(p.vertices[0, 0]) for p in c.get_paths()) for c in figure.axes[0].collections]
    assert columns[4] == columns[0] + columns[3], "train_val sees the training and the val-unseen classes"
    assert min(columns[7]) > max(columns[4])
    hatches = [c.get_hatch() for c in figure.axes[0].collections]
    assert hatches[3] == hatches[7] != hatches[0], "a second cue next to the colour"


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def model() -> AVCA:
    config = AVCAConfig(
        7, 9, 11, dim_phi=12, dim_theta=5, hidden_enc=8, hidden_proj=0, heads=3, head_dim=4, dim_mlp=6
    )
    return build_network(config, torch.Generator().manual_seed(0)).double()


def test_the_network_is_drawn_with_its_shapes_and_counts_and_left_alone(model: AVCA) -> None:
    model.train()
    stored = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _, data = avca.plot_network(model, rand(4, 7), rand(4, 9), rand(3, 11))
    shapes, counts = data["shapes"], data["parameters"]
    assert shapes["phi_a"] == shapes["phi_v_att"] == shapes["phi_v_rec"] == [4, 12]
    assert (shapes["theta_v"], shapes["theta_w"], shapes["rho_w"]) == ([4, 5], [3, 5], [3, 11])
    assert counts["encode_a"] == 7 * 8 + 8 + 8 * 12 + 12 + 2 * (8 + 12)
    assert counts["all"] == sum(n for name, n in counts.items() if name != "all")
    assert model.training
    assert all(torch.equal(stored[name], tensor) for name, tensor in model.state_dict().items())


def test_the_attention_weights_are_those_that_the_layer_applies(model: AVCA) -> None:
    audio, video = rand(6, 7), rand(6, 9)
    weights = avca.attention_weights(model.train(), audio, video)
    assert model.training
    close(weights.sum(dim=-1), torch.ones(6, 3, 2, dtype=torch.float64))
    layer = model.eval().attention
    tokens = torch.stack((model.encode_a(audio), model.encode_v(video)), dim=1) + model.positional
    v = layer.to_qkv(layer.norm(tokens))[..., 24:].view(6, 2, 3, 4).transpose(1, 2)
    read = (weights @ v).transpose(1, 2).reshape(6, 2, 12)
    layer.mlp_out.weight.data.zero_()
    layer.mlp_out.bias.data.zero_()
    close(layer(tokens), tokens + layer.to_out(read))
    data = avca.plot_attention({"before": weights}, data="x")[1]
    close(data["before"]["spread"], weights.std(dim=0))
    with pytest.raises(DataError, match="equally many heads"):
        avca.plot_attention({"a": weights, "b": weights[:, :1]}, data="x")


@pytest.fixture(scope="module")
def watched() -> avca.WatchedRun:
    """A run of one epoch."""
    return avca.train_and_watch(simulated("small"), epochs=1)


def test_a_watched_run_keeps_its_first_and_last_network(watched: avca.WatchedRun) -> None:
    data = simulated("small")
    (row,) = watched.history
    assert watched.chosen is row
    assert row["epoch"] == 1
    found = score(watched.model, data["val"]).metrics(row["beta"])
    assert row["HM"] == pytest.approx(found.HM)
    better, history = row | {"epoch": 2, "HM": 2.0}, [row | {"HM": 1.0}]
    assert (
        avca.WatchedRun(watched.untrained, watched.model, [*history, better, row], watched.config).chosen
        is better
    )
    before, after = (list(model.parameters()) for model in (watched.untrained, watched.model))
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    weights = watched.attention(data["val"].to(dtype=torch.float64))
    assert list(weights) == ["untrained", "trained", "trained, p = 0"]
    assert float((weights["trained"] - weights["trained, p = 0"]).abs().max()) > 0.01
    assert watched.model.positional.any(), "the run's own network keeps its positional embedding"


def test_fresh_statistics_are_those_of_the_training_videos(watched: avca.WatchedRun) -> None:
    data = simulated("small")
    spoilt = deepcopy(watched.model)
    spoilt.encode_v.hidden_norm.running_mean.fill_(1e3)
    fresh, again = (avca.with_fresh_statistics(model, data) for model in (watched.model, spoilt))
    norm = fresh.encode_v.hidden_norm
    assert torch.equal(norm.running_mean, again.encode_v.hidden_norm.running_mean)
    assert not fresh.training
    with torch.no_grad():
        hidden = fresh.encode_v.hidden(data["train"].video.double())
    gap = (norm.running_mean - hidden.mean(dim=0)).abs() / hidden.std(dim=0)
    assert float(gap.mean()) < 0.15
    close(norm.running_var.sqrt().mean(), hidden.std(dim=0).mean(), rtol=0.1, atol=0)
    assert torch.equal(fresh.encode_v.hidden.weight, watched.model.encode_v.hidden.weight)


def test_momentum_changes_what_is_stored_and_no_parameter() -> None:
    changed = batch_norm.what_momentum_changes(simulated("small"), steps=2)
    assert changed["parameters"] == []
    modules = ("encode_a", "encode_v", "project_a", "project_v")
    names = [f"{m}.out_norm.running_{what}" for m in modules for what in ("mean", "var")]
    assert changed["stored statistics"] == names


def test_a_large_momentum_stores_the_last_batch(watched: avca.WatchedRun) -> None:
    start = watched.model.encode_v.out_norm.running_mean[0].clone()
    seen, running, quality = batch_norm.batches_that_pass(watched, simulated("small"), batches=2)
    close(running["0.99"], seen, rtol=0.02, atol=0.02)
    # a tenth of the way for the positives and for the negatives
    assert abs(float(running["0.1"][0] - start)) < abs(float(seen[0] - start)) + 0.02
    assert [len(values) for values in (seen, *quality.values())] == [2, 2, 2]
    assert watched.model.encode_v.out_norm.running_mean[0] == start, "the run's own network is left alone"


def test_interventions_change_a_copy_and_a_constant_does_not_pass_a_batch_norm(
    watched: avca.WatchedRun,
) -> None:
    data = simulated("small")
    found = batch_norm.interventions(watched, data)
    assert list(found) == ["as trained", "zero", "rows swapped", "random"]
    assert found["as trained"][0] == pytest.approx(100 * watched.chosen["HM"])
    assert len({stored for stored, _ in found.values()}) > 1
    assert watched.model.positional.any()
    assert batch_norm.change_by_a_constant(watched, data, 3.0) == 0
