// What one template, and one rendering of it, may use. Immutable values; any thread.
#pragma once

#include <cstddef>

namespace troupe::model {

struct TemplateLimits {
  std::size_t source_bytes = 1 << 20;  // length of the template
  int syntax_depth = 300;              // blocks and expressions within each other, in the source
  int call_depth = 700;                // statements, expressions and macros under evaluation at once
  int value_depth = 100;               // lists and dicts within each other, those of the caller too
  std::size_t steps = 20'000'000;      // evaluations, elements made (2 each) and text copied (32 bytes each)
  std::size_t text_bytes = 32 << 20;   // any single string, and the rendered prompt
  std::size_t range_elements = 100'000;  // of one range(), as jinja2's sandbox has it
};

}  // namespace troupe::model
