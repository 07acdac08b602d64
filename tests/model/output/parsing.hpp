// How the tests of output parsing push text and compare what comes out. Header only.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "model/output/output_parser.hpp"

namespace troupe::model {

struct Whole {
  std::string content, reasoning;
  std::vector<std::pair<std::string, std::string>> calls;  // name and arguments, pieces joined
  int finished = 0;
  std::vector<std::string> ids = {};  // that the model has given its calls
  bool operator==(const Whole&) const = default;
};

inline void showValue(const Whole& whole, std::ostream& out) {
  out << "content '" << whole.content << "', reasoning '" << whole.reasoning << "', " << whole.finished
      << " finished:";
  for (const auto& [name, arguments] : whole.calls) out << " '" << name << "' (" << arguments << ")";
}
inline std::ostream& operator<<(std::ostream& out, const Whole& whole) {
  showValue(whole, out);
  return out;
}

inline void add(const ParsedOutput& delta, Whole& whole) {
  whole.content += delta.content;
  whole.reasoning += delta.reasoning;
  for (const ToolCallPiece& piece : delta.tool_calls) {
    if (piece.begins) {
      EXPECT_EQ(piece.index, int(whole.calls.size()));
      whole.calls.emplace_back(piece.name, "");
      if (!piece.id.empty()) whole.ids.push_back(piece.id);
    }
    ASSERT_LT(std::size_t(piece.index), whole.calls.size());
    whole.calls[std::size_t(piece.index)].second += piece.arguments;
  }
}

inline Whole parse(OutputFormat format, const std::vector<std::string>& pieces, bool cut_off = false) {
  OutputParser parser(format);
  Whole whole;
  for (const std::string& piece : pieces) {
    parser.push(piece);
    add(parser.take(), whole);
  }
  parser.finish(cut_off);
  add(parser.take(), whole);
  whole.finished = parser.finished_calls();
  return whole;
}

inline Whole parse_calls(const std::string& text) {
  return parse({.tool_calls = true}, {text});
}

// Cut into pieces at random.
inline std::vector<std::string> random_pieces(const std::string& text) {
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < text.size();) {
    const auto n = *rc::gen::inRange<std::size_t>(1, 12);
    pieces.push_back(text.substr(at, n));
    at += n;
  }
  return pieces;
}

// A text of up to `most` parts, each one of those given.
inline std::string random_text(const std::vector<std::string>& parts, int most) {
  std::string text;
  for (int n = *rc::gen::inRange(0, most + 1); n > 0; --n) text += *rc::gen::elementOf(parts);
  return text;
}

// Property: a text of up to 20 of these parts, however it is split, in whatever format with calls of this syntax.
inline void any_split_gives_the_same(ToolCallSyntax syntax, const std::vector<std::string>& parts) {
  const std::string text = random_text(parts, 20);
  const OutputFormat format{*rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<bool>(), true,
                            *rc::gen::arbitrary<bool>(), syntax};
  const bool cut_off = *rc::gen::arbitrary<bool>();
  RC_ASSERT(parse(format, random_pieces(text), cut_off) == parse(format, {text}, cut_off));
}

}  // namespace troupe::model
