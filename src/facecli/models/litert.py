"""The LiteRT file of a model's folder, opened: how the run lane computes. No TensorFlow."""

import os

from ai_edge_litert.interpreter import Interpreter

from facecli.core.errors import CheckpointError
from facecli.core.process import quiet_stderr
from facecli.models.checkpoint import LITERT_FILE, Checkpoint

SIGNATURE = "serve"
"""What computes in such a file."""
_MOST_THREADS = 4


def open_network(checkpoint: Checkpoint, num_threads: int | None = None):
    """The signature of a folder's LiteRT file, to be called with `image`; for one thread at a time.

    Args:
        checkpoint: its file's digest is checked before it is parsed.
        num_threads: threads of the XNNPACK kernels; None takes the cores, at most 4.

    Raises:
        CheckpointError: the file is missing, changed, or no LiteRT model.
    """
    path = checkpoint.verified(LITERT_FILE)
    threads = num_threads or min(_MOST_THREADS, os.cpu_count() or 1)
    try:
        with quiet_stderr():
            # From memory: odd paths do not matter.
            interpreter = Interpreter(model_content=path.read_bytes(), num_threads=threads)
            return interpreter.get_signature_runner(SIGNATURE)
    except (ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} is not a LiteRT model of facecli ({reason})") from error
