#include "model/jinja/format.hpp"

#include <charconv>

#include "model/jinja/print.hpp"

namespace troupe::model::jinja {
namespace {

const Value& named_argument(const Arguments& arguments, std::string_view name) {
  for (const auto& [known, value] : arguments.named) {
    if (known.bytes == name) return value;
  }
  throw Failure("a format asks for a name that it did not get");
}

// next counts the fields that have neither number nor name.
const Value& argument(const Arguments& arguments, std::string_view field, std::size_t& next) {
  if (field.find_first_of("!:.[{") != field.npos) {
    throw Failure("format() with more than a number or a name in its braces is not supported");
  }
  std::size_t index = next;
  if (field.empty()) {
    ++next;
  } else if (field.find_first_not_of("0123456789") != field.npos) {
    return named_argument(arguments, field);
  } else if (std::from_chars(field.data(), field.data() + field.size(), index).ec != std::errc()) {
    throw Failure("has a number too large in a format");
  }
  if (index >= arguments.positional.size()) throw Failure("a format asks for more arguments than it got");
  return arguments.positional[index];
}

}  // namespace

Value format(Render& render, const Text& text, const Arguments& arguments) {
  const std::string& bytes = text.bytes;
  TextWriter out(render);
  std::size_t copied = 0, next = 0;
  for (std::size_t at; (at = bytes.find_first_of("{}", copied)) != bytes.npos;) {
    out.append(text, copied, at);
    if (at + 1 < bytes.size() && bytes[at + 1] == bytes[at]) {
      out.append(text, at, at + 1);
      copied = at + 2;
      continue;
    }
    const std::size_t close = bytes.find('}', at + 1);
    if (bytes[at] == '}' || close == bytes.npos) throw Failure("has a single brace in a format");
    print(out, argument(arguments, std::string_view(bytes).substr(at + 1, close - at - 1), next));
    copied = close + 1;
  }
  out.append(text, copied, bytes.size());
  out.set_markup(text.markup);
  return out.value();
}

}  // namespace troupe::model::jinja
