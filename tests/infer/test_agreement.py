"""How often two models say the same."""

from facecli.core.faces import Face
from facecli.infer.analyzer import Agreement, AgreementCount


def test_agreement_of_nothing():
    assert AgreementCount().result() == Agreement(0, None, {})


def test_agreement_counts_only_what_both_say():
    count = AgreementCount()
    box = (0, 0, 1, 1), 1.0
    count.add(Face(*box, 30.0, (20, 40), {"male": 0.9}), Face(*box, 34.0, (20, 40), {"male": 0.6}))
    count.add(Face(*box, 30.0, (20, 40), {"male": 0.9}), Face(*box, gender_probabilities={"female": 0.6}))
    result = count.result()
    assert (result.faces, result.age_difference, result.same) == (2, 4.0, {"gender": 0.5})
