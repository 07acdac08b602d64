// What becomes of system messages: DeepSeek R1's authors want none, and all instructions in the user's. Any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "runtime/base/error.hpp"

namespace troupe::runtime {

enum class SystemPrompt : std::uint8_t {
  keep,
  fold,    // their texts go before that of the first message of the user, with an empty line behind each
  reject,  // a chat with one is refused
};

// messages: checked array of OpenAI messages.
Expected<nlohmann::ordered_json> with_system_prompt(SystemPrompt how, const nlohmann::ordered_json& messages);

}  // namespace troupe::runtime
