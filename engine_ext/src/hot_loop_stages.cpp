// The hot loop's samples of how long a command takes, and the traces that commands belong to.
#include <cstring>

#include "hot_loop_detail.hpp"
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

void HotLoop::note_trace(std::span<const std::byte> record) noexcept {
  const auto context = detail::load<wire::TraceContext>(record.data());
  std::memcpy(trace_.trace_id.data(), context.trace_id, sizeof context.trace_id);
  std::memcpy(trace_.span_id.data(), context.span_id, sizeof context.span_id);
  trace_.request_id = context.header.request_id;
  trace_.received_ns = now_ns_;
  trace_.is_set = true;
}

void HotLoop::pass_on_trace() {
  trace_.seq = engine_.seq();
  trace_.sequenced_ns = config_.clock_ns();
  trace_.is_set = false;
  traced_.add(trace_);
}

}  // namespace tradepit
