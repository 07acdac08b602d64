// What an HTTP edge may ask of the replica behind it, in words that know neither HTTP nor CAF.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/error.hpp"
#include "runtime/base/ids.hpp"
#include "runtime/recovery/replica_view.hpp"
#include "runtime/scheduling/step.hpp"

namespace troupe::actors {

// Rendered through the chat template.
struct ChatPrompt {
  nlohmann::ordered_json messages;         // checked array of OpenAI messages
  nlohmann::ordered_json tools;            // array, or null when there are none (or tool_choice is "none")
  nlohmann::ordered_json template_kwargs;  // chat_template_kwargs: object, may be empty
  bool add_generation_prompt = true;
  bool continue_final_message = false;
};
using Prompt = std::variant<ChatPrompt, std::string, std::vector<TokenId>>;

// A checked request. Fields that the client left out are empty where the model's generation_config.json has a
// say.
struct GenerationRequest {
  std::string id;               // "chatcmpl-..." or "cmpl-...": in every chunk and log line
  std::vector<Prompt> prompts;  // choice = prompt index * n + i
  std::int32_t n = 1;
  std::optional<std::int32_t> max_tokens;  // of output, a choice; unset: up to the context length
  std::optional<float> temperature, top_p, min_p;
  std::optional<std::int32_t> top_k;
  std::optional<std::uint64_t> seed;
  std::int32_t logprobs = -1;  // alternatives a token; -1: none wanted
  std::vector<std::string> stop;
  std::vector<TokenId> stop_token_ids;
  bool include_stop_str_in_output = false;
  bool ignore_eos = false;
  bool skip_special_tokens = true;
  bool echo = false;  // completions: the prompt comes first in the text
  std::int32_t priority = 0;
  std::string cache_salt;
};

struct LogprobToken {
  TokenId token = 0;
  std::string bytes;  // of the token; may be part of a character
  float logprob = 0;
};
struct LogprobEntry {
  LogprobToken chosen;
  std::vector<LogprobToken> top;
};

struct ToolCallDelta {
  std::int32_t index = 0;
  std::string id, name;   // in a call's first delta only
  std::string arguments;  // the next characters
};

// Next part of one choice. All text is whole UTF-8 characters.
struct Delta {
  std::int32_t choice = 0;
  std::string content, reasoning;
  std::vector<ToolCallDelta> tool_calls;
  std::vector<LogprobEntry> logprobs;
  std::string finish_reason;  // "stop", "length" or "tool_calls" in a choice's last delta, else empty
  std::string stop_reason;    // the stop string that matched, if one did
};

struct Usage {
  std::int64_t prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
};

// Where a generation's news go. Called from threads of the replica, one call at a time, never after on_end or
// on_failure; implementations hand over and return.
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  virtual void on_delta(Delta delta) = 0;  // costs one credit
  virtual void on_end(Usage usage) = 0;    // every choice has had its finish_reason
  virtual void on_failure(
      Refusal refusal) = 0;  // before any delta: a refusal of the request; later: a broken stream
};

// A generation in progress. Any thread. Destroying it cancels what still runs.
class Generation {
 public:
  virtual ~Generation() = default;
  // The sink can take this many deltas more. A new generation has none. Without credit a sequence is paused.
  virtual void grant(std::int32_t deltas) = 0;
  virtual void cancel() = 0;  // the client left
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
  std::int64_t created = 0;  // Unix seconds
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
    corrupt_message,
  };
  Kind kind = Kind::crash_worker;
  std::int32_t rank = 0;  // of all that name no other part
  GroupId group = 0;      // of crash_block_manager
};

class Service {
 public:
  virtual ~Service() = default;
  virtual std::unique_ptr<Generation> generate(GenerationRequest request,
                                               std::shared_ptr<GenerationSink> sink) = 0;
  virtual const ModelInfo& model() const = 0;
  virtual bool ready() const = 0;    // inference is accepted
  virtual bool healthy() const = 0;  // false once the replica has given up
  virtual std::vector<StartupPhase> startup() const = 0;
  virtual std::string metrics_text() const = 0;  // Prometheus exposition format

  virtual runtime::ReplicaView replica() const = 0;
  // Orders of an operator. They return once the order is on its way, or say why it cannot be carried out.
  virtual Expected<void> drill(const Drill& drill) = 0;
  // From the next epoch on, these ranks (distinct, at least one) hold the expert.
  virtual Expected<void> place_expert(std::int32_t expert, std::vector<std::int32_t> ranks) = 0;
};

}  // namespace troupe::actors
