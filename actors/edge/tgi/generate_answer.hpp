// A text that TGI generated: an event for each token, or whole. One owner.
//
//   data:{"index":1,"token":{"id","text","logprob","special"},"generated_text":null,"details":null}
// The last one has the whole text and the details. After a failure: data:{"error","error_type"}.
#pragma once

#include <optional>

#include "actors/edge/answer.hpp"

namespace troupe::actors::edge::tgi {

struct GenerateOptions {
  std::string before{};                 // put before the text that was generated: the prompt, if asked for
  bool details = false;                 // in a whole answer; a stream has them always
  bool prefill = false;                 // and the prompt's tokens among them
  bool top_tokens = false;              // and each token's alternatives
  bool in_array = false;                // a whole answer is the one element of an array
  std::optional<std::uint64_t> seed{};  // that was asked for
};

std::unique_ptr<Answer> make_generate_answer(const GenerateOptions& options);

}  // namespace troupe::actors::edge::tgi
