#include "model/jinja/compare.hpp"
#include "model/jinja/format.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/print.hpp"
#include "model/jinja/sequence.hpp"
#include "model/jinja/unicode.hpp"

namespace troupe::model::jinja {
namespace {

// One walk over the text of `text % values`.
class PercentFormatter {
 public:
  PercentFormatter(Render& render, const Text& text, const Value& values)
      : render_(render), text_(text), values_(values), out_(render) {
    const List* list = values.list();
    many_ = list && list->tuple();
  }

  Value run() {
    const std::string& bytes = text_.bytes;
    std::size_t copied = 0;
    for (std::size_t at; (at = bytes.find('%', copied)) != bytes.npos; copied = at_) {
      out_.append(text_, copied, at);
      at_ = at + 1;
      directive();
    }
    out_.append(text_, copied, bytes.size());
    // Only what cannot be indexed must be used up; so Python has it.
    const bool indexed = values_.list() || values_.dict() || values_.range() || values_.undefined();
    const std::size_t given = many_ ? values_.list()->items.size() : indexed ? 0 : 1;
    if (used_ < given && !by_name_) throw Failure("not all arguments are used by the format");
    out_.set_markup(text_.markup);
    return out_.value();
  }

 private:
  char peek() const { return at_ < text_.bytes.size() ? text_.bytes[at_] : '\0'; }

  void directive() {
    std::optional<Value> named;
    if (peek() == '(') named = named_value();
    FormatSpec spec;
    bool left = false, zero = false;
    for (std::string_view flags = "-0#+ "; at_ < text_.bytes.size() && flags.find(peek()) != flags.npos;
         ++at_) {
      left = left || peek() == '-';
      zero = zero || peek() == '0';
      spec.alternate = spec.alternate || peek() == '#';
      if (peek() == '+' || (peek() == ' ' && spec.sign == '-')) spec.sign = peek();
    }
    spec.width = amount();
    if (spec.width < 0) {
      left = true;
      spec.width = -spec.width;
    }
    if (peek() == '.') {
      ++at_;
      spec.precision = std::max<Int>(amount(), 0);
    }
    while (peek() == 'l' || peek() == 'h' || peek() == 'L') ++at_;
    spec.type = peek();
    if (spec.type == 0) throw Failure("has an incomplete format");
    ++at_;
    if (spec.type == '%') {
      out_.append("%");
      return;
    }
    spec.align = left ? '<' : '>';
    convert(named ? *named : next(), spec, zero && !left);
  }

  Int amount() {
    if (peek() == '*') {
      ++at_;
      const auto given = as_int(next());
      if (!given) throw Failure("* of a format wants an integer");
      return *given;
    }
    Int value = 0;
    for (; is_ascii_digit(static_cast<unsigned char>(peek())); ++at_) {
      value = value * 10 + (peek() - '0');
      if (value > Int(render_.limits().text_bytes)) render_.check_text(std::size_t(-1));
    }
    return value;
  }

  Value named_value() {
    const std::size_t close = text_.bytes.find(')', at_);
    if (close == std::string::npos) throw Failure("has an incomplete format key");
    const std::string_view key(text_.bytes.data() + at_ + 1, close - at_ - 1);
    at_ = close + 1;
    by_name_ = true;
    const Dict* dict = values_.dict();
    if (!dict) throw Failure("a format with names wants a mapping");
    const Value* found = find(*dict, key);
    if (!found) throw Failure("a name of the format is not in its mapping");
    return *found;
  }

  Value next() {
    const std::size_t at = used_++;
    if (!many_ && at == 0) return values_;
    if (!many_ || at >= values_.list()->items.size()) throw Failure("not enough arguments for the format");
    return values_.list()->items[at];
  }

  void convert(const Value& value, FormatSpec& spec, bool zero) {
    switch (spec.type) {
      case 's':
        return append_padded(out_, *to_text(render_, value), spec, false);
      case 'r':
      case 'a': {
        TextWriter written(render_);
        print_repr(written, value);
        return append_padded(out_, written.take(), spec, false);
      }
      case 'c':
        return append_padded(out_, character(value), spec, true);
      default:
        break;
    }
    if (std::string_view("diuoxXeEfFgG").find(spec.type) == std::string_view::npos) {
      throw Failure("has a format character that is not supported");
    }
    if (value.undefined()) fail_undefined(value.get<Undefined>());
    if (!is_number(value))
      throw Failure("formats a value of type '" + std::string(type_name(value)) + "' as a number");
    Value number = value;
    const bool decimal = spec.type == 'd' || spec.type == 'i' || spec.type == 'u';
    if (decimal) spec.type = 'd';
    if (decimal && value.is<double>()) number = Value(to_int(value.get<double>()), value.plain);
    if (zero) {
      spec.fill = "0";
      spec.align = '=';
    }
    append_padded(out_, Text(integer_digits(format_number(number, spec), spec), value.plain), spec, true);
  }

  // The precision of an integer is its least number of digits.
  static std::string integer_digits(std::string digits, const FormatSpec& spec) {
    if (std::string_view("doxX").find(spec.type) == std::string_view::npos || !spec.precision) return digits;
    if (*spec.precision > 400) throw Failure("formats a number with too many digits");
    std::size_t from = digits.find_first_of("0123456789abcdefABCDEF");
    if (spec.alternate && spec.type != 'd') from += 2;
    while (digits.size() - from < std::size_t(*spec.precision)) digits.insert(from, 1, '0');
    return digits;
  }

  Text character(const Value& value) {
    if (const Text* text = value.text(); text && count_code_points(text->bytes) == 1) return *text;
    const auto code = as_int(value);
    if (!code || *code < 0 || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000)) {
      throw Failure("%c wants a character");
    }
    std::string bytes;
    encode(char32_t(*code), bytes);
    return Text(bytes, value.plain);
  }

  Render& render_;
  const Text& text_;
  const Value& values_;
  TextWriter out_;
  bool many_ = false;
  bool by_name_ = false;
  std::size_t at_ = 0;    // byte after what has been read
  std::size_t used_ = 0;  // of the values
};

}  // namespace

Value format_percent(Render& render, const Text& text, const Value& values) {
  return PercentFormatter(render, text, values).run();
}

}  // namespace troupe::model::jinja
