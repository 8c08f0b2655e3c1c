// engine_tests [VECTORS_JSON]: runs every test; the first that fails ends the process. The golden
// bytes are found from the top of the repository.
#include <cstdio>

#include "check.hpp"

int main(int argc, char** argv) {
  check::vectors_path() = argc > 1 ? argv[1] : "tests/vectors/wire.json";
  for (const check::Test& test : check::tests()) {
    std::printf("%s\n", test.name);
    std::fflush(stdout);
    test.run();
  }
  std::printf("%zu tests passed\n", check::tests().size());
}
