#include "actors/edge/callers/callers.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "actors/edge/named_model.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

using config::KeyClass;

Refusal no_key() {
  return {
      RefusalKind::unauthorized,
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
      "auth (i.e. Authorization: Bearer YOUR_KEY).",
      "", "invalid_api_key"};
}
Refusal wrong_key() {
  return {RefusalKind::unauthorized, "Incorrect API key provided.", "", "invalid_api_key"};
}
Refusal wrong_class(const config::Caller& caller, KeyClass needed) {
  return {RefusalKind::forbidden,
          "You have insufficient permissions for this operation. It needs a key of class '" +
              std::string(to_string(needed)) + "', and this one is of class '" +
              std::string(to_string(caller.key_class)) + "'.",
          "", "insufficient_permissions"};
}

Expected<void> check_limits(const config::Caller& caller, std::string_view model,
                            const runtime::GenerationRequest& request) {
  if (!may_use(&caller, model))
    return refuse(RefusalKind::forbidden,
                  "Caller '" + caller.name + "' does not have access to model '" + std::string(model) + "'.",
                  "model", "model_not_found");
  if (caller.max_tokens && request.max_tokens && *request.max_tokens > *caller.max_tokens)
    return refuse("max_tokens is too large: " + std::to_string(*request.max_tokens) +
                      ". This key permits at most " + std::to_string(*caller.max_tokens) +
                      " completion tokens.",
                  "max_tokens", "invalid_value");
  return {};
}

void add(HeaderFields& fields, const std::string& what, const std::optional<Ledger::Standing>& standing) {
  if (!standing) return;
  fields.emplace_back("x-ratelimit-limit-" + what, std::to_string(standing->limit));
  fields.emplace_back("x-ratelimit-remaining-" + what, std::to_string(standing->remaining));
  fields.emplace_back("x-ratelimit-reset-" + what, duration_text(standing->reset));
}

}  // namespace

Callers::Callers(const config::EdgeSettings& settings)
    : settings_(settings),
      addresses_(settings.shared_limits.trusted_proxies),
      ledger_(std::make_shared<Ledger>(settings.shared_limits, now())),
      stamp_(stamp_of_file()),
      keys_(read_keys()) {}

Visit Callers::visit(net::ip::address peer, const ShownHeaders& headers) const {
  return {.network = network_of(addresses_.client(peer, headers.forwarded_for))};
}

Expected<void> Callers::admit(Visit& visit, const ShownHeaders& headers, KeyClass needed, TimePoint now) {
  if (needed == KeyClass::none) return {};
  if (auto counted = ledger_->count_request(visit.network, now); !counted) return counted;
  if (!settings_.asks_for_keys()) return {};
  auto owner = owner_of(headers, needed);
  if (!owner) return tl::unexpected(owner.error());
  visit.caller = std::move(*owner);
  return visit.caller->name.empty() ? Expected<void>() : ledger_->count_request(*visit.caller, now);
}

Expected<std::shared_ptr<Ledger::Ticket>> Callers::begin(const Visit& visit, std::string_view model,
                                                         runtime::GenerationRequest& request, TimePoint now) {
  if (!visit.caller) return ledger_->begin(nullptr, now);
  const config::Caller& caller = *visit.caller;
  if (const auto ok = check_limits(caller, model, request); !ok) return tl::unexpected(ok.error());
  request.most_tokens = caller.max_tokens;
  request.caller = caller.name;
  request.cache_salt = cache_salt(caller, request.cache_salt);
  if (caller.priority) request.priority = std::max(request.priority, *caller.priority);
  return ledger_->begin(visit.caller, now);
}

HeaderFields Callers::standing(const Visit& visit, TimePoint now) const {
  HeaderFields fields;
  const Ledger::Standings all = ledger_->standings(visit.caller.get(), visit.network, now);
  add(fields, "requests", all.requests);
  add(fields, "tokens", all.tokens);
  return fields;
}

void Callers::reload() {
  if (settings_.api_keys_file.empty()) return;
  const Stamp stamp = stamp_of_file();  // before it is read: what changes meanwhile is read again
  std::shared_ptr<const KeyRing> read;
  std::string failure;
  try {
    read = read_keys();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  {
    const std::lock_guard lock(mutex_);
    stamp_ = stamp;
    if (read) keys_ = read;
  }
  if (!read)
    return log_event(LogLevel::error, "api_keys_kept",
                     {{"file", settings_.api_keys_file}, {"error", failure}});
  const auto callers = read->callers();
  ledger_->keep(callers);
  log_event(LogLevel::info, "api_keys_read",
            {{"file", settings_.api_keys_file}, {"callers", callers.size()}});
}

void Callers::reload_if_changed() {
  if (settings_.api_keys_file.empty()) return;
  const Stamp stamp = stamp_of_file();
  {
    const std::lock_guard lock(mutex_);
    if (stamp == stamp_) return;
  }
  reload();
}

Callers::Stamp Callers::stamp_of_file() const {
  struct stat found {};
  if (stat(settings_.api_keys_file.c_str(), &found) != 0) return {};
  return {std::int64_t(found.st_ino), std::int64_t(found.st_size), std::int64_t(found.st_mtim.tv_sec),
          std::int64_t(found.st_mtim.tv_nsec)};
}

std::shared_ptr<const KeyRing> Callers::read_keys() const {
  std::vector<config::Caller> callers;
  if (!settings_.api_keys_file.empty()) callers = config::read_callers(settings_.api_keys_file);
  return std::make_shared<const KeyRing>(settings_.api_keys, callers);
}

std::shared_ptr<const KeyRing> Callers::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

Expected<std::shared_ptr<const config::Caller>> Callers::owner_of(const ShownHeaders& headers,
                                                                  KeyClass needed) const {
  const auto ring = keys();
  const auto time = std::chrono::system_clock::now();
  const std::string_view token = bearer_token(headers.authorization);
  const KeyRing::Owner* owner = ring->find(token, time);
  if (!owner) owner = ring->find(headers.x_api_key, time);
  if (!owner) return tl::unexpected(token.empty() && headers.x_api_key.empty() ? no_key() : wrong_key());
  if (!owner->opens(needed)) return tl::unexpected(wrong_class(*owner->caller, needed));
  return owner->caller;
}

bool may_use(const config::Caller* caller, std::string_view model) {
  const auto is_it = [&](const std::string& each) { return tagged(each) == tagged(model); };
  return !caller || caller->models.empty() || std::ranges::any_of(caller->models, is_it);
}

ModelInfo model_of_caller(const ModelInfo& model, const config::Caller* caller) {
  ModelInfo shown = model;
  std::erase_if(shown.names, [&](const std::string& name) { return !may_use(caller, name); });
  return shown;
}

std::string cache_salt(const config::Caller& caller, const std::string& narrower) {
  if (caller.shares_prefix_cache) return narrower.empty() ? narrower : "shared " + narrower;
  return "of " + caller.name + " " + narrower;  // names have no spaces
}

}  // namespace troupe::actors::edge
