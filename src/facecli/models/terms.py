"""What models and detectors may be used for, which depends on what they learnt from. Standard library only.

A model's own terms lie in its `config.json` under `terms`. They are a record, not a judgement: what a
law forbids is forbidden whatever a licence says (docs/model_card.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

COMMERCIAL, RESEARCH = "commercial use", "non-commercial research"


@dataclass(frozen=True)
class Source:
    """Something that was learnt from, or a published file. `url` is "" where there is none."""

    name: str
    url: str
    terms: str


@dataclass(frozen=True)
class Terms:
    """On what terms a model or a detector comes.

    Attributes:
        licence: of the files.
        may_be_used_for: COMMERCIAL, RESEARCH, or what somebody else's model says.
        sources: what it learnt from.
    """

    licence: str
    may_be_used_for: str
    sources: tuple[Source, ...] = ()

    @property
    def is_narrow(self) -> bool:
        """Anything but COMMERCIAL, which allows all the rest."""
        return self.may_be_used_for != COMMERCIAL

    def to_config(self) -> dict[str, Any]:
        """What `config.json` holds under "terms"."""
        sources = [asdict(source) for source in self.sources]
        return {"licence": self.licence, "may_be_used_for": self.may_be_used_for, "sources": sources}


_UTKFACE = Source("UTKFace", "https://susanqq.github.io/UTKFace/", "non-commercial research")
_FER2013 = Source(
    "FER2013",
    "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    "research",
)
_FACENET = Source(
    "FaceNet 20180402-114759, a teacher",
    "https://github.com/davidsandberg/facenet",
    "code MIT; trained on VGGFace2, non-commercial research",
)
_MOBILENET = Source(
    "MobileNet of HSE University, a teacher",
    "https://github.com/av-savchenko/HSE_FaceRec_tf",
    "Apache-2.0; trained on VGGFace2, non-commercial research",
)
_FAIRFACE = Source("FairFace (Karkkainen and Joo 2019)", "https://github.com/joojs/fairface", "CC BY 4.0")
_DRAWN = Source("pictures drawn by code", "", "none needed")
_NARROW = f"{RESEARCH} only (LICENSE)"

OPEN = Terms("CC BY 4.0", COMMERCIAL, (_FAIRFACE, _DRAWN))
MODEL_TERMS = {
    "facenet": Terms(_NARROW, RESEARCH, (_UTKFACE, _FER2013, _FAIRFACE, _FACENET, _MOBILENET)),
    "normal": Terms(_NARROW, RESEARCH, (_UTKFACE, _FAIRFACE)),
    "open": OPEN,
}
"""Model type -> terms of models that learnt what the type is meant to learn from: of those that ship, and of
any that do not say from what they learnt."""
_SETS = {"utkface": _UTKFACE, "fairface": _FAIRFACE, "fer2013": _FER2013}
"""Data sets by the names of their folders, in small letters."""
_TEACHERS = {"facenet": _FACENET, "mobilenet": _MOBILENET}
DETECTOR_TERMS = Terms(
    _NARROW,
    RESEARCH,
    (
        Source("ILC 2021, crowds and groups with and without masks", "", "research"),
        Source(
            "Face Mask Detection (Kaggle, andrewmvd)",
            "https://www.kaggle.com/datasets/andrewmvd/face-mask-detection",
            "CC0",
        ),
        Source("MacwinWin's mask pictures", "", "research"),
        Source("pictures without a face: ImageNet samples, BSDS500, office rooms", "", "research"),
        _FAIRFACE,
        Source(
            "YuNet, a teacher",
            "https://github.com/opencv/opencv_zoo",
            "MIT; learnt from WIDER FACE, non-commercial research",
        ),
    ),
)
"""Of the network that finds faces."""
UNKNOWN = Terms(_NARROW, RESEARCH)
"""Of a model of which nothing is written down: the narrowest, without a source."""


def terms_of(config: Mapping[str, Any]) -> Terms:
    """The terms that a `config.json` holds; without them, or where they are damaged, by what it learnt."""
    if (written := _read(config.get("terms"))) is not None:
        return written
    known = _of_type(config.get("model_type"))
    if known.is_narrow:
        return known
    # A stage before it may have learnt from anything.
    begun: dict[str, Any] | None = {} if config.get("initial") or config.get("earlier_stages") else None
    sets = config.get("sets")
    return learnt_terms(config.get("model_type"), sets if isinstance(sets, Mapping) else (), begun)


def licence_text(name: str, config: Mapping[str, Any]) -> str:
    """What lies beside a model that ships as LICENSE.txt: on what terms, and what it learnt from.

    Args:
        name: of the model.
        config: its `config.json`.
    """
    terms = terms_of(config)
    lines = [
        f"facecli's model {name}: model.tflite and model.keras in this folder",
        "",
        f"Licence: {terms.licence}",
        f"May be used for: {terms.may_be_used_for}",
        "",
        "It was trained by this project from random weights. It learnt from:",
        "",
        *(
            f"* {' '.join(filter(None, (source.name, source.url)))}: {source.terms}"
            for source in terms.sources
        ),
        "",
        "A licence is no leave: laws restrict biometric categorisation and the recognition of emotions",
        "(GDPR, Article 9; EU AI Act, Article 5). The model comes without any warranty.",
    ]
    return "\n".join(lines) + "\n"


def learnt_terms(
    model_type: Any, sets: Iterable[str], start: Mapping[str, Any] | None, teachers: Iterable[str] = ()
) -> Terms:
    """Terms of a model by what it learnt from.

    Data sets are known by the names of their folders. An open model learnt from FairFace alone: "fairface"
    and names that end so, such as "not_face_fairface" for crops of its pictures without a face. What learnt
    from data that facecli does not know, and else from nothing but FairFace, is its owner's as far as these
    data allow. Any other is for research.

    Args:
        model_type: of the model.
        sets: names of the data sets; without any the model is as narrow as its type.
        start: `config.json` of the model that it went on from, {} where it is not known, None for none.
        teachers: names of published networks whose answers it learnt.
    """
    names, taught = (
        [str(name) for name in sets],
        [_TEACHERS.get(name, Source(name, "", "")) for name in teachers],
    )
    if not names:
        known = _of_type(model_type)
        return known if known.is_narrow else UNKNOWN
    before = None if start is None else terms_of(start)
    fair = all(name.lower().endswith("fairface") for name in names) and not taught
    if fair and not _of_type(model_type).is_narrow and (before is None or not before.is_narrow):
        return OPEN
    learnt = [_set(name) for name in names]
    free = before is None or not before.is_narrow or before.licence == _OWN
    own = free and not taught and all(source == _FAIRFACE or source.terms == _NOT_KNOWN for source in learnt)
    sources = tuple(dict.fromkeys([*(before.sources if before else ()), *learnt, *taught]))
    return Terms(_OWN, _AS_DATA, sources) if own else Terms(UNKNOWN.licence, UNKNOWN.may_be_used_for, sources)


_NOT_KNOWN = "terms not known"
_OWN, _AS_DATA = "your own", "what the terms of its data allow"


def _set(name: str) -> Source:
    """A data set by the name of its folder."""
    return _SETS.get(name.lower(), Source(name, "", _NOT_KNOWN))


def _of_type(model_type: Any) -> Terms:
    return MODEL_TERMS.get(model_type, UNKNOWN) if isinstance(model_type, str) else UNKNOWN


def _read(value: Any) -> Terms | None:
    """The terms under the key, or None when that is something else: files may say anything."""
    if not isinstance(value, Mapping) or not isinstance(value.get("sources"), list):
        return None
    licence, use = _line(value.get("licence")), _line(value.get("may_be_used_for"))
    sources = [source for one in value["sources"] if (source := _read_source(one)) is not None]
    if licence is None or use is None or len(sources) < len(value["sources"]):
        return None
    return Terms(licence, use, tuple(sources))


def _read_source(value: Any) -> Source | None:
    if not isinstance(value, Mapping):
        return None
    name, url, terms = (_line(value.get(key)) for key in ("name", "url", "terms"))
    if name is None or url is None or terms is None:
        return None
    return Source(name, url, terms)


def _line(text: Any) -> str | None:
    """The text, when it is one line that can be written as UTF-8."""
    return text if isinstance(text, str) and (text.isprintable() or text == "") else None
