"""The rows of the paper's tables: all that have to be trained, with the paper's curvatures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hypav.alignment import PRESETS, Adaptive, AlignmentConfig
from hypav.errors import SettingError
from hypav.experiments.configs import FIGURES, TABLES, Row, table_rows
from hypav.experiments.paper import paper_settings, paper_tables

UCF, UCF_CLS = ("UCF-GZSL", "main"), ("UCF-GZSL", "cls")
KEYS = [(f"{name}-GZSL", kind) for name in ("VGGSound", "UCF", "ActivityNet") for kind in ("main", "cls")]
PRIOR_WORK = {"CJME", "AVGZSLNet"}


def rows(table: str, key: tuple[str, str] | None = UCF, preset: str = "printed") -> dict[str, Row]:
    found = table_rows(table, key, preset, 1.0)
    assert len({row.label for row in found}) == len(found)
    return {row.label: row for row in found}


def alignment(row: Row) -> AlignmentConfig:
    assert row.alignment is not None
    return row.alignment


def test_every_table_has_the_papers_rows_in_the_papers_order() -> None:
    tables = paper_tables()
    reported = {
        "table1": [row["method"] for row in tables["table1_main"]["UCF-GZSL"]],
        "table2": [row["method"] for row in tables["table2_cls"]["UCF-GZSL"]],
        "table3": [row["curvature"] for row in tables["table3_curvature_cls"]["UCF-GZSL"]],
        "table4": [row["geometry"] for row in tables["table4_mixed_cls"]["UCF-GZSL"]],
        "table5": [row["N_c"] for row in tables["table5_Nc_VGGSound"]["main"]],
        "table6": [row["aligned"] for row in tables["table6_aligned_main"]["UCF-GZSL"]],
        "table7": list(tables["table7_delta_rel"]["VGGSound-GZSL (main)"]),
    }
    assert set(reported) == set(TABLES)
    for table, labels in reported.items():
        assert list(rows(table)) == [label for label in labels if label not in PRIOR_WORK]
    assert [len(rows(table)) for table in TABLES] == [4, 4, 14, 7, 4, 4, 2]
    for figure in FIGURES:
        assert list(rows(figure)) == [
            "AVCA",
            "Hyper-multiple",
        ]  # what the captions of Figures 3 and 4 compare


def test_avca_is_in_each_table_once_and_is_one_run_under_every_preset_and_weight() -> None:
    for preset in PRESETS:
        for table in (*TABLES, *FIGURES):
            found = table_rows(table, UCF, preset, 0.01)
            assert [row.label for row in found if row.alignment is None] == ["AVCA"]
            assert found[0].weight is None
            assert found[0].method == "AVCA"
            assert all(alignment(e).weight == e.weight == 0.01 for e in found[1:])
            assert all(e.preset == preset and e.table == table for e in found)


def test_tables_1_and_2_take_the_captions_curvatures() -> None:
    for key in [*KEYS, None]:
        k, N_c, c_0 = paper_settings(key)
        for table in ("table1", "table2"):
            found = rows(table, key)
            assert alignment(found["Hyper-alignment"]).curvatures == (k,)
            assert alignment(found["Hyper-single"]).curvatures == Adaptive(1, c_0)
            assert alignment(found["Hyper-multiple"]).curvatures == Adaptive(N_c, c_0)


def test_table_3_is_thirteen_fixed_curvatures() -> None:
    found = rows("table3")
    assert {row: alignment(e).curvatures for row, e in found.items() if row != "AVCA"} == {
        row: (float(row),) for row in found if row != "AVCA"
    }
    methods = [e.method for e in found.values()]
    assert methods == ["AVCA"] + ["Sphere-alignment"] * 6 + ["Euclidean-alignment"] + ["Hyper-alignment"] * 6


def test_table_4_mixes_two_fixed_heads() -> None:
    for key in KEYS:
        k = abs(paper_settings(key).k)
        found = {row: alignment(e).curvatures for row, e in rows("table4", key).items() if row != "AVCA"}
        assert found == {
            "E+E": (0.0, 0.0), "E+S": (0.0, k), "E+H": (0.0, -k), "S+S": (k, k), "S+H": (k, -k), "H+H": (-k, -k),
        }  # fmt: skip


def test_table_5_counts_adaptive_curvatures_and_starts_at_hyper_single() -> None:
    found = rows("table5")
    assert [alignment(found[n]).curvatures for n in "123"] == [Adaptive(n, -0.4) for n in (1, 2, 3)]
    assert [found[n].method for n in "123"] == ["Hyper-single", "Hyper-multiple", "Hyper-multiple"]


def test_table_6_aligns_other_embeddings_with_hyper_single() -> None:
    found = rows("table6")
    assert [alignment(found[place]).aligned for place in ("phi", "phi_att", "theta")] == [
        "phi", "phi_att", "theta",
    ]  # fmt: skip
    assert all(alignment(e).curvatures == Adaptive(1, -0.4) for e in list(found.values())[1:])
    assert alignment(found["phi"]) == alignment(rows("table1")["Hyper-single"])


def test_a_table_sets_nothing_in_the_preset_but_what_it_varies() -> None:
    for preset in PRESETS:
        for table in (*TABLES, *FIGURES):
            for row in table_rows(table, UCF, preset, 0.1)[1:]:
                whole = PRESETS[preset]
                changed = replace(
                    alignment(row), curvatures=whole.curvatures, aligned=whole.aligned, weight=whole.weight
                )
                assert changed == whole


def test_one_configuration_in_several_tables_is_one_and_the_same() -> None:
    assert alignment(rows("table3")["-0.2"]) == alignment(rows("table1")["Hyper-alignment"])
    assert alignment(rows("table5")["3"]) == alignment(rows("table1")["Hyper-multiple"])
    assert alignment(rows("figure3")["Hyper-multiple"]) == alignment(rows("table1")["Hyper-multiple"])
    assert alignment(rows("table7")["Hyper-alignment"]) == alignment(rows("table1")["Hyper-alignment"])
    distinct = {e.alignment for table in TABLES for e in table_rows(table, UCF, "printed", 1.0)}
    assert len(distinct) == 1 + 13 + 6 + 3 + 2  # AVCA, Table 3, mixtures, N_c, phi_att and theta


def test_what_makes_no_sense_is_one_sentence() -> None:
    for arguments, match in [
        (("table8", UCF, "printed", 1.0), "no 'table8'; choose table1, "),
        (("table1", UCF, "papers", 1.0), "no preset"),
        (("table1", UCF, "printed", -1.0), "weight is -1.0"),
    ]:
        with pytest.raises(SettingError, match=match) as error:
            table_rows(*arguments)
        assert "\n" not in str(error.value)
