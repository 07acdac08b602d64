#include <algorithm>

#include "model/jinja/arguments.hpp"
#include "model/jinja/compare.hpp"
#include "model/jinja/filters.hpp"
#include "model/jinja/format.hpp"
#include "model/jinja/print.hpp"
#include "model/jinja/sequence.hpp"
#include "model/jinja/strings.hpp"

namespace troupe::model::jinja {
namespace {

// str(value), markup lost, as filters that do not escape see it.
Value without_markup(Render& render, const Value& value) {
  const auto text = to_text(render, value);
  if (!text->markup) return Value(text);
  Text bare = *text;
  bare.markup = false;
  return render.text(std::move(bare));
}

Value with_markup(Render& render, Text text) {
  text.markup = true;
  return render.text(std::move(text));
}

// A string or markup itself; what has neither is refused.
const Text& string_only(const Value& value, std::string_view filter) {
  if (!value.text()) {
    throw Failure("the filter '" + std::string(filter) + "' wants a string, not '" +
                  std::string(type_name(value)) + "'");
  }
  return *value.text();
}

}  // namespace

Value filter_capitalize(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("capitalize", arguments, {});
  return capitalize(render, *to_text(render, value));
}

Value filter_center(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("center", arguments, {"width"});
  return pad(render, *to_text(render, value), given.integer(0, 80), Text(" "), Side::both);
}

Value filter_escape(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("escape", arguments, {});
  return Value(escaped(render, value));
}

Value filter_forceescape(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("forceescape", arguments, {});
  return Value(escaped(render, without_markup(render, value)));
}

Value filter_format(Render& render, const Value& value, const Arguments& arguments) {
  if (!arguments.named.empty() && !arguments.positional.empty()) {
    throw Failure("the filter 'format' takes positional or named arguments, not both");
  }
  Value values = render.tuple(arguments.positional);
  if (!arguments.named.empty()) {
    std::vector<std::pair<Value, Value>> entries;
    for (const auto& [name, named] : arguments.named) entries.emplace_back(render.text(name), named);
    values = render.dict(std::move(entries));
  }
  return format_percent(render, *to_text(render, value), values);
}

Value filter_indent(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("indent", arguments, {"width", "first", "blank"});
  const Text& text = string_only(value, "indent");
  Text indention;
  if (given[0] && given[0]->text()) {
    indention = *given[0]->text();
  } else {
    const Int blanks = given.integer(0, 4);
    if (blanks > Int(render.limits().text_bytes)) render.check_text(std::size_t(-1));
    indention = Text(std::string(std::size_t(std::max<Int>(blanks, 0)), ' '));
  }
  TextWriter out(render);
  out.set_markup(text.markup);
  if (given.flag(1, false)) out.append(indention);
  Text ended = text;  // a final newline is kept, and one without is not given one
  ended.append("\n", false);
  const auto all = lines(ended, false);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i > 0) out.append("\n");
    const bool empty = all[i].begin == all[i].end;
    if (i > 0 && (!empty || given.flag(2, false))) out.append(indention);
    out.append(ended, all[i].begin, all[i].end);
  }
  return out.value();
}

Value filter_lower(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("lower", arguments, {});
  return lower(render, *to_text(render, value));
}

Value filter_replace(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("replace", arguments, {"old", "new", "count"}, 2);
  const Value text = without_markup(render, value);
  return replace(render, *text.text(), *to_text(render, *given[0]), *to_text(render, *given[1]),
                 given.integer(2, -1));
}

Value filter_safe(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("safe", arguments, {});
  return with_markup(render, *to_text(render, value));
}

Value filter_string(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("string", arguments, {});
  return Value(to_text(render, value));
}

Value filter_title(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("title", arguments, {});
  return title_words(render, *to_text(render, value));
}

Value filter_trim(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("trim", arguments, {"chars"});
  return strip(render, *to_text(render, value), given.text(0), Side::both);
}

Value filter_truncate(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("truncate", arguments, {"length", "killwords", "end", "leeway"});
  static const Text dots("...");
  const Text& end = given.text(2) ? *given.text(2) : dots;
  const Int length = given.integer(0, 255), leeway = given.integer(3, 5);
  const Int tail = Int(count_code_points(end.bytes));
  if (length < tail || leeway < 0) throw Failure("truncate() wants a length that its end fits in");
  if (Int(jinja::length(value).value_or(0)) <= length + leeway && jinja::length(value)) return value;
  const Text& text = string_only(value, "truncate");
  std::size_t kept = byte_of(text.bytes, std::size_t(length - tail));
  if (!given.flag(1, false)) {
    const std::size_t blank = std::string_view(text.bytes).substr(0, kept).rfind(' ');
    if (blank != std::string_view::npos) kept = blank;
  }
  return concatenate(render, text.slice(0, kept), end);
}

Value filter_upper(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("upper", arguments, {});
  return upper(render, *to_text(render, value));
}

Value filter_wordcount(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("wordcount", arguments, {});
  const auto text = to_text(render, value);
  Int words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text->bytes.size(); at += decode(text->bytes, at).size) {
    const bool word = is_word(decode(text->bytes, at).value);
    words += word && !inside;
    inside = word;
  }
  return Value(words);
}

}  // namespace troupe::model::jinja
