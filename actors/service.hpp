// What an HTTP edge may ask of the replica behind it, in words that know neither HTTP nor CAF.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/kept_answers.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/ids.hpp"
#include "runtime/base/time_limits.hpp"
#include "runtime/generation/request.hpp"
#include "runtime/recovery/replica_view.hpp"
#include "runtime/scheduling/schedule_view.hpp"

namespace troupe::actors {

// Where a generation's news go. Called from threads of the replica, one call at a time, never after on_end or
// on_failure; implementations hand over and return.
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  // Its prompts are counted: the most tokens that it can cost. A refusal ends it. Once, before it is accepted.
  virtual Expected<void> on_counted(std::int64_t /*prompt_tokens*/, std::int64_t /*most_output_tokens*/) {
    return {};
  }
  // The scheduler will run it: usage of the prompts. Once, before any delta; what fails later breaks a stream.
  virtual void on_accepted(runtime::Usage usage) = 0;
  virtual void on_delta(runtime::Delta delta) = 0;  // costs one credit
  virtual void on_end(runtime::Usage usage) = 0;    // every choice has had its last delta
  // Before it was accepted: a refusal of the request; later: a broken stream.
  virtual void on_failure(Refusal refusal) = 0;
};

// A generation in progress. Any thread. Destroying it cancels what still runs.
class GenerationHandle {
 public:
  virtual ~GenerationHandle() = default;
  // The sink can take this many deltas more. A new generation has none. Without credit a sequence is paused.
  virtual void grant(std::int32_t deltas) = 0;
  virtual void withdraw(Refusal why) = 0;  // it fails for this reason, unless it has begun to be computed
  virtual void cancel() = 0;               // the client left
};

struct StartupPhase {
  std::string name;                   // "opening_checkpoint", "loading_weights", "ready", ...
  std::string state;                  // "pending", "running" or "done"
  std::uint64_t done = 0, total = 0;  // bytes, where they are known
};

struct ModelInfo {
  std::vector<std::string> names;  // --served-model-name; the first is shown in responses
  std::string root;                // checkpoint folder's name
  std::int32_t max_model_len = 0;
  std::int64_t created = 0;                  // Unix seconds
  std::string fingerprint;                   // build and arithmetic: what makes the bytes of an answer
  std::string architecture{};                // of the checkpoint: "DeepseekV3ForCausalLM"
  std::uint64_t weight_bytes = 0;            // likewise
  bool calls_tools = false, thinks = false;  // as its chat template and its tokens have it
  std::string digest{};                      // of the checkpoint: 64 hexadecimal digits
  // What the ranks of this host compute on, for /version; empty where that is CPUs.
  std::vector<std::pair<std::string, std::string>> devices{};
  // How the ranks share it, for /server_info: -tp, -dp and -ep; and its routed experts.
  struct Layout {
    std::int32_t tensor_parallel = 1, data_parallel = 1;
    bool expert_parallel = false;
    std::int32_t experts = 0;
  } layout{};
};

// A fault that an operator asks for, to see the replica recover.
struct Drill {
  enum class Kind {
    crash_worker,
    crash_scheduler,
    crash_block_manager,
    crash_expert_shard,
    stuck_kernel,  // the rank computes for ever
    lost_step,     // the rank does not take part in a step, and the others wait for it
    device_error,  // a kernel of the rank's GPU fails
    corrupt_message,
  };
  Kind kind = Kind::crash_worker;
  std::int32_t rank = 0;  // of all that name no other part
  GroupId group = 0;      // of crash_block_manager
};

class Service {
 public:
  virtual ~Service() = default;
  virtual std::unique_ptr<GenerationHandle> generate(runtime::GenerationRequest request,
                                                     std::shared_ptr<GenerationSink> sink) = 0;
  // Work on text, which takes long for long ones: done is called once, here or later on a thread of the replica. It
  // waits in the queue in which prompts wait, and is refused when that, or the caller's share of it, is full.
  template <class T>
  using Done = std::function<void(Expected<T>)>;
  // Of the request's first prompt, as the model would read it.
  virtual void tokenize(runtime::GenerationRequest request, Done<std::vector<TokenId>> done) = 0;
  // caller: its name; empty: it has none.
  virtual void detokenize(std::vector<TokenId> tokens, std::string caller, Done<std::string> done) = 0;
  virtual std::string vocabulary_entry(
      TokenId token) const = 0;  // of one that tokenize gave: "Ġthe", "</think>"

  virtual const ModelInfo& model() const = 0;
  virtual bool ready() const = 0;  // inference is accepted
  // Whether generate would refuse whatever has such limits: it is not ready, or the queue is too long for them.
  virtual Expected<void> accepts(const TimeLimits& times) const = 0;
  virtual bool healthy() const = 0;  // false once the replica has given up
  virtual bool stalled() const = 0;  // it would serve, but there is no step for long though requests wait
  virtual std::vector<StartupPhase> startup() const = 0;
  virtual std::int64_t load() const = 0;  // generations that somebody waits for
  // Prometheus exposition format. kept: by the edge that asks, which shows it with the replica's own.
  virtual std::string metrics_text(const KeptAnswers& kept) const = 0;

  virtual runtime::ReplicaView replica() const = 0;
  virtual runtime::ScheduleView schedule() const = 0;
  // Orders of an operator. They return once the order is on its way, or say why it cannot be carried out.
  virtual Expected<void> drill(const Drill& drill) = 0;
  // From the next epoch on, these ranks (distinct, at least one) hold the expert.
  virtual Expected<void> place_expert(std::int32_t expert, std::vector<std::int32_t> ranks) = 0;
  // Between two steps. Refused, by the fields "policy" and "options", is what cannot be made.
  virtual Expected<void> change_policy(runtime::PolicyChoice policy) = 0;
};

}  // namespace troupe::actors
