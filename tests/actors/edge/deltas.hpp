// Deltas of one choice that say one thing each.
#pragma once

#include "actors/service.hpp"

namespace troupe::actors::edge {

inline runtime::Delta text(std::string content, std::int32_t choice = 0) {
  runtime::Delta delta;
  delta.choice = choice;
  delta.content = std::move(content);
  return delta;
}
inline runtime::Delta thought(std::string reasoning) {
  runtime::Delta delta;
  delta.reasoning = std::move(reasoning);
  return delta;
}
inline runtime::Delta call(runtime::ToolCallDelta part) {
  runtime::Delta delta;
  delta.tool_calls = {std::move(part)};
  return delta;
}
inline runtime::Delta finish(runtime::ChoiceEnd how = runtime::ChoiceEnd::stop, std::int32_t choice = 0) {
  runtime::Delta delta;
  delta.choice = choice;
  delta.finish = how;
  return delta;
}
// While it wrote a call.
inline runtime::Delta finish_in_call(runtime::ChoiceEnd how) {
  runtime::Delta delta = finish(how);
  delta.in_call = true;
  return delta;
}

}  // namespace troupe::actors::edge
