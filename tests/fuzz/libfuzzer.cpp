// What libFuzzer calls. FUZZ_TARGET names the function of targets.hpp.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "commands.hpp"
#include "targets.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

constexpr bool is_stream(const char* target) {
  return std::string_view(target) == "commands" || std::string_view(target) == "records";
}
#define AS_TEXT(name) #name
#define TEXT_OF(name) AS_TEXT(name)
constexpr bool mutates_commands = is_stream(TEXT_OF(FUZZ_TARGET));

std::size_t write_stream(const std::vector<fuzz::Record>& stream, std::uint8_t* data,
                         std::size_t max_size) {
  std::size_t size = 0;
  for (const fuzz::Record& record : stream) {
    if (size + record.size() > max_size) break;
    std::memcpy(data + size, record.data(), record.size());
    size += record.size();
  }
  return size;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  std::atexit([] { std::fprintf(stderr, "commands applied: %lu\n", fuzz::applied_count); });
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FUZZ_TARGET(std::as_bytes(std::span(data, size)));
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  fuzz::Random random(seed);
  if (!mutates_commands || random.below(10) == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::vector<fuzz::Record> stream = fuzz::requests_in(std::as_bytes(std::span(data, size)));
  fuzz::change_stream(stream, random);
  return write_stream(stream, data, max_size);
}

/// The beginning of one stream and the end of the other.
extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* data1, std::size_t size1,
                                                 const std::uint8_t* data2, std::size_t size2,
                                                 std::uint8_t* out, std::size_t max_out_size,
                                                 unsigned seed) {
  fuzz::Random random(seed);
  std::vector<fuzz::Record> stream = fuzz::requests_in(std::as_bytes(std::span(data1, size1)));
  const std::vector<fuzz::Record> other = fuzz::requests_in(std::as_bytes(std::span(data2, size2)));
  stream.resize(random.below(stream.size() + 1));
  const std::size_t from = random.below(other.size() + 1);
  stream.insert(stream.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
  return write_stream(stream, out, max_out_size);
}
