"""The notebooks and examples of docs/: stored without what they show, and every cell runs, in order."""

import ast
import json
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

from facecli.core.images import save_image

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTEBOOKS = {path.name: path for path in sorted((DOCS / "notebooks").glob("*.ipynb"))}
PAGE = DOCS / "examples" / "streamlit_app.py"


def cells(name, kind):
    book = json.loads(NOTEBOOKS[name].read_text(encoding="utf-8"))
    return [cell for cell in book["cells"] if cell["cell_type"] == kind]


def run_notebook(name):
    """Executes the cells in one namespace; gives what their last lines show, and the namespace.

    No kernel: nbclient would bring Jupyter for what `exec` does.
    """
    names, shown = {}, []
    for number, cell in enumerate(cells(name, "code"), start=1):
        body = ast.parse("".join(cell["source"])).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), f"{name}[{number}]", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), f"{name}[{number}]", "eval"), names)
            page = getattr(value, "_repr_html_", None)
            shown.append((value, page() if page else repr(value)))
    return shown, names


@pytest.fixture
def room(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    yield tmp_path
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def displayed(monkeypatch):
    """What is shown by a stand-in for `IPython.display`, which need not be installed."""
    shown = []
    module = ModuleType("IPython.display")
    module.display, module.clear_output = shown.append, lambda wait=False: None
    # Not of its package: matplotlib asks that one for more.
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_there_are_notebooks():
    assert set(NOTEBOOKS) == {"pictures.ipynb", "folder.ipynb", "video.ipynb"}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_they_hold_no_outputs_and_nothing_of_a_machine(name):
    book = json.loads(NOTEBOOKS[name].read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in book["cells"]]
    assert len(ids) == len(set(ids)) and book["cells"][0]["cell_type"] == "markdown"
    for cell in cells(name, "code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None and "".join(cell["source"]).strip()
    assert "/work" not in json.dumps(book) and "/home" not in json.dumps(book)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_their_links_lead_somewhere(name):
    text = "\n".join("".join(cell["source"]) for cell in cells(name, "markdown"))
    targets = [part.split(")")[0] for part in text.split("](")[1:]]
    assert targets and all((NOTEBOOKS[name].parent / target).exists() for target in targets)


def test_pictures(room, astronaut, capsys):
    pytest.importorskip("pandas")
    shown, names = run_notebook("pictures.ipynb")
    assert "data:image/jpeg;base64," in shown[0][1] and "female" in shown[0][1]
    said = capsys.readouterr().out
    assert "female, happy" in said and '"source": "array"' in said
    assert (room / "annotated.png").is_file() and shown[-1][0]["gender"].tolist() == ["female"]


@pytest.mark.parametrize("pictures", [0, 3])
def test_a_folder(room, astronaut, pictures, capsys):
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    for number in range(pictures):
        save_image(room / "photos" / f"{number}.jpg", astronaut if number else astronaut // 255)
    if pictures:
        (room / "photos" / "bad.jpg").write_bytes(b"none")
    shown, names = run_notebook("folder.ipynb")
    assert (f"{pictures + 1} pictures" if pictures else "0 pictures") in capsys.readouterr().out
    assert len(names["faces"]) == max(pictures - 1, 0) and len(names["results"]) == (4 if pictures else 0)
    assert (room / "ages.png").is_file() and (room / "faces.csv").is_file()


def test_a_video(room, face_clip, displayed):
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    (room / "clip.mp4").write_bytes(face_clip.read_bytes())
    shown, names = run_notebook("video.ipynb")
    assert len(displayed) == 12 and displayed[0].size == (384, 384)
    assert names["people"].index.tolist() == [1] and len(names["faces"]) == 6
    assert (room / "tracks.png").is_file()


class _Page(ModuleType):
    """The part of Streamlit that the example uses; remembers what is on the page."""

    def __init__(self, file):
        super().__init__("streamlit")
        self._file, self.shown = file, []

    def cache_resource(self, function):
        return function

    def checkbox(self, label):
        return True

    def file_uploader(self, label, type):  # noqa: A002
        return self._file

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *what: self.shown.append((name, *what))


class _Upload:
    name = "photo.png"

    def __init__(self, data):
        self._data = data

    def getvalue(self):
        return self._data


@pytest.fixture
def page_of(monkeypatch):
    def show(data):
        page = _Page(None if data is None else _Upload(data))
        monkeypatch.setitem(sys.modules, "streamlit", page)
        runpy.run_path(str(PAGE))
        return dict((kind, what) for kind, *what in page.shown)

    return show


def test_the_page_before_anything_was_dropped(page_of):
    assert set(page_of(None)) == {"title", "caption"}


def test_the_page_of_a_picture_of_nobody_and_of_none(page_of, png):
    assert page_of(png)["write"] == ["No face was found."]
    assert page_of(b"x")["error"][0].startswith("photo.png ")


def test_the_page_of_a_face(page_of, astronaut, room):
    save_image(room / "a.png", astronaut)
    page = page_of((room / "a.png").read_bytes())
    assert page["image"][0].size == (512, 512) and page["write"][0].endswith("female, happy")
    assert json.loads(page["download_button"][1])["source"] == "photo.png"
