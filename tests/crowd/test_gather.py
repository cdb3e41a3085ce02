"""Who is a person: faces of pictures, tracks of videos."""

import pytest


def test_nobody(crowd_of, row):
    crowd = crowd_of(row("a.jpg"))
    assert (crowd.subjects, crowd.pictures, crowd.frames) == ([], 1, 0)


def test_each_face_of_a_picture_is_one(crowd_of, row, face):
    crowd = crowd_of(row("a.jpg", face(), face("female")), row("b.jpg", face()))
    assert [(one.source, one.face, one.track) for one in crowd.subjects] == [
        ("a.jpg", 1, None), ("a.jpg", 2, None), ("b.jpg", 1, None),
    ]  # fmt: skip


def test_errors_and_rejected_and_untracked_faces_are_counted_and_left_out(crowd_of, row, face):
    crowd = crowd_of(
        row("a.jpg", face(rejected=True, face_probability=0.1), face()),
        row("b.jpg", error="broken"),
        row("c.mp4", face(), face(track=1), frame=3, time_s=0.1),
    )
    assert (len(crowd.subjects), crowd.failed, crowd.rejected, crowd.untracked) == (2, 1, 1, 1)


def test_a_track_is_one_person_whatever_the_frames(crowd_of, row, face):
    frames = [
        row("c.mp4", face("male", age=20.0, track=1, sure=0.6), frame=0),
        row("c.mp4", face("female", age=30.0, track=1, sure=0.9), face(track=2), frame=1, time_s=0.04),
        row("c.mp4", frame=2, time_s=0.08),
    ]
    crowd = crowd_of(*frames)
    first, second = crowd.subjects
    assert (first.track, second.track, crowd.frames, crowd.videos, crowd.pictures) == (1, 2, 3, 1, 0)
    assert (first.person.frames, first.person.age_years, first.person.label("gender")) == (2, 25.0, "female")
    assert first.person.probabilities("gender") == pytest.approx({"male": 0.35, "female": 0.65})
    assert first.person.age_interval_90 == (17, 33)


def test_a_video_that_begins_with_nobody_is_no_picture(crowd_of, row, face):
    crowd = crowd_of(row("c.mp4"), row("c.mp4", face(track=1), frame=1, time_s=0.1))
    assert (crowd.pictures, crowd.frames, len(crowd.subjects)) == (0, 2, 1)


def test_tracks_of_another_video_or_another_run_are_other_people(crowd_of, row, face):
    run = [row(source, face(track=1), frame=5, time_s=1) for source in ("a.mp4", "b.mp4")]
    again = row("a.mp4", face("female", track=1), frame=4, time_s=0.8)
    crowd = crowd_of(*run, again)
    assert (len(crowd.subjects), crowd.videos) == (3, 3)


def test_the_largest_view_of_a_track_is_kept(crowd_of, row, face):
    import dataclasses

    large = dataclasses.replace(face(track=1), box_xyxy=(0, 0, 90, 90))
    crowd = crowd_of(
        row("c.mp4", face(track=1)),
        row("c.mp4", large, frame=1, time_s=0.5),
        row("c.mp4", face(track=1), frame=2, time_s=1),
    )
    assert (crowd.subjects[0].box_xyxy, crowd.subjects[0].time_s) == ((0, 0, 90, 90), 0.5)


def test_a_picture_with_two_different_rows_is_noticed(crowd_of, row, face):
    crowd = crowd_of(row("a.jpg", face()), row("a.jpg", face("female")))
    assert (crowd.again, len(crowd.subjects)) == (1, 2)


def test_faces_without_probabilities_have_no_label(crowd_of, row, face):
    crowd = crowd_of(row("a.jpg", face(None, None, None)))
    person = crowd.subjects[0].person
    assert person.label("gender") is None and person.probabilities("gender") is None
