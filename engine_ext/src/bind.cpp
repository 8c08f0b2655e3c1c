// The Python module: each part of the library binds itself.
#include <pybind11/pybind11.h>

void bind_engine(pybind11::module_& module);
void bind_matcher(pybind11::module_& module);

PYBIND11_MODULE(_core, module) {
  module.doc() = "The C++ core of Tradepit.";
  bind_engine(module);
  bind_matcher(module);
}
