"""The network: released names and initial weights, shapes, dropout masks, batch norms, plain errors."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from parity.released import official_state, released_forward
from torch import Generator, nn

from hypav.avca import (
    AVCA,
    AVCAConfig,
    Embeddings,
    Masks,
    _ReluDropout,
    dropout,
    load_official_state,
)
from hypav.baselines import build_network
from hypav.data.batches import TripletBatch
from hypav.errors import DataError, SettingError
from hypav.losses import avca_terms, total

B = 6
SMALL = AVCAConfig(
    dim_audio=5, dim_video=8, dim_text=9, dim_phi=12, dim_theta=7, hidden_enc=10, hidden_proj=11,
    heads=3, head_dim=4, dim_mlp=6,
)  # fmt: skip
FLAT = replace(SMALL, hidden_enc=0, hidden_proj=0)


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def batch(seed: int = 1, config: AVCAConfig = SMALL, dtype: torch.dtype = torch.float64) -> TripletBatch:
    g = generator(seed)
    widths = (config.dim_audio, config.dim_video, config.dim_text) * 2
    return TripletBatch(
        *(torch.randn(B, width, generator=g, dtype=torch.float64).to(dtype) for width in widths)
    )


def network(config: AVCAConfig = SMALL, seed: int = 0, dtype: torch.dtype = torch.float64) -> AVCA:
    return build_network(config, generator(seed)).to(dtype)


def released_keys(deep_enc: bool = True, deep_proj: bool = True) -> set[str]:
    """The released state_dict's keys, as its modules are built."""
    linear, norm = (
        ("weight", "bias"),
        ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
    )
    depths = dict.fromkeys(("A_enc", "V_enc"), deep_enc) | dict.fromkeys(("A_proj", "V_proj"), deep_proj)
    depths |= dict.fromkeys(("W_proj", "D", "A_rec", "V_rec"), False)
    keys = {"pos_emb1D", "cross_attention.layers.0.0.fn.to_qkv.weight"}
    for module, deep in depths.items():
        for start in (0, 4) if deep else (0,):
            keys |= {f"{module}.fc.{start}.{leaf}" for leaf in linear}
            keys |= {f"{module}.fc.{start + 1}.{leaf}" for leaf in norm}
    for layer in ("0.norm", "0.fn.to_out.0", "1.norm", "1.fn.net.0", "1.fn.net.3"):
        keys |= {f"cross_attention.layers.0.{layer}.{leaf}" for leaf in linear}
    return keys


# names


@pytest.mark.parametrize("deep_enc", [True, False])
@pytest.mark.parametrize("deep_proj", [True, False])
def test_the_state_has_exactly_the_released_keys(deep_enc: bool, deep_proj: bool) -> None:
    config = replace(SMALL, hidden_enc=10 * deep_enc, hidden_proj=11 * deep_proj)
    model = network(config)
    state = official_state(model)
    assert set(state) == released_keys(deep_enc, deep_proj)
    assert len(state) == len(model.state_dict())  # no two of ours share a key


@pytest.mark.parametrize("config", [SMALL, FLAT], ids=["hidden", "no hidden"])
def test_a_released_state_goes_in_and_comes_out_unchanged(config: AVCAConfig) -> None:
    source, model = network(config, 1), network(config, 2)
    source(*batch())  # train mode: moves every batch-norm buffer
    state = {name: tensor.clone() for name, tensor in official_state(source).items()}
    layer = {"fusenet1.weight": torch.ones(3, 24), "fusenet1.bias": torch.zeros(3)}
    rest = load_official_state(model, state | layer)
    assert rest.keys() == layer.keys()
    assert all(rest[name] is layer[name] for name in layer)
    loaded = official_state(model)
    assert all(torch.equal(loaded[name], state[name]) for name in state)
    assert torch.equal(model.eval()(*batch()).rho_v, source.eval()(*batch()).rho_v)


def test_a_float32_state_is_read_into_a_float64_model() -> None:
    source, model = network(dtype=torch.float32), network(seed=2)
    load_official_state(model, official_state(source))
    assert model.positional.dtype == torch.float64
    assert torch.equal(model.positional, source.positional.double())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("pos_emb1D"), "lacks 'pos_emb1D'"),
        (lambda state: state.pop("D.fc.1.running_var"), "lacks 'D.fc.1.running_var'"),
        (lambda state: state.update({"V_proj.fc.4.weight": torch.zeros(7, 2)}), r"\(7, 2\).*\(7, 11\)"),
        (
            lambda state: state.update({"A_rec.fc.4.weight": torch.zeros(12, 12)}),
            "'A_rec.fc.4.weight'.*without",
        ),
        (lambda state: state.update({"cross_attention.layers.1.0.norm.bias": torch.zeros(12)}), "without"),
    ],
    ids=["missing weight", "missing buffer", "other shape", "deeper module", "deeper attention"],
)
def test_a_state_of_another_network_is_refused_and_changes_nothing(change, message: str) -> None:
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = official_state(network(seed=2))
    change(state)
    with pytest.raises(DataError, match=message) as raised:
        load_official_state(model, state)
    assert "\n" not in str(raised.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


# weights


@pytest.mark.parametrize("config", [SMALL, FLAT], ids=["hidden", "no hidden"])
def test_one_seed_gives_torchs_weights_in_the_released_order_of_construction(config: AVCAConfig) -> None:
    """To the rounding of float32, in which torch scales its uniform numbers and makes normal ones of them."""
    c = config
    heads = c.heads * c.head_dim

    def embedding_net(key: str, dim_in: int, hidden: int, dim_out: int) -> list[tuple[str, int, int]]:
        if not hidden:
            return [(f"{key}.fc.0", dim_in, dim_out)]
        return [(f"{key}.fc.0", dim_in, hidden), (f"{key}.fc.4", hidden, dim_out)]

    attention = "cross_attention.layers.0"
    order = [
        *embedding_net("A_enc", c.dim_audio, c.hidden_enc, c.dim_phi),
        *embedding_net("V_enc", c.dim_video, c.hidden_enc, c.dim_phi),
        (f"{attention}.0.fn.to_qkv", c.dim_phi, 3 * heads),
        (f"{attention}.0.fn.to_out.0", heads, c.dim_phi),
        (f"{attention}.1.fn.net.0", c.dim_phi, c.dim_mlp),
        (f"{attention}.1.fn.net.3", c.dim_mlp, c.dim_phi),
        ("W_proj.fc.0", c.dim_text, c.dim_theta),
        ("D.fc.0", c.dim_theta, c.dim_text),
        *embedding_net("A_proj", c.dim_phi, c.hidden_proj, c.dim_theta),
        *embedding_net("V_proj", c.dim_phi, c.hidden_proj, c.dim_theta),
        ("A_rec.fc.0", c.dim_theta, c.dim_phi),
        ("V_rec.fc.0", c.dim_theta, c.dim_phi),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        state = official_state(AVCA(c))
        torch.manual_seed(42)
        for key, dim_in, dim_out in order:
            reference = nn.Linear(dim_in, dim_out, bias=not key.endswith("to_qkv"))
            for name, tensor in reference.named_parameters():
                torch.testing.assert_close(state[f"{key}.{name}"], tensor, rtol=0, atol=2**-23, msg=key)
        torch.testing.assert_close(state["pos_emb1D"], torch.randn(2, c.dim_phi), rtol=1e-6, atol=4e-6)


def test_a_fresh_network_depends_on_its_generator_alone() -> None:
    before = torch.default_generator.get_state()
    first, same, other = network(seed=3), network(seed=3), network(seed=4)
    assert torch.equal(torch.default_generator.get_state(), before)
    assert torch.equal(first.positional, same.positional)
    assert torch.equal(first.decode.out.weight, same.decode.out.weight)
    assert not torch.equal(first.decode.out.weight, other.decode.out.weight)
    g = generator(3)
    assert not torch.equal(
        build_network(SMALL, g).positional, build_network(SMALL, g).positional
    )  # g moves on


# forward


def test_every_embedding_has_its_documented_shape_and_dtype() -> None:
    widths = {"phi": SMALL.dim_phi, "theta": SMALL.dim_theta, "rho": SMALL.dim_text}
    for dtype in (torch.float32, torch.float64):
        for config in (SMALL, FLAT):
            e = network(config, dtype=dtype)(*batch(dtype=dtype), generator=generator())
            assert {t.dtype for t in e} == {dtype}
            assert {name: t.shape for name, t in e._asdict().items()} == {
                name: (B, widths[name.split("_")[0]]) for name in Embeddings._fields
            }
            outputs = [t for name, t in e._asdict().items() if not name.count("att")]
            assert all((t >= 0).all() for t in outputs)  # ReLU, then a mask


@pytest.mark.parametrize("config", [SMALL, FLAT], ids=["hidden", "no hidden"])
def test_embed_gives_the_thetas_of_forward(config: AVCAConfig) -> None:
    model, triplets = network(config).eval(), batch()
    e = model(*triplets)
    thetas = model.embed(*triplets[:3])
    for theta, m in zip(thetas, "avw", strict=True):
        torch.testing.assert_close(theta, getattr(e, f"theta_{m}"))
    words = model.embed(triplets.audio, triplets.video, triplets.text[:2])[2]
    torch.testing.assert_close(words, e.theta_w[:2])  # as many rows as there are classes


def test_attention_adds_phi_twice_and_the_position_once() -> None:
    """With the layer's outputs at zero what is left is phi + (phi + position)."""
    model = network().eval()
    with torch.no_grad():
        for layer in (model.attention.to_out, model.attention.mlp_out):
            layer.weight.zero_()
            layer.bias.zero_()
    e = model(*batch())
    torch.testing.assert_close(e.phi_a_att, 2 * e.phi_a + model.positional[0])
    torch.testing.assert_close(e.phi_v_att, 2 * e.phi_v + model.positional[1])
    torch.testing.assert_close(e.phi_v_att_neg, 2 * e.phi_v_neg + model.positional[1])


def test_momentum_is_that_of_the_last_norm_of_deep_modules_only() -> None:
    def momenta(config: AVCAConfig) -> dict[str, float]:
        return {n: m.momentum for n, m in network(config).named_modules() if isinstance(m, nn.BatchNorm1d)}

    deep = momenta(replace(SMALL, momentum=0.99))
    ends = {"encode_a.out_norm", "encode_v.out_norm", "project_a.out_norm", "project_v.out_norm"}
    assert {name for name, value in deep.items() if value == 0.99} == ends
    assert {value for name, value in deep.items() if name not in ends} == {0.1}
    assert set(momenta(replace(FLAT, momentum=0.99)).values()) == {0.1}


# dropout


def test_masks_come_from_the_generator_and_from_nowhere_else() -> None:
    before = torch.default_generator.get_state()
    first, same, other = (network()(*batch(), generator=generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(torch.default_generator.get_state(), before)
    assert all(torch.equal(x, y) for x, y in zip(first, same, strict=True))
    assert not any(torch.equal(x, y) for x, y in zip(first, other, strict=True))


def test_without_rates_or_without_generator_nothing_is_masked() -> None:
    plain = network(replace(SMALL, dropout_enc=0, dropout_proj=0, dropout_dec=0))
    g = generator(5)
    before = g.get_state()
    unmasked = plain(*batch(), generator=g)
    assert torch.equal(g.get_state(), before)  # nothing drawn
    for x, y in zip(unmasked, network()(*batch()), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.9])
def test_masks_of_sixteen_bits_keep_the_mean_and_are_uncorrelated(rate: float) -> None:
    like = torch.empty(1001, 1003)  # not a multiple of the four elements that one random number serves
    kept, scale = Masks(generator(2)).keep(like, rate)
    assert kept.unique().tolist() == [0, 1]
    assert scale == pytest.approx(1 / (1 - rate), rel=1e-4)
    error = (rate / (1 - rate) / like.numel()) ** 0.5
    assert (kept * scale).mean().item() == pytest.approx(1, abs=4 * error)
    x = (kept - kept.mean()).flatten()
    for lag in range(1, 9):  # neighbours share a random number
        assert (x[lag:] * x[:-lag]).mean().item() / x.square().mean().item() == pytest.approx(0, abs=4e-3)


def test_relu_and_dropout_together_have_the_gradient_of_one_after_the_other() -> None:
    config = replace(SMALL, dropout_dec=0.4)
    module = network(config).project_w
    x = torch.randn(9, SMALL.dim_text, generator=generator(), dtype=torch.float64, requires_grad=True)
    factor = torch.randn(9, SMALL.dim_theta, generator=generator(3), dtype=torch.float64)
    (gradient,) = torch.autograd.grad((module(x, Masks(generator(1))) * factor).sum(), x)
    plain = module.out_norm(module.out(x)).relu()
    (expected,) = torch.autograd.grad((dropout(plain, 0.4, Masks(generator(1))) * factor).sum(), x)
    torch.testing.assert_close(gradient, expected)


def test_second_derivatives_through_relu_and_dropout() -> None:
    x = torch.randn(4, 5, generator=generator(2), dtype=torch.float64, requires_grad=True)
    kept, scale = Masks(generator(1)).keep(x, 0.3)

    def once(x: torch.Tensor) -> torch.Tensor:
        return _ReluDropout.apply(x * 1, kept.clone(), scale)

    assert torch.autograd.gradgradcheck(once, x)
    assert torch.autograd.gradgradcheck(lambda x: once(x) ** 3, x)
    expected = torch.diag_embed((6 * once(x) * (kept * scale) ** 2).flatten())
    for hessian in (
        torch.autograd.functional.hessian(lambda x: (once(x) ** 3).sum(), x),
        torch.func.jacrev(torch.func.jacrev(lambda x: (once(x) ** 3).sum()))(x),
    ):
        torch.testing.assert_close(hessian.reshape(20, 20), expected)
    with pytest.raises(SettingError, match="no forward-mode"):
        torch.func.hessian(lambda x: (once(x) ** 3).sum())(x)
    with pytest.raises(SettingError, match=r"does not work in torch\.func\.vmap"):
        torch.func.vmap(lambda row: _ReluDropout.apply(row * 1, torch.ones(5), 1.0))(x)


def test_rows_together_compute_what_call_after_call_computes() -> None:
    """Values, gradients and batch-norm statistics; a momentum of .99 shows the order of the calls."""
    config = replace(SMALL, momentum=0.99)
    triplets = batch()
    together, apart = network(config).train(), network(config).train()
    e, expected = together(*triplets), released_forward(apart, triplets)
    for name, value in e._asdict().items():
        torch.testing.assert_close(value, getattr(expected, name), msg=name, rtol=1e-10, atol=1e-12)
    for name in (
        "encode_a",
        "encode_v",
        "project_w",
        "reconstruct_a",
    ):  # the others see unused released passes
        for (key, buffer), other in zip(
            getattr(together, name).named_buffers(), getattr(apart, name).buffers(), strict=True
        ):
            torch.testing.assert_close(buffer, other, msg=f"{name}.{key}", rtol=1e-10, atol=1e-12)
    for embeddings in (e, expected):
        total(avca_terms(embeddings, triplets.text)).backward()
    for (name, p), other in zip(together.named_parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(p.grad, other.grad, msg=name, rtol=1e-8, atol=1e-10)


def test_a_forward_updates_each_batch_norm_once_per_batch() -> None:
    model = network().train()
    model(*batch())
    updates = {"encode_a": 2, "encode_v": 2, "project_w": 2, "decode": 5, "project_a": 2, "project_v": 2}
    updates |= {"reconstruct_a": 1, "reconstruct_v": 1}
    assert {name: int(getattr(model, name).out_norm.num_batches_tracked) for name in updates} == updates


# settings

INVALID = {
    "dim_audio": (0, 2.0, None), "heads": (-3, "5"), "hidden_enc": (-1, 1.5), "dropout_enc": (-0.1, 1),
    "dropout_dec": (1.5, float("nan")), "momentum": (-0.1, 1.1, float("nan")),
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in INVALID.items() for v in values])
def test_an_invalid_setting_is_named(name: str, value: object) -> None:
    with pytest.raises(SettingError, match=f"^{re.escape(f'{name} is {value!r};')}"):
        replace(SMALL, **{name: value})


def test_the_defaults_are_the_released_ucf_settings() -> None:
    c = AVCAConfig(dim_audio=512, dim_video=512)
    assert (c.dim_text, c.dim_phi, c.dim_theta, c.hidden_enc, c.hidden_proj) == (300, 300, 64, 512, 512)
    assert (c.dropout_enc, c.dropout_proj, c.dropout_dec, c.momentum) == (0.2, 0.3, 0.5, 0.1)
    assert (c.heads, c.head_dim, c.dim_mlp) == (3, 100, 64)
