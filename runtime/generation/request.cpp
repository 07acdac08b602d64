#include "runtime/generation/request.hpp"

namespace troupe::runtime {

std::string_view to_string(ChoiceEnd how) {
  switch (how) {
    case ChoiceEnd::none:
      return "";
    case ChoiceEnd::stop:
      return "stop";
    case ChoiceEnd::length:
      return "length";
    case ChoiceEnd::tool_calls:
      return "tool_calls";
    case ChoiceEnd::content_filter:
      return "content_filter";
    case ChoiceEnd::abort:
      return "abort";
    case ChoiceEnd::error:
      return "error";
  }
  return "";
}

}  // namespace troupe::runtime
