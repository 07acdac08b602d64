// News of a generation on their way from the replica's threads to the session that sends them on. It holds no
// more deltas than credit was given for.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "actors/service.hpp"

namespace troupe::actors::edge {

class DeltaFeed final : public GenerationSink {
 public:
  struct News {
    std::optional<runtime::Usage> accepted;  // of the prompts
    std::vector<runtime::Delta> deltas;
    std::optional<runtime::Usage> end;
    std::optional<Refusal> failure;
    bool empty() const { return !accepted && deltas.empty() && !end && !failure; }
  };

  // wake: called from the replica's threads, once for each take()
  // that will find something; it must not block or call back.
  explicit DeltaFeed(std::function<void()> wake) : wake_(std::move(wake)) {}

  // The session's side.
  void expect(std::int32_t deltas);  // before GenerationHandle::grant of as many
  News take();                       // empty: wait for wake
  void close();                      // after it nothing is kept and wake is never called
  void cut_off(Refusal why);         // fails now, if it has not ended; nothing that comes later is kept

  // The replica's side.
  void on_accepted(runtime::Usage usage) override;
  void on_delta(runtime::Delta delta) override;
  void on_end(runtime::Usage usage) override;
  void on_failure(Refusal refusal) override;

 private:
  void announce();  // the lock is held

  std::mutex mutex_;  // guards all below
  std::function<void()> wake_;
  News news_;
  std::int64_t credit_ = 0;
  bool announced_ = false;
  bool over_ = false;  // the replica has told the end
  bool cut_off_ = false;
};

}  // namespace troupe::actors::edge
