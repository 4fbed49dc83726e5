"""hypav: hyperbolic audio-visual zero-shot learning, a course and a small package.

    import hypav as hv
    data = hv.load("simulated")                      # "yt8m-mini", a folder, an .npz; or hv.from_arrays(...)
    run = hv.train(data, "hyper-alignment", k=-0.2, seed=0)
    run.metrics, run.history                         # S, U, HM, ZSL; a DataFrame with a row per epoch
    scores = hv.score(run, data["test"])             # distances of every sample to every class word
    scores.metrics(beta=0.2), scores.ausuc(), scores.confusion(beta=0.2)
    hv.score(run, data["val"]).choose_beta()         # on data["test"] this raises SettingError
    hv.compare(data, ["eszsl", "avca", "hyper-alignment", "hyper-multiple"], seeds=3)   # a DataFrame
    hv.alignment_loss(phi_v, phi_a, k=-0.2, preset="curved")
    hv.delta_rel(x)
    hv.geometry.distance(x, y, k=-1.0)

k is the sectional curvature: k < 0 is hyperbolic, 0 flat, k > 0 spherical. Each module imports only from those before it:
geometry, data, the network and its losses, the alignment module, evaluation, training, experiments, figures, checks.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

# name -> "module" or "module:attribute"; each is imported at its first use, so that `import hypav` is quick (PEP 562)
_NAMES = {
    "load": "hypav.data.load:load",
    "course_data": "hypav.data.load:course_data",
    "from_arrays": "hypav.data.features:from_arrays",
    "train": "hypav.experiments.grid:train",
    "score": "hypav.training:score",
    "compare": "hypav.experiments.grid:compare",
    "reproduce": "hypav.experiments.reproduce:reproduce",
    "preset": "hypav.alignment:preset",
    "alignment_loss": "hypav.alignment:alignment_loss",
    "delta_rel": "hypav.hyperbolicity:delta_rel",
    "Scores": "hypav.evaluation:Scores",
    "show": "hypav.figures.style:show",
    "mine": "hypav.student:mine",
    "guess": "hypav.predictions:guess",
    "guesses": "hypav.predictions:guesses",
    # every module is available as hv.NAME, including those of hypav.experiments
    **{
        name: f"hypav.{name}"
        for name in (
            "geometry", "trigonometry", "hyperbolicity", "trees", "embeddings", "stats", "avca", "losses", "alignment",
            "evaluation", "eszsl", "baselines", "training", "processors", "utils", "data", "figures", "errors",
            "handouts", "pages", "site", "student",
        )
    },
    **{
        name: f"hypav.experiments.{name}"
        for name in ("paper", "configs", "runs", "grid", "effects", "contrasts", "evidence", "tables", "ledger")
    },
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'hypav' has no attribute {name!r}")
    module, _, attribute = _NAMES[name].partition(":")
    value = import_module(module)
    value = getattr(value, attribute) if attribute else value
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
