#include "model/grammar/dsml_grammar.hpp"

#include <xgrammar/grammar.h>

#include <string>
#include <string_view>

namespace troupe::model {
namespace {

// As the engine prints them: the marker, and a string that may have anything but the end of its parameter.
constexpr std::string_view printed_marker = R"(\uff5cDSML\uff5c)";
constexpr std::string_view free_string =
    "TagDispatch(\n  loop_after_dispatch=false,\n  excludes=(\"</\\uff5cDSML\\uff5cparameter>\")\n)";
constexpr std::string_view any_text = R"(([\0-\U0010ffff]*))";

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

}  // namespace

// By way of its text, in which a token stands between texts as they do among themselves.
xgrammar::Grammar with_dsml_token(const xgrammar::Grammar& grammar, TokenId marker) {
  std::string text = grammar.ToString();
  replace_all(text, free_string, any_text);
  replace_all(text, printed_marker, "\" Token(" + std::to_string(marker) + ") \"");
  return xgrammar::Grammar::FromEBNF(text);
}

}  // namespace troupe::model
