#include "actors/edge/callers/ledger.hpp"

#include <algorithm>
#include <unordered_set>

#include "runtime/base/retry_after.hpp"

namespace troupe::actors::edge {
namespace {

constexpr const char* code = "rate_limit_exceeded";

// bucket: has not so much. unit: "requests per min (RPM)".
Refusal too_fast(const std::string& whom, const std::string& unit, const TokenBucket& bucket,
                 std::int64_t wanted, TimePoint now) {
  const Duration wait = bucket.wait_for(wanted, now);
  return {RefusalKind::rate_limited,
          "Rate limit reached for " + whom + " on " + unit + ": Limit " + std::to_string(bucket.limit()) +
              ", Used " + std::to_string(bucket.limit() - bucket.remaining(now)) + ", Requested " +
              std::to_string(wanted) + ". Please try again in " + duration_text(wait) + ".",
          "", code, retry_after(wait)};
}

Refusal too_large(const std::string& whom, std::int64_t limit, std::int64_t wanted) {
  return {RefusalKind::rate_limited,
          "Request too large for " + whom + " on tokens per min (TPM): Limit " + std::to_string(limit) +
              ", Requested " + std::to_string(wanted) +
              ". The input or output tokens must be reduced in order to run successfully.",
          "", code};
}

Refusal too_many(const config::Caller& caller) {
  return {RefusalKind::rate_limited,
          "Rate limit reached for " + caller.name + " on concurrent requests: Limit " +
              std::to_string(*caller.concurrent) + ". Please try again when one of them has ended.",
          "", code};
}

Refusal server_too_busy(const TokenBucket& bucket, std::int64_t wanted, TimePoint now) {
  const Duration wait = bucket.wait_for(wanted, now);
  return {RefusalKind::unavailable,
          "The server's limit of tokens per min is reached. Please try again in " + duration_text(wait) + ".",
          "", code, retry_after(wait)};
}

void follow(std::optional<TokenBucket>& bucket, const std::optional<std::int64_t>& limit, TimePoint now) {
  if (!limit)
    bucket.reset();
  else if (!bucket)
    bucket.emplace(*limit, now);
  else if (bucket->limit() != *limit)
    bucket->set_limit(*limit, now);
}

// Of the two, what leaves less.
void note(std::optional<Ledger::Standing>& standing, const TokenBucket& bucket, TimePoint now) {
  const std::int64_t remaining = bucket.remaining(now);
  if (standing && standing->remaining <= remaining) return;
  standing = {bucket.limit(), remaining, bucket.until_full(now)};
}

}  // namespace

Ledger::Ledger(const config::SharedLimits& limits, TimePoint now) : limits_(limits) {
  follow(tokens_, limits.tokens_per_minute, now);
}

Expected<void> Ledger::count_request(const std::string& network, TimePoint now) {
  if (!limits_.requests_per_address) return {};
  const std::lock_guard lock(mutex_);
  TokenBucket& bucket = allowance(network, now);
  if (bucket.take(1, now)) return {};
  return tl::unexpected(too_fast("this address", "requests per min (RPM)", bucket, 1, now));
}

Expected<void> Ledger::count_request(const config::Caller& caller, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto has = account(caller, now);
  follow(has->requests, caller.requests_per_minute, now);
  follow(has->tokens, caller.tokens_per_minute, now);
  if (!has->requests || has->requests->take(1, now)) return {};
  return tl::unexpected(too_fast(caller.name, "requests per min (RPM)", *has->requests, 1, now));
}

Expected<std::shared_ptr<Ledger::Ticket>> Ledger::begin(std::shared_ptr<const config::Caller> caller,
                                                        TimePoint now) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Account> has;
  if (caller && !caller->name.empty()) {
    has = account(*caller, now);
    if (caller->concurrent && has->generations >= *caller->concurrent)
      return tl::unexpected(too_many(*caller));
    ++has->generations;
  }
  return std::make_shared<Ticket>(shared_from_this(), std::move(caller), std::move(has));
}

Ledger::Standings Ledger::standings(const config::Caller* caller, const std::string& network,
                                    TimePoint now) const {
  const std::lock_guard lock(mutex_);
  Standings all;
  if (tokens_) note(all.tokens, *tokens_, now);
  if (const auto found = addresses_.find(network); found != addresses_.end())
    note(all.requests, found->second, now);
  const auto found = caller ? accounts_.find(caller->name) : accounts_.end();
  if (found == accounts_.end()) return all;
  if (const auto& requests = found->second->requests) note(all.requests, *requests, now);
  if (const auto& tokens = found->second->tokens) note(all.tokens, *tokens, now);
  return all;
}

void Ledger::keep(const std::vector<std::shared_ptr<const config::Caller>>& callers) {
  std::unordered_set<std::string_view> names;
  for (const auto& each : callers) names.insert(each->name);
  const std::lock_guard lock(mutex_);
  std::erase_if(accounts_, [&](const auto& each) {
    return each.second->generations == 0 && !names.contains(each.first);
  });
}

std::shared_ptr<Ledger::Account> Ledger::account(const config::Caller& caller, TimePoint now) {
  auto& has = accounts_[caller.name];
  if (has) return has;
  has = std::make_shared<Account>();
  follow(has->requests, caller.requests_per_minute, now);
  follow(has->tokens, caller.tokens_per_minute, now);
  return has;
}

// More clients than that at once share nothing that is worth a limit.
TokenBucket& Ledger::allowance(const std::string& network, TimePoint now) {
  const auto found = addresses_.find(network);
  if (found != addresses_.end()) return found->second;
  if (addresses_.size() >= most_addresses)
    std::erase_if(addresses_,
                  [&](const auto& each) { return each.second.until_full(now) == Duration::zero(); });
  if (addresses_.size() >= most_addresses) addresses_.clear();
  return addresses_.emplace(network, TokenBucket(*limits_.requests_per_address, now)).first->second;
}

Ledger::Ticket::Ticket(std::shared_ptr<Ledger> ledger, std::shared_ptr<const config::Caller> caller,
                       std::shared_ptr<Account> account)
    : ledger_(std::move(ledger)), caller_(std::move(caller)), account_(std::move(account)) {}

Ledger::Ticket::~Ticket() {
  settle(0, now());
  const std::lock_guard lock(ledger_->mutex_);
  if (account_) --account_->generations;
}

Expected<void> Ledger::Ticket::charge(std::int64_t tokens, bool at_most_all, TimePoint now) {
  const std::lock_guard lock(ledger_->mutex_);
  auto& server = ledger_->tokens_;
  const std::int64_t of_server = server ? std::min(tokens, server->limit()) : 0;
  if (server && !server->take(of_server, now))
    return tl::unexpected(server_too_busy(*server, of_server, now));
  if (account_ && account_->tokens) {
    TokenBucket& own = *account_->tokens;
    const std::int64_t of_caller = at_most_all ? std::min(tokens, own.limit()) : tokens;
    if (!own.take(of_caller, now)) {
      if (server) server->give_back(of_server, now);
      return tl::unexpected(of_caller > own.limit()
                                ? too_large(caller_->name, own.limit(), of_caller)
                                : too_fast(caller_->name, "tokens per min (TPM)", own, of_caller, now));
    }
    of_caller_ = of_caller;
  }
  of_server_ = of_server;
  return {};
}

void Ledger::Ticket::settle(std::int64_t used, TimePoint now) {
  const std::lock_guard lock(ledger_->mutex_);
  if (of_server_ > 0 && ledger_->tokens_) ledger_->tokens_->give_back(of_server_ - used, now);
  if (of_caller_ > 0 && account_->tokens) account_->tokens->give_back(of_caller_ - used, now);
  of_server_ = of_caller_ = 0;
}

std::string duration_text(Duration time) {
  const std::int64_t all = std::chrono::ceil<std::chrono::milliseconds>(time).count();
  if (all < 1000) return std::to_string(all) + "ms";
  const std::int64_t minutes = all / 60'000, seconds = all % 60'000 / 1000;
  std::string thousandths = std::to_string(1000 + all % 1000).substr(1);
  thousandths.resize(thousandths.find_last_not_of('0') + 1);
  return (minutes > 0 ? std::to_string(minutes) + "m" : "") + std::to_string(seconds) +
         (thousandths.empty() ? "" : "." + thousandths) + "s";
}

}  // namespace troupe::actors::edge
