"""The results page in short: eight sentences at most, each chosen by the numbers of all sets together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from hypav.experiments.answers import Effect, Tally, tally
from hypav.experiments.curvature_effects import CurvatureEffect, beyond_rounding
from hypav.experiments.paper import reported
from hypav.experiments.results_delta import delta_direction
from hypav.experiments.results_runs import earlier, gaps, programs
from hypav.experiments.results_text import after_correction, chance_text, named, points, times, ways
from hypav.experiments.subjects import Subject
from hypav.experiments.suite import AVCA
from hypav.stats import t_interval

__all__ = ["in_short", "rounding_pairs"]


_UNSEEN = "Not that these seeds could see"


def in_short(found: Sequence[Subject], program: str) -> list[str]:
    """The answers over all sets, a sentence each, and of which program the runs are."""
    lines = [
        _alignment("Does alignment help over AVCA?", found, lambda s: s.effects, "comparison"),
        _alignment(
            "Does one of the other configurations of Tables 3 to 6?", found, lambda s: s.ablations, "row"
        ),
        _curvature("paper", found),
        _curvature("curved", found),
        _rounding(found),
        _delta(found),
        _provenance(found, program),
    ]
    told = [line for line in lines if line]
    return told if len(told) > 1 else ["Nothing was run that answers a question.", *told]


def _alignment(
    question: str, found: Sequence[Subject], of: Callable[[Subject], Sequence[Effect]], noun: str
) -> str:
    tallies = [(subject.data.marked, own) for subject in found if (own := tally(of(subject))) is not None]
    if not tallies:
        return ""
    signs = {effect.difference.interval.mean > 0 for _, own in tallies for effect in own.stand}
    verdict = {
        (): _UNSEEN,
        (True,): "Yes, here and there",
        (False,): "No, and where it differs it does harm",
    }.get(tuple(signs), "Here it does, there it harms")
    clauses = [f"on {name} {_standing(own, noun)}" for name, own in tallies]
    return f"**{question}** {verdict}: {'; '.join(clauses)}."


def _standing(own: Tally, noun: str) -> str:
    if own.stand:
        what = f"{len(own.stand)} of {own.count} {noun}s stand{'s' if len(own.stand) == 1 else ''}"
        return f"{what}, {named(own.stand, 2)}"
    ends = (points(effect.difference.interval.mean) for effect in (own.least, own.most))
    none = f"none of {own.count} {noun}s stands" if own.count > 1 else f"the one {noun} does not stand"
    return f"{none} (means {' to '.join(ends)} points; {own.detectable:.1f} would have stood)"


def _effects(found: Sequence[Subject], preset: str) -> list[CurvatureEffect]:
    return [e for s in found for e in s.curvatures.values() if e is not None and e.case.preset == preset]


_ASKED = {
    "paper": "**Does curvature matter in the loss as printed (`paper`)?** In exact arithmetic it cannot",
    "curved": "**Does it where the loss depends on it (`curved`)?**",
}


def _curvature(preset: str, found: Sequence[Subject]) -> str:
    own = _effects(found, preset)
    if not own:
        return ""
    standing = [effect for effect in own if effect.stands]
    layouts = f"{len(own)} layout{'s' if len(own) > 1 else ''} of curvatures by seeds"
    if not standing:
        least = min(own, key=lambda effect: effect.p)
        reach = f"a range of {median(e.reach for e in own):.1f} points between means would have stood"
        told = f"no effect of it stands in {layouts} (least {_chance(least)}; {reach})"
        return f"{_ASKED[preset]}{', and' if preset == 'paper' else f' {_UNSEEN}:'} {told}."
    told = "; ".join(f"on {e.case.data.marked}, {e.case.name}: {_chance(e)}; {ways(e)}" for e in standing)
    start = ", and yet an effect stands in" if preset == "paper" else " In"
    return f"{_ASKED[preset]}{start} {len(standing)} of {layouts}: {told}."


def _chance(effect: CurvatureEffect) -> str:
    return f"{chance_text(effect.p)}, {after_correction(effect.adjusted)} after Holm's correction over {effect.family}"


def rounding_pairs(subject: Subject) -> list[tuple[CurvatureEffect, CurvatureEffect | None]]:
    """The layouts under `curved`, each with the one under `paper` at the same weight."""
    own = [effect for effect in subject.curvatures.values() if effect is not None]
    paper = {effect.case.weight: effect for effect in own if effect.case.preset == "paper"}
    return [(e, paper.get(e.case.weight)) for e in own if e.case.preset == "curved"]


def _rounding(found: Sequence[Subject]) -> str:
    ratios = [
        (effect, ratio)
        for subject in found
        for effect, paper in rounding_pairs(subject)
        if paper is not None and not paper.swallowed and (ratio := beyond_rounding(effect, paper)) is not None
    ]
    known = [(e, r) for e, r in ratios if r.ratio is not None and r.low is not None and r.high is not None]
    if not known:
        return ""
    above = sum(r.low > 1 for _, r in known if r.low is not None)
    verdict = {len(known): "Yes", 0: "Not shown"}.get(above, f"In {above} of {len(known)} layouts")
    told = "; ".join(
        f"{times(r.ratio)} [{times(r.low)}, {times(r.high)}] on {e.case.data.marked}, weight {e.case.weight:g}"
        for e, r in known
        if r.ratio is not None and r.low is not None and r.high is not None
    )
    return (
        f"**Does it move single runs further than rounding moves those of `paper`?** {verdict}: the spread of HM over "
        f"curvatures under `curved`, divided by that under `paper` at the same weight, is {told}. The terms differ "
        "in size too, so this alone does not tell curvature from a louder term."
    )


def _delta(found: Sequence[Subject]) -> str:
    told = [(s, delta_direction(s.deltas)) for s in found if s.deltas]
    if not told:
        return ""
    directions = {direction for _, direction in told}
    lower, higher = ({d for d in directions if word in d} for word in ("lower", "higher"))
    if lower and higher:
        verdict = "Here it does, there it raises it"
    elif lower:
        verdict = "Yes" if directions == {"lower"} else "Yes, here and there"
    elif higher:
        verdict = "No, it raises it" if directions == {"higher"} else "No, and where it differs it raises it"
    else:
        verdict = _UNSEEN
    clauses = []
    for s, direction in told:
        means = [effect.difference.interval.mean for effect in s.deltas]
        span = (
            points(means[0], 3) if len(means) == 1 else f"{points(min(means), 3)} to {points(max(means), 3)}"
        )
        clauses.append(f"{span} on {s.data.marked} ({direction})")
    claims = [reported("table7", s.data.key).difference(s.deltas[0].row, AVCA, "delta_rel") for s, _ in told]
    lows = [
        (t_interval(effect.difference.values).low, claim)
        for (s, _), claim in zip(told, claims, strict=True)
        for effect in s.deltas
    ]
    apart = all(low is not None and low > claim for low, claim in lows)
    above = ", below every 95 % interval here" if apart else ""
    if verdict == _UNSEEN and apart:
        verdict = "Not by what the paper has"
    of_paper = " and ".join(dict.fromkeys(points(claim, 2) for claim in claims))
    told_all = f"{'; '.join(clauses)}; the paper has {of_paper}{above}"
    return f"**Does it lower delta_rel (Table 7)?** {verdict}: {told_all}."


def _provenance(found: Sequence[Subject], program: str) -> str:
    simulated = [s.data.marked for s in found if s.data.simulated]
    are = "is" if len(simulated) == 1 else "are"
    rounded = any(map(earlier, found))
    before = ", here as before hypav rounded its features (Machine, time, versions)" if rounded else ""
    drawn = f"{' and '.join(simulated)} {are} drawn from a seed{before}, and all" if simulated else "All"
    scales = ", ".join(sorted({record.scale_name for s in found for record in s.runs}))
    missing = "; some tables are not complete (What ran)" if any(map(gaps, found)) else ""
    return (
        f"**What it stands on:** {drawn} runs are at {scales} scale and {programs(found, program)}{missing}."
    )
