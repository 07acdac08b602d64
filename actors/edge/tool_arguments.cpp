#include "actors/edge/tool_arguments.hpp"

#include "actors/edge/reply.hpp"

namespace troupe::actors::edge {

Json arguments_object(std::string_view written) {
  if (written.empty()) return Json::object();
  const config::RequestLimits within{};  // a model's JSON is as foreign as a client's
  if (auto object = parse_body(written, within)) return std::move(*object);
  return {{"INVALID_JSON", written}};
}

bool ends_in_cut_call(bool in_call, std::span<const runtime::ToolCallDelta> calls) {
  return in_call && !calls.empty() && !Json::accept(calls.back().arguments);
}

std::string arguments_text(const Json& object) {
  const std::string dense = dump(object);
  std::string text;
  bool in_string = false;
  for (std::size_t i = 0; i < dense.size(); ++i) {
    text += dense[i];
    if (in_string && dense[i] == '\\')
      text += dense[++i];
    else if (dense[i] == '"')
      in_string = !in_string;
    else if (!in_string && (dense[i] == ',' || dense[i] == ':'))
      text += ' ';
  }
  return text;
}

}  // namespace troupe::actors::edge
