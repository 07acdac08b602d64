#include "actors/edge/collected_choice.hpp"

#include <iterator>
#include <utility>

namespace troupe::actors::edge {
namespace {

template <class T>
void append(std::vector<T> from, std::vector<T>& to) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

void CollectedChoice::add(runtime::Delta delta) {
  content += delta.content;
  reasoning += delta.reasoning;
  for (runtime::ToolCallDelta& call : delta.tool_calls) {
    CHECK(call.index >= 0 && std::size_t(call.index) <= tool_calls.size(), "calls come in order");
    if (std::size_t(call.index) == tool_calls.size()) tool_calls.emplace_back().index = call.index;
    runtime::ToolCallDelta& so_far = tool_calls[std::size_t(call.index)];
    so_far.id += call.id;
    so_far.name += call.name;
    so_far.arguments += call.arguments;
  }
  append(std::move(delta.logprobs), logprobs);
  append(std::move(delta.prompt_logprobs), prompt_logprobs);
  append(std::move(delta.token_ids), token_ids);
  append(std::move(delta.prompt_token_ids), prompt_token_ids);
  if (!delta.ends()) return;
  finish = delta.finish;
  in_call = delta.in_call;
  stop_reason = std::move(delta.stop_reason);
  stop_token = delta.stop_token;
}

}  // namespace troupe::actors::edge
