// A rank's connections to the others in one epoch, and the way to end them from outside. The compute thread
// connects and computes; any thread may bring addresses or abort, and an abort wakes the compute thread
// wherever it waits for others.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "model/decoder.hpp"
#include "runtime/base/ticks.hpp"
#include "transport/gloo/gloo.hpp"

namespace troupe::runtime {

struct EpochLinkOptions {
  Epoch epoch = 0;
  model::ShardingPlan sharding;
  std::string network;  // IP address or interface, see transport::GlooOptions
  std::string secret;   // the epoch's
  Duration connect_timeout = std::chrono::seconds(3);
  Duration collective_timeout =
      std::chrono::hours(1);   // a last resort: who waits in vain is found by the ticks
  TickBoard* ticks = nullptr;  // outlives the link; may be unset
};

class EpochLink final : private transport::AddressStore {
 public:
  // publish tells the other ranks an address of this one; called from the thread that connects.
  using Publish = std::function<void(const std::string& key, const std::string& address)>;

  EpochLink(EpochLinkOptions options, Publish publish);
  ~EpochLink() override;

  Epoch epoch() const { return options_.epoch; }
  // Compute thread: meets the other ranks. Throws Error when one is missing or after abort().
  void connect();
  // Compute thread, after connect(); valid while the link lives. What fails in them is a PeerError.
  transport::Communicators communicators() const { return {group_ ? *group_ : *world_, *world_}; }

  void address_arrived(const std::string& key, const std::string& address);  // any thread
  void abort() noexcept;                                                     // any thread

 private:
  void set(const std::string& key, const std::string& value) override { publish_(key, value); }
  std::optional<std::string> get(const std::string& key, TimePoint deadline) override;
  std::unique_ptr<transport::Communicator> connect(const std::string& name, int rank, int size);

  const EpochLinkOptions options_;
  const Publish publish_;
  TickBoard unread_;  // when there is no other
  std::stop_source stop_;

  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::map<std::string, std::string> addresses_;

  std::mutex abort_mutex_;                                  // guards the communicators' birth and abort
  std::unique_ptr<transport::Communicator> world_, group_;  // group_: unset when it is all of them
};

}  // namespace troupe::runtime
