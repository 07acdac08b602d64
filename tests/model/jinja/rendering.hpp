// How the tests of the template engine render. Header only.
#pragma once

#include "model/jinja/chat_template.hpp"

namespace troupe::model {

using nlohmann::ordered_json;

// The text of the Error; empty if there is none.
inline std::string error_of_parse(const std::string& source, const TemplateLimits& limits = {}) {
  try {
    ChatTemplate::parse(source, "file.jinja", limits);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// With a bos_token of the template's own.
inline Expected<RenderedPrompt> render(const std::string& source,
                                       const ordered_json& untrusted = ordered_json::object(),
                                       const TemplateLimits& limits = {}) {
  return ChatTemplate::parse(source, "file.jinja", limits).render({{"bos_token", "<s>"}}, untrusted);
}

// The message of the refusal; empty if there is none.
inline std::string refusal(const std::string& source, const ordered_json& untrusted = ordered_json::object(),
                           const TemplateLimits& limits = {}) {
  const auto result = render(source, untrusted, limits);
  return result ? "" : result.error().message;
}

// The caller's text stands between brackets.
inline std::string marked(const RenderedPrompt& prompt) {
  std::string shown;
  std::size_t at = 0;
  for (const ByteRange& range : prompt.plain) {
    shown += prompt.text.substr(at, range.begin - at) + "[" +
             prompt.text.substr(range.begin, range.end - range.begin) + "]";
    at = range.end;
  }
  return shown + prompt.text.substr(at);
}

inline std::string marked(const std::string& source, const ordered_json& untrusted) {
  const auto result = render(source, untrusted);
  return result ? marked(*result) : "refused: " + result.error().message;
}

}  // namespace troupe::model
