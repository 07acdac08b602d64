// The chat template of a checkpoint: from messages to the text that a model was trained on.
//
// Templates are Jinja, rendered as jinja2 3.1 does when Hugging Face transformers sets it up: trim_blocks,
// lstrip_blocks, break and continue, an immutable sandbox, `tojson` without HTML escapes, raise_exception,
// strftime_now, {% generation %}. What no chat template was found to use is left out and refused, with its
// name and line: other templates (include, import, extends, block), autoescape, with, print, recursive loops,
// loop.cycle, cycler and joiner, "%" on strings, formats within format(), and filters for HTML pages. Unknown
// tags, filters and tests are refused when the template is parsed, unknown attributes and methods at use.
//
// Immutable once parsed; any thread may render.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "model/jinja/limits.hpp"
#include "model/tokenizer/byte_range.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

namespace jinja {
struct Tree;
}

struct RenderedPrompt {
  std::string text;  // UTF-8
  // The bytes that came from the caller's data, however they were cut and joined: text, and never control
  // tokens. Ascending, disjoint, not empty.
  std::vector<ByteRange> plain;
};

class ChatTemplate {
 public:
  using WallTime = std::chrono::system_clock::time_point;

  // where: the file, for errors. Throws Error that names the construct at fault and its line.
  static ChatTemplate parse(std::string source, std::string where, const TemplateLimits& limits = {});

  // Both are objects of variables. trusted: the checkpoint's own, such as bos_token, whose strings count as
  // text of the template. untrusted: the caller's, such as messages and tools; on equal names these win.
  // Refuses with the message of raise_exception (the caller's characters in it replaced by an ellipsis), and
  // with the line and the reason when the template fails or uses more than its limits.
  Expected<RenderedPrompt> render(const nlohmann::ordered_json& trusted,
                                  const nlohmann::ordered_json& untrusted,
                                  WallTime now = std::chrono::system_clock::now()) const;

  // Whether the template speaks of a variable, anywhere in its text.
  bool mentions(std::string_view name) const { return source_.find(name) != std::string::npos; }

 private:
  ChatTemplate(std::shared_ptr<const jinja::Tree> tree, const TemplateLimits& limits, std::string source)
      : tree_(std::move(tree)), limits_(limits), source_(std::move(source)) {}

  std::shared_ptr<const jinja::Tree> tree_;
  TemplateLimits limits_;
  std::string source_;
};

}  // namespace troupe::model
