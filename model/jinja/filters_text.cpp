#include <algorithm>

#include "model/jinja/arguments.hpp"
#include "model/jinja/compare.hpp"
#include "model/jinja/filters.hpp"
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

Value filter_escape(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("escape", arguments, {});
  return Value(escaped(render, value));
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

Value filter_upper(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("upper", arguments, {});
  return upper(render, *to_text(render, value));
}

}  // namespace troupe::model::jinja
