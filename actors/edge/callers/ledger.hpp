// What callers have used of what they may have. Accounts go by the caller's name, so that several keys of one share them, and
// outlive changes of the file for as long as it names the caller, or a generation of its runs. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/edge/callers/token_bucket.hpp"
#include "config/api_keys.hpp"
#include "config/edge_settings.hpp"
#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

class Ledger : public std::enable_shared_from_this<Ledger> {
 public:
  // That are remembered. Past it those that have all of their allowance are forgotten, then all.
  static constexpr std::size_t most_addresses = 65536;

  // What is left of a limit.
  struct Standing {
    std::int64_t limit = 0, remaining = 0;
    Duration reset{};  // until all of it is there again
  };
  struct Standings {
    std::optional<Standing> requests, tokens;  // of the limit of which least is left; unset: there is none
  };
  class Ticket;

  Ledger(const config::SharedLimits& limits, TimePoint now);

  // Refused as rate_limited, in OpenAI's words. network: of the client.
  Expected<void> count_request(const std::string& network, TimePoint now);
  Expected<void> count_request(const config::Caller& caller, TimePoint now);
  // A generation of the caller's; null: of somebody without a name.
  Expected<std::shared_ptr<Ticket>> begin(std::shared_ptr<const config::Caller> caller, TimePoint now);

  Standings standings(const config::Caller* caller, const std::string& network, TimePoint now) const;

  // Forgets the accounts of others that have no generation in progress.
  void keep(const std::vector<std::shared_ptr<const config::Caller>>& callers);

 private:
  struct Account {
    std::optional<TokenBucket> requests, tokens;
    std::int32_t generations = 0;  // in progress
  };
  // All below: the lock is held.
  std::shared_ptr<Account> account(const config::Caller& caller, TimePoint now);
  TokenBucket& allowance(const std::string& network, TimePoint now);

  const config::SharedLimits limits_;
  mutable std::mutex mutex_;  // guards all below, and what accounts hold
  std::optional<TokenBucket> tokens_;
  std::unordered_map<std::string, std::shared_ptr<Account>> accounts_;  // by the caller's name
  std::unordered_map<std::string, TokenBucket> addresses_;
};

// A place among the caller's generations, and what this one was charged. Thread-safe. It goes with the generation.
class Ledger::Ticket {
 public:
  Ticket(std::shared_ptr<Ledger> ledger, std::shared_ptr<const config::Caller> caller,
         std::shared_ptr<Account> account);
  ~Ticket();  // gives back what is not settled
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  // Once: the most that it can cost. at_most_all: of one that says not how many tokens it wants; then it is charged no more
  // than a whole minute's allowance.
  Expected<void> charge(std::int64_t tokens, bool at_most_all, TimePoint now);
  void settle(std::int64_t used,
              TimePoint now);  // gives back the rest, or charges what is more; the first counts

 private:
  const std::shared_ptr<Ledger> ledger_;
  const std::shared_ptr<const config::Caller> caller_;  // null: nobody known
  const std::shared_ptr<Account> account_;              // null: it has no limits
  std::int64_t of_caller_ = 0, of_server_ = 0;          // charged and not settled; by the ledger's lock
};

// "1m30.5s", "250ms": as OpenAI's headers have it; rounded up to milliseconds.
std::string duration_text(Duration time);

}  // namespace troupe::actors::edge
