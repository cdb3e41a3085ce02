"""What to train and how: plain records, light to import."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facecli.core.attributes import UTKFACE_HEADS
from facecli.core.errors import InputError

EMBEDDING_MODEL = "facenet_embedding"
"""Name of the distilled student that the compact backbone starts from."""
GENUINE = "inception-resnet-v1"
STUDENTS = ("compact", "mobile-se")
"""Backbones that a distilled student may have, the default first."""
BACKBONES: dict[str, tuple[str, ...]] = {
    "facenet": (*STUDENTS, GENUINE),
    "normal": ("normal",),
    "open": ("compact",),
}
"""Each of `core.paths.MODEL_TYPES` -> backbones that it may stand on, the default first."""
HEADS: dict[str, tuple[str, ...]] = {
    "facenet": UTKFACE_HEADS,
    "normal": UTKFACE_HEADS,
    "open": ("age", "gender", "race", "race_7", "face"),
}
"""Model type -> the heads that are trained when nothing else is said."""
_STUDENT = {
    "epochs": 2,
    "batch_size": 96,
    "learning_rate": 1e-4,
    "warmup_epochs": 0.2,
    "degraded_share": 0.1,
}
_SCRATCH = {"epochs": 30, "batch_size": 128, "learning_rate": 2e-3, "weight_decay": 0.05}
RUN_DEFAULTS: dict[str, dict[str, float]] = {
    "open": _SCRATCH,
    "normal": {"epochs": 30, "batch_size": 96, "learning_rate": 2e-3},
    **dict.fromkeys(STUDENTS, _STUDENT),
    GENUINE: {"epochs": 12, "batch_size": 128, "learning_rate": 1e-3, "weight_decay": 0.05},
}
"""Backbone, or model type where that decides -> options of the run that measured best."""
REBALANCINGS = ("none", "oversample", "undersample", "weights")
"""Ways to balance ages in training, see `data.rebalance`."""
LEFT_OUT = 0.5
"""Share of crowded ages that an epoch leaves out when nothing else is said, see `data.rebalance`."""
KEEP_BEST, KEEP_ALL = "best", "all"
"""What `FitOptions.keep_epochs` may be besides a number."""


@dataclass(frozen=True)
class FitOptions:
    """How to train, apart from data and network.

    Attributes:
        learning_rate: the peak, after the warm-up.
        shares: data set -> share of each epoch that is drawn from it, see `training.epochs.CropBatches`.
        head_weights: head -> weight of its loss in the sum, in place of the usual one (`training.losses`).
        keep_epochs: KEEP_BEST, KEEP_ALL, or how many of the best epochs stay beside the model.
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    warmup_epochs: float = 1.0
    weight_decay: float = 0.02
    patience: int = 8
    seed: int = 1
    mixed_precision: str = "float32"
    degraded_share: float = 0.25
    feature_weight: float = 4.0
    shares: Mapping[str, float] = field(default_factory=dict)
    head_weights: Mapping[str, float] = field(default_factory=dict)
    keep_epochs: str = KEEP_BEST
    resume: bool = False
    tensorboard: bool = False


@dataclass(frozen=True)
class TrainRequest:
    """What to train. `backbone` and `name` have defaults by model type.

    Attributes:
        heads: empty takes those of the model type.
        rebalance, left_out: see `data.rebalance.rebalance`.
        embedding: name or folder of the distilled student that a facenet starts from; by default
            what `facecli distil` wrote last, else the facenet that ships.
        initial: name or folder of a model of the same backbone to go on from instead.
        average: further models that went on from one with it: the start is the mean of all their weights.
        allow_one_sided: "set:head" of sets that teach a head although they lack classes of it.
        unfreeze: how many of the genuine trunk's last blocks learn, for `unfreeze_epochs`.
        command: what was typed, for the recipe.
    """

    model_type: str = "facenet"
    backbone: str | None = None
    heads: tuple[str, ...] = ()
    image_size: int | None = None
    rebalance: str = "none"
    left_out: float = LEFT_OUT
    name: str | None = None
    trunk_weights: Path | None = None
    embedding: str | None = None
    initial: str | None = None
    average: tuple[str, ...] = ()
    allow_one_sided: tuple[str, ...] = ()
    unfreeze: int = 0
    unfreeze_epochs: int = 2
    command: str = ""


@dataclass(frozen=True)
class ResolvedRequest(TrainRequest):
    """A request that leaves nothing open, see `resolve`."""

    backbone: str = ""
    name: str = ""


@dataclass(frozen=True)
class DistilRequest:
    """What a student is and learns from.

    Attributes:
        name: folder of the student.
        backbone: name of the student's backbone.
        image_size: side of the crops; the backbone's own by default.
        trunk_weights: FaceNet weight file, else the weights folder is searched.
        initial: name or folder of a student to go on from, perhaps of another image size.
        average: further students that went on from one with `initial`: the start is the mean of
            all their weights.
        teachers: frozen networks, keys of `training.teachers.TEACHERS`; together they soften labels.
        looks: crops of each face that FaceNet sees when labels are softened, 1 to 3; each has a teacher.
        teacher_model: name or folder of a trained model whose answers and features are learnt in
            place of the features of `teachers`.
        views: of each picture, that `teacher_model` looks at.
        view_size: side of the views in pixels, from which students of several sizes may learn;
            the student's own by default.
        heads: what the student is asked beside the features.
        allow_one_sided: as in TrainRequest.
        command: what was typed, for the recipe.
    """

    name: str = EMBEDDING_MODEL
    backbone: str = "compact"
    image_size: int | None = None
    trunk_weights: Path | None = None
    initial: str | None = None
    average: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ("facenet",)
    looks: int = 3
    teacher_model: str | None = None
    views: int = 4
    view_size: int | None = None
    heads: tuple[str, ...] = UTKFACE_HEADS
    allow_one_sided: tuple[str, ...] = ()
    command: str = ""


def resolve(request: TrainRequest) -> ResolvedRequest:
    """The request with backbone, heads and name filled in. Raises InputError when they do not fit."""
    backbone = request.backbone or BACKBONES[request.model_type][0]
    if backbone not in BACKBONES[request.model_type]:
        raise InputError(
            f"--backbone {backbone} is not a backbone of '{request.model_type}'; "
            f"choose {' or '.join(BACKBONES[request.model_type])}"
        )
    if request.unfreeze and backbone != GENUINE:
        raise InputError(f"--unfreeze is for --backbone {GENUINE}; '{backbone}' is trained as a whole")
    if request.initial and backbone == GENUINE:
        raise InputError(
            f"--initial is for networks that are trained as a whole; of '{GENUINE}' only the heads "
            "are trained"
        )
    heads = request.heads or HEADS[request.model_type]
    suffix = "" if heads == HEADS[request.model_type] else "_" + "_".join(heads)
    trunk = "_inception" if backbone == GENUINE else ""
    name = request.name or f"{request.model_type}{trunk}{suffix}_model"
    return ResolvedRequest(**{**vars(request), "backbone": backbone, "heads": heads, "name": name})


def check_head_weights(weights: Mapping[str, float], heads: Collection[str]) -> None:
    """Raises InputError when a weight is of a head that is not trained."""
    if unknown := [head for head in weights if head not in heads]:
        raise InputError(f"a weight for {', '.join(unknown)}, but what is trained is {', '.join(heads)}")


def run_defaults(request: ResolvedRequest) -> dict[str, float]:
    """Options of the run that measured best."""
    return RUN_DEFAULTS.get(request.model_type, RUN_DEFAULTS[request.backbone])
