// The hot loop's orders that were sent again: each gets the first answer, from the journal.
#include <cstring>

#include "hot_loop_detail.hpp"
#include "tradepit/hot_loop.hpp"
#include "tradepit/units.hpp"

namespace tradepit {
namespace {

using detail::bytes_of;
using detail::count;
using detail::load;

/// What waits in the outbox for such an order.
struct Retry {
  wire::ExecutionReport refusal;
  wire::NewOrder command;
  std::uint64_t order_id;  // of the first one
};
static_assert(std::is_trivially_copyable_v<Retry>);

}  // namespace

std::uint64_t HotLoop::repeated_order() const noexcept {
  // Of a list's orders, and of a cancel, other events come or other types.
  if (events_.size() != sizeof(wire::OrderRejected)) return 0;
  const auto event = load<wire::OrderRejected>(events_.data());
  return static_cast<wire::MessageType>(event.header.type) == wire::MessageType::order_rejected &&
                 event.command_type == static_cast<std::uint8_t>(wire::MessageType::new_order)
             ? event.order_id
             : 0;
}

void HotLoop::answer_later(std::uint32_t session, std::span<const std::byte> record,
                           std::span<const std::byte> refusal, std::uint64_t order_id) {
  const Retry retry{.refusal = load<wire::ExecutionReport>(refusal.data()),
                    .command = load<wire::NewOrder>(record.data()),
                    .order_id = order_id};
  message_reply_bytes_ += sizeof retry;
  sessions_[session].waiting_bytes += sizeof retry;
  ++waiting_retries_;
  outbox_.push({.seq = engine_.seq(),
                .time_ns = now_ns_,
                .session = session,
                .generation = sessions_[session].generation,
                .size = sizeof retry,
                .is_retry = 1},
               bytes_of(retry));
}

/// By now everything up to the retry is committed, and so is the entry that it asks for.
std::span<const std::byte> HotLoop::answer_again(const Outbox::Item& item,
                                                 std::span<const std::byte> bytes) {
  const auto retry = load<Retry>(bytes.data());
  replayed_.clear();
  const Session& session = sessions_[item.session];
  if (session.output.size() + session.unsent_bytes->load(std::memory_order_relaxed) >
      unsent_bytes_busy) {
    // The first answer may be long, and the peer does not read: it may ask again.
    wire::Reject busy;
    busy.header.request_id = retry.command.header.request_id;
    busy.seq = item.seq;
    busy.reason = wire::Reason::busy;
    busy.record_type = static_cast<std::uint8_t>(wire::MessageType::new_order);
    busy.flags = wire::report_flag::last;
    replayed_.append(busy);
    return replayed_.bytes();
  }
  const OrderPlaces* const places = journal_.config().places;
  EntryView entry;
  if (places == nullptr || !entries_.read(places->find(number_of_id(retry.order_id)), entry) ||
      !replay_answer(entry, retry.command, retry.order_id, replayed_)) {
    replayed_.append(retry.refusal);
    return replayed_.bytes();
  }
  count(counters_.replayed_answers);
  return replayed_.bytes();
}

}  // namespace tradepit
