"""How much of facecli has a type that a type checker knows, as pyright counts it for those who use it.

    make types       (it installs pyright, with Node.js, and runs this)

Prints a table of packages, and what is not known. Ends with 1 when anything outside of training is not:
there classes are Keras', which ships no types. What other packages leave open (NumPy, Pillow) does not count.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

UNTYPED = "training"
COMMAND = ("-m", "pyright", "--verifytypes", "facecli", "--ignoreexternal", "--outputjson")


def main() -> None:
    symbols = [symbol for symbol in verified()["symbols"] if symbol["isExported"]]
    every = Counter(package_of(symbol["name"]) for symbol in symbols)
    unknown = [symbol for symbol in symbols if not symbol["isTypeKnown"]]
    open_ = Counter(package_of(symbol["name"]) for symbol in unknown)
    print("| package | names | of known type |\n|---|---|---|")
    for package in sorted(every):
        print(
            f"| {package} | {every[package]:,} | {share(every[package] - open_[package], every[package])} |"
        )
    print(f"| all | {len(symbols):,} | {share(len(symbols) - len(unknown), len(symbols))} |\n")
    for symbol in unknown:
        print(
            symbol["name"], *(" ".join(one["message"].split()) for one in symbol["diagnostics"]), sep="\n    "
        )
    sys.exit(any(package != UNTYPED for package in open_))


def verified() -> dict:
    """What pyright says of the package that this Python imports."""
    # It asks the `python` that comes first where the package and its libraries lie.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = subprocess.run(
        (sys.executable, *COMMAND), capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    try:
        found = json.loads(done.stdout)["typeCompleteness"]
    except (ValueError, KeyError):
        sys.exit(done.stderr or done.stdout)
    if not found["symbols"]:
        sys.exit("pyright does not find facecli; install it into this environment: pip install -e .")
    return found


def package_of(name: str) -> str:
    """The core of "facecli.core.images.log"; what `import facecli` brings is of "facecli"."""
    first, *within = name.split(".")[:-1]
    return within[0] if within else first


def share(known: int, every: int) -> str:
    return "100 %" if known == every else f"{100 * known / every:.1f} %"


if __name__ == "__main__":
    main()
