// What is asked of a generation, and what it tells its reader. Plain values without HTTP and actors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/base/sampling.hpp"
#include "runtime/base/service_levels.hpp"
#include "runtime/base/shared_value.hpp"
#include "runtime/base/time_limits.hpp"
#include "runtime/generation/choice_times.hpp"

namespace troupe::runtime {

class OutputFilter;

// Rendered through the chat template.
struct ChatPrompt {
  nlohmann::ordered_json messages;         // checked array of OpenAI messages
  nlohmann::ordered_json tools;            // array, or null when there are none
  nlohmann::ordered_json template_kwargs;  // chat_template_kwargs: object, may be empty
  bool add_generation_prompt = true;
  bool continue_final_message = false;
  // Whether the model thinks before it answers, where the template lets a caller choose; unset: as the template has it.
  std::optional<bool> thinking{};
  std::string reasoning_effort{};  // for templates that tell efforts apart; may be empty
  std::string verbosity{};         // likewise
  // "tool_choice": what the answer must be, of the tools. named: of that function.
  enum class ToolChoice : std::uint8_t { any_or_none, required, named };
  ToolChoice tool_choice = ToolChoice::any_or_none;
  std::string tool_name{};
  bool parse_tool_calls = true;     // false: what the model writes is text, though it sees the tools
  bool parallel_tool_calls = true;  // false: the answer ends with its first call

  bool must_call() const { return tool_choice != ToolChoice::any_or_none; }
};
using Prompt = std::variant<ChatPrompt, std::string, std::vector<TokenId>>;

// A checked request. Fields that the client left out are empty where the model's generation_config.json has a
// say.
struct GenerationRequest {
  std::string id;               // in every chunk and log line; ids of tool calls are made of it, too
  std::vector<Prompt> prompts;  // choice = prompt index * n + i
  std::int32_t n = 1;
  // Of output, a choice; what does not fit into the context is not generated. 0: nothing, the prompt is looked at. Unset:
  // what the checkpoint or else the API has as its default, or up to the context length.
  std::optional<std::int32_t> max_tokens, default_max_tokens;
  std::optional<std::int32_t>
      most_tokens;  // that the caller may have, where it does not say how many it wants
  std::optional<float> temperature, top_p, min_p;
  std::optional<std::int32_t> top_k;
  std::optional<float> repetition_penalty;
  float presence_penalty = 0, frequency_penalty = 0;
  std::vector<TokenBias> logit_bias;                    // a token once
  std::vector<std::string> bad_words;                   // texts that may not come
  SharedValue<std::vector<TokenId>> allowed_token_ids;  // ascending, each once; empty: all
  std::optional<std::int32_t> min_tokens;               // of output, before it may end
  std::optional<std::int32_t> thinking_token_budget;
  std::optional<GrammarSpec>
      grammar;  // what the answer must look like; behind the thoughts, if the model thinks
  std::optional<std::uint64_t> seed;
  std::uint64_t nonce =
      0;  // ids of tool calls are made of it; 0: of the first sequence, which is new in each life of a server
  bool unpaced =
      false;  // its reader takes whatever comes: credit without bound, so that a delta is a token's
  std::int32_t logprobs = -1;                          // alternatives a token; -1: none wanted
  std::int32_t prompt_logprobs = -1;                   // likewise for the prompt's
  std::optional<std::int32_t> truncate_prompt_tokens;  // only its last are taken; -1: those that fit
  std::optional<bool>
      add_special_tokens;  // to prompts; unset: to texts, not to chats, whose template has them
  bool return_prompt_ids = false;
  std::vector<std::string> stop;
  std::vector<TokenId> stop_token_ids;
  bool include_stop_str_in_output = false;
  bool ignore_eos = false;
  bool skip_special_tokens = true;
  bool echo = false;          // completions: the prompt comes first in the text
  bool echo_logprobs = true;  // and in the logprobs, where these are wanted
  std::int32_t priority = 0;
  ServiceLevels slo{};
  TimeLimits times{};
  std::string cache_salt;  // whoever does not know it shares no cached prefixes
  std::string caller;      // who asks, between whom policies are fair; empty: who has the same cache_salt
  std::shared_ptr<const OutputFilter> filter{};  // that answers to the caller go through; null: none

  // Of those without a name, who shares no cache is somebody else.
  std::uint64_t caller_number() const {
    return std::hash<std::string>{}(caller.empty() ? cache_salt : caller);
  }
};

struct LogprobToken {
  TokenId token = 0;
  std::string bytes;  // of the token; may be part of a character
  float logprob = 0;
  bool special = false;  // of control, not text
};
struct LogprobEntry {
  LogprobToken chosen;
  std::vector<LogprobToken> top;
  std::int32_t rank = 0;         // of a prompt's token: 1 is the most likely
  bool first_of_prompt = false;  // nothing stands before it: it has no probability
  bool of_answer = true;         // false: of thoughts or of a call, or a marker of theirs
  bool of_thoughts = false;      // or a marker of theirs
};

struct ToolCallDelta {
  std::int32_t index = 0;
  std::string id, name;   // in a call's first delta only
  std::string arguments;  // the next characters
};

// How a choice ended, for its reader and for the metrics; abort and error are never in a delta.
enum class ChoiceEnd : std::uint8_t { none, stop, length, tool_calls, content_filter, abort, error };
// The words of OpenAI's finish_reason, which the metrics' label takes over; empty: none.
std::string_view to_string(ChoiceEnd how);

// Next part of one choice. All text is whole UTF-8 characters.
struct Delta {
  std::int32_t choice = 0;
  std::string content, reasoning;
  std::vector<ToolCallDelta> tool_calls;
  std::vector<LogprobEntry> logprobs;         // of the prompt too, if it is echoed
  std::vector<TokenId> token_ids;             // sampled since the last delta
  std::vector<TokenId> prompt_token_ids;      // in a choice's first delta, if they were asked for
  std::vector<LogprobEntry> prompt_logprobs;  // likewise
  ChoiceEnd finish = ChoiceEnd::none;
  bool in_call = false;                 // with the end: the last call was not written to its own
  std::string stop_reason;              // the stop string that matched, if one did
  std::optional<TokenId> stop_token{};  // or that of the request's stop_token_ids
  std::optional<ChoiceTimes> served{};  // with the end, of one that has output

  bool ends() const { return finish != ChoiceEnd::none; }  // the choice
  bool says_something() const {
    return !content.empty() || !reasoning.empty() || !tool_calls.empty() || !logprobs.empty() || ends();
  }
};

struct Usage {
  std::int64_t prompt_tokens = 0, completion_tokens = 0;
  std::int64_t cached_tokens = 0;     // of the prompts
  std::int64_t reasoning_tokens = 0;  // of the completion
};

}  // namespace troupe::runtime
