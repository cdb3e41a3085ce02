"""Packaging of facecli: what it needs, what it ships, and its console script.

`RUN` is what `facecli run` needs and all that `pip install facecli` brings. Training and
evaluation need TensorFlow (2 GB), so they are an extra: `pip install "facecli[train]"`.
Pipfile and environment.yml list both; tests/test_dependencies.py keeps the three equal.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).resolve().with_name("src")))
from facecli import __version__  # noqa: E402
from facecli.core.paths import (  # noqa: E402  (standard library only)
    DETECTOR_MODEL,
    LANDMARKS_MODEL,
    MODEL_FOLDERS,
)

RUN = [
    "ai-edge-litert>=2.0,<3",
    "av>=17,<19",
    "click>=8.1,<9",
    # The matching of crossing faces in a video.
    "lap>=0.5.12,<0.6",
    "numpy>=2.0,<3",
    # Older ones have no wheels for Python 3.14. OpenCV 4.12 forbids newer ones, so that this takes 4.11.
    "numpy>=2.3.2; python_version >= '3.14'",
    # OpenCV 4.13 and 4.14 decode interlaced video to black frames; OpenCV 5 has neither
    # cv2.CascadeClassifier nor the cascade files.
    "opencv-python>=4.10,<4.13",
    "pillow>=11.0,<14",
    "platformdirs>=4.2,<5",
    "rich>=13.9,<16",
]
# Only `facecli summarize --plot` and `facecli benchmark --plot`; training has it, too.
PLOT = ["matplotlib>=3.9,<4"]
TRAIN = [
    "h5py>=3.11,<4",
    "keras>=3.10,<4",
    "matplotlib>=3.9,<4",
    "pandas>=2.2,<4",
    # What the labels of a list mean.
    "pyyaml>=6.0,<7",
    "scikit-learn>=1.5,<2",
    "scipy>=1.13,<2",
    "tensorflow>=2.19,<3",
    # `--config` files on Python 3.10.
    "tomli>=2; python_version < '3.11'",
]
TORCH = ["torch>=2.2,<3"]
# Only `facecli export --format onnx`.
EXPORT = ["onnx>=1.16,<2", "tf2onnx>=1.17,<2"]
# Only pictures of phones that write HEIC, and `facecli run --parquet`.
HEIF = ["pillow-heif>=1.0,<2"]
PARQUET = ["pyarrow>=18,<27"]
# Only s3:// as a source or a target; gs://, az:// and hf:// need their own beside.
CLOUD = ["fsspec>=2026.9,<2028", "s3fs>=2026.9,<2028"]
GCS = ["fsspec>=2026.9,<2028", "gcsfs>=2026.9,<2028"]
AZURE = ["adlfs>=2026.8,<2028", "fsspec>=2026.9,<2028"]
HF = ["fsspec>=2026.9,<2028", "huggingface_hub>=2.4,<3"]
# Only `facecli run --engine daft`, and `--runner ray` of it: as new a Ray as Daft takes. Pip takes pyarrow 25
# then, which is the newest that Daft takes.
DAFT = ["daft>=0.7.26,<0.8", "pyarrow>=18,<27"]
RAY = ["daft>=0.7.26,<0.8", "pyarrow>=18,<27", "ray>=2.59,<2.60"]
# Only `facecli explain --method shap`.
EXPLAIN = ["shap>=0.48,<0.52"]
# Only `facecli serve`.
WEB = [
    "fastapi>=0.165,<1",
    "jinja2>=3.1,<4",
    "prometheus-client>=0.22,<1",
    "python-multipart>=0.0.20,<1",
    "starlette>=1.0,<2",
    "uvicorn>=0.54,<1",
    "websockets>=15,<18",
]
# Only `make docs`; none of the generators' versions that are kept runs on Python 3.10.
DOCS = [
    "flatbuffers>=25.2,<26",
    "griffelib>=2.4,<3; python_version >= '3.11'",
    "pyyaml>=6.0,<7",
    "zensical>=0.0.73,<0.1; python_version >= '3.11'",
]
# Only `facecli run --video ... --notify mqtt://...`.
MQTT = ["paho-mqtt>=2.1,<3"]
DEV = [
    # The server of moto, which speaks S3 on this machine.
    "flask>=3.1,<4",
    "flask-cors>=6,<7",
    "httpx2>=2.16,<3",
    "hypothesis>=6.100,<7",
    "jsonschema>=4.18,<5",
    "moto[s3]>=5.2,<6",
    "mypy>=2.4,<3",
    "onnxruntime>=1.18,<2",
    "packaging>=23",
    "pandas-stubs>=2.2,<4",
    "playwright>=1.50,<2",
    "pytest>=8,<10",
    "pytest-cov>=7,<8",
    "pytest-xdist>=3.5,<4",
    "ruff>=0.9,<1",
    "schemathesis>=4,<5",
    "scikit-image>=0.22,<1",
    "setuptools>=70.1",
    "trustme>=1.2,<2",
    "types-PyYAML>=6.0,<7",
    "werkzeug>=3.1,<4",
]

# The top-level folders are where people and training put these files; a wheel carries
# copies of them inside the package (facecli/core/paths.py looks there first), but for the Keras
# networks, which only training, evaluation and export read: a checkout and the release have them.
SHIPPED = (
    *(
        f"saved_model/{model}/{file}"
        for model in (*MODEL_FOLDERS.values(), DETECTOR_MODEL, LANDMARKS_MODEL)
        for file in ("config.json", "metrics.json", "history.csv", "model.tflite", "LICENSE.txt")
    ),
    "statistics/data_stats/*/*.csv",
    *(
        f"statistics/model_metrics/{model}/{file}"
        for model in MODEL_FOLDERS.values()
        for file in ("fairness_report.csv", "structure.txt")
    ),
    "xml/*.xml",
    "xml/*.txt",
)


class BuildWithModels(build_py):
    """Adds the shipped models and cascades to the package, except in editable installs."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for source, target in self._shipped():
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        return [*outputs, *(str(target) for _, target in self._shipped())]

    def _shipped(self) -> Iterator[tuple[Path, Path]]:
        """Pairs of a file in the source tree and its place in the built package."""
        for pattern in SHIPPED:
            for source in sorted(Path().glob(pattern)):
                yield source, Path(self.build_lib, "facecli", "shipped", source)


setup(
    name="facecli",
    version=__version__,
    description="Age, gender, race and emotion of every face in pictures and video, on the command line",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The facecli authors",
    # Of the code; each folder of saved_model/ has the terms of its model in LICENSE.txt.
    license_expression="MIT",
    license_files=["LICENSE", "saved_model/*/LICENSE.txt"],
    keywords=[
        "age estimation",
        "computer vision",
        "emotion recognition",
        "face analysis",
        "face detection",
        "gender classification",
        "LiteRT",
        "webcam",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Graphics",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    package_dir={"": "src"},
    packages=find_packages("src"),
    package_data={
        "facecli": ["py.typed"],
        "facecli.sinks": ["*.html", "*.css", "*.js"],
        "facecli.web": ["texts.json", "templates/*.html", "static/*"],
    },
    python_requires=">=3.10",
    install_requires=RUN,
    extras_require={
        "plot": PLOT,
        "train": TRAIN,
        "torch": TORCH,
        "export": EXPORT,
        "heif": HEIF,
        "parquet": PARQUET,
        "cloud": CLOUD,
        "gcs": GCS,
        "azure": AZURE,
        "hf": HF,
        "daft": DAFT,
        "ray": RAY,
        "explain": EXPLAIN,
        "web": WEB,
        "docs": DOCS,
        "mqtt": MQTT,
        "dev": [*DEV, *DOCS],
    },
    entry_points={"console_scripts": ["facecli=facecli.__main__:main"]},
    cmdclass={"build_py": BuildWithModels},
    zip_safe=False,
)
