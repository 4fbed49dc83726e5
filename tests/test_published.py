"""The settings of the released scripts, against literal values; recipes by scale."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from training_helpers import small

from hypav.data.yt8m import YT8M_NAME
from hypav.errors import SettingError
from hypav.experiments import configs
from hypav.experiments.configs import RECIPES, network_for, recipe_for

SCHEDULE = {"epochs": 50, "batches": 500, "lr": 1e-3, "weight_decay": 1e-5, "patience": 3}
SIZES = {
    "dim_phi": 300,
    "dim_theta": 64,
    "hidden_enc": 512,
    "hidden_proj": 512,
    "heads": 3,
    "head_dim": 100,
    "dim_mlp": 64,
}
RATES = {  # batch size, dropouts of encoders, projectors and decoders, momentum of the last batch norm
    ("VGGSound-GZSL", "main"): (64, 0.0, 0.0, 0.1, 0.1),
    ("UCF-GZSL", "main"): (256, 0.2, 0.3, 0.5, 0.1),
    ("ActivityNet-GZSL", "main"): (256, 0.2, 0.2, 0.1, 0.99),
    ("VGGSound-GZSL", "cls"): (256, 0.0, 0.0, 0.0, 0.99),
    ("UCF-GZSL", "cls"): (256, 0.2, 0.3, 0.5, 0.99),
    ("ActivityNet-GZSL", "cls"): (256, 0.2, 0.2, 0.1, 0.99),
}


def test_the_recipes_of_the_papers_sets() -> None:
    # these depend on the data or on how we compute
    ours = {"dim_audio", "dim_video", "dim_text", "dtype", "autocast"}
    for (dataset, features), values in RATES.items():
        recipe = RECIPES[f"{dataset.removesuffix('-GZSL').lower()}-{features}"]
        settings = asdict(network_for(small(), recipe)) | asdict(recipe.train)
        names = ("batch_size", "dropout_enc", "dropout_proj", "dropout_dec", "momentum")
        rates = dict(zip(names, values, strict=True))
        assert {n: v for n, v in settings.items() if n not in ours} == {**SCHEDULE, **SIZES, **rates}


def test_a_set_has_a_recipe_at_each_scale() -> None:
    mine = replace(small(), simulated=False, name="mine")
    mini, paper = replace(mine, name=YT8M_NAME), replace(mine, paper_key=("ActivityNet-GZSL", "cls"))
    modelled = replace(small(), modelled_on=("VGGSound-GZSL", "cls"))
    for data, names in (
        (small(), ("course", "course", "ucf-main")),
        (modelled, ("course", "course", "vggsound-cls")),
        (mine, ("course", "course", "ucf-main")),  # few samples
        (mini, ("yt8m-mini", "yt8m-mini-course", "yt8m-mini")),
        (paper, ("activitynet-cls", "course", "activitynet-cls")),
    ):
        assert tuple(recipe_for(data, scale=scale).name for scale in (None, "course", "full")) == names
        assert [recipe_for(data, scale=scale).scale for scale in ("course", "full")] == ["course", "full"]
    assert recipe_for(small(), "vggsound-cls", scale="course").name == "vggsound-cls"  # a name is a name
    for arguments, match in (
        ({"scale": "half"}, 'choose "course" or "full"'),
        ({"recipe": "vgg"}, "no recipe 'vgg'"),
    ):
        with pytest.raises(SettingError, match=match):
            recipe_for(small(), **arguments)


def test_a_large_set_of_your_own_gets_the_long_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = replace(small(), simulated=False, name="mine")
    monkeypatch.setattr(configs, "SMALL", len(mine.splits["stage_1_train"]))
    assert recipe_for(mine).name == "ucf-main"


def test_a_changed_recipe() -> None:
    recipe = RECIPES["ucf-main"].changed({"epochs": 3, "dropout_enc": 0.0, "lr": None})
    assert (recipe.train.epochs, recipe.network["dropout_enc"], recipe.train.lr) == (3, 0.0, 1e-3)
    assert recipe.name == "ucf-main with epochs 3, dropout_enc 0.0"
    assert RECIPES["ucf-main"].train.epochs == 50
    with pytest.raises(SettingError, match="no setting 'epoch'"):
        recipe.changed({"epoch": 3})


def test_the_course_recipes_are_the_long_ones_made_small() -> None:
    for name, full in (("yt8m-mini-course", "yt8m-mini"), ("course", "ucf-main")):
        course, long = RECIPES[name], RECIPES[full]
        rates = ("dropout_enc", "dropout_proj", "momentum")
        assert {rate: course.network[rate] for rate in rates} == {rate: long.network[rate] for rate in rates}
        assert (course.network["hidden_enc"], course.network["hidden_proj"]) == (0, 0)
        assert course.train.epochs * course.train.batches <= 100
        assert course.train.weight_decay == long.train.weight_decay
