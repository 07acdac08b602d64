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

template <Side side>
Value padded(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("just", arguments, {"width", "fillchar"}, 1);
  static const Text blank(" ");
  return pad(render, text_of(self), *given.integer(0), given.text(1) ? *given.text(1) : blank, side);
}

Value zfill(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("zfill", arguments, {"width"}, 1);
  FormatSpec spec;
  spec.fill = "0";
  spec.align = '=';
  spec.width = given.integer(0, 0);
  TextWriter out(render);
  append_padded(out, text_of(self), spec, true);
  return out.value();
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

Value expandtabs(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("expandtabs", arguments, {"tabsize"});
  const Int size = given.integer(0, 8);
  const Text& text = text_of(self);
  TextWriter out(render);
  Int column = 0;
  for (std::size_t at = 0; at < text.bytes.size();) {
    const CodePoint c = decode(text.bytes, at);
    if (c.value == '\t') {
      const Int blanks = size > 0 ? size - column % size : 0;
      column += blanks;
      if (blanks > Int(render.limits().text_bytes)) render.check_text(std::size_t(-1));
      out.fill(" ", std::size_t(blanks));
    } else {
      column = c.value == '\n' || c.value == '\r' ? 0 : column + 1;
      out.append(text, at, at + c.size);
    }
    at += c.size;
  }
  return out.value();
}

Value formatted(Render& render, const Value& self, const Arguments& arguments) {
  return format_braces(render, text_of(self), arguments);
}

Value format_map(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("format_map", arguments, {"mapping"}, 1);
  const Dict* dict = given[0]->dict();
  if (!dict) throw Failure("format_map() wants a mapping");
  Arguments named;
  for (const auto& [key, value] : dict->entries) {
    if (key.text()) named.named.emplace_back(key.text()->bytes, value);
  }
  return format_braces(render, text_of(self), named);
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

bool is_ascii(char32_t c) {
  return c < 0x80;
}

Value isascii(Render& render, const Value& self, const Arguments& arguments) {
  return Value(text_of(self).bytes.empty() || all_are<is_ascii>(render, self, arguments).get<bool>());
}

Value isprintable(Render& render, const Value& self, const Arguments& arguments) {
  return Value(text_of(self).bytes.empty() || all_are<is_printable>(render, self, arguments).get<bool>());
}

Value isidentifier(Render& render, const Value& self, const Arguments& arguments) {
  const bool parts = all_are<is_identifier_part>(render, self, arguments).get<bool>();
  return Value(parts && is_identifier_start(decode(text_of(self).bytes, 0).value));
}

template <bool upper>
Value has_case(Render& render, const Value& self, const Arguments& arguments) {
  Parameters("is...", arguments, {});
  return Value(all_cased(render, text_of(self), upper));
}

Value istitle(Render& render, const Value& self, const Arguments& arguments) {
  Parameters("istitle", arguments, {});
  const std::string& bytes = text_of(self).bytes;
  render.charge_text(bytes.size());
  bool in_word = false, any = false;
  for (std::size_t at = 0; at < bytes.size();) {
    const CodePoint c = decode(bytes, at);
    at += c.size;
    const bool begins = is_upper(c.value) || is_title(c.value), cased = begins || is_lower(c.value);
    if (cased && begins == in_word) return Value(false);
    in_word = cased;
    any = any || cased;
  }
  return Value(any);
}

constexpr NamedFunction string_methods[] = {
    {"capitalize", changed<capitalize>},
    {"center", padded<Side::both>},
    {"count", count},
    {"endswith", starts_or_ends<true>},
    {"expandtabs", expandtabs},
    {"find", found<false, false>},
    {"format", formatted},
    {"format_map", format_map},
    {"index", found<false, true>},
    {"isalnum", all_are<is_alnum>},
    {"isalpha", all_are<is_alpha>},
    {"isascii", isascii},
    {"isdecimal", all_are<is_decimal>},
    {"isdigit", all_are<is_digit>},
    {"isidentifier", isidentifier},
    {"islower", has_case<false>},
    {"isnumeric", all_are<is_numeric>},
    {"isprintable", isprintable},
    {"isspace", all_are<is_space>},
    {"istitle", istitle},
    {"isupper", has_case<true>},
    {"join", joined},
    {"ljust", padded<Side::left>},
    {"lower", changed<lower>},
    {"lstrip", stripped<Side::left>},
    {"partition", partition},
    {"removeprefix", removed<false>},
    {"removesuffix", removed<true>},
    {"replace", replaced},
    {"rfind", found<true, false>},
    {"rindex", found<true, true>},
    {"rjust", padded<Side::right>},
    {"rpartition", rpartition},
    {"rsplit", rsplit},
    {"rstrip", stripped<Side::right>},
    {"split", split},
    {"splitlines", splitlines},
    {"startswith", starts_or_ends<false>},
    {"strip", stripped<Side::both>},
    {"swapcase", changed<swap_case>},
    {"title", changed<title>},
    {"upper", changed<upper>},
    {"zfill", zfill},
};

}  // namespace

const NamedFunction* find_string_method(std::string_view name) {
  const auto* found = std::find_if(std::begin(string_methods), std::end(string_methods),
                                   [name](const NamedFunction& method) { return method.name == name; });
  return found == std::end(string_methods) ? nullptr : found;
}

}  // namespace troupe::model::jinja
