"""The network: released names, released weights from one seed, order of the calls, random streams, plain errors."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor, nn

from hypav.avca import (
    AVCA,
    AVCAConfig,
    Embeddings,
    Masks,
    build_avca,
    dropout,
    isolated_init,
    load_official_state,
    official_name,
    official_state,
)
from hypav.data.batches import TripletBatch
from hypav.errors import DataError, SettingError
from hypav.losses import avca_terms, total
from hypav.training import Learner, RunConfig, TrainConfig, train_step

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
    return build_avca(config, generator(seed)).to(dtype)


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
    ("change", "said"),
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
def test_a_state_of_another_network_is_refused_and_changes_nothing(change, said: str) -> None:
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = official_state(network(seed=2))
    change(state)
    with pytest.raises(DataError, match=said) as raised:
        load_official_state(model, state)
    assert "\n" not in str(raised.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_hidden_layer_as_wide_as_phi_is_not_mistaken_for_none() -> None:
    """Then every shape of the shallow encoder fits, and only the layers left over tell."""
    wide = network(replace(SMALL, hidden_enc=SMALL.dim_phi))
    with pytest.raises(DataError, match=r"fc\.4.*built without"):
        load_official_state(network(replace(SMALL, hidden_enc=0)), official_state(wide))


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
    one, same, other = network(seed=3), network(seed=3), network(seed=4)
    assert torch.equal(torch.default_generator.get_state(), before)
    assert torch.equal(one.positional, same.positional)
    assert torch.equal(one.decode.out.weight, same.decode.out.weight)
    assert not torch.equal(one.decode.out.weight, other.decode.out.weight)
    g = generator(3)
    assert not torch.equal(build_avca(SMALL, g).positional, build_avca(SMALL, g).positional)  # g moves on


def test_torchs_generator_is_given_back_after_a_failure_too() -> None:
    before = torch.default_generator.get_state()
    with pytest.raises(ZeroDivisionError), isolated_init(generator()):
        torch.randn(3 // 0)
    assert torch.equal(torch.default_generator.get_state(), before)


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
    model, one = network(config).eval(), batch()
    e = model(*one)
    thetas = model.embed(one.audio, one.video, one.text)
    for own, m in zip(thetas, "avw", strict=True):
        torch.testing.assert_close(own, getattr(e, f"theta_{m}"))
    torch.testing.assert_close(
        model.embed(one.audio, one.video, one.text[:2])[2], e.theta_w[:2]
    )  # a row a class


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


def test_no_hidden_layer_is_one_linear_map_before_the_norm() -> None:
    model, one = network(FLAT).eval(), batch()
    expected = (one.audio @ model.encode_a.out.weight.T + model.encode_a.out.bias) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(model(*one).phi_a, expected.relu())


# dropout


def test_masks_come_from_the_generator_and_from_nowhere_else() -> None:
    before = torch.default_generator.get_state()
    one, same, other = (network()(*batch(), generator=generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(torch.default_generator.get_state(), before)
    assert all(torch.equal(x, y) for x, y in zip(one, same, strict=True))
    assert not any(torch.equal(x, y) for x, y in zip(one, other, strict=True))


@pytest.mark.parametrize("replay", [True, False])
def test_without_rates_or_without_generator_nothing_is_masked(replay: bool) -> None:
    plain = network(replace(SMALL, dropout_enc=0, dropout_proj=0, dropout_dec=0))
    masked = network()
    g = generator(5)
    before = g.get_state()
    with_g = plain(*batch(), generator=g, replay=replay)
    assert torch.equal(g.get_state(), before)  # nothing drawn
    assert all(torch.equal(x, y) for x, y in zip(with_g, masked(*batch(), replay=replay), strict=True))


@pytest.mark.parametrize("released", [True, False])
def test_a_mask_keeps_1_minus_rate_and_scales_up_the_rest(released: bool) -> None:
    config = replace(SMALL, dim_theta=400, dropout_dec=0.3)
    plain = network(config).project_w
    wide = torch.randn(50, SMALL.dim_text, generator=generator(), dtype=torch.float64)
    clean, dropped = plain(wide), plain(wide, Masks(generator(1), released=released))
    kept = dropped[clean > 0] > 0
    assert kept.double().mean().item() == pytest.approx(0.7, abs=0.02)
    torch.testing.assert_close(dropped[dropped > 0], clean[dropped > 0] / 0.7, rtol=3e-5, atol=0)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.9])
def test_masks_of_sixteen_bits_keep_the_mean_and_are_uncorrelated(rate: float) -> None:
    like = torch.empty(1001, 1003)  # no multiple of the four elements that one random number serves
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
    (own,) = torch.autograd.grad((module(x, Masks(generator(1))) * factor).sum(), x)
    plain = module.out_norm(module.out(x)).relu()
    (expected,) = torch.autograd.grad((dropout(plain, 0.4, Masks(generator(1))) * factor).sum(), x)
    torch.testing.assert_close(own, expected)


def test_rows_together_compute_what_call_after_call_computes() -> None:
    """Values, gradients and batch-norm statistics; a momentum of .99 shows the order of the calls."""
    config = replace(SMALL, momentum=0.99)
    one = batch()
    together, apart = network(config).train(), network(config).train()
    e = together(*one)
    phi_a, phi_v = apart.encode_a(one.audio), apart.encode_v(one.video)
    phi_a_neg, phi_v_neg = apart.encode_a(one.audio_neg), apart.encode_v(one.video_neg)
    theta_w, theta_w_neg = apart.project_w(one.text), apart.project_w(one.text_neg)
    rho_w = apart.decode(theta_w)
    phi_a_att, phi_v_att = apart.attend(phi_a, phi_v, None)
    phi_a_att_neg, phi_v_att_neg = apart.attend(phi_a_neg, phi_v_neg, None)
    theta_v, theta_v_neg = apart.project_v(phi_v_att), apart.project_v(phi_v_att_neg)
    theta_a, theta_a_neg = apart.project_a(phi_a_att), apart.project_a(phi_a_att_neg)
    phi_v_rec, phi_a_rec = apart.reconstruct_v(theta_v), apart.reconstruct_a(theta_a)
    rho_a, rho_a_neg = apart.decode(theta_a), apart.decode(theta_a_neg)
    rho_v, rho_v_neg = apart.decode(theta_v), apart.decode(theta_v_neg)
    expected = Embeddings(
        phi_a, phi_v, phi_a_neg, phi_v_neg, phi_a_att, phi_v_att, phi_a_att_neg, phi_v_att_neg,
        theta_a, theta_v, theta_w, theta_a_neg, theta_v_neg, theta_w_neg,
        rho_a, rho_v, rho_w, rho_a_neg, rho_v_neg, phi_a_rec, phi_v_rec,
    )  # fmt: skip
    for name, own in e._asdict().items():
        torch.testing.assert_close(own, getattr(expected, name), msg=name, rtol=1e-10, atol=1e-12)
    for name, buffer in together.named_buffers():
        torch.testing.assert_close(buffer, dict(apart.named_buffers())[name], rtol=1e-10, atol=1e-12)
    for model, embeddings in ((together, e), (apart, expected)):
        total(avca_terms(embeddings, one.text)).backward()
        assert all(p.grad is not None for p in model.parameters())
    for (name, own), other in zip(together.named_parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, msg=name, rtol=1e-8, atol=1e-10)


# order

MODULES = {
    "encode_a": "A_enc", "encode_v": "V_enc", "attention": "attention", "project_w": "W_proj", "decode": "D",
    "project_a": "A_proj", "project_v": "V_proj", "reconstruct_a": "A_rec", "reconstruct_v": "V_rec",
}  # fmt: skip
FORWARD = [
    "A_enc", "V_enc", "A_enc", "V_enc", "W_proj", "W_proj", "D", "D", "attention", "attention",
    "V_proj", "V_proj", "A_proj", "A_proj", "V_rec", "A_rec", "A_proj", "V_proj", "D", "D", "D", "D",
]  # fmt: skip
EXTRA = ["A_enc", "V_enc", "W_proj", "attention", "V_proj", "A_proj"]  # after the optimiser's step
MODULE_NAMES = ("A_enc", "V_enc", "W_proj", "D", "A_proj", "V_proj", "A_rec", "V_rec")


def recorded_calls(model: AVCA) -> list[tuple[str, Tensor]]:
    """Fills with (released module, its input) as the model runs."""
    calls: list[tuple[str, Tensor]] = []
    for ours, released in MODULES.items():
        getattr(model, ours).register_forward_pre_hook(
            lambda _, inputs, released=released: calls.append((released, inputs[0]))
        )
    return calls


def test_replay_calls_every_module_in_the_released_order_on_the_released_input() -> None:
    model = network().eval()
    calls = recorded_calls(model)
    one = batch()
    e = model(*one, replay=True)
    assert [name for name, _ in calls] == FORWARD
    pairs = ((e.phi_a, e.phi_v), (e.phi_a_neg, e.phi_v_neg))
    tokens = [torch.stack((a, v), dim=1) + model.positional for a, v in pairs]
    inputs = [
        one.audio, one.video, one.audio_neg, one.video_neg, one.text, one.text_neg, e.theta_w, e.theta_w_neg,
        *tokens, e.phi_v_att, e.phi_v_att_neg, e.phi_a_att, e.phi_a_att_neg, e.theta_v, e.theta_a,
        e.phi_a_rec, e.phi_v_rec, e.theta_a, e.theta_a_neg, e.theta_v, e.theta_v_neg,
    ]  # fmt: skip
    for place, ((name, own), expected) in enumerate(zip(calls, inputs, strict=True)):
        assert torch.equal(own, expected), f"call {place}, {name}"


def test_without_replay_every_module_is_called_once() -> None:
    model = network().eval()
    calls = recorded_calls(model)
    model(*batch())
    order = ["A_enc", "V_enc", "W_proj", "attention", "V_proj", "A_proj", "V_rec", "A_rec", "D"]
    assert [name for name, _ in calls] == order


@pytest.mark.parametrize(
    ("parity", "updates"), [("official", (3, 3, 3, 6, 4, 4, 1, 1)), ("clean", (2, 2, 2, 5, 2, 2, 1, 1))]
)
def test_a_training_step_updates_the_batch_norms_as_often_as_documented(
    parity: str, updates: tuple[int, ...]
) -> None:
    expected = dict(zip(MODULE_NAMES, updates, strict=True))
    config = RunConfig(SMALL, TrainConfig(parity=parity, dtype="float64"))  # type: ignore[arg-type]
    learner = Learner.fresh(config, torch.device("cpu"))
    calls = recorded_calls(learner.model)
    for step in (1, 2):
        train_step(learner, batch(), replay=parity == "official")
        state = official_state(learner.model)
        tracked = {name: int(n) for name, n in state.items() if name.endswith("num_batches_tracked")}
        assert tracked == {name: step * expected[name.split(".")[0]] for name in tracked}
    if parity == "official":
        assert Counter(name for name, _ in calls) == {
            n: 2 * c for n, c in (expected | {"attention": 3}).items()
        }
        assert [name for name, _ in calls] == 2 * (FORWARD + EXTRA)


def test_only_the_official_step_leaves_the_positional_embedding_as_it_was() -> None:
    for parity in ("official", "clean"):
        config = RunConfig(SMALL, TrainConfig(parity=parity, dtype="float64"))  # type: ignore[arg-type]
        learner = Learner.fresh(config, torch.device("cpu"))
        before = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
        train_step(learner, batch(), replay=parity == "official")
        still = {name for name, p in learner.model.named_parameters() if torch.equal(p, before[name])}
        assert still == ({"positional"} if parity == "official" else set())


# settings

SIZES = ("dim_audio", "dim_video", "dim_text", "dim_phi", "dim_theta", "heads", "head_dim", "dim_mlp")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in SIZES for value in (0, -3, 2.0, "5", None)),
        *((name, value) for name in ("hidden_enc", "hidden_proj") for value in (-1, 1.5)),
        *(
            (f"dropout_{part}", value)
            for part in ("enc", "proj", "dec")
            for value in (-0.1, 1, 1.5, float("nan"))
        ),
        *(("momentum", value) for value in (-0.1, 1.1, float("nan"))),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name: str, value: object) -> None:
    with pytest.raises(SettingError, match=f"^{re.escape(f'{name} is {value!r};')}"):
        replace(SMALL, **{name: value})


def test_the_defaults_are_the_released_ucf_settings() -> None:
    c = AVCAConfig(dim_audio=512, dim_video=512)
    assert (c.dim_text, c.dim_phi, c.dim_theta, c.hidden_enc, c.hidden_proj) == (300, 300, 64, 512, 512)
    assert (c.dropout_enc, c.dropout_proj, c.dropout_dec, c.momentum) == (0.2, 0.3, 0.5, 0.1)
    assert (c.heads, c.head_dim, c.dim_mlp) == (3, 100, 64)


def test_official_name_of_a_hidden_and_of_a_plain_layer() -> None:
    deep, flat = network(), network(FLAT)
    assert official_name("encode_a.out.weight", deep) == "A_enc.fc.4.weight"
    assert official_name("encode_a.out.weight", flat) == "A_enc.fc.0.weight"
    assert official_name("decode.out_norm.bias", deep) == "D.fc.1.bias"
