"""Agreement of volumes and counts, against values worked out elsewhere."""

import numpy as np
import pandas as pd
import pytest

from lesionseg.evaluation.method_agreement import icc_2_1, method_agreement


def test_the_icc_of_shrout_and_fleiss():
    """Table 2 of their paper: six subjects, four judges; ICC(2,1) is .29 in table 4."""
    judged = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert icc_2_1(judged) == pytest.approx(0.29, abs=0.005)


def test_full_agreement_is_one_and_what_does_not_vary_has_none():
    assert icc_2_1([[1, 1], [2, 2], [5, 5]]) == pytest.approx(1)
    assert np.isnan(icc_2_1([[2, 2], [2, 2]]))
    assert np.isnan(icc_2_1([[2, 3]]))


def test_bias_and_limits_by_hand_over_patients():
    """Differences of 2, 4 and 6: bias 4, standard deviation 2. The first patient has two scans,
    with differences of 0 and 4, that count once."""
    cases = pd.DataFrame(
        {
            "model": "net",
            "case": list("abcd"),
            "patient": ["p", "p", "q", "r"],
            "num_reference": [5, 5, 1, 0],
            "num_predicted": [5, 9, 5, 6],
            "reference_volume_mm3": [10.0, 10.0, 10.0, 10.0],
            "predicted_volume_mm3": [10.0, 10.0, 10.0, 10.0],
        }
    )
    table = method_agreement(cases).set_index("quantity")
    row = table.loc["number of lesions"]
    assert (row["num_patients"], row["bias"]) == (3, 4)
    assert (row["low_limit"], row["high_limit"]) == pytest.approx((4 - 1.96 * 2, 4 + 1.96 * 2))
    assert table.loc["lesion volume, mm³", "bias"] == 0
    alone = method_agreement(cases[cases["patient"] == "q"]).iloc[0]
    assert np.isnan([alone["low_limit"], alone["high_limit"], alone["icc"]]).all()
