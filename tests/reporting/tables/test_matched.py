"""Models compared at one number of false positives, over scores set by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lesionseg.evaluation import match_candidates
from lesionseg.evaluation.matched_rates import summarise_matched
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.reporting.tables.comparisons import comparisons, with_holm, words_on_tests
from lesionseg.reporting.tables.matched import matched_sentence
from lesionseg.reporting.tables.terminal import matched_table
from lesionseg.size_buckets import SizeBuckets

BUCKETS = SizeBuckets.from_edges((3, 5, 10))
SHAPE = (40, 12, 12)


def scan(hits, false_positives, num_lesions=4):
    """Lesions of 8 mm3, one every 8 voxels; the first `hits` scored .9, false ones at the scores
    given."""
    truth, found, scores = np.zeros(SHAPE, np.int32), np.zeros(SHAPE, np.int32), {}
    for n in range(num_lesions):
        truth[8 * n : 8 * n + 2, 0:2, 0:2] = n + 1
    for n in range(hits):
        found[8 * n : 8 * n + 2, 0:2, 0:2] = n + 1
        scores[n + 1] = 0.9
    for n, score in enumerate(false_positives):
        number = 100 + n
        found[2 * n, 8, 8] = number
        scores[number] = score
    return match_candidates(truth, found, scores)


def compared(**models):
    """Each model: a list of scans, one a patient."""
    candidates = {
        name: {f"case{i}": one for i, one in enumerate(scans)} for name, scans in models.items()
    }
    patients = {f"case{i}": f"p{i}" for scans in models.values() for i in range(len(scans))}
    table, matched_at = summarise_matched(candidates, patients, BUCKETS, draws=50)
    return Summary(table), matched_at


def test_recall_is_that_at_the_matched_number_and_not_at_all_scores():
    """Two false positives a scan score above all lesions but one of the second model's scans."""
    many = [scan(4, [0.95, 0.95, 0.95]), scan(4, [0.95, 0.95, 0.95])]  # hits come after 3 a scan
    few = [scan(3, [0.5, 0.5, 0.5]), scan(2, [0.5, 0.5, 0.5])]
    summary, matched_at = compared(many=many, few=few)
    said = matched_sentence(summary, matched_at, BUCKETS)
    assert said is not None
    assert said.startswith("At 2 false positives a scan, many found 0 %, few 62 % of 8 lesions")
    assert "(difference \u221262 points, 95 % interval" in said
    assert said.endswith("under 3 mm (8): many 0 %, few 62 %.")


def test_where_a_curve_ends_earlier_the_largest_number_that_both_reach_is_taken():
    """The second model has one false positive in two scans: 1/2 a scan."""
    summary, matched_at = compared(a=[scan(4, [0.5] * 3)] * 2, b=[scan(4, [0.5]), scan(4, [])])
    assert matched_at == 0.5
    said = matched_sentence(summary, matched_at, BUCKETS)
    assert said is not None
    assert said.startswith("At 0.5 false positives a scan, a found 100 %, b 100 % of 8 lesions")


def test_the_number_that_all_reach_need_not_be_a_round_one():
    """Five false positives in three scans."""
    _, matched_at = compared(
        a=[scan(4, [0.5] * 3)] * 3, b=[scan(4, [0.5]), scan(4, [0.5] * 2), scan(4, [0.5] * 2)]
    )
    assert matched_at == pytest.approx(5 / 3)


def test_one_model_has_an_interval_of_its_own():
    summary, matched_at = compared(only=[scan(4, [0.5] * 3), scan(2, [0.5] * 3)])
    said = matched_sentence(summary, matched_at, BUCKETS)
    assert said is not None
    assert "only found 75 % of 8 lesions under 5 mm (95 % interval " in said


def test_without_a_false_positive_there_is_no_number_to_match():
    summary, matched_at = compared(a=[scan(4, [])] * 2)
    assert matched_at is None
    assert matched_sentence(summary, matched_at, BUCKETS) is None
    assert matched_table(summary.table, matched_at, BUCKETS) == ""


def test_without_scores_there_is_no_number_to_match():
    assert summarise_matched({}, {}, BUCKETS)[1] is None


def test_without_lesions_nothing_is_said():
    summary, matched_at = compared(a=[scan(0, [0.5] * 3, num_lesions=0)] * 2)
    assert matched_at is not None
    assert matched_sentence(summary, matched_at, BUCKETS) is None


def test_models_are_compared_over_the_cases_that_all_have():
    both = {"one": scan(4, [0.5] * 3), "two": scan(1, [0.5] * 3)}
    candidates = {"a": both, "b": {"one": scan(2, [0.5] * 3)}}
    table, _ = summarise_matched(candidates, {"one": "p", "two": "q"}, BUCKETS, draws=20)
    rows = table[table["bucket"] == "all"].set_index(["model", "minus"])
    assert rows["num_cases"].unique().tolist() == [1]
    assert rows.loc[("a", ""), "value"] == 1
    assert rows.loc[("a", "b"), "value"] == 0.5


def clear_case(patients=8):
    """a finds 3 of 4 lesions in every scan, b one; in the last patient both find all."""
    return compared(
        a=[*[scan(3, [0.5] * 3)] * (patients - 1), scan(4, [0.5] * 3)],
        b=[*[scan(1, [0.5] * 3)] * (patients - 1), scan(4, [0.5] * 3)],
    )


def test_the_test_counts_the_patients_who_differ():
    """Seven of eight differ, all one way: 2 of 2**7 swaps are as extreme."""
    summary, _ = clear_case()
    row = summary.row("a", "froc_recall@matched", "small_sizes", minus="b")
    assert row is not None
    assert (row["num_patients"], row["num_differing"]) == (8, 7)
    assert row["smallest_p"] == row["p_value"] == 2 / 2**7


def test_too_few_who_differ_have_no_p_whatever_they_show():
    summary, _ = clear_case(patients=6)
    row = summary.row("a", "froc_recall@matched", "all", minus="b")
    assert row is not None
    assert (row["num_differing"], row["smallest_p"]) == (5, 2 / 2**5)
    assert np.isnan(row["p_value"])


def test_the_primary_comparison_stands_alone_and_the_others_are_adjusted():
    """The lesions are all of one size, so that three others have the same p: Holm triples it."""
    summary, _ = clear_case()
    table = comparisons(with_holm(summary.table))
    assert table["primary"].tolist() == [True] + [False] * (len(table) - 1)
    first, others = table.iloc[0], table.iloc[1:]
    assert first["p_holm"] == first["p_value"] == 2 / 2**7
    tested = others[others["p_value"].notna()]
    assert tested["bucket"].tolist() == ["tiny", "all"]
    assert tested["p_holm"].tolist() == [2 * 2 / 2**7] * 2


def test_a_primary_comparison_that_cannot_be_made_is_said():
    summary, _ = clear_case()
    made = comparisons(with_holm(summary.table))
    assert "Its p stands alone" in words_on_tests(made)[0]
    without = made[~made["primary"]]
    assert "It cannot be made here" in words_on_tests(without)[0]


def test_the_number_of_patients_needed_is_said_from_the_spread_over_patients():
    """Patients whose differences vary by a quarter: 51 for ten points, by (2.8 / 0.4)**2 and
    Student's quantile."""
    summary, _ = clear_case()
    made = comparisons(with_holm(summary.table)).assign(deviation=0.25)
    assert "about 51 patients" in words_on_tests(made)[-1]
    assert len(words_on_tests(made.assign(deviation=0.0))) == 2  # nothing varies: nothing is said


def test_of_three_models_the_first_is_tested_against_each_other():
    scans = [scan(n % 4, [0.5] * 3) for n in range(8)]
    summary, _ = compared(a=[scan(4, [0.5] * 3)] * 8, b=scans, c=scans[::-1])
    table = comparisons(with_holm(summary.table))
    assert set(zip(table["model"], table["minus"])) == {("a", "b"), ("a", "c")}
    primary = table[table["primary"]]
    assert primary["p_holm"].tolist() == (2 * primary["p_value"]).tolist()


def test_the_terminal_has_the_matched_table_with_its_number_and_the_mark_of_few_patients():
    summary, matched_at = clear_case()
    lines = matched_table(summary.table, matched_at, BUCKETS).splitlines()
    assert lines[0].split()[:3] == ["under", "5", "mm"]
    assert lines[2].split() == ["lesions", *["32"] * 2, "0", "0", "0", "32"]
    assert lines[3].split() == ["patients", *["8"] * 2, "0", "0", "0", "8"]
    assert lines[5].startswith("a")
    assert lines[5].split()[3].startswith("78")  # 25 of 32
    assert "\u2020" in lines[5]
    assert "at 2 false positives a scan" in lines[-2]
    assert "fewer than 10 patients" in lines[-1]


def test_of_three_models_each_has_its_own_interval_in_the_sentence():
    scans = [scan(n % 4, [0.5] * 3) for n in range(8)]
    summary, matched_at = compared(a=[scan(4, [0.5] * 3)] * 8, b=scans, c=scans)
    said = matched_sentence(summary, matched_at, BUCKETS)
    assert said is not None
    assert "a found 100 % (" in said
    assert ") of 32 lesions under 5 mm (in brackets 95 % intervals)" in said
