"""What a study says in sentences, and where it warns."""

from dataclasses import replace

from made_up_studies import heads, study

from vlasandbox.eval.study.statements import cautions, headline
from vlasandbox.eval.study.summary import summarize


def test_nobody_leads_in_a_control():
    results = heads({"flow": 0.1, "bins": 0.0})
    blank = [replace(one, result=replace(one.result, condition="blank_image")) for one in results]
    (sentence,) = headline(summarize(blank))
    assert sentence.startswith("Control")
    assert "flow, 10.6%" in sentence


def test_a_cell_with_fewer_trainings_is_marked():
    results = heads({"flow": 0.9, "bins": 0.5})
    (caution,) = cautions(
        summarize([one for one in results if (one.levels["head"], one.seed) != ("bins", 1)])
    )
    assert "bins has 2 of 3 trainings (test)" in caution
    assert "diverged" in caution


def test_a_cell_whose_trainings_vary_most_is_marked():
    rates = {"flow": (0.9, 0.9, 0.9), "bins": (0.8, 0.8, 0.8), "wild": (0.2, 0.9, 0.5)}
    results = [
        replace(one, levels={"head": name}, seed=seed)
        for name, of in rates.items()
        for seed, rate in enumerate(of)
        for one in study({"head": [name]}, lambda *_, rate=rate: rate, trainings=1)
    ]
    (caution,) = cautions(summarize(results))
    assert "wild by 35 points" in caution
    assert "flow" not in caution


def test_cells_trained_in_different_precisions_are_named():
    results = heads({"flow": 0.9, "bins": 0.5})
    assert cautions(summarize(results)) == []
    mixed = [
        replace(one, training=replace(one.training, precision="bf16"))
        if one.training is not None and one.levels["head"] == "bins"
        else one
        for one in results
    ]
    (caution,) = cautions(summarize(mixed))
    assert "bf16: bins; fp32: flow" in caution
