"""What the results page stands on: which runs, what is missing, the machine, and the commands that make them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypav.alignment import AlignmentConfig
from hypav.data.simulated import COUNTS
from hypav.data.yt8m import YT8M_NAME
from hypav.experiments.answers import Case
from hypav.experiments.records import alignment_columns
from hypav.experiments.subjects import Subject
from hypav.experiments.suite import AVCA, FIGURES, TABLES, entries
from hypav.experiments.table_text import NOT_RUN
from hypav.experiments.table_view import Row, TableView
from hypav.experiments.tables import markdown_table
from hypav.experiments.tuning import TUNED, TUNING_SEEDS, tuning_entries

__all__ = ["Command", "commands", "earlier", "gaps", "machine", "programs", "repeat", "unlike", "what_ran"]


def what_ran(found: Sequence[Subject]) -> str:
    """Section: the seeds of each table under each preset and weight, then what is missing."""
    header = ["features", "preset, weight", *(f"Table {name[-1]}" for name in TABLES)]
    rows = [
        [s.data.marked, case.name, *(_seeds(s.views[case.name, table]) for table in TABLES)]
        for s in found
        for case in s.cases
    ]
    counted = "; ".join(
        f"{s.data.marked}: {len(s.runs)} runs, {_count(_avca(s), 'seed')} of AVCA, recipe {s.recipe.name}"
        for s in found
    )
    lines = [
        "## What ran",
        f"{counted}. How many seeds the rows of each table have, least to most:",
        markdown_table(header, rows) if rows else "No table is complete enough to be shown.",
    ]
    missing = [f"- {line}" for s in found for line in gaps(s)]
    lines.append(
        "**Not run**, or with fewer seeds than AVCA:\n\n" + "\n".join(missing)
        if missing
        else "Every row of every table has as many seeds as AVCA."
        if rows
        else ""
    )
    lines += [
        f"Recipe {s.recipe.name}: {s.recipe.source}." for s in {s.recipe.name: s for s in found}.values()
    ]
    if any(s.runs[0].data == YT8M_NAME for s in found):
        lines.append(
            f"{YT8M_NAME} is made of real YouTube-8M features (Abu-El-Haija et al. 2016, CC BY 4.0)."
        )
    return "\n\n".join(line for line in lines if line)


def _avca(subject: Subject) -> int:
    return len({record.seed for record in subject.runs if record.method == AVCA})


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _ours(view: TableView) -> list[int]:
    """The seeds of each row that is one of ours and no baseline."""
    return [row.n for row in view.rows if row.entry is not None and row.label != AVCA]


def _seeds(view: TableView) -> str:
    counts = [n for n in _ours(view) if n]
    if not counts:
        return NOT_RUN
    told = str(min(counts)) if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"
    return told if len(counts) == len(_ours(view)) else f"{told} ({len(counts)} of {len(_ours(view))} rows)"


def gaps(subject: Subject) -> list[str]:
    """What is missing of a set's tables, a line a preset and weight; none where every row has the seeds of AVCA."""
    full, lines = _avca(subject), []
    for case in subject.cases:
        counts = {table: _ours(subject.views[case.name, table]) for table in TABLES}
        absent = [table for table, own in counts.items() if 0 in own]
        short = [table for table, own in counts.items() if any(0 < n < full for n in own)]
        fewer = [n for table in short for n in counts[table] if 0 < n < full]
        told = [f"rows of {_names(absent)} not run"] if absent else []
        if fewer:
            span = "" if min(fewer) == max(fewer) else f"{min(fewer)} to "
            told.append(f"rows of {_names(short)} with {span}{_count(max(fewer), 'seed')}, not {full}")
        if told:
            lines.append(f"{subject.data.marked}, {case.name}: {'; '.join(told)}.")
    return lines


def _names(tables: Sequence[str]) -> str:
    return f"Table{'s' if len(tables) > 1 else ''} {', '.join(table[-1] for table in tables)}"


@dataclass(frozen=True)
class Command:
    """One `hypav reproduce`: tables by name, seeds 0 to seeds - 1, presets, weights as they are written."""

    tables: tuple[str, ...]
    seeds: int
    presets: tuple[str, ...]
    weights: tuple[str, ...]


def commands(subject: Subject) -> list[Command]:
    """What makes a set's runs again."""
    asked: dict[tuple[tuple[str, ...], int, tuple[str, ...]], list[str]] = {}
    for preset in dict.fromkeys(case.preset for case in subject.cases):
        weights: dict[tuple[tuple[str, ...], int], list[str]] = {}
        for case in subject.cases:
            if case.preset == preset:
                tables: dict[int, list[str]] = {}
                for table in TABLES:
                    tables.setdefault(_seeds_asked(subject, case, table), []).append(table)
                for seeds, own in tables.items():
                    if seeds:
                        token = TUNED if case.tuned else f"{case.weight:g}"
                        weights.setdefault((tuple(own), seeds), []).append(token)
        for (own_tables, seeds), tokens in weights.items():
            asked.setdefault((own_tables, seeds, tuple(tokens)), []).append(preset)
    found = [Command(tables, seeds, tuple(p), tokens) for (tables, seeds, tokens), p in asked.items()]
    return sorted(found, key=lambda c: -len(c.tables) * c.seeds)


def _seeds_asked(subject: Subject, case: Case, table: str) -> int:
    """With how many seeds a table was asked for: the most of its rows that Table 1 has not (a run may have failed), or
    what all its rows have where Table 1 has them all."""
    view = subject.views[case.name, table]
    known = {row.entry.alignment for row in subject.views[case.name, "table1"].rows if row.entry is not None}
    own = [row for row in view.rows if row.entry is not None and row.entry.alignment not in known]
    if own:
        return max(_leading(row, view.compared) for row in own)
    return min(_leading(row, view.compared) for row in view.rows if row.entry is not None)


def _leading(row: Row, metric: str) -> int:
    """The n of the seeds 0 to n - 1 that a row has."""
    seeds, n = set(row.ours[metric].by_seed) if row.ours else set(), 0
    while n in seeds:
        n += 1
    return n


def unlike(subject: Subject) -> tuple[int, int]:
    """How many runs of a set `commands` would not make, and how many they would make that the set has not."""
    made = set()
    for command in commands(subject):
        for preset in command.presets:
            for token in command.weights:
                weight = next(
                    c.weight
                    for c in subject.cases
                    if c.preset == preset and (c.tuned if token == TUNED else f"{c.weight:g}" == token)
                )
                for table in command.tables:
                    for entry in entries(table, subject.data.key, preset, weight):
                        made |= {(_identity(entry.alignment), seed) for seed in range(command.seeds)}
                if token == TUNED:
                    tried = tuning_entries(subject.data.key, preset)
                    made |= {(_identity(e.alignment), seed) for e in tried for seed in TUNING_SEEDS}
    own = {(tuple(getattr(record, name) for name in _COLUMNS), record.seed) for record in subject.runs}
    return len(own - made), len(made - own)


_COLUMNS = tuple(alignment_columns(None))  # what tells one alignment loss from another in a record


def _identity(alignment: AlignmentConfig | None) -> tuple[object, ...]:
    columns = alignment_columns(alignment)
    return tuple(columns[name] for name in _COLUMNS)


# name of a set -> the door it is behind
_DOORS = {YT8M_NAME: "yt8m-mini"} | {
    counts.name: "simulated" if name == "ucf-gzsl" else f"simulated:{name}" for name, counts in COUNTS.items()
}
_ELSEWHERE = "PATH"  # for a set that no door of ours opens
_OUT = "runs/results"  # of its own, for runs of another grid in the same store would be on the page too


def repeat(found: Sequence[Subject], exported: str | None, *, figures: bool = False) -> str:
    """Section: the commands that make these runs and this page again, from nothing.

    Args:
        exported: where, seen from the page, the runs lie as CSV.
        figures: whether the page shows Figures 3 and 4.
    """
    doors = [_DOORS.get(subject.runs[0].data, _ELSEWHERE) for subject in found]
    ways = [_reading(subject) for subject in found]
    drawn = "".join(f" --figures {door}" for door in dict.fromkeys(doors)) if figures else ""
    page = "--to notebooks/RESULTS.md" + (f" --export notebooks/{exported}" if exported else "")
    lines = ["## Repeat it", "", "From nothing, in a folder of its own:", "", "```"]
    for subject, door, way in zip(found, doors, ways, strict=True):
        for c in commands(subject):
            lines.append(
                f"hypav reproduce {_tables(c.tables, figures)} --data {door}{way} --seeds {c.seeds} --scale "
                f"{subject.runs[0].scale_name} --presets {','.join(c.presets)} --weights {','.join(c.weights)} "
                f"--out {_OUT}"
            )
    lines += [f"hypav results --store {_OUT}/store.sqlite {page}{drawn}", "```"]
    own = [subject.data.marked for subject, door in zip(found, doors, strict=True) if door == _ELSEWHERE]
    if own:
        lines += ["", f"{_ELSEWHERE}: the folder or file of {', '.join(own)}."]
    if exported:
        lines += ["", "From the runs as they are kept:", "", "```"]
        lines += [f"hypav results --store notebooks/{exported} {page}", "```"]
    more, absent = (sum(counts) for counts in zip(*map(unlike, found), strict=True))
    if more:
        lines += ["", f"Not made again by these commands: {_count(more, 'run')} of the store."]
    if absent:
        lines += [
            "",
            f"Asked for by these commands but not in the store: {_count(absent, 'run')} that failed or did not end.",
        ]
    return "\n".join(lines)


# digest of a set as runs of the store have it -> what is to be known of it
_EARLIER = {
    "41e7005080533cdc662d42a408f69761": "as hypav drew it before it rounded features to multiples of 2^-14 to make them "
    "the same on every processor. The random numbers were the same; the features of today differ by 0.00004 at most",
}


def earlier(subject: Subject) -> str:
    """A sentence on a set that is no longer made as the runs have it; empty for any other."""
    known = _EARLIER.get(subject.data.digest)
    name = f"{subject.data.marked} are of the set (digest {subject.data.digest[:8]})"
    return "" if known is None else f"The runs on {name} {known}."


def _reading(subject: Subject) -> str:
    """How an official folder has to be read."""
    cls = subject.runs[0].data not in _DOORS and (subject.data.key or ("", ""))[1] == "cls"
    return " --features cls" if cls else ""


def _tables(names: Sequence[str], figures: bool) -> str:
    if tuple(names) == TABLES:
        return "all"
    keeping = FIGURES if figures and TABLES[0] in names else ()  # they keep the networks that are drawn
    return " ".join([*names, *keeping])


def programs(found: Sequence[Subject], program: str) -> str:
    """Of which version of the program the runs are, and whether that is `program`; a clause."""
    codes = sorted({record.code for subject in found for record in subject.runs})
    if codes == [program]:
        return f"of this very version of the program ({program})"
    other = "partly " if program in codes else ""
    return (
        f"{other}of another version of the program ({', '.join(c for c in codes if c != program)}) than the one that "
        "wrote this page"
    )


def machine(found: Sequence[Subject], program: str) -> str:
    """Section: how long the runs took and on what, their program, and how far another machine's may be."""
    runs = [record for subject in found for record in subject.runs]
    seconds = sorted(record.seconds for record in runs)
    memory = [record.memory_mb for record in runs if record.memory_mb is not None]

    def all_of(name: str) -> str:
        return ", ".join(sorted({str(getattr(record, name)) for record in runs}))

    days = sorted(record.created[:10] for record in runs)
    lines = [
        "## Machine, time, versions",
        "",
        f"- These runs are {programs(found, program)}. They are of hypav {all_of('hypav')}, torch {all_of('torch')}, "
        f"numpy {all_of('numpy')}, Python {all_of('python')}, from {days[0]} to {days[-1]}.",
        f"- The numbers are those of this torch on this processor ({all_of('cpu')}): on another one, whose kernels "
        "round otherwise, a run drifts to another HM, as another seed does. So single runs differ; what many seeds say "
        "should not.",
        *(f"- {sentence}" for subject in found if (sentence := earlier(subject))),
        f"- {len(runs)} runs, {sum(seconds) / 3600:.1f} h by the clock in all, also where a run was halted; each on "
        f"{all_of('threads')} thread(s) of the {all_of('device')}; median {seconds[len(seconds) // 2]:.1f} s a run, "
        f"longest {seconds[-1]:.1f} s.",
        f"- Greatest resident memory of a process: {max(memory):.0f} MB."
        if memory
        else "- Memory was not recorded.",
    ]
    return "\n".join(lines)
