"""Which trials, where and when: studies, plan, Ray, MLflow, the command line."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

# A user's own analysis.py, which Python would find first, must not be taken for the package beside
# this one; that has the rest of the care, see `analysis.process.imports`.
if "analysis" not in sys.modules:
    _spec = spec_from_file_location("analysis", Path(__file__).parents[1] / "analysis/__init__.py")
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["analysis"] = module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["analysis"])
