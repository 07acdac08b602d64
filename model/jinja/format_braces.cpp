#include "model/jinja/compare.hpp"
#include "model/jinja/format.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/print.hpp"
#include "model/jinja/sequence.hpp"
#include "model/jinja/unicode.hpp"

namespace troupe::model::jinja {
namespace {

bool align_character(char c) {
  return c == '<' || c == '>' || c == '^' || c == '=';
}

Int read_number(std::string_view& text) {
  Int value = 0;
  while (!text.empty() && is_ascii_digit(static_cast<unsigned char>(text[0]))) {
    value = value * 10 + (text[0] - '0');
    if (value > Int(1) << 40) throw Failure("has a number too large in a format");
    text.remove_prefix(1);
  }
  return value;
}

// [[fill]align][sign][#][0][width][,][.precision][type]
FormatSpec parse_spec(std::string_view text) {
  FormatSpec spec;
  const auto take = [&text](std::string_view any) {
    if (text.empty() || any.find(text[0]) == any.npos) return '\0';
    const char c = text[0];
    text.remove_prefix(1);
    return c;
  };
  if (!text.empty()) {
    const std::size_t size = decode(text, 0).size;
    if (text.size() > size && align_character(text[size])) {
      spec.fill = text.substr(0, size);
      text.remove_prefix(size);
    }
  }
  spec.align = take("<>^=");
  if (const char sign = take("+- ")) spec.sign = sign;
  spec.alternate = take("#") != 0;
  if (take("0") && !spec.align) {
    spec.fill = "0";
    spec.align = '=';
  }
  spec.width = read_number(text);
  spec.group = take(",_");
  if (take(".")) {
    if (text.empty() || !is_ascii_digit(static_cast<unsigned char>(text[0])))
      throw Failure("a format lacks its precision");
    spec.precision = read_number(text);
  }
  spec.type = take("bdoxXeEfFgGs%");
  if (!text.empty()) throw Failure("has a format that is not supported");
  return spec;
}

void append_formatted(TextWriter& out, const Value& value, std::string_view format) {
  if (format.empty()) return print(out, value);
  const FormatSpec spec = parse_spec(format);
  const bool bare_bool = value.is<bool>() && spec.type == 0;
  if (is_number(value) && spec.type != 's' && !bare_bool) {
    return append_padded(out, Text(format_number(value, spec), value.plain), spec, true);
  }
  const bool text = value.text() && (spec.type == 0 || spec.type == 's') && spec.align != '=';
  if (!text && !bare_bool)
    throw Failure("a format does not suit a value of type '" + std::string(type_name(value)) + "'");
  append_padded(out, *to_text(out.render(), value), spec, bare_bool);
}

// One walk over the text of text.format(...); fields within a format are replaced first.
class BraceFormatter {
 public:
  BraceFormatter(Render& render, const Arguments& arguments) : render_(render), arguments_(arguments) {}

  void run(const Text& text, TextWriter& out, int depth) {
    const std::string& bytes = text.bytes;
    std::size_t copied = 0;
    for (std::size_t at; (at = bytes.find_first_of("{}", copied)) != bytes.npos;) {
      out.append(text, copied, at);
      if (at + 1 < bytes.size() && bytes[at + 1] == bytes[at]) {
        out.append(text, at, at + 1);
        copied = at + 2;
        continue;
      }
      if (bytes[at] == '}') throw Failure("has a single '}' in a format");
      const std::size_t close = closing(bytes, at);
      field(text, at + 1, close, out, depth);
      copied = close + 1;
    }
    out.append(text, copied, bytes.size());
  }

 private:
  static std::size_t closing(const std::string& bytes, std::size_t open) {
    int nesting = 0;
    for (std::size_t at = open; at < bytes.size(); ++at) {
      nesting += bytes[at] == '{' ? 1 : bytes[at] == '}' ? -1 : 0;
      if (nesting == 0) return at;
    }
    throw Failure("has a single '{' in a format");
  }

  void field(const Text& text, std::size_t begin, std::size_t end, TextWriter& out, int depth) {
    if (depth == 0) throw Failure("nests formats too deeply");
    const std::string_view whole(text.bytes.data() + begin, end - begin);
    const std::size_t name_end = std::min(whole.find_first_of("!:"), whole.size());
    std::size_t at = name_end;
    char conversion = 0;
    if (at < whole.size() && whole[at] == '!') {
      if (at + 1 >= whole.size() || (at + 2 < whole.size() && whole[at + 2] != ':')) {
        throw Failure("has a bad conversion in a format");
      }
      conversion = whole[at + 1];
      at += 2;
    }
    const Value value = converted(lookup(whole.substr(0, name_end)), conversion);
    TextWriter format(render_);
    if (at < whole.size()) run(text.slice(begin + at + 1, end), format, depth - 1);
    append_formatted(out, value, format.take().bytes);
  }

  Value converted(Value value, char conversion) {
    if (conversion == 0) return value;
    TextWriter out(render_);
    switch (conversion) {
      case 's':
        print(out, value);
        break;
      case 'r':
      case 'a':
        print_repr(out, value);
        break;
      default:
        throw Failure("has a bad conversion in a format");
    }
    return out.value();
  }

  // name or number, then .attribute and [item] as often as wanted
  Value lookup(std::string_view path) {
    const std::size_t first_end = std::min(path.find_first_of(".["), path.size());
    Value value = argument(path.substr(0, first_end));
    path.remove_prefix(first_end);
    while (!path.empty()) {
      const bool dot = path[0] == '.';
      const std::size_t end = dot ? std::min(path.find_first_of(".[", 1), path.size()) : path.find(']');
      if (end == path.npos || end == 1 || (!dot && path[0] != '['))
        throw Failure("has a bad field in a format");
      const std::string_view name = path.substr(1, end - 1);
      const auto index = dot ? std::nullopt : parse_index(name);
      value = index ? item(render_, value, Value(*index)) : item(render_, value, render_.text(name));
      path.remove_prefix(dot ? end : end + 1);
    }
    return value;
  }

  static std::optional<Int> parse_index(std::string_view name) {
    if (name.empty() || name.find_first_not_of("0123456789") != name.npos) return std::nullopt;
    return read_number(name);
  }

  Value argument(std::string_view name) {
    const auto index = name.empty() ? std::optional<Int>(next_++) : parse_index(name);
    if (index) {
      if (*index >= Int(arguments_.positional.size()))
        throw Failure("a format asks for more arguments than it got");
      return arguments_.positional[std::size_t(*index)];
    }
    for (const auto& [known, value] : arguments_.named) {
      if (known == name) return value;
    }
    throw Failure("a format asks for a name that it did not get");
  }

  Render& render_;
  const Arguments& arguments_;
  Int next_ = 0;
};

}  // namespace

Value format_braces(Render& render, const Text& text, const Arguments& arguments) {
  TextWriter out(render);
  BraceFormatter(render, arguments).run(text, out, 2);
  out.set_markup(text.markup);
  return out.value();
}

}  // namespace troupe::model::jinja
