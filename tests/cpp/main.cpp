// engine_tests VECTORS_JSON: runs every test; the first that fails ends the process.
#include <cstdio>

#include "check.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: engine_tests VECTORS_JSON\n");
    return 2;
  }
  check::vectors_path() = argv[1];
  for (const check::Test& test : check::tests()) {
    std::printf("%s\n", test.name);
    std::fflush(stdout);
    test.run();
  }
  std::printf("%zu tests passed\n", check::tests().size());
}
