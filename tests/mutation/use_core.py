"""A pytest plugin: the tests run against the C++ module that TRADEPIT_CORE names.

TRADEPIT_CORE=build/.../_core.so pytest -p tests.mutation.use_core tests/unit
"""

import importlib.util
import os
import sys

from hypothesis import Phase, settings

spec = importlib.util.spec_from_file_location("tradepit.engine._core", os.environ["TRADEPIT_CORE"])
assert spec is not None
assert spec.loader is not None
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module  # before tradepit.engine asks for its own
spec.loader.exec_module(module)

# A bug that is found is found: shrinking it to its smallest form would take longer than finding it.
settings.register_profile("mutation", phases=(Phase.explicit, Phase.generate), database=None)
settings.load_profile("mutation")
