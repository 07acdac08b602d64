// Who asks, and whether it may: keys and limits before any work is done for it. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "actors/edge/callers/client_address.hpp"
#include "actors/edge/callers/key_ring.hpp"
#include "actors/edge/callers/ledger.hpp"
#include "actors/edge/callers/output_filters.hpp"
#include "actors/edge/cors.hpp"
#include "actors/service.hpp"
#include "config/edge_settings.hpp"
#include "runtime/generation/request.hpp"

namespace troupe::actors::edge {

// Values of a request's headers; empty: it has none.
struct ShownHeaders {
  std::string_view authorization, x_api_key;  // Anthropic's clients send the second
  std::string forwarded_for;                  // of several lines of X-Forwarded-For all, joined by commas
};

// A request, as far as it is known whose it is.
struct Visit {
  std::string network{};                           // of the client: an address, of IPv6 a network
  std::shared_ptr<const config::Caller> caller{};  // null: no key is asked for, or none was right
  std::shared_ptr<const OutputFilters> filters{};  // of the time when it was admitted

  std::string name() const { return caller ? caller->name : ""; }
};

class Callers {
 public:
  // settings outlive this. Throws UsageError and Error for keys and filters that cannot be read and proxies that are none.
  explicit Callers(const config::EdgeSettings& settings);

  Visit visit(net::ip::address peer, const ShownHeaders& headers) const;
  // Counts the request against the limits of its address and its caller, once it is known which that is. 401, 403, 429.
  Expected<void> admit(Visit& visit, const ShownHeaders& headers, config::KeyClass needed, TimePoint now);
  // A generation of a visit that was admitted: 400, 403 or 429; else it is made to ask for no more than the caller may, to be
  // told through the caller's filters, and marked as the caller's.
  Expected<std::shared_ptr<Ledger::Ticket>> begin(const Visit& visit, std::string_view model,
                                                  runtime::GenerationRequest& request, TimePoint now);
  // x-ratelimit-...
  HeaderFields standing(const Visit& visit, TimePoint now) const;

  // That answers to the caller of this name go through; empty, or unknown: those for everyone. Null: none.
  std::shared_ptr<const runtime::OutputFilter> filter_of(std::string_view caller) const;

  // Reads keys and filters again; a file that cannot be used changes nothing of its own, and the log says why. Where new keys name
  // filters that are not there, both stay as they are.
  void reload();
  // To be called every now and then: reads files that have changed and looked so at the last call, too, since one that is
  // just being written in place says less than it will.
  void reload_if_changed();

 private:
  struct Stamp {  // of a file: equal, it is the same
    std::int64_t inode = 0, size = 0, seconds = 0, nanoseconds = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  struct Stamps {
    Stamp keys, filters;
    friend bool operator==(const Stamps&, const Stamps&) = default;
  };
  // What the files say; the filters that callers name are there.
  struct Known {
    std::shared_ptr<const OutputFilters> filters;
    std::shared_ptr<const KeyRing> keys;
  };
  static Stamp stamp_of(const std::string& file);
  Stamps stamps_of_files() const;
  std::shared_ptr<const OutputFilters> read_filters() const;
  std::shared_ptr<const KeyRing> read_keys(const OutputFilters& filters) const;
  Known read() const;
  Known known() const;
  void tell(const Known& read, bool has_new_filters);  // the ledger and the log of what counts now
  static Expected<std::shared_ptr<const config::Caller>> owner_of(const KeyRing& keys,
                                                                  const ShownHeaders& headers,
                                                                  config::KeyClass needed);

  const config::EdgeSettings& settings_;
  const ClientAddresses addresses_;
  const std::shared_ptr<Ledger> ledger_;
  mutable std::mutex mutex_;  // guards what follows
  Stamps stamps_;             // of what is known
  Stamps seen_;               // when last looked at
  Known known_;
};

// Ollama's clients may write "name:latest" for "name". caller: null: no key is asked for.
bool may_use(const config::Caller* caller, std::string_view model);

// The model under the names alone that the caller may use, which may be none: what pages tell, and take for its name.
ModelInfo model_of_caller(const ModelInfo& model, const config::Caller* caller);

// What separates a caller's cached prefixes from those of others. No caller can choose its own such that it is another's.
std::string cache_salt(const config::Caller& caller, const std::string& narrower);

}  // namespace troupe::actors::edge
