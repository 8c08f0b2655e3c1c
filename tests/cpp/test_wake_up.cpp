// What wakes the hot loop, on an eventfd or a pipe.
#include <poll.h>

#include <thread>

#include "check.hpp"
#include "tradepit/wake_up.hpp"

namespace {

using namespace tradepit;

bool is_readable(const WakeUp& wake_up, int timeout_ms) {
  pollfd item{wake_up.fd(), POLLIN, 0};
  return ::poll(&item, 1, timeout_ms) == 1;
}

TEST(notifications_are_one_until_they_are_cleared) {
  WakeUp wake_up;
  CHECK(wake_up.is_open());
  CHECK(!is_readable(wake_up, 0));
  wake_up.clear();                                                 // of nothing: it does not wait
  for (int count = 0; count < 100'000; ++count) wake_up.notify();  // a full pipe holds nobody up
  CHECK(is_readable(wake_up, 0));
  wake_up.clear();
  CHECK(!is_readable(wake_up, 0));
  std::thread other([&] { wake_up.notify(); });
  CHECK(is_readable(wake_up, 10'000));
  other.join();
  wake_up.clear();
  CHECK(!is_readable(wake_up, 0));
}

}  // namespace
