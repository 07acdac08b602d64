#include "actors/health_probe.hpp"

#include <condition_variable>
#include <mutex>

#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

// What has come of a probe. A server that is full is well.
class Answer final : public GenerationSink {
 public:
  void on_accepted(runtime::Usage) override {}
  void on_delta(runtime::Delta) override {}
  void on_end(runtime::Usage) override { come(true); }
  void on_failure(Refusal why) override { come(why.kind != RefusalKind::internal); }

  // Nothing: it has not come in time.
  std::optional<bool> wait(const std::stop_token& over, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, over, patience, [this] { return well_.has_value(); });
    return well_;
  }

 private:
  void come(bool well) {
    const std::lock_guard lock(mutex_);
    well_ = well;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<bool> well_;
};

runtime::GenerationRequest one_token() {
  runtime::GenerationRequest request;
  request.id = "health-probe";
  request.prompts = {std::vector<TokenId>{0}};
  request.max_tokens = 1;
  request.temperature = 0;
  request.ignore_eos = true;
  return request;
}

}  // namespace

HealthProbe::HealthProbe(Service& service, Times times)
    : service_(service), times_(times), thread_([this](const std::stop_token& over) { run(over); }) {
  CHECK(times_.between.count() > 0 && times_.patience.count() > 0);
}

HealthProbe::~HealthProbe() = default;

void HealthProbe::run(const std::stop_token& over) {
  std::mutex mutex;
  std::condition_variable_any never;
  while (!over.stop_requested()) {
    {
      std::unique_lock lock(mutex);
      never.wait_for(lock, over, times_.between, [] { return false; });
    }
    if (over.stop_requested() || !service_.ready()) continue;
    const bool well = ask(over);
    if (over.stop_requested() || failed_.exchange(!well) == !well) continue;
    log_event(well ? LogLevel::info : LogLevel::error, "health_probe", {{"well", well}});
  }
}

bool HealthProbe::ask(const std::stop_token& over) {
  const auto answer = std::make_shared<Answer>();
  const auto generation = service_.generate(one_token(), answer);
  generation->grant(2);  // the token, and the end
  while (!over.stop_requested()) {
    const std::uint64_t steps = service_.schedule().stats.steps;
    if (const auto well = answer->wait(over, times_.patience)) return *well;
    if (service_.schedule().stats.steps == steps) return false;
  }
  return true;
}

}  // namespace troupe::actors
