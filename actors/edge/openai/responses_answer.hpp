// A response: its output as items, each begun, told in pieces and ended in a stream of typed events, or whole. One owner.
//
//   event: response.created, response.in_progress
//   per item: response.output_item.added; its parts, deltas and ends; response.output_item.done
//   event: response.completed, response.incomplete or response.failed
#pragma once

#include "actors/edge/answer.hpp"

namespace troupe::actors::edge::openai {

struct ResponseOptions {
  Json asked;                      // fields of the request that each response object repeats
  bool reasoning_summary = false;  // the thoughts are told as the item's summary, for clients that show that
};

std::unique_ptr<Answer> make_response_answer(AnswerIdentity identity, const ResponseOptions& options);

}  // namespace troupe::actors::edge::openai
