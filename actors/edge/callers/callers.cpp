#include "actors/edge/callers/callers.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "actors/edge/named_model.hpp"
#include "config/setting.hpp"
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
      stamps_(stamps_of_files()),
      known_(read()) {}

Visit Callers::visit(net::ip::address peer, const ShownHeaders& headers) const {
  return {.network = network_of(addresses_.client(peer, headers.forwarded_for))};
}

Expected<void> Callers::admit(Visit& visit, const ShownHeaders& headers, KeyClass needed, TimePoint now) {
  if (needed == KeyClass::none) return {};
  if (auto counted = ledger_->count_request(visit.network, now); !counted) return counted;
  const Known known = this->known();
  visit.filters = known.filters;
  if (!settings_.asks_for_keys()) return {};
  auto owner = owner_of(*known.keys, headers, needed);
  if (!owner) return tl::unexpected(owner.error());
  visit.caller = std::move(*owner);
  return visit.caller->name.empty() ? Expected<void>() : ledger_->count_request(*visit.caller, now);
}

Expected<std::shared_ptr<Ledger::Ticket>> Callers::begin(const Visit& visit, std::string_view model,
                                                         runtime::GenerationRequest& request, TimePoint now) {
  CHECK(visit.filters, "a generation is of a visit that was admitted");
  request.filter = visit.filters->of(visit.caller ? visit.caller->filters : std::vector<std::string>());
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

std::shared_ptr<const runtime::OutputFilter> Callers::filter_of(std::string_view caller) const {
  const Known now = known();
  for (const auto& each : now.keys->callers())
    if (each->name == caller) return now.filters->of(each->filters);
  return now.filters->of({});
}

void Callers::reload() {
  if (settings_.api_keys_file.empty() && settings_.output_filters_file.empty()) return;
  const Stamps stamps = stamps_of_files();  // before they are read: what changes meanwhile is read again
  Known read = known();
  const auto before = read.filters;
  try {
    read.filters = read_filters();
  } catch (const std::exception& error) {  // keys that were taken away are to be of no use all the same
    log_event(LogLevel::error, "output_filters_kept",
              {{"file", settings_.output_filters_file}, {"error", error.what()}});
  }
  bool kept = false;
  try {
    read.keys = read_keys(*read.filters);
  } catch (const std::exception& error) {  // nor the filters, then: the old keys name the old ones
    kept = true;
    log_event(LogLevel::error, "api_keys_kept", {{"file", settings_.api_keys_file}, {"error", error.what()}});
  }
  {
    const std::lock_guard lock(mutex_);
    stamps_ = stamps;
    if (!kept) known_ = read;
  }
  if (!kept) tell(read, read.filters != before);
}

void Callers::tell(const Known& read, bool has_new_filters) {
  if (has_new_filters && !settings_.output_filters_file.empty())
    log_event(LogLevel::info, "output_filters_read",
              {{"file", settings_.output_filters_file}, {"filters", read.filters->size()}});
  if (settings_.api_keys_file.empty()) return;
  const auto callers = read.keys->callers();
  ledger_->keep(callers);
  log_event(LogLevel::info, "api_keys_read",
            {{"file", settings_.api_keys_file}, {"callers", callers.size()}});
}

void Callers::reload_if_changed() {
  const Stamps stamps = stamps_of_files();
  {
    const std::lock_guard lock(mutex_);
    const bool still_changes = stamps != std::exchange(seen_, stamps);
    if (stamps == stamps_ || still_changes) return;
  }
  reload();
}

Callers::Stamp Callers::stamp_of(const std::string& file) {
  struct stat found {};
  if (file.empty() || stat(file.c_str(), &found) != 0) return {};
  return {std::int64_t(found.st_ino), std::int64_t(found.st_size), std::int64_t(found.st_mtim.tv_sec),
          std::int64_t(found.st_mtim.tv_nsec)};
}

Callers::Stamps Callers::stamps_of_files() const {
  return {stamp_of(settings_.api_keys_file), stamp_of(settings_.output_filters_file)};
}

std::shared_ptr<const OutputFilters> Callers::read_filters() const {
  if (settings_.output_filters_file.empty()) return std::make_shared<const OutputFilters>();
  return std::make_shared<const OutputFilters>(config::read_output_filters(settings_.output_filters_file));
}

std::shared_ptr<const KeyRing> Callers::read_keys(const OutputFilters& filters) const {
  std::vector<config::Caller> callers;
  if (!settings_.api_keys_file.empty()) callers = config::read_callers(settings_.api_keys_file);
  for (const config::Caller& caller : callers)
    for (const std::string& name : caller.filters)
      if (!filters.has(name))
        throw config::UsageError("caller '" + caller.name + "' names filter '" + name +
                                     "', and --output-filters has none of that name",
                                 settings_.api_keys_file, "write it there, or take the name away");
  return std::make_shared<const KeyRing>(settings_.api_keys, callers);
}

Callers::Known Callers::read() const {
  Known known{read_filters(), nullptr};
  known.keys = read_keys(*known.filters);
  return known;
}

Callers::Known Callers::known() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

Expected<std::shared_ptr<const config::Caller>> Callers::owner_of(const KeyRing& keys,
                                                                  const ShownHeaders& headers,
                                                                  KeyClass needed) {
  const auto time = std::chrono::system_clock::now();
  const std::string_view token = bearer_token(headers.authorization);
  const KeyRing::Owner* owner = keys.find(token, time);
  if (!owner) owner = keys.find(headers.x_api_key, time);
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
