#include "tradepit/replayed_answer.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "engine_rules.hpp"
#include "journal_files.hpp"
#include "journal_scan.hpp"

namespace tradepit {
namespace {

using wire::ExecutionKind;
using wire::ExecutionReport;
using wire::MessageType;
using wire::OrderStatus;

/// One read of this size gets most entries: an order and its first trades.
constexpr std::size_t first_read_bytes = 4096;

template <typename Event>
Event read_as(const std::byte* at) noexcept {
  Event event;
  std::memcpy(&event, at, sizeof event);
  return event;
}

/// What a client says with a command, without when and how it came.
wire::NewOrder terms_of(wire::NewOrder command) noexcept {
  command.header.request_id = 0;
  command.time_ns = 0;
  command.session_id = 0;
  return command;
}

/// An order's reports, one after the other, as its events tell of it.
class AnswerWriter {
 public:
  AnswerWriter(const wire::OrderAccepted& accepted, std::uint32_t request_id,
               ByteBuffer& out) noexcept
      : out_(out) {
    report_.header.request_id = request_id;
    report_.seq = accepted.seq;
    report_.time_ns = accepted.time_ns;
    report_.order_id = accepted.order_id;
    report_.account_id = accepted.account_id;
    report_.client_order_id = accepted.client_order_id;
    report_.price_ticks = accepted.price_ticks;
    report_.quantity_lots = accepted.quantity_lots;
    report_.trigger_price_ticks = accepted.trigger_price_ticks;
    report_.display_quantity_lots = accepted.display_quantity_lots;
    report_.expire_time_ns = accepted.expire_time_ns;
    report_.offset_ticks = accepted.offset_ticks;
    report_.instrument_id = accepted.instrument_id;
    report_.side = accepted.side;
    report_.order_type = accepted.order_type;
    report_.time_in_force = accepted.time_in_force;
    report_.order_flags = accepted.flags;
    report_.command_type = static_cast<std::uint8_t>(MessageType::new_order);
    report_.flags = wire::report_flag::replayed;
    report_.trail_offset_bps = accepted.trail_offset_bps;
    report_.self_trade_prevention = accepted.self_trade_prevention;
    report_.peg_reference = accepted.peg_reference;
    is_waiting_ = detail::is_stop(accepted.order_type) ||
                  accepted.time_in_force == wire::TimeInForce::at_the_close;
    put(ExecutionKind::accepted);
  }

  /// Adds the report that an event caused. False if it belongs to what the command set off in other
  /// orders, which is no part of the answer, nor is anything after it.
  [[nodiscard]] bool add(const std::byte* event) noexcept {
    switch (static_cast<MessageType>(read_as<wire::Header>(event).type)) {
      case MessageType::order_triggered:
        return add(read_as<wire::OrderTriggered>(event));
      case MessageType::trade:
        return add(read_as<wire::Trade>(event));
      case MessageType::self_trade_prevented:
        return add(read_as<wire::SelfTradePrevented>(event));
      case MessageType::order_canceled:
        return add(read_as<wire::OrderCanceled>(event));
      case MessageType::order_replaced:
        return add(read_as<wire::OrderReplaced>(event));
      case MessageType::order_activated:
        return false;
      default:
        return true;
    }
  }

  void end() noexcept {
    std::byte* const last = out_.data() + out_.size() - sizeof report_;
    last[offsetof(ExecutionReport, flags)] |= std::byte{wire::report_flag::last};
  }

 private:
  bool add(const wire::OrderTriggered& event) noexcept {
    // At once, before anything else, or it is a later consequence.
    if (event.order_id != report_.order_id || !is_waiting_ || report_count_ != 1) return false;
    is_waiting_ = false;
    put(ExecutionKind::triggered);
    return true;
  }

  bool add(const wire::Trade& event) noexcept {
    if (event.taker_order_id != report_.order_id) return true;
    report_.filled_lots += event.quantity_lots;
    report_.trade_id = event.trade_id;
    report_.trade_price_ticks = event.price_ticks;
    report_.trade_quantity_lots = event.quantity_lots;
    report_.fee_units = event.taker_fee_units;
    report_.liquidity = wire::Liquidity::taker;
    put(ExecutionKind::trade);
    report_.trade_id = 0;
    report_.trade_price_ticks = report_.trade_quantity_lots = report_.fee_units = 0;
    report_.liquidity = wire::Liquidity{};
    return true;
  }

  bool add(const wire::SelfTradePrevented& event) noexcept {
    if (event.taker_order_id != report_.order_id ||
        event.taker_quantity_lots == report_.quantity_lots) {
      return true;
    }
    report_.quantity_lots = event.taker_quantity_lots;
    put(ExecutionKind::reduced);
    return true;
  }

  bool add(const wire::OrderCanceled& event) noexcept {
    if (event.order_id != report_.order_id) return true;
    report_.cancel_reason = event.reason;
    put(ExecutionKind::canceled);
    return false;
  }

  bool add(const wire::OrderReplaced& event) noexcept {
    // A pegged order comes to rest once; then it follows others.
    if (event.order_id != report_.order_id || report_count_ != 1) return false;
    report_.price_ticks = event.price_ticks;
    put(ExecutionKind::replaced);
    return true;
  }

  void put(ExecutionKind kind) noexcept {
    report_.kind = kind;
    report_.remaining_lots = report_.quantity_lots - report_.filled_lots;
    report_.status = is_waiting_                   ? OrderStatus::waiting
                     : report_.filled_lots == 0    ? OrderStatus::open
                     : report_.remaining_lots == 0 ? OrderStatus::filled
                                                   : OrderStatus::partially_filled;
    if (kind == ExecutionKind::canceled) {
      report_.remaining_lots = 0;
      report_.status = OrderStatus::canceled;
    }
    out_.append(report_);
    ++report_count_;
  }

  ByteBuffer& out_;
  ExecutionReport report_;
  bool is_waiting_ = false;
  std::uint32_t report_count_ = 0;
};

}  // namespace

EntryReader::~EntryReader() {
  if (file_ >= 0) detail::disk->close(file_);
}

bool EntryReader::open(std::uint64_t segment_first_seq) {
  if (file_ >= 0 && segment_first_seq_ == segment_first_seq) return true;
  if (file_ >= 0) detail::disk->close(file_);
  const std::string path = detail::segment_path(directory_, segment_first_seq);
  file_ = detail::disk->open(path.c_str(), O_RDONLY | O_CLOEXEC, 0);
  segment_first_seq_ = segment_first_seq;
  return file_ >= 0;
}

bool EntryReader::read(const EntryPlace& place, EntryView& entry) {
  if (place.offset < sizeof(wire::SegmentHeader) || !open(place.segment_first_seq)) return false;
  bytes_.clear();
  std::byte* const at = bytes_.extend(first_read_bytes);
  const ssize_t got =
      detail::disk->pread(file_, at, first_read_bytes, static_cast<off_t>(place.offset));
  wire::JournalEntry header;
  if (got < static_cast<ssize_t>(sizeof header)) return false;
  std::memcpy(&header, at, sizeof header);
  if (!detail::is_entry_length(header.length, entry_bytes_max)) return false;
  bytes_.truncate(std::min<std::size_t>(static_cast<std::size_t>(got), header.length));
  const std::uint64_t missing = header.length - bytes_.size();
  if (missing != 0 && !detail::read_at(file_, bytes_.extend(missing), missing,
                                       place.offset + header.length - missing)) {
    return false;
  }
  return detail::read_entry(bytes_.bytes(), entry);
}

bool replay_answer(const EntryView& entry, const wire::NewOrder& retry, std::uint64_t order_id,
                   ByteBuffer& out) noexcept {
  if (entry.command.size() != sizeof retry) return false;
  const wire::NewOrder terms = terms_of(read_as<wire::NewOrder>(entry.command.data()));
  const wire::NewOrder wanted = terms_of(retry);
  if (std::memcmp(&terms, &wanted, sizeof terms) != 0) return false;
  const std::byte* at = entry.events.data();
  const std::byte* const end = at + entry.events.size();
  const auto step = [&] { at += read_as<wire::Header>(at).length; };
  const auto is_acceptance = [&] {
    return static_cast<MessageType>(read_as<wire::Header>(at).type) ==
               MessageType::order_accepted &&
           read_as<wire::OrderAccepted>(at).order_id == order_id;
  };
  while (at < end && !is_acceptance()) step();  // past the end of the order that it replaces
  if (at >= end) return false;
  AnswerWriter answer(read_as<wire::OrderAccepted>(at), retry.header.request_id, out);
  for (step(); at < end && answer.add(at);) step();
  answer.end();
  return true;
}

}  // namespace tradepit
