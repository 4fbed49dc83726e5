"""The sentences of the results page: which one stands is decided by the numbers, and either outcome has one."""

from __future__ import annotations

from collections.abc import Sequence

from hypav.experiments.answers import CurvatureEffect, Effect, Tally, tally

__all__ = [
    "ABLATIONS",
    "MODULES",
    "alignment_sentences",
    "chance_text",
    "curvature_sentences",
    "in_short",
    "points",
    "power_sentences",
]

LEVEL = 0.05
MODULES = "the three modules of Table 1"
ABLATIONS = "the configurations of Tables 3 to 6 that are not in Table 1"


def chance_text(p: float) -> str:
    """A p value: "p = 0.041", or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def points(value: float, digits: int = 1) -> str:
    """A difference in points with its sign: "+0.4", "−1.2", "0.0"."""
    text = f"{value:+.{digits}f}".replace("-", "−")
    return f"{0:.{digits}f}" if text.strip("+−0.") == "" else text


def in_short(
    found: Sequence[Effect], ablations: Sequence[Effect], curved: Sequence[CurvatureEffect]
) -> list[str]:
    """Both questions over all sets together, a line each."""
    parts = (("Alignment against AVCA", found, MODULES), ("Its ablations", ablations, ABLATIONS))
    lines = [
        f"{title}: {' '.join(alignment_sentences(tally(part), what)[:2])}"
        for title, part, what in parts
        if part
    ]
    for preset in dict.fromkeys(effect.case.preset for effect in curved):
        part = [effect for effect in curved if effect.case.preset == preset]
        standing = [effect for effect in part if effect.stands]
        weaker = sum(effect.spreads.high is not None and effect.spreads.high < 1 for effect in part)
        verdict = (
            f"its effect stands in {len(standing)} of {_layouts(len(part))} "
            f"({', '.join(_where(effect) for effect in standing)})"
            if standing
            else f"no effect of it stands in {_layouts(len(part))}"
        )
        lines.append(
            f"Curvature under `{preset}`: {verdict}; in {weaker} of {len(part)}, HM scatters less over curvatures than "
            "over seeds."
        )
    return lines or ["Nothing was run that answers either question."]


def _layouts(count: int) -> str:
    return f"{count} layout{'' if count == 1 else 's'} of curvatures by seeds"


def _where(effect: CurvatureEffect) -> str:
    best, worst = (pick(effect.means, key=lambda k: effect.means[k]) for pick in (max, min))
    ends = f"best k = {best}, worst k = {worst}".replace("-", "−")
    return f"{effect.case.data.marked}, weight {effect.case.weight:g}: {ends}"


def alignment_sentences(found: Tally | None, what: str = MODULES) -> list[str]:
    """Whether rows differ from AVCA, and how many intervals say so by chance alone."""
    if found is None:
        return [f"Not run: there is no run of {what} beside one of AVCA with the same two seeds."]
    chance = LEVEL * found.count
    apart = found.above + found.below
    counted = (
        f"Of {found.count} comparisons ({what}, at every preset and weight that ran) the 95 % interval lies above 0 in "
        f"{found.above} and below in {found.below}; if nothing differed, chance alone would put it outside in "
        f"{chance:.1f}."
    )
    better = [effect for effect in found.stand if effect.difference.interval.mean > 0]
    worse = [effect for effect in found.stand if effect.difference.interval.mean < 0]
    if not found.stand and apart <= chance:
        verdict = "So alignment is not told apart from AVCA: if it helps or harms, then by less than these seeds see."
    elif not found.stand:
        verdict = "None of them stands once so many comparisons are allowed for (Holm): a hint at most, not a finding."
    else:
        told = [
            f"{len(part)} {word} than AVCA ({_names(part)})"
            for part, word in ((better, "better"), (worse, "worse"))
            if part
        ]
        verdict = f"What stands after Holm's correction: {'; '.join(told)}."
    ends = f"The mean differences go from {_told(found.least)} to {_told(found.most)}."
    return [counted, verdict, ends]


def _names(found: Sequence[Effect], most: int = 4) -> str:
    named = [_told(effect) for effect in found[:most]]
    return ", ".join(named) + (f" and {len(found) - most} more" if len(found) > most else "")


def _told(effect: Effect) -> str:
    interval = effect.difference.interval
    row = (
        effect.row if effect.table == "table1" else f"Table {effect.table[-1]} {effect.row}".replace("-", "−")
    )
    return f"{points(interval.mean)} ({row}, {effect.case.name})"


def curvature_sentences(found: CurvatureEffect | None, name: str = "") -> list[str]:
    """Whether HM depends on the curvature more than on chance, for the case called `name`."""
    if found is None:
        return [f"{name}: not run, for Table 3 is not complete for two seeds.".removeprefix(": ")]
    name = name or found.case.name
    own = found.spreads
    scatter = (
        f"over {own.shape[0]} curvatures at one seed HM scatters by {own.settings:.2f} points (standard deviation), over "
        f"{own.shape[1]} seeds at one curvature by {own.seeds:.2f}"
    )
    if own.settings == 0:
        return [f"{name}: every curvature gives the same HM to the last bit at every seed; {scatter}."]
    if own.ratio is None or own.low is None or own.high is None:
        return [f"{name}: {scatter}; seeds that do not scatter allow no comparison."]
    settled = "less than" if own.high < 1 else "more than" if own.low > 1 else None
    verdict = (
        "whether a curvature or a seed moves it more is not settled"
        if settled is None
        else f"a curvature moves it {settled} a seed does"
    )
    ratio = (
        f"{name}: {scatter}: {verdict} (ratio of variances {own.ratio:.2f}, 95 % interval {own.low:.2f} to "
        f"{own.high:.2f})."
    )
    return [ratio, _effect(found), _agreement(found)]


def _effect(found: CurvatureEffect) -> str:
    best, worst = (pick(found.means, key=lambda k: found.means[k]) for pick in (max, min))
    test = f"F = {found.F:.2f}, {chance_text(found.p)} by shuffling"
    ends = f"the highest mean HM, {found.means[best]:.1f}, is that of k = {best}, the lowest, {found.means[worst]:.1f}, "
    ends = (ends + f"that of k = {worst}").replace("-", "−")
    if found.p > LEVEL:
        return f"No curvature stands out: {ends}, and means differ so much when nothing does ({test})."
    if not found.stands:
        return (
            f"The curvatures' means differ somewhat more than shuffled ones ({test}; {ends}), but not once the other "
            "presets, weights and sets on this page are allowed for (Holm)."
        )
    told = f"The curvature has an effect that shuffling does not give ({test}, and after Holm's correction): {ends}."
    if found.case.preset == "paper":
        told += (
            " In exact arithmetic there is none, so rounding must have led these runs apart in one direction."
        )
    return told


def _agreement(found: CurvatureEffect) -> str:
    if found.alike == found.runs:
        return f"All {found.runs} runs have the HM of the flat run of their seed to the last bit."
    none = "None" if found.alike == 0 else str(found.alike)
    return f"{none} of {found.runs} runs with k other than 0 have the HM of the flat run of their seed to the last bit."


def power_sentences(
    found: Tally | None, paper: Sequence[tuple[str, float, int | None]], paper_set: str
) -> list[str]:
    """What so many seeds could have seen, and how many the paper's own differences would take."""
    if found is None:
        return ["Not run, so nothing could be seen."]
    low, high = found.n
    n = f"{low}" if low == high else f"{low} to {high}"
    told = [
        f"With {n} seeds a difference of {found.detectable:.1f} points (median over the comparisons) would be seen four "
        "times in five; a smaller one may be there and not show."
    ]
    rows = [f"{row} {points(difference, 2)}: {_seeds(needed)}" for row, difference, needed in paper]
    told.append(
        f"The paper's differences to AVCA on {paper_set}, and the seeds that they would take here: {'; '.join(rows)}."
    )
    return told


def _seeds(needed: int | None) -> str:
    return "no number of seeds" if needed is None else f"{needed} seeds"
