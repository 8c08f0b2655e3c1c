// The Python module: each part of the library binds itself.
#include <pybind11/pybind11.h>

#include "tradepit/journal.hpp"

namespace tradepit {
void bind_engine(pybind11::module_& module);
void bind_matcher(pybind11::module_& module);
void bind_simulation(pybind11::module_& module);
void bind_replica(pybind11::module_& module);
}  // namespace tradepit

PYBIND11_MODULE(_core, module) {
  module.doc() = "The C++ core of Tradepit.";
  module.attr("JOURNAL_VERSION") = tradepit::journal_version;
  tradepit::bind_engine(module);
  tradepit::bind_matcher(module);
  tradepit::bind_simulation(module);
  tradepit::bind_replica(module);
}
