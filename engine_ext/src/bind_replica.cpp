// Replica as a Python class, for the snapshotter.
#include <pybind11/native_enum.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "tradepit/replica.hpp"

namespace py = pybind11;

namespace tradepit {
namespace {

void raise_if(const std::string& error) {
  if (!error.empty()) throw std::runtime_error(error);
}

}  // namespace

void bind_replica(py::module_& module) {
  py::class_<Replica> replica(module, "Replica");
  py::native_enum<Replica::Outcome>(replica, "Outcome", "enum.Enum")
      .value("UP_TO_DATE", Replica::Outcome::up_to_date)
      .value("MORE", Replica::Outcome::more)
      .value("MAY_SNAPSHOT", Replica::Outcome::may_snapshot)
      .value("DIVERGED", Replica::Outcome::diverged)
      .value("FAILED", Replica::Outcome::failed)
      .finalize();
  replica
      .def(py::init([](std::string directory, std::uint32_t shard_id) {
             return std::make_unique<Replica>(std::move(directory),
                                              EngineConfig{.shard_id = shard_id});
           }),
           py::arg("directory"), py::arg("shard_id"))
      .def("open", &Replica::open, py::call_guard<py::gil_scoped_release>())
      .def("advance", &Replica::advance, py::arg("last_seq_max"), py::arg("snapshot_seq_min"),
           py::call_guard<py::gil_scoped_release>())
      .def(
          "write_snapshot",
          [](Replica& self, std::uint64_t free_bytes_min) {
            const py::gil_scoped_release no_gil;
            raise_if(self.write_snapshot(free_bytes_min));
          },
          py::arg("free_bytes_min"))
      .def_property_readonly("seq", &Replica::seq)
      .def_property_readonly("digest", &Replica::digest)
      .def_property_readonly("error", &Replica::error)
      .def_property_readonly("refusals", &Replica::refusals)
      .def_property_readonly("kept", &Replica::kept);
}

}  // namespace tradepit
