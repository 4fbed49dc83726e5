"""Parity with the released code: its recorded numbers pass, a changed one is caught, a damaged folder is refused."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

from hypav.alignment import Adaptive, preset
from hypav.avca import AVCAConfig, official_name
from hypav.baselines import build_network
from hypav.data.batches import TripletBatch, sampling_weights
from hypav.errors import DataError
from hypav.hyperbolicity import delta_rel
from hypav.losses import avca_terms, total
from hypav.training import RunConfig, TrainConfig, train_step

from . import GOLDEN, INPUTS, RECORDS, TOLERANCE, Row, missing, run_parity
from .__main__ import main
from .released import (
    load_curvature_layer,
    official_state,
    released_forward,
    released_learner,
    released_step,
)

# the input in each record; everything else in it is compared
GIVEN = {
    "align_f32.npz": r"points|curvatures|phi_\w+",
    "align_f64.npz": r"points|curvatures|phi_\w+",
    "metrics.npz": r"theta_\w|targets|seen|unseen|n_all|betas",
    "delta.npz": r"X|tree_dist|circle",
}
# Zeros of exact arithmetic, where the recorded number and ours are two roundings: a batch norm cancels a bias before it,
# also through the attention layer's residuals, and the layer norm a shift of all 300 coordinates of a token.
ATTENTION = r"cross_attention\.layers\.0"
BEFORE_NORM = rf"((A|V)_(enc|proj)\.fc\.[04]|(W_proj|D|[AV]_rec)\.fc\.0|{ATTENTION}\.1\.fn\.net\.3)\.bias"
SHIFT = rf"sum_(pos_emb1D|{ATTENTION}\.0\.fn\.to_out\.0\.bias)"
ZERO = {
    "grads_train_f64.npz": rf"(norm|sum|full)_{BEFORE_NORM}|{SHIFT}",
    "align_f32.npz": r"grad_fusenet_w_absmax_.+",
    "align_f64.npz": r"grad_fusenet_w_absmax_.+",
    "invariance.json": r"f\d\d fusenet1_weight_grad_absmax_.+",
}


def copied(folder: Path, *names: str) -> Path:
    for name in {*INPUTS, *names}:
        shutil.copyfile(GOLDEN / name, folder / name)
    return folder


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def golden_rows() -> list[Row]:
    return list(run_parity(GOLDEN))


def test_every_recorded_number_is_reproduced(golden_rows: list[Row]) -> None:
    assert [row for row in golden_rows if not row.passed] == []
    assert TOLERANCE == {"float64": 1e-10, "float32": 1e-5}


def test_every_record_is_compared_in_full(golden_rows: list[Row]) -> None:
    terms: dict[str, set[str]] = {}
    for row in golden_rows:
        terms.setdefault(row.file, set()).add(row.term)
    assert sorted(terms) == RECORDS
    for name in RECORDS:
        if name.endswith(".npz"):
            expected = {t for t in arrays(GOLDEN / name) if not re.fullmatch(GIVEN.get(name, ""), t)}
            assert terms[name] == expected, name
    assert terms["sampler.json"] == {"weights"}
    assert terms["dropout_seq.json"] == set(json.loads((GOLDEN / "dropout_seq.json").read_text())["losses"])
    recorded = json.loads((GOLDEN / "invariance.json").read_text())
    rounding = ("max_abs_loss_diff_vs_euclid", "max_rel_grad_diff_vs_euclid")
    compared = {f"{kind} {term}" for kind, one in recorded.items() for term in one if term not in rounding}
    assert terms["invariance.json"] == compared


def test_only_what_rounding_moves_has_a_tolerance_above_1e_10(golden_rows: list[Row]) -> None:
    loose = {(row.file, row.term) for row in golden_rows if row.tolerance > 1e-10}
    for file, term in loose:
        if file == "steps3_f64.npz":
            assert re.search(r"\.fc\.[04]\.bias$|running_mean$", term), term
        elif file == "grads_train_f64.npz":
            assert arrays(GOLDEN / file)[term].dtype == np.float32, term
        else:
            assert "f32" in file or file in ("metrics.npz", "dropout_seq.json") or term.startswith("f32 ")


# a changed number


def perturbed(value: Any, share: float) -> Any:
    """The entry of largest size, times 1 + share; a counter goes up by 1."""
    array = np.array(value)
    place = np.unravel_index(np.abs(array).argmax(), array.shape)
    if array.dtype.kind == "i":
        array[place] += 1
    else:
        array[place] = array[place] * (1 + share) if array[place] else share
    return array


def perturb_everything(path: Path, share: float) -> None:
    """Changes every number that is compared, none that is computed with."""
    if path.suffix == ".npz":
        given = GIVEN.get(path.name, "")
        changed = {n: a if re.fullmatch(given, n) else perturbed(a, share) for n, a in arrays(path).items()}
        np.savez(path, **changed)
        return
    record = json.loads(path.read_text())
    if path.name == "sampler.json":
        record["weights"] = perturbed(record["weights"], share).tolist()
    elif path.name == "dropout_seq.json":
        record["losses"] = {n: perturbed(v, share).tolist() for n, v in record["losses"].items()}
    else:
        record = {
            kind: {term: perturbed(v, 1e-4 if kind == "f32" else share).tolist() for term, v in one.items()}
            for kind, one in record.items()
        }
    path.write_text(json.dumps(record))


COARSE = {"forward_train_f32.npz": 1e-4, "align_f32.npz": 1e-4, "metrics.npz": 1e-4, "dropout_seq.json": 1e-2}


@pytest.mark.parametrize("name", RECORDS)
def test_a_number_changed_by_a_hundred_millionth_is_caught(name: str, tmp_path: Path) -> None:
    """In every term of every float64 record; by a ten thousandth in the float32 ones."""
    copied(tmp_path, name)
    perturb_everything(tmp_path / name, COARSE.get(name, 1e-8))
    rows = list(run_parity(tmp_path))
    share = COARSE.get(name, 1e-8)
    unseen = {row.term for row in rows if row.passed and row.tolerance < share}
    assert {term for term in unseen if not re.fullmatch(ZERO.get(name, ""), term)} == set()
    assert sum(not row.passed for row in rows) > len(rows) / 2


@pytest.mark.parametrize("name", ["state.npz", "batch.npz"])
def test_a_changed_input_moves_what_is_computed_from_it(name: str, tmp_path: Path) -> None:
    copied(tmp_path, "forward_eval_f64.npz")
    table = arrays(tmp_path / name)
    key = {"state.npz": "A_enc.fc.0.weight", "batch.npz": "audio"}[name]
    table[key] = table[key].astype(np.float64)
    table[key][0, 0] += 1e-6
    np.savez(tmp_path / name, **table)
    failed = {row.term for row in run_parity(tmp_path) if not row.passed}
    assert {"phi_a", "theta_a", "loss_total"} <= failed
    assert not failed & {"phi_v", "theta_w", "phi_v_neg"}


def test_another_shape_is_a_failed_row_that_says_so(tmp_path: Path) -> None:
    copied(tmp_path, "forward_eval_f64.npz")
    table = arrays(tmp_path / "forward_eval_f64.npz")
    table["phi_a"] = table["phi_a"][:3]
    table["phi_v"] = np.full_like(table["phi_v"], np.nan)
    np.savez(tmp_path / "forward_eval_f64.npz", **table)
    failed = [row.term for row in run_parity(tmp_path) if not row.passed]
    assert failed == ["phi_a (16, 300) for (3, 300)", "phi_v"]


# folders of other sizes


def record(folder: Path, config: AVCAConfig, *, seed: int, rows: int, N_c: int, c: float) -> None:
    """Make a folder of the released format with a network and a batch of other sizes."""
    g = Generator().manual_seed(seed)
    model = build_network(config, g)
    with torch.no_grad():  # statistics and affine maps of batch norms that are in use
        for name, tensor in model.state_dict().items():
            if "norm" in name and tensor.is_floating_point():
                tensor.add_(0.2 * torch.rand(tensor.shape, generator=g))
    state = {name: tensor.clone() for name, tensor in official_state(model).items()}
    state["fusenet1.weight"] = 0.1 * torch.randn(N_c, 2 * config.dim_phi, generator=g)
    state["fusenet1.bias"] = torch.zeros(N_c)
    widths = (config.dim_audio, config.dim_video, config.dim_text) * 2
    batch = TripletBatch(*(torch.randn(rows, width, generator=g) for width in widths))
    names = ("audio", "video", "w", "audio_neg", "video_neg", "w_neg")
    save(folder / "state.npz", state)
    save(folder / "batch.npz", dict(zip(names, batch, strict=True)))
    for dtype, mode in (
        (torch.float64, "eval_f64"),
        (torch.float64, "train_f64"),
        (torch.float32, "train_f32"),
    ):
        network, triplets = build_network(config, g).to(dtype), TripletBatch(*(t.to(dtype) for t in batch))
        network.load_state_dict(model.state_dict())
        e = released_forward(network.train("train" in mode), triplets)
        terms = avca_terms(e, triplets.text)
        table = e._asdict() | {f"loss_{n}": v for n, v in terms.items()} | {"loss_total": total(terms)}
        if mode == "train_f64":
            total(terms).backward()
            named = network.named_parameters()
            gradients = {official_name(n, network): p.grad for n, p in named if p.grad is not None}
            save(folder / "grads_train_f64.npz", {f"norm_{n}": p.norm() for n, p in gradients.items()})
        buffers = {f"after_{n}": t for n, t in official_state(network).items() if "running" in n}
        save(folder / f"forward_{mode}.npz", table | (buffers if "train" in mode else {}))
    methods = {
        "AVCA_c0_n0_mom0.3": None,
        f"Hyper-alignment_c{c}_n0_mom0.3": preset("released", curvatures=-c),
        f"Hyper-multiple_c{c}_n{N_c}_mom0.3": preset("released", curvatures=Adaptive(N_c, -c)),
    }
    steps, totals = {}, {}
    for name, align in methods.items():
        schedule = TrainConfig(dtype="float64")
        learner = released_learner(RunConfig(replace(config, momentum=0.3), schedule, align))
        learner.model.load_state_dict(model.state_dict())
        load_curvature_layer(learner.alignment, state)
        wide = TripletBatch(*(t.double() for t in batch))
        losses = torch.stack([released_step(learner, wide)["total"] for _ in range(2)])
        after = official_state(learner.model)
        steps[f"{name}|loss"] = losses
        steps |= {f"{name}|norm|{n}": t.double().norm() for n, t in after.items()}
        totals[f"total_{name.removesuffix('_mom0.3')}"] = losses[0].item()
    save(folder / "steps2_f64.npz", steps)
    totals["total_AVCA"] = totals.pop("total_AVCA_c0_n0")
    (folder / "invariance.json").write_text(json.dumps({"f64": totals}))
    points = torch.randn(11, 3, generator=g, dtype=torch.float64)
    d = torch.cdist(points, points)
    delta = {
        "cloud_dist": d,
        "delta_cloud": torch.tensor(delta_rel(d, precomputed=True).delta),
        "diam_cloud": d.max(),
    }
    save(folder / "delta.npz", delta)
    label = torch.randint(5, (23,), generator=g)
    members = [(label == c).nonzero().flatten().tolist() for c in range(5)]
    weights = sampling_weights(label).tolist()
    (folder / "sampler.json").write_text(json.dumps({"class_idxs": members, "weights": weights}))


def save(path: Path, tensors: dict[str, Any]) -> None:
    np.savez(path, **{name: tensor.detach().numpy() for name, tensor in tensors.items()})


WIDTHS = ("dim_audio", "dim_video", "dim_text", "dim_phi", "dim_theta", "hidden_enc", "hidden_proj")
SIZES = {"no hidden layer": (7, 3, 11, 15, 6, 0, 0), "all hidden": (4, 5, 6, 6, 3, 5, 4)}


@pytest.mark.parametrize("case", SIZES)
def test_a_folder_of_other_sizes_and_seeds_is_read_and_passes(case: str, tmp_path: Path) -> None:
    seed = list(SIZES).index(case)
    sizes = dict(zip(WIDTHS, SIZES[case], strict=True)) | {"head_dim": 4 + seed, "dim_mlp": 5}
    config = AVCAConfig(**sizes, dropout_enc=0, dropout_proj=0, dropout_dec=0)
    record(tmp_path, config, seed=100 + seed, rows=5 + 4 * seed, N_c=2 + seed, c=0.25)
    rows = list(run_parity(tmp_path))
    assert {row.file for row in rows} == {p.name for p in tmp_path.iterdir()} - INPUTS
    # c passes through float32 in the released maps; the loss does not notice
    assert [row for row in rows if not row.passed] == []


# the command


def test_a_missing_record_or_term_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copied(tmp_path, *RECORDS)
    assert len(RECORDS) == 12
    assert missing(tmp_path) == []
    for name in RECORDS:
        (tmp_path / name).rename(tmp_path / "away")
        assert missing(tmp_path) == [name]
        (tmp_path / "away").rename(tmp_path / name)
    (tmp_path / "steps3_f64.npz").rename(tmp_path / "steps2_f64.npz")
    assert missing(tmp_path) == []
    path = tmp_path / "forward_eval_f64.npz"
    np.savez(path, **{name: array for name, array in arrays(path).items() if name != "loss_total"})
    assert missing(tmp_path) == ["forward_eval_f64.npz: loss_total"]
    for name in RECORDS:
        if name != "sampler.json":
            (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "steps2_f64.npz").unlink()
    assert main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "FAIL" not in out
    assert "missing: metrics.npz\n" in out
    assert "0 past their tolerance, 11 records missing." in out


def test_the_command_prints_every_term_and_tells_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[missing.__module__], "RECORDS", ["dropout_seq.json", "sampler.json"])
    copied(tmp_path, "sampler.json", "dropout_seq.json")
    (tmp_path / "surprise.npz").touch()
    record = json.loads((tmp_path / "dropout_seq.json").read_text())
    (tmp_path / "dropout_seq.json").write_text(json.dumps({**record, "torch": "0.1"}))
    assert main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "sampler.json\n  ok " in out
    assert "not compared: surprise.npz" in out
    assert "not compared: dropout_seq.json" in out
    perturb_everything(tmp_path / "sampler.json", 1e-8)
    assert main([str(tmp_path)]) == 1
    assert "FAIL" in capsys.readouterr().out
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "state.npz" in capsys.readouterr().err


# damaged folders


@pytest.mark.parametrize("name", ["state.npz", "batch.npz"])
def test_a_missing_input_is_named(name: str, tmp_path: Path) -> None:
    copied(tmp_path, "sampler.json")
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=name):
        list(run_parity(tmp_path))


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no record"):
        list(run_parity(copied(tmp_path)))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = copied(tmp_path, "delta.npz") / "delta.npz"
    whole = path.read_bytes()
    zeros = whole[:2000] + bytes(40) + whole[2040:]
    for damaged in (b"", whole[:30], whole[: len(whole) // 2], whole[:-1], zeros):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"Cannot read .*delta\.npz"):
            list(run_parity(tmp_path))


class Exploit:
    """Leaves a file behind if it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("name", ["state.npz", "delta.npz"])
@pytest.mark.parametrize("whole", [True, False], ids=["pickle", "pickled array"])
def test_nothing_is_unpickled(name: str, whole: bool, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = copied(tmp_path, name) / name
    if whole:
        path.write_bytes(pickle.dumps(Exploit(trace)))
    else:
        table: dict[str, Any] = arrays(path)
        table[next(iter(table))] = np.array([Exploit(trace)], dtype=object)
        np.savez(path, allow_pickle=True, **table)
    with pytest.raises(DataError, match=name):
        list(run_parity(tmp_path))
    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sampler.json", "{"),
        ("sampler.json", "[" * 100_000),
        ("sampler.json", '{"weights": [1.0]}'),
        ("invariance.json", '{"f64": {"total_Hyper-cubic": 1}}'),
        ("invariance.json", "[]"),
        ("dropout_seq.json", '"text"'),
    ],
)
def test_a_record_of_another_format_is_refused(name: str, text: str, tmp_path: Path) -> None:
    (copied(tmp_path) / name).write_text(text)
    with pytest.raises(DataError, match=name):
        list(run_parity(tmp_path))


@pytest.mark.parametrize("name", ["forward_eval_f64.npz", "align_f64.npz", "steps3_f64.npz"])
def test_a_record_with_an_unknown_term_is_refused(name: str, tmp_path: Path) -> None:
    copied(tmp_path)
    given = {n: a for n, a in arrays(GOLDEN / name).items() if re.fullmatch(GIVEN.get(name, "-"), n)}
    np.savez(tmp_path / name, surprise_of_all=np.zeros(2), **given)
    with pytest.raises(DataError, match=f"{name} does not have the format"):
        list(run_parity(tmp_path))


def test_arrays_of_text_are_refused(tmp_path: Path) -> None:
    path = copied(tmp_path, "delta.npz") / "batch.npz"
    np.savez(path, **(arrays(path) | {"audio": np.array([["1.0"]])}))
    with pytest.raises(DataError, match="'audio' is not an array of numbers"):
        list(run_parity(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"pos_emb1D": None},
        {"A_enc.fc.0.weight": None},
        {"D.fc.0.weight": np.zeros((3, 3), np.float32)},
        {"W_proj.fc.0.weight": np.zeros(5, np.float32)},
        {"pos_emb1D": np.zeros((2, 0), np.float32)},
    ],
    ids=str,
)
def test_weights_that_make_no_network_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = copied(tmp_path, "forward_eval_f64.npz") / "state.npz"
    table = {name: array for name, array in (arrays(path) | change).items() if array is not None}
    np.savez(path, **table)
    with pytest.raises(DataError):
        list(run_parity(tmp_path))


# the released step


STEP = AVCAConfig(
    5, 8, 9, dim_phi=12, dim_theta=7, hidden_enc=10, hidden_proj=11, heads=3, head_dim=4, dim_mlp=6
)


def random_batch() -> TripletBatch:
    g = Generator().manual_seed(1)
    return TripletBatch(*(torch.randn(6, width, generator=g, dtype=torch.float64) for width in (5, 8, 9) * 2))


def test_the_released_step_updates_batch_norms_more_often_and_leaves_the_positional_embedding() -> None:
    config = RunConfig(STEP, TrainConfig(dtype="float64"), preset("released", curvatures=Adaptive(2)))
    learner = released_learner(config)
    before = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    released_step(learner, random_batch())
    unmoved = [name for name, p in learner.model.named_parameters() if torch.equal(p, before[name])]
    assert unmoved == ["positional"]
    updates = {"encode_a": 3, "encode_v": 3, "project_w": 3, "decode": 6, "project_a": 4, "project_v": 4}
    updates |= {"reconstruct_a": 1, "reconstruct_v": 1}
    assert {n: int(getattr(learner.model, n).out_norm.num_batches_tracked) for n in updates} == updates


def test_without_dropout_the_products_step_has_the_losses_of_the_released_one() -> None:
    network = replace(STEP, dropout_enc=0, dropout_proj=0, dropout_dec=0)
    config = RunConfig(network, TrainConfig(dtype="float64"), preset("released", curvatures=Adaptive(2)))
    ours, theirs = (
        train_step(released_learner(config), random_batch()),
        released_step(released_learner(config), random_batch()),
    )
    for name, loss in theirs.items():
        torch.testing.assert_close(ours[name], loss, rtol=1e-10, atol=1e-14)
