// The replica refuses a request by the names that its fields have in a chat of OpenAI's; a client is told those of the
// API that it spoke. Any thread.
#pragma once

#include <span>
#include <string>

#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

struct OwnName {
  std::string chat, own;  // "max_tokens", "max_output_tokens"
};

// By the first of the names that fits: the field itself, or one inside it. In the message a name is replaced where it
// cannot be a word of the sentence: in quotes, or with an underscore in it.
Refusal in_own_names(std::span<const OwnName> names, Refusal refusal);

}  // namespace troupe::actors::edge
