// fuzz_replay TARGET PATH...: gives each file, and each file of each folder, to the target.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "targets.hpp"

namespace {

void run_file(const fuzz::Target& target, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::printf("%s %s\n", target.name, path.c_str());
  std::fflush(stdout);  // so that a crash has its file's name in front of it
  target.run(std::as_bytes(std::span(text)));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> paths;
  for (int index = 2; index < argc; ++index) {
    if (!std::filesystem::is_directory(argv[index])) {
      paths.emplace_back(argv[index]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(argv[index])) {
      paths.push_back(entry.path().string());
    }
  }
  for (const fuzz::Target& target : fuzz::targets) {
    if (argc < 3 || std::strcmp(target.name, argv[1]) != 0) continue;
    for (const std::string& path : paths) run_file(target, path);
    std::printf("%zu inputs, %lu commands\n", paths.size(), fuzz::applied_count);
    return 0;
  }
  std::fprintf(stderr, "usage: fuzz_replay records|commands|snapshot|journal PATH...\n");
  return 2;
}
