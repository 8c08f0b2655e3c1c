#include "tradepit/zmq_api.hpp"

#include <dlfcn.h>

namespace tradepit {

std::string ZmqApi::load(const std::string& path) {
  void* const library = ::dlopen(path.c_str(), RTLD_NOLOAD | RTLD_LAZY);
  if (library == nullptr) return "libzmq is not loaded: " + path;
  std::string missing;
  const auto find = [&](const char* name, auto& function) {
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (function == nullptr) missing += std::string(" ") + name;
  };
  find("zmq_msg_init", msg_init);
  find("zmq_msg_init_data", msg_init_data);
  find("zmq_msg_send", msg_send);
  find("zmq_msg_recv", msg_recv);
  find("zmq_msg_close", msg_close);
  find("zmq_msg_data", msg_data);
  find("zmq_msg_size", msg_size);
  find("zmq_msg_more", msg_more);
  find("zmq_send", send);
  find("zmq_poll", poll);
  find("zmq_errno", error);
  ::dlclose(library);  // gives back our reference; pyzmq keeps its own
  return missing.empty() ? "" : "libzmq lacks" + missing;
}

}  // namespace tradepit
