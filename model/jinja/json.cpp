#include "model/jinja/json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "model/jinja/arguments.hpp"
#include "model/jinja/compare.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/sequence.hpp"
#include "model/jinja/unicode.hpp"
#include "model/tokenizer/utf8.hpp"

namespace troupe::model::jinja {
namespace {

Value text_from(Render& render, const std::string& bytes, bool plain) {
  if (!is_utf8(bytes)) throw Failure("a string of the request is not UTF-8");
  return render.text(bytes, plain);
}

// One json.dumps.
class Writer {
 public:
  Writer(Render& render, const Parameters& given)
      : out_(render), ascii_(given.flag(0, false)), sort_(given.flag(3, false)) {
    set_indent(given[1]);
    if (!given[2] || given[2]->none()) {
      items_ = Text(indent_ ? "," : ", ");
      keys_ = Text(": ");
      return;
    }
    const List* pair = given[2]->list();
    if (!pair || pair->items.size() != 2 || !pair->items[0].text() || !pair->items[1].text()) {
      throw Failure("tojson wants two strings as separators");
    }
    items_ = *pair->items[0].text();
    keys_ = *pair->items[1].text();
  }

  Value run(const Value& value) {
    write(value);
    return out_.value();
  }

 private:
  void set_indent(const Value* indent) {
    if (!indent || indent->none()) return;
    if (indent->text()) {
      indent_ = *indent->text();
      return;
    }
    const auto blanks = as_int(*indent);
    if (!blanks) throw Failure("tojson wants an integer or a string as indent");
    out_.render().check_text(*blanks > Int(out_.render().limits().text_bytes) ? std::size_t(-1) : 0);
    indent_ = Text(std::string(std::size_t(std::max<Int>(*blanks, 0)), ' '));
  }

  void write(const Value& value) {
    const Render::Level level(out_.render());
    if (value.undefined()) fail_undefined(value.get<Undefined>());
    if (const Text* text = value.text()) return write_string(*text);
    if (const List* list = value.list(); list && list->indexable()) return write_list(*list);
    if (const Dict* dict = value.dict()) return write_dict(*dict);
    const auto scalar = scalar_text(value);
    if (!scalar) throw Failure("a value of type '" + std::string(type_name(value)) + "' has no JSON form");
    out_.append(*scalar, value.plain);
  }

  static std::optional<std::string> scalar_text(const Value& value) {
    if (value.none()) return "null";
    if (value.is<bool>()) return value.get<bool>() ? "true" : "false";
    if (value.is<Int>()) return to_string(value.get<Int>());
    if (!value.is<double>()) return std::nullopt;
    const double number = value.get<double>();
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
    return repr(number);
  }

  void write_list(const List& list) {
    if (list.items.empty()) return out_.append("[]");
    open("[");
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      separate(i);
      write(list.items[i]);
    }
    close("]");
  }

  void write_dict(const Dict& dict) {
    if (dict.entries.empty()) return out_.append("{}");
    auto entries = dict.entries;
    if (sort_) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto& a, const auto& b) { return less(out_.render(), a.first, b.first); });
    }
    open("{");
    for (std::size_t i = 0; i < entries.size(); ++i) {
      separate(i);
      write_key(entries[i].first);
      out_.append(keys_);
      write(entries[i].second);
    }
    close("}");
  }

  void write_key(const Value& key) {
    if (key.text()) return write_string(*key.text());
    const auto scalar = scalar_text(key);
    if (!scalar)
      throw Failure("a value of type '" + std::string(type_name(key)) + "' cannot be a key in JSON");
    write_string(Text(*scalar, key.plain));
  }

  void open(std::string_view bracket) {
    out_.append(bracket);
    ++depth_;
  }

  void separate(std::size_t i) {
    if (i > 0) out_.append(items_);
    break_line();
  }

  void close(std::string_view bracket) {
    --depth_;
    break_line();
    out_.append(bracket);
  }

  void break_line() {
    if (!indent_) return;
    out_.append("\n");
    for (int i = 0; i < depth_; ++i) out_.append(*indent_);
  }

  void write_string(const Text& text) {
    out_.append("\"");
    std::size_t copied = 0;
    for (std::size_t at = 0; at < text.bytes.size();) {
      const CodePoint c = decode(text.bytes, at);
      const std::string escape = escaped_character(c.value);
      if (!escape.empty()) {
        out_.append(text, copied, at);
        out_.append(escape, text.plain_at(at));
        copied = at + c.size;
      }
      at += c.size;
    }
    out_.append(text, copied, text.bytes.size());
    out_.append("\"");
  }

  // Empty: the character stands for itself.
  std::string escaped_character(char32_t c) const {
    switch (c) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\f':
        return "\\f";
      case '\b':
        return "\\b";
      default:
        break;
    }
    if (c >= 0x20 && (c < 0x7F || !ascii_)) return {};
    if (c < 0x10000) return unit(c);
    return unit(0xD800 + ((c - 0x10000) >> 10)) + unit(0xDC00 + ((c - 0x10000) & 0x3FF));
  }

  static std::string unit(char32_t c) {
    char buffer[16];
    std::snprintf(buffer, sizeof buffer, "\\u%04x", unsigned(c));
    return buffer;
  }

  TextWriter out_;
  bool ascii_;
  bool sort_;
  std::optional<Text> indent_;
  Text items_, keys_;  // what stands between items, and after a key
  int depth_ = 0;
};

}  // namespace

Value from_json(Render& render, const nlohmann::ordered_json& json, bool plain) {
  using Type = nlohmann::ordered_json::value_t;
  const Render::Level level(render);
  render.charge(1);
  Value scalar = None{};
  switch (json.type()) {
    case Type::object: {
      std::vector<std::pair<Value, Value>> entries;
      for (const auto& [key, value] : json.items()) {
        entries.emplace_back(text_from(render, key, plain), from_json(render, value, plain));
      }
      return render.dict(std::move(entries));
    }
    case Type::array: {
      Values items;
      for (const auto& value : json) items.push_back(from_json(render, value, plain));
      return render.list(std::move(items));
    }
    case Type::string:
      return text_from(render, json.get_ref<const std::string&>(), plain);
    case Type::boolean:
      scalar = Value(json.get<bool>());
      break;
    case Type::number_integer:
      scalar = Value(Int(json.get<std::int64_t>()));
      break;
    case Type::number_unsigned:
      scalar = Value(Int(json.get<std::uint64_t>()));
      break;
    case Type::number_float:
      scalar = Value(json.get<double>());
      break;
    default:
      break;
  }
  scalar.plain = plain;
  return scalar;
}

Value to_json(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  return Writer(render, given).run(value);
}

}  // namespace troupe::model::jinja
