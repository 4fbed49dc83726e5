"""The figures of notebook 05 against the network, the losses and counts by hand, and by their words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hypav.avca import AVCA, AVCAConfig, Embeddings, build_avca
from hypav.errors import DataError, SettingError
from hypav.figures import (
    attention_weights,
    plot_attention,
    plot_group_confusion,
    plot_interventions,
    plot_loss_groups,
    plot_momentum,
    plot_network,
    plot_term_steps,
    plot_terms,
    term_steps,
)
from hypav.figures.avca import TERM_PAIRS
from hypav.losses import TERM_GROUPS, avca_terms


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def model() -> AVCA:
    config = AVCAConfig(
        7, 9, 11, dim_phi=12, dim_theta=5, hidden_enc=8, hidden_proj=0, heads=3, head_dim=4, dim_mlp=6
    )
    return build_avca(config, torch.Generator().manual_seed(0)).double()


@pytest.fixture
def embeddings(model: AVCA) -> tuple[Embeddings, Tensor]:
    batch = [rand(16, width, seed=n) for n, width in enumerate((7, 9, 11, 7, 9, 11))]
    return model.train()(*batch, generator=torch.Generator().manual_seed(1)), batch[2]


def test_the_network_is_drawn_with_the_shapes_and_counts_it_has(model: AVCA) -> None:
    model.train()
    stored = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    figure, data = plot_network(model, rand(4, 7), rand(4, 9), rand(3, 11))
    shapes = data["shapes"]
    assert shapes["phi_a"] == shapes["phi_v_att"] == shapes["phi_v_rec"] == [4, 12]
    assert (shapes["theta_v"], shapes["theta_w"], shapes["rho_w"]) == ([4, 5], [3, 5], [3, 11])
    counts = data["parameters"]
    assert counts["encode_a"] == 7 * 8 + 8 + 8 * 12 + 12 + 2 * (8 + 12)
    assert counts["project_v"] == 12 * 5 + 5 + 2 * 5, "no hidden layer"
    assert counts["positional"] == 24
    assert counts["all"] == sum(n for name, n in counts.items() if name != "all")
    drawn = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "7 → 8 → 12" in drawn
    assert "12 → 5" in drawn
    assert "(4, 12)" in drawn
    assert "to 5 numbers" in figure.get_suptitle()
    assert "one shared decoder" in figure.alt_text
    assert model.training
    assert all(torch.equal(stored[name], tensor) for name, tensor in model.state_dict().items())


def test_the_attention_weights_are_those_that_the_layer_applies(model: AVCA) -> None:
    audio, video = rand(6, 7), rand(6, 9)
    weights = attention_weights(model.train(), audio, video)
    assert model.training
    assert weights.shape == (6, 3, 2, 2)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(6, 3, 2, dtype=torch.float64))
    layer = model.eval().attention
    tokens = torch.stack((model.encode_a(audio), model.encode_v(video)), dim=1) + model.positional
    v = layer.to_qkv(layer.norm(tokens))[..., 24:].view(6, 2, 3, 4).transpose(1, 2)
    read = (weights @ v).transpose(1, 2).reshape(6, 2, 12)
    layer.mlp_out.weight.data.zero_()
    layer.mlp_out.bias.data.zero_()
    torch.testing.assert_close(layer(tokens), tokens + layer.to_out(read))


def test_attention_is_drawn_as_mean_and_spread_of_each_head() -> None:
    one = torch.tensor([[0.2, 0.8], [0.6, 0.4]], dtype=torch.float64).expand(5, 2, 2, 2)
    other = one.clone()
    other[0] = one[0].flip(-1)
    figure, data = plot_attention({"before": one, "after": other}, data="SIMULATED (x)")
    torch.testing.assert_close(data["before"]["mean"], one[0])
    assert float(data["before"]["spread"].max()) == 0
    torch.testing.assert_close(data["after"]["spread"], other.std(dim=0))
    assert "before: head 1: audio reads audio 0.20, video reads video 0.40" in figure.alt_text
    assert "SIMULATED" in figure.get_suptitle()
    assert figure.axes[0].texts[1].get_text() == "0.80\n± 0.00"
    with pytest.raises(DataError, match="as many heads"):
        plot_attention({"a": one, "b": one[:, :1]}, data="x")


def test_every_term_is_drawn_with_the_pair_it_pulls_and_the_pair_it_pushes() -> None:
    figure, data = plot_terms()
    assert list(data) == [term for terms in TERM_GROUPS.values() for term in terms]
    assert data["cta"] == {"pulled": "rho_w rho_a", "pushed": "rho_w rho_a_neg"}
    assert data["rec_w"] == {"pulled": "text rho_w", "pushed": "nobody"}
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
    assert set(panels) == set(data)
    assert {text.get_text() for text in panels["add_v"].texts if text.get_text()} == {"θv", "θw", "θv⁻"}
    assert {text.get_text() for text in panels["reg_phi_a"].texts} >= {"φa,rec", "φa"}
    assert "In 10 of them a negative is pushed away" in figure.alt_text


def test_the_pairs_are_those_that_the_gradient_of_each_term_moves(
    embeddings: tuple[Embeddings, Tensor],
) -> None:
    e, text = embeddings
    free = {name: tensor.detach().clone().requires_grad_() for name, tensor in e._asdict().items()}
    terms = avca_terms(Embeddings(**free), text)
    assert set(terms) == set(TERM_PAIRS)
    for term, (pulled, pushed) in TERM_PAIRS.items():
        grads = torch.autograd.grad(terms[term], list(free.values()), allow_unused=True, retain_graph=True)
        felt = {name for name, grad in zip(free, grads, strict=True) if grad is not None and bool(grad.any())}
        assert felt == {*pulled, *(pushed or ())} - {"text"}, term


def test_a_step_on_a_term_alone_pulls_and_pushes_its_pairs(embeddings: tuple[Embeddings, Tensor]) -> None:
    e, text = embeddings
    changes = term_steps(e, text)
    assert all(pulled < 0 for pulled, _ in changes.values())
    assert all(pushed > 0 for _, pushed in changes.values() if pushed is not None)
    assert [term for term, (_, pushed) in changes.items() if pushed is None] == [
        *TERM_GROUPS["l_rec"],
        *TERM_GROUPS["l_r"],
    ]
    figure, data = plot_term_steps(changes, data="SIMULATED")
    assert data["pulled"]["tv"] == changes["tv"][0]
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == [*data["pulled"].values(), *data["pushed"].values()]
    assert "each comes nearer" in figure.alt_text
    with pytest.raises(SettingError, match="positive number"):
        term_steps(e, text, step=0.0)


def test_the_step_is_along_the_gradient_of_that_term_alone(embeddings: tuple[Embeddings, Tensor]) -> None:
    e, text = embeddings
    # rec_w moves rho_w towards w by at most the step, and the row that is farthest by just the step
    gap = (e.rho_w.detach() - text).norm(dim=1)
    moved = 0.05 * gap / gap.max()
    assert term_steps(e, text)["rec_w"][0] == pytest.approx(-float(moved.mean()))


def test_loss_groups_are_the_sums_of_their_terms() -> None:
    terms = [term for names in TERM_GROUPS.values() for term in names]
    history = [
        {
            "epoch": n,
            **{term: n + place for place, term in enumerate(terms)},
            "S": 0.1 * n,
            "U": 0.05,
            "HM": 0.07 * n,
        }
        for n in (1, 2)
    ]
    figure, data = plot_loss_groups(history, data="SIMULATED (x)")
    assert data["l_rec"] == [1 + 2 + 3, 2 + 3 + 4]
    assert data["l_ct"] == [4 + 5, 5 + 6]
    assert data["HM"] == pytest.approx([7, 14])
    assert list(figure.axes[0].lines[0].get_ydata()) == data["l_rec"]
    assert "l_rec from 6.00 to 9.00" in figure.alt_text
    assert "HM goes from 7.0 to 14.0" in figure.alt_text
    with pytest.raises(DataError, match="no epoch"):
        plot_loss_groups([], data="x")


def test_momentum_tells_how_far_the_stored_mean_is_from_the_batch() -> None:
    batches = torch.tensor([1.0, 3.0, 2.0], dtype=torch.float64)
    running = {"0.1": torch.zeros(3, dtype=torch.float64), "0.99": batches}
    figure, data = plot_momentum(
        batches, running, {"0.1": [20, 21, 20], "0.99": [15, 25, 18]}, data="SIMULATED"
    )
    assert data["quality"]["0.99"] == [15, 25, 18]
    assert "momentum 0.1 the stored mean lies 2.00 from the batch's" in figure.alt_text
    assert "HM runs from 15.0 to 25.0" in figure.alt_text
    assert [list(line.get_ydata()) for line in figure.axes[0].lines[1:]] == [[0, 0, 0], [1, 3, 2]]


def test_interventions_show_both_states_of_the_statistics() -> None:
    figure, data = plot_interventions({"as trained": (20.0, 21.0), "zero": (5.0, 19.0)}, data="SIMULATED")
    assert data == {"as trained": [20.0, 21.0], "zero": [5.0, 19.0]}
    assert "zero: 5.0 and 19.0" in figure.alt_text
    assert "SIMULATED" in figure.axes[0].get_title()
    with pytest.raises(DataError, match="no intervention"):
        plot_interventions({}, data="x")


def confused(answers: list[int]) -> Callable[..., object]:
    """One sample of each of four classes; classes 0 and 1 are seen."""
    distances = torch.ones(4, 4, dtype=torch.float64)
    distances[torch.arange(4), torch.tensor(answers)] = 0.0
    label = torch.arange(4)
    return lambda groups: plot_group_confusion(
        distances, label, label, label[:2], label[2:], beta=0.0, groups=groups, data="SIMULATED"
    )


def test_confusion_counts_kin_among_the_wrong_answers_only() -> None:
    # 0 is taken for its kin 2, 1 is right, 2 is taken for the stranger 3, 3 for its kin 1
    figure, data = confused([2, 1, 3, 1])(("a", "b", "a", "b"))  # type: ignore[misc]
    assert data["names"] == ["a", "b"]
    assert data["right class"] == [50.0, 0.0]
    assert data["kin"] == [100.0, 50.0]
    assert data["blind"] == pytest.approx([100 / 3, 100 / 3])
    assert data["seen"].tolist() == [[100.0, 0.0], [0.0, 100.0]]
    assert data["unseen"].tolist() == [[0.0, 100.0], [0.0, 100.0]]
    assert "of the wrong answers 50 percent are of the right super-group, where blind ones would be 33" in (
        figure.alt_text
    )
    assert figure.axes[0].images[0].get_array().tolist() == data["seen"].tolist()


def test_confusion_needs_a_super_group_for_every_class() -> None:
    with pytest.raises(DataError, match="no super-group"):
        confused([0, 1, 2, 3])(("a", "b"))
