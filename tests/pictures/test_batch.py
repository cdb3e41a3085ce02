"""Pictures become records; failures are records too."""

from facecli.pictures.batch import iter_records
from facecli.pictures.listing import list_pictures


def test_failures_are_results_and_the_rest_goes_on(folder, analyzer):
    good, bad, other = iter_records(list_pictures(folder), folder, analyzer)
    assert bad.result.error and bad.image_rgb is None
    assert (bad.result.width, bad.result.height, bad.result.faces) == (None, None, ())
    for picture in (good, other):
        assert (picture.result.width, picture.result.height, len(picture.result.faces)) == (30, 20, 1)


def test_pictures_are_covered_before_they_are_given_on(folder, analyzer):
    covered = iter_records(
        [folder / "a.jpg"], folder, analyzer, lambda image_rgb, faces: image_rgb * 0 + len(faces)
    )
    (picture,) = covered
    assert (picture.image_rgb == 1).all() and len(picture.result.faces) == 1


def test_no_pictures_no_results(folder, analyzer):
    assert list(iter_records([], folder, analyzer)) == []
