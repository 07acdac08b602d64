// An answer as Anthropic tells it: a message made of content blocks, which a stream opens and closes one after the
// other. One owner.
//
//   message_start
//   content_block_start, content_block_delta..., content_block_stop     thinking, then text, then each tool's use
//   message_delta                                                       why it stopped, and the usage
//   message_stop
// After a failure: error. While nothing comes: ping.
#pragma once

#include <memory>

#include "actors/edge/answer.hpp"
#include "actors/edge/reply.hpp"

namespace troupe::actors::edge::anthropic {

// show_thinking: false: of thoughts it is told that there are some, and they are counted.
std::unique_ptr<Answer> make_messages_answer(AnswerIdentity identity, bool show_thinking = true);

// {"type": "error", "error": {"type", "message"}, "request_id"}
Json error_object(const Refusal& refusal, std::string_view request_id);
Reply refusal_reply(const Refusal& refusal, const std::string& request_id);

}  // namespace troupe::actors::edge::anthropic
