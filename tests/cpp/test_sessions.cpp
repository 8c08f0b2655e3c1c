// The table of sessions.
#include "check.hpp"
#include "tradepit/sessions.hpp"

namespace {

using namespace tradepit;

TEST(replies_that_are_dropped_at_a_log_off_wait_no_longer) {
  SessionTable sessions({}, 0);
  const std::uint32_t session = sessions.find_or_add("peer");
  const std::uint32_t generation = sessions[session].generation;
  sessions[session].waiting_bytes = 16 << 20;
  sessions.log_off(session);
  CHECK(sessions[session].generation != generation);  // by this the outbox knows what to drop
  CHECK(sessions[session].waiting_bytes == 0);
}

}  // namespace
