#include <algorithm>

#include "model/jinja/arguments.hpp"
#include "model/jinja/format.hpp"
#include "model/jinja/methods.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/print.hpp"
#include "model/jinja/sequence.hpp"
#include "model/jinja/string_split.hpp"
#include "model/jinja/strings.hpp"

namespace troupe::model::jinja {
namespace {

const Text& text_of(const Value& self) {
  return *self.text();
}

template <Value change(Render&, const Text&)>
Value changed(Render& render, const Value& self, const Arguments& arguments) {
  Parameters("method", arguments, {});
  return change(render, text_of(self));
}

template <Side side>
Value stripped(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("strip", arguments, {"chars"});
  return strip(render, text_of(self), given.text(0), side);
}

// The characters from start to end of a string, by bytes.
ByteRange window(Render& render, const Text& text, const Parameters& given, std::size_t start) {
  const Int count = Int(count_code_points(text.bytes));
  render.charge_text(text.bytes.size());
  const auto place = [&](Int at) { return std::size_t(std::clamp<Int>(at < 0 ? at + count : at, 0, count)); };
  const Int begin = given.integer(start, 0);
  if (begin > count) return {1, 0};
  return {byte_of(text.bytes, place(begin)), byte_of(text.bytes, place(given.integer(start + 1, count)))};
}

template <bool at_end>
Value starts_or_ends(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given(at_end ? "endswith" : "startswith", arguments, {"prefix", "start", "end"}, 1);
  const ByteRange range = window(render, text_of(self), given, 1);
  if (range.begin > range.end) return Value(false);
  const std::string_view bytes =
      std::string_view(text_of(self).bytes).substr(range.begin, range.end - range.begin);
  const auto matches = [&](const Value& affix) {
    if (!affix.text()) throw Failure("startswith() and endswith() want a string or a tuple of strings");
    return at_end ? bytes.ends_with(affix.text()->bytes) : bytes.starts_with(affix.text()->bytes);
  };
  const List* several = given[0]->list();
  if (!several || !several->tuple()) return Value(matches(*given[0]));
  return Value(std::any_of(several->items.begin(), several->items.end(), matches));
}

template <bool last, bool must>
Value found(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given(must ? "index" : "find", arguments, {"sub", "start", "end"}, 1);
  const Text& text = text_of(self);
  const std::string& part = given.required_text(0).bytes;
  const ByteRange range = window(render, text, given, 1);
  std::size_t at = std::string::npos;
  if (range.begin <= range.end) {
    const std::string_view bytes(text.bytes.data(), range.end);
    at = last ? find_last(render, bytes, part, range.end) : find(bytes, part, range.begin);
    if (at != std::string::npos && at < range.begin) at = std::string::npos;
  }
  if (at == std::string::npos && must) throw Failure("index() does not find its string");
  return Value(at == std::string::npos ? Int(-1)
                                       : Int(count_code_points(std::string_view(text.bytes).substr(0, at))));
}

Value count(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("count", arguments, {"sub", "start", "end"}, 1);
  const Text& text = text_of(self);
  const std::string& part = given.required_text(0).bytes;
  const ByteRange range = window(render, text, given, 1);
  if (range.begin > range.end) return Value(Int(0));
  const std::string_view bytes(text.bytes.data(), range.end);
  if (part.empty()) return Value(Int(count_code_points(bytes.substr(range.begin))) + 1);
  Int times = 0;
  for (std::size_t at = range.begin; (at = find(bytes, part, at)) != bytes.npos; at += part.size()) ++times;
  return Value(times);
}

Value replaced(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("replace", arguments, {"old", "new", "count"}, 2);
  return replace(render, text_of(self), given.required_text(0), given.required_text(1), given.integer(2, -1));
}

Value joined(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("join", arguments, {"iterable"}, 1);
  const Values items = elements(render, *given[0]);
  for (const Value& item : items) {
    if (!item.text()) throw Failure("join() got a value of type '" + std::string(type_name(item)) + "'");
  }
  return join(render, text_of(self), items);
}

template <bool at_end>
Value removed(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given(at_end ? "removesuffix" : "removeprefix", arguments, {"affix"}, 1);
  const Text& text = text_of(self);
  const std::string& affix = given.required_text(0).bytes;
  const std::size_t size = text.bytes.size();
  if (at_end) return render.text(text.slice(0, size - (text.bytes.ends_with(affix) ? affix.size() : 0)));
  return render.text(text.slice(text.bytes.starts_with(affix) ? affix.size() : 0, size));
}

Value formatted(Render& render, const Value& self, const Arguments& arguments) {
  return format(render, text_of(self), arguments);
}

// Whether all characters are of a class, and there is one.
template <bool test(char32_t)>
Value all_are(Render& render, const Value& self, const Arguments& arguments) {
  Parameters("is...", arguments, {});
  const std::string& bytes = text_of(self).bytes;
  render.charge_text(bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += decode(bytes, at).size) {
    if (!test(decode(bytes, at).value)) return Value(false);
  }
  return Value(!bytes.empty());
}

template <bool upper>
Value has_case(Render& render, const Value& self, const Arguments& arguments) {
  Parameters("is...", arguments, {});
  return Value(all_cased(render, text_of(self), upper));
}

constexpr NamedFunction string_methods[] = {
    {"capitalize", changed<capitalize>},
    {"count", count},
    {"endswith", starts_or_ends<true>},
    {"find", found<false, false>},
    {"format", formatted},
    {"index", found<false, true>},
    {"isalnum", all_are<is_alnum>},
    {"isalpha", all_are<is_alpha>},
    {"isdigit", all_are<is_digit>},
    {"islower", has_case<false>},
    {"isspace", all_are<is_space>},
    {"isupper", has_case<true>},
    {"join", joined},
    {"lower", changed<lower>},
    {"lstrip", stripped<Side::left>},
    {"partition", partition},
    {"removeprefix", removed<false>},
    {"removesuffix", removed<true>},
    {"replace", replaced},
    {"rfind", found<true, false>},
    {"rindex", found<true, true>},
    {"rpartition", rpartition},
    {"rsplit", rsplit},
    {"rstrip", stripped<Side::right>},
    {"split", split},
    {"splitlines", splitlines},
    {"startswith", starts_or_ends<false>},
    {"strip", stripped<Side::both>},
    {"title", changed<title>},
    {"upper", changed<upper>},
};

}  // namespace

const NamedFunction* find_string_method(std::string_view name) {
  const auto* found = std::find_if(std::begin(string_methods), std::end(string_methods),
                                   [name](const NamedFunction& method) { return method.name == name; });
  return found == std::end(string_methods) ? nullptr : found;
}

}  // namespace troupe::model::jinja
