"""Shares of faces and of others that are refused."""

import numpy as np

from facecli.training.evaluate import presence_metrics


def test_no_rows_and_no_labels():
    assert presence_metrics(np.zeros(0, int), np.zeros((0, 2)), np.zeros((0, 2)), 0.5) == {"count": 0}
    assert presence_metrics(np.array([-1]), np.eye(2)[:1], np.eye(2)[:1], 0.5) == {"count": 0}


def test_shares_by_hand():
    face = np.array([0.9, 0.3, 0.6, 0.1, 0.2, 0.8])
    said = np.stack([1 - face, face], axis=1)
    found = presence_metrics(np.array([1, 1, 1, 1, 0, -1]), said, said, 0.25)
    assert (found["count"], found["accuracy"]) == (5, 0.6)
    assert (found["faces_refused"], found["not_faces_refused"]) == (0.25, 1.0)


def test_without_a_threshold_nothing_is_refused():
    said = np.array([[1.0, 0.0]])
    found = presence_metrics(np.array([1]), said, said, None)
    assert (found["faces_refused"], found["not_faces_refused"]) == (0.0, None)
