#include "model/jinja/print.hpp"

#include <cstdio>

#include "model/jinja/numbers.hpp"
#include "model/jinja/unicode.hpp"

namespace troupe::model::jinja {
namespace {

void print_escape(TextWriter& out, char32_t c, bool plain) {
  char buffer[16];
  const char* format = c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
  std::snprintf(buffer, sizeof buffer, format, unsigned(c));
  out.append(buffer, plain);
}

void print_quoted(TextWriter& out, const Text& text) {
  const std::string& bytes = text.bytes;
  const bool single = bytes.find('\'') == bytes.npos || bytes.find('"') != bytes.npos;
  const char quote = single ? '\'' : '"';
  if (text.markup) out.append("Markup(");
  out.append(std::string_view(&quote, 1));
  for (std::size_t at = 0; at < bytes.size();) {
    const CodePoint c = decode(bytes, at);
    const bool plain = text.plain_at(at);
    if (c.value == '\\' || c.value == char32_t(quote)) {
      out.append("\\", plain);
      out.append(text, at, at + 1);
    } else if (c.value == '\n' || c.value == '\r' || c.value == '\t') {
      out.append(c.value == '\n' ? "\\n" : c.value == '\r' ? "\\r" : "\\t", plain);
    } else if (!is_printable(c.value)) {
      print_escape(out, c.value, plain);
    } else {
      out.append(text, at, at + c.size);
    }
    at += c.size;
  }
  out.append(std::string_view(&quote, 1));
  if (text.markup) out.append(")");
}

void print_list(TextWriter& out, const List& list) {
  std::string_view open = "[", close = "]";
  switch (list.kind) {
    case List::Kind::list:
      break;
    case List::Kind::tuple:
      open = "(";
      close = list.items.size() == 1 ? ",)" : ")";
      break;
    case List::Kind::keys:
      open = "dict_keys([";
      close = "])";
      break;
    case List::Kind::values:
      open = "dict_values([";
      close = "])";
      break;
    case List::Kind::items:
      open = "dict_items([";
      close = "])";
      break;
  }
  out.append(open);
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out.append(", ");
    print_repr(out, list.items[i]);
  }
  out.append(close);
}

void print_dict(TextWriter& out, const Dict& dict) {
  out.append("{");
  for (std::size_t i = 0; i < dict.entries.size(); ++i) {
    if (i > 0) out.append(", ");
    print_repr(out, dict.entries[i].first);
    out.append(": ");
    print_repr(out, dict.entries[i].second);
  }
  out.append("}");
}

void print_range(TextWriter& out, const Range& range) {
  out.append("range(" + to_string(Int(range.start)) + ", " + to_string(Int(range.stop)));
  if (range.step != 1) out.append(", " + to_string(Int(range.step)));
  out.append(")");
}

struct Printer {
  TextWriter& out;
  bool plain;

  void operator()(const Undefined&) { out.append("Undefined"); }
  void operator()(const None&) { out.append("None", plain); }
  void operator()(bool x) { out.append(x ? "True" : "False", plain); }
  void operator()(Int x) { out.append(to_string(x), plain); }
  void operator()(double x) { out.append(repr(x), plain); }
  void operator()(const std::shared_ptr<const Text>& x) { print_quoted(out, *x); }
  void operator()(const std::shared_ptr<const List>& x) { print_list(out, *x); }
  void operator()(const std::shared_ptr<const Dict>& x) { print_dict(out, *x); }
  void operator()(const Range& x) { print_range(out, x); }
  void operator()(const std::shared_ptr<Generator>&) { out.append("<generator object>"); }
  void operator()(const std::shared_ptr<const Method>& x) {
    out.append("<built-in method " + std::string(x->name) + ">");
  }
  void operator()(Object* x) { x->print(out); }
};

}  // namespace

void print(TextWriter& out, const Value& value) {
  if (value.undefined()) return;
  if (const Text* text = value.text()) {
    out.append(*text);
  } else {
    print_repr(out, value);
  }
}

void print_repr(TextWriter& out, const Value& value) {
  const Render::Level level(out.render());
  std::visit(Printer{out, value.plain}, value.data);
}

std::shared_ptr<const Text> to_text(Render& render, const Value& value) {
  if (value.text()) return value.get<std::shared_ptr<const Text>>();
  TextWriter out(render);
  print(out, value);
  return std::make_shared<const Text>(out.take());
}

std::shared_ptr<const Text> escaped(Render& render, const Value& value) {
  auto text = to_text(render, value);
  if (text->markup) return text;
  TextWriter out(render);
  out.set_markup(true);
  std::size_t copied = 0;
  const auto replace = [&](std::size_t at, std::string_view entity) {
    out.append(*text, copied, at);
    out.append(entity, text->plain_at(at));
    copied = at + 1;
  };
  for (std::size_t at = 0; at < text->bytes.size(); ++at) {
    switch (text->bytes[at]) {
      case '&':
        replace(at, "&amp;");
        break;
      case '<':
        replace(at, "&lt;");
        break;
      case '>':
        replace(at, "&gt;");
        break;
      case '\'':
        replace(at, "&#39;");
        break;
      case '"':
        replace(at, "&#34;");
        break;
      default:
        break;
    }
  }
  out.append(*text, copied, text->bytes.size());
  return std::make_shared<const Text>(out.take());
}

}  // namespace troupe::model::jinja
