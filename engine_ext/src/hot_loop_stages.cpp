// The hot loop's samples of how long a command takes.
#include "tradepit/hot_loop.hpp"

namespace tradepit {

/// Applies a command, and measures how long it waited in its message, was judged and matched.
void HotLoop::apply_measured(std::span<const std::byte> record) noexcept {
  const std::int64_t begin_ns = steady_ns();
  if (taken_ns_ != 0) counters_.receive.record(begin_ns - taken_ns_);
  taken_ns_ = 0;
  std::int64_t judged_ns = 0;
  const JudgedHook hook{
      .call = [](void* context) noexcept { *static_cast<std::int64_t*>(context) = steady_ns(); },
      .context = &judged_ns};
  engine_.apply(record.data(), events_, &reports_, &hook);
  const std::int64_t end_ns = steady_ns();
  if (judged_ns == 0)
    judged_ns = begin_ns;
  else
    counters_.risk.record(judged_ns - begin_ns);
  counters_.match.record(end_ns - judged_ns);
}

}  // namespace tradepit
