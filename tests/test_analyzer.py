"""`FaceAnalyzer`: the same records as the command line writes, of everything that is a picture."""

import asyncio
import base64
import io
import json
import os
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import facecli
from facecli import FaceAnalyzer
from facecli.cli import app
from facecli.core.errors import CheckpointError, FacecliError, ImageError, InputError, SourceError
from facecli.core.images import save_image
from facecli.sources.frames import Frame

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def analyzer(tiny_checkpoint):
    return FaceAnalyzer(model_path=tiny_checkpoint.folder, detector="none", threads=1)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a ü.png"
    save_image(path, np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8))
    return path


def test_no_pictures_no_records(analyzer):
    assert list(analyzer.analyze_many([])) == []


def test_it_is_what_the_command_line_writes(analyzer, tiny_checkpoint, picture, capsys):
    options = ["--detector", "none", "--model-path", str(tiny_checkpoint.folder), "--json", "-"]
    assert app.main(["run", "--img", str(picture), *options]) == 0
    written = json.loads(capsys.readouterr().out)
    assert json.loads(json.dumps(analyzer.analyze(picture))) == written
    assert list(analyzer.analyze_many([str(picture)])) == [written]


def test_a_password_in_what_is_no_path_is_not_said(analyzer):
    for address in ("http://me:hunter2@host/a.jpg", "rtsp://me:x@hunter2/y@host"):
        with pytest.raises(FacecliError) as caught:
            analyzer.analyze(address)
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in str(next(analyzer.analyze_many([address])))


def test_a_path_bytes_and_an_array_are_one_picture(analyzer, picture):
    from facecli.core.images import load_image

    records = [
        analyzer.analyze(one) for one in (str(picture), picture, picture.read_bytes(), load_image(picture))
    ]
    assert [record.pop("source") for record in records] == [str(picture), str(picture), "bytes", "array"]
    assert all(record == records[0] for record in records)
    assert (records[0]["width"], records[0]["height"], len(records[0]["faces"])) == (30, 40, 1)
    assert analyzer.analyze(picture.read_bytes(), source="mine")["source"] == "mine"


def test_a_real_face(astronaut):
    (face,) = FaceAnalyzer().analyze(astronaut)["faces"]
    assert face["gender"] == "female" and face["emotion"] == "happy" and 20 < face["age_years"] < 45


def test_details_give_the_distribution(tiny_checkpoint, picture):
    (face,) = FaceAnalyzer(model_path=str(tiny_checkpoint.folder), detector="none", details=True).analyze(
        picture
    )["faces"]
    assert len(face["age_distribution"]) == 117 and sum(face["age_distribution"]) == pytest.approx(
        1, abs=0.02
    )


def test_many_go_on_past_what_is_broken_and_keep_their_order(analyzer, picture, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    pictures = [picture, tmp_path / "bad.jpg", b"", "nowhere.png", *[picture] * 40]
    records = list(analyzer.analyze_many(iter(pictures)))
    assert len(records) == len(pictures)
    assert [record["error"] is None for record in records] == [True, False, False, False, *[True] * 40]
    assert (
        records[1]["source"].endswith("bad.jpg") and records[1]["width"] is None and records[1]["faces"] == []
    )
    assert records[0] == records[-1]


@pytest.mark.parametrize("odd", [None, 3, {}, np.zeros((9, 9, 2), np.uint8), np.zeros((9, 9), np.int64)])
def test_many_go_on_past_what_is_no_picture(analyzer, picture, odd):
    records = list(analyzer.analyze_many([picture, odd, picture]))
    assert [record["error"] is None for record in records] == [True, False, True]
    assert "(H, W, 3) RGB" in records[1]["error"] or "uint8, uint16 or floats" in records[1]["error"]


def test_many_go_on_past_errors_of_opencv_and_of_memory(analyzer, picture, monkeypatch):
    odd = cv2.error("odd size")
    odd.err = "odd size"
    errors = iter([odd, MemoryError(), odd])
    look = FaceAnalyzer._look

    def failing(self, given, *others):
        if given == b"odd":
            raise next(errors)
        return look(self, given, *others)

    monkeypatch.setattr(FaceAnalyzer, "_look", failing)
    records = list(analyzer.analyze_many([b"odd", picture, b"odd", picture]))
    with pytest.raises(ImageError, match="cannot be searched"):
        analyzer.analyze(b"odd")
    assert [record["error"] for record in records] == [
        "bytes cannot be searched (odd size); save it again",
        None,
        "not enough memory for bytes; make it smaller",
        None,
    ]


def test_errors_of_the_code_itself_are_not_taken_for_those_of_a_picture(analyzer, picture, monkeypatch):
    def broken(self, given, *others):
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(FaceAnalyzer, "_look", broken)
    with pytest.raises(ValueError, match="of ours"):
        list(analyzer.analyze_many([picture]))


def test_threads_share_an_analyzer(tiny_checkpoint, astronaut):
    analyzer = FaceAnalyzer(model_path=str(tiny_checkpoint.folder))
    pictures = [np.roll(astronaut, 7 * shift, axis=1) for shift in range(8)]
    alone = [analyzer.analyze(given) for given in pictures]
    with ThreadPoolExecutor(4) as pool:
        shared = list(pool.map(analyzer.analyze, pictures * 20))
    assert shared == alone * 20


def test_many_are_read_as_they_are_asked_for(analyzer, picture):
    def endless():
        while True:
            yield picture

    assert next(iter(analyzer.analyze_many(endless())))["error"] is None


@pytest.mark.parametrize(
    "picture", [b"", b"x", "nowhere.png", Path("nowhere.png"), "with\0nul", "/dev/null", "/"]
)
def test_what_cannot_be_read_is_an_image_error(analyzer, picture):
    with pytest.raises(ImageError):
        analyzer.analyze(picture)


@pytest.mark.parametrize("picture", [None, 3, {}, "", object, range(3)])
def test_what_is_no_picture_is_an_input_error(analyzer, picture):
    with pytest.raises(InputError, match=r"array \(H, W, 3\) RGB|an empty name"):
        analyzer.analyze(picture)


def test_a_folder_is_no_picture(analyzer, tmp_path):
    with pytest.raises(ImageError, match="is a folder, not a picture; give the pictures in it"):
        analyzer.analyze(tmp_path)


def test_a_list_gives_a_list(analyzer, picture):
    assert analyzer.analyze([]) == [] and type(analyzer.analyze(())) is facecli.ResultList
    results = analyzer.analyze([picture, "nowhere.png", 3, ["nested"]])
    assert results[0] == analyzer.analyze(picture)
    assert ["a picture is" in (result.error or "") for result in results] == [False, False, True, True]
    with pytest.raises(InputError, match="source names a single picture"):
        analyzer.analyze([picture], source="mine")


def test_an_array_that_is_a_view_and_read_only(analyzer):
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    view = image[::2, ::-2]
    view.flags.writeable = False
    assert analyzer.analyze(view) == analyzer.analyze(view.copy())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model_type": "resnet"}, InputError), ({"detector": "dlib"}, InputError),
        ({"threads": 0}, InputError),
        ({"threads": True}, InputError), ({"threads": "2"}, InputError),
        ({"model_path": "/nowhere"}, CheckpointError),
    ],
)  # fmt: skip
def test_wrong_options(options, error):
    with pytest.raises(error) as refused:
        FaceAnalyzer(**options)
    assert isinstance(refused.value, FacecliError)


def test_options_have_names():
    with pytest.raises(TypeError):
        FaceAnalyzer("facenet")


def test_importing_facecli_is_cheap_and_an_analysis_needs_no_training_packages(astronaut, tmp_path):
    np.save(tmp_path / "a.npy", astronaut)
    code = f"""
import sys, facecli
assert not {{"numpy", "cv2", "click", "rich", "PIL"}} & set(sys.modules), "slow import"
import numpy
assert facecli.FaceAnalyzer().analyze(numpy.load({str(tmp_path / "a.npy")!r}))["faces"]
assert not {{"tensorflow", "keras", "pandas", "sklearn", "matplotlib", "scipy"}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_package_says_what_it_has():
    assert "FaceAnalyzer" in dir(facecli) and facecli.FaceAnalyzer is FaceAnalyzer
    with pytest.raises(AttributeError, match="Nonsense"):
        facecli.Nonsense  # noqa: B018


def test_it_is_marked_as_typed_and_the_types_are_those_of_the_records(analyzer, picture):
    from facecli.core.faces import FaceRow, PictureRow

    assert (Path(facecli.__file__).parent / "py.typed").is_file()
    record = analyzer.analyze(picture)
    assert set(PictureRow.__annotations__) >= set(record)
    assert set(FaceRow.__annotations__) >= set(record["faces"][0])


def test_errors_name_no_options_of_the_command_line(analyzer, tiny_checkpoint, tmp_path):
    """Who calls from Python has none: the command line adds its own hint."""
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(400))
    failures = [
        lambda: FaceAnalyzer(model_path="gone"),
        lambda: FaceAnalyzer(model_path=str(tiny_checkpoint.folder), detector="yunet"),
        lambda: analyzer.analyze(tmp_path / "clip.mp4"),
    ]
    for fail in failures:
        with pytest.raises(FacecliError) as failed:
            fail()
        assert "--" not in str(failed.value) and "--" in failed.value.hint
    (row,) = analyzer.analyze_many([tmp_path / "clip.mp4"])
    assert "is a video, not a picture" in row["error"] and "--" not in row["error"]


def test_the_command_line_says_what_to_do(tiny_checkpoint, picture, tmp_path, capsys):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"\0\0\0\x18ftypisom" + bytes(400))
    command = ["run", "--model-path", str(tiny_checkpoint.folder), "--no-show", "--img", str(clip)]
    assert app.main(command) == 1
    assert capsys.readouterr().err == f"Error: {clip} is a video, not a picture; use --video\n"
    assert app.main([*command, "--img", str(picture), "--json", "-"]) == 1
    said = capsys.readouterr()
    assert "use --video" in said.err and "use --video" in said.out.splitlines()[0]
    assert app.main(["run", "--no-show", "--video", str(picture)]) == 2
    said = capsys.readouterr().err
    assert "is a picture" in said and "use --img" in said


def test_pixels_are_kept_of_what_was_analysed_and_read_again_of_files(analyzer, picture):
    """`analyze_many` keeps none of its own: memory does not depend on how many pictures there are."""
    data = picture.read_bytes()
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    given = [picture, data, array, Image.fromarray(np.ascontiguousarray(array)), io.BytesIO(data)]
    for one in given:
        if isinstance(one, io.BytesIO):
            one.seek(0)
        assert (analyzer.analyze(one).image_rgb == array).all()
    given[-1].seek(0)
    of_many = list(analyzer.analyze_many(given))
    assert (of_many[0].image_rgb == array).all()
    for result in of_many[1:]:
        with pytest.raises(InputError, match="were not kept; pass them"):
            result.draw()
        assert result.draw(picture=data).size == (30, 40)


def test_an_array_is_not_changed_and_any_kind_of_it_gives_the_same(analyzer):
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    before = image.copy()
    first = analyzer.analyze(image)
    alpha = np.dstack([image, np.full((40, 60), 255, np.uint8)])
    for same in (image / 255, image.astype(np.float32) / 255, image.astype(np.uint16) * 257, alpha):
        assert analyzer.analyze(same) == first
    assert (image == before).all()


_KINDS = ["?", "i1", "u1", "i2", "<u2", ">u2", "i8", "f2", "f4", "f8", "c8", "O", "S3", "U2", "M8[s]"]


@settings(max_examples=60)
@given(
    dtype=st.sampled_from(_KINDS),
    shape=st.lists(st.integers(0, 5), max_size=4),
    value=st.sampled_from([0, 1, 0.5, -1, 255, 65535, float("nan"), float("inf")]),
)
def test_any_array_gives_a_result_or_one_line(analyzer, dtype, shape, value):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = np.zeros(shape, dtype)
        if array.dtype.kind in "iufc":
            array[...] = np.asarray(value).astype(array.dtype)
    try:
        result = analyzer.analyze(array)
    except FacecliError as error:
        assert len(str(error).splitlines()) == 1 and str(error).startswith("array ")
        assert list(analyzer.analyze_many([array]))[0]["error"] == str(error)
    else:
        assert (result["height"], result["width"]) == array.shape[:2] and json.dumps(result)


@settings(max_examples=60)
@given(content=st.binary(max_size=60), head=st.text(max_size=20))
def test_any_bytes_files_and_data_urls_give_a_result_or_one_line(analyzer, content, head):
    url = f"data:{head},{base64.b64encode(content).decode()}"
    for one in (content, io.BytesIO(content), url, f"data:image/png;base64,{content.decode('latin-1')}"):
        with pytest.raises(FacecliError) as caught:
            analyzer.analyze(one)
        assert len(str(caught.value).splitlines()) == 1


def test_files_are_read_from_where_they_stand(analyzer, picture):
    data = picture.read_bytes()
    file = io.BytesIO(b"header" + data)
    file.seek(6)
    result = analyzer.analyze(file)
    assert (result["source"], len(result.faces), file.closed) == ("file", 1, False)
    with pytest.raises(ImageError, match=r"has nothing after its current position; call seek\(0\)"):
        analyzer.analyze(file)
    with open(picture, "rb") as opened:
        assert analyzer.analyze(opened)["source"] == str(picture)
        assert analyzer.analyze(picture) == analyzer.analyze(opened.name)
    with pytest.raises(ImageError, match="closed file"):
        analyzer.analyze(opened)
    with open(picture, encoding="latin-1") as text, pytest.raises(InputError, match="open it with 'rb'"):
        analyzer.analyze(text)


def test_data_urls(analyzer, picture):
    code = base64.b64encode(picture.read_bytes()).decode()
    result = analyzer.analyze(f"data:image/png;base64,{code}")
    assert result["source"] == "data:image/png;base64,..." and len(result.faces) == 1
    assert result.draw().size == (30, 40)
    for bad in ("data:image/png;base64,!", f"data:image/png;base64,{code[:99]}", "data:", f"data:{code}"):
        with pytest.raises(ImageError) as caught:
            analyzer.analyze(bad)
        assert code[60:90] not in str(caught.value) and "data:" in str(caught.value)


def test_addresses_as_on_the_command_line(tiny_checkpoint, analyzer, server):
    address = f"{server.url}/a.png"
    with pytest.raises(ImageError, match=r"private address; FaceAnalyzer\(allow_private=True\) allows it"):
        analyzer.analyze(address)
    assert server.asked == []
    trusting = FaceAnalyzer(model_path=tiny_checkpoint.folder, detector="none", threads=1, allow_private=True)
    result = trusting.analyze(address)
    assert (result["source"], len(result.faces)) == (address, 1)
    asked = len(server.asked)
    result.draw()
    assert len(server.asked) == asked
    with pytest.raises(InputError, match="has no host"):
        analyzer.analyze("http:///a.jpg")


# Videos


@pytest.fixture(scope="module")
def clip(face_clip):
    return face_clip


@pytest.fixture(scope="module")
def watcher(tiny_checkpoint):
    return FaceAnalyzer(model_path=tiny_checkpoint.folder, threads=1)


def test_no_video_no_records(watcher, tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    for bad in ("nowhere.mp4", tmp_path / "empty.mp4", tmp_path, Path("0"), "", -1, True, None, 1.5):
        with pytest.raises(FacecliError) as caught:
            list(watcher.analyze_video(bad))
        assert "--" not in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "options",
    [{"every": 0}, {"every": True}, {"every": 1.5}, {"start_s": -1}, {"start_s": None}, {"end_s": 0}]
    + [{"start_s": 2, "end_s": 1}, {"rate": 0}, {"rate": float("nan")}, {"end_s": "1"}],
)
def test_options_of_videos_are_refused_at_once(watcher, clip, options):
    with pytest.raises(InputError) as caught:
        watcher.analyze_video(clip, **options)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, []),
        ({"every": 3, "start_s": 0.2, "end_s": 1.0}, ["--every", "3", "--start", "0.2", "--end", "1"]),
    ],
)
def test_frames_are_the_rows_of_the_command_line(watcher, tiny_checkpoint, clip, options, flags, capsys):
    command = ["run", "--video", str(clip), "--no-show", "--json", "-", "--threads", "1", *flags]
    assert app.main([*command, "--model-path", str(tiny_checkpoint.folder)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    frames = list(watcher.analyze_video(clip, **options))
    assert rows and frames == rows
    assert any(face.track == 1 for frame in frames for face in frame.faces)


def test_a_frame_can_be_drawn_until_the_next_one(watcher, clip):
    with watcher.analyze_video(str(clip)) as frames:
        first = next(frames)
        assert first.draw().size == (384, 384) and first.image_rgb.shape == (384, 384, 3)
        pixels = first.image_rgb
        second = next(frames)
    with pytest.raises(InputError, match="not kept"):
        first.draw()
    assert first.draw(picture=pixels).size == second.draw().size


class _Watched:
    """A source that counts how often it is closed; endless, and live."""

    name = given = spec = "watched"
    fps, live, stall_s, promised, broken, has_sound, bits_per_s = 10.0, True, 10.0, 0, 0, False, 0

    def __init__(self, ends_after=None):
        self.closed, self._ends_after = 0, ends_after

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed += 1

    def __iter__(self):
        for index in count():
            if index == self._ends_after:
                raise SourceError("watched was lost")
            yield Frame(index, index / 10, np.full((48, 64, 3), index % 256, np.uint8))


@pytest.fixture
def watched(monkeypatch):
    def watch(**options):
        source = _Watched(**options)
        monkeypatch.setattr("facecli.sources.video.open_source", lambda *_, **__: source)
        return source

    return watch


def test_what_is_left_early_is_closed(watcher, watched, no_thread_left):
    source = watched()
    for frame in watcher.analyze_video(0):
        assert frame["source"] == "watched"
        break
    assert source.closed == 1
    with watcher.analyze_video(0) as frames, pytest.raises(KeyError):
        next(frames)
        raise KeyError
    assert source.closed == 2 and list(frames) == []
    frames = watcher.analyze_video(0)
    next(frames)
    frames.close()
    frames.close()
    assert source.closed == 3


def test_what_was_lost_is_an_error_after_its_frames(watcher, watched, no_thread_left):
    source, seen = watched(ends_after=3), []
    with pytest.raises(SourceError, match="was lost"):
        seen.extend(frame["frame"] for frame in watcher.analyze_video(0))
    assert source.closed == 1


def test_an_error_of_the_analysis_closes_the_source(watcher, watched, monkeypatch, no_thread_left):
    source = watched()
    monkeypatch.setattr("facecli.live.analyzer.LiveAnalyzer.analyze", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(watcher.analyze_video(0))
    assert source.closed == 1


def test_an_object_of_storage_is_a_picture(s3, tiny_checkpoint, png):
    analyzer = FaceAnalyzer(model_path=tiny_checkpoint.folder, detector="none")
    address = s3.put("photos", "user=7/a.png", png)
    found = analyzer.analyze(address)
    assert found["source"] == address and len(found.faces) == 1
    assert found.draw().size == (30, 20)
    good, gone = analyzer.analyze_many([address, "s3://photos/gone.png"])
    assert good["error"] is None and "no such object" in gone["error"]


def test_videos_and_pictures_share_an_analyzer(watcher, clip, astronaut):
    alone = list(watcher.analyze_video(clip)), watcher.analyze(astronaut)
    with ThreadPoolExecutor(4) as pool:
        videos = [pool.submit(lambda: list(watcher.analyze_video(clip))) for _ in range(2)]
        pictures = [pool.submit(watcher.analyze, astronaut) for _ in range(4)]
        assert all(video.result() == alone[0] for video in videos)
        assert all(picture.result() == alone[1] for picture in pictures)


# asyncio


def test_awaited_it_is_the_same(analyzer, watcher, picture, clip):
    async def everything():
        pictures = await asyncio.gather(*(analyzer.aanalyze(picture) for _ in range(5)))
        many = [result async for result in analyzer.analyze_many([picture, "nowhere.png"])]
        async with watcher.analyze_video(clip, every=4) as frames:
            return pictures, many, [frame async for frame in frames]

    pictures, many, frames = asyncio.run(everything())
    assert pictures == [analyzer.analyze(picture)] * 5
    assert many == list(analyzer.analyze_many([picture, "nowhere.png"]))
    assert frames == list(watcher.analyze_video(clip, every=4))


def test_errors_are_awaited_too(analyzer, watcher):
    async def picture():
        await analyzer.aanalyze("nowhere.png")

    async def video():
        return [frame async for frame in watcher.analyze_video("nowhere.mp4")]

    for fail in (picture, video):
        with pytest.raises(FacecliError, match="nowhere"):
            asyncio.run(fail())


def test_who_is_cancelled_loses_no_record_and_leaves_nothing_open(watcher, watched, no_thread_left):
    source = watched()
    release = threading.Event()

    def pictures():
        yield b"first"
        release.wait(10)

    async def wait_for_it():
        results = watcher.analyze_many(pictures())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(results), 0.05)
        release.set()
        kept = await anext(results)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        return kept

    assert asyncio.run(wait_for_it())["source"] == "bytes"

    async def leave():
        async with watcher.analyze_video(0) as frames:
            async for _ in frames:
                task = asyncio.ensure_future(anext(frames))
                await asyncio.sleep(0)
                task.cancel()
                raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(leave())
    assert source.closed == 1
