// The words of a template, with white space around tags already
// stripped as trim_blocks and lstrip_blocks say. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/jinja/value.hpp"

namespace troupe::model::jinja {

struct Token {
  enum class Kind {
    data,            // text outside of tags
    block_begin,     // {%
    block_end,       // %}
    variable_begin,  // {{
    variable_end,    // }}
    name,
    string,
    integer,
    number,  // with a fraction or an exponent
    symbol,  // an operator or bracket
    end,
  };
  Kind kind = Kind::end;
  std::string text;  // data, name, symbol: as written; string: its value
  int line = 1;
  Int integer = 0;
  double number = 0;
};

// A template that cannot be read, with the line where.
struct SyntaxFailure {
  std::string message;
  int line;
};

// source: valid UTF-8. The last token is `end`. Throws SyntaxFailure.
std::vector<Token> tokenize(std::string_view source);

}  // namespace troupe::model::jinja
