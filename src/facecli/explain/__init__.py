"""What in a face drove each head: heat maps of the Keras model, and checks that they mean something.

The methods are known by name here, with what each says. No package is needed for that.
"""

import importlib.util

from facecli.core.errors import FacecliError
from facecli.core.paths import how_to_install

METHODS = {
    "integrated-gradients": "Integrated gradients (Sundararajan et al. 2017): how much each place adds to "
    "or takes from the result, compared with the reference; all places sum to the difference.",
    "grad-cam": "Grad-CAM (Selvaraju et al. 2017): where the features lie that speak for the result; coarse.",
    "smooth-grad": "SmoothGrad (Smilkov et al. 2017): where small changes move the result most; "
    "whither is not said.",
    "shap": "SHAP (Lundberg and Lee 2017): how much each rectangle adds to or takes from the result when it "
    "is shown instead of the reference (Owen values); all places sum to the difference. No gradients.",
}


def check_installed(method: str) -> None:
    """Raises FacecliError when a method needs a package that is not there; imports none."""
    if method == "shap" and importlib.util.find_spec("shap") is None:
        raise FacecliError(f"--method shap needs the package shap: {how_to_install('explain')}")
