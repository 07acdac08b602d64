#include "model/jinja/strings.hpp"

#include <cstring>

#include "model/jinja/print.hpp"

namespace troupe::model::jinja {
namespace {

bool strips(std::string_view character, const Text* chars) {
  if (!chars) return is_space(decode(character, 0).value);
  return chars->bytes.find(character) != std::string::npos;
}

}  // namespace

Value strip(Render& render, const Text& text, const Text* chars, Side side) {
  const std::string_view bytes = text.bytes;
  render.charge_text(bytes.size() * (chars ? 1 + chars->bytes.size() : 1));
  std::size_t begin = 0, end = bytes.size();
  while (side != Side::right && begin < end) {
    const std::size_t size = decode(bytes, begin).size;
    if (!strips(bytes.substr(begin, size), chars)) break;
    begin += size;
  }
  while (side != Side::left && begin < end) {
    const std::size_t size = decode_before(bytes, end).size;
    if (!strips(bytes.substr(end - size, size), chars)) break;
    end -= size;
  }
  return render.text(text.slice(begin, end));
}

Value replace(Render& render, const Text& text, const Text& from, const Text& to, Int count) {
  TextWriter out(render);
  out.set_markup(text.markup);
  std::size_t copied = 0;
  if (from.bytes.empty()) {
    while (count != 0) {
      out.append(to);
      if (count > 0) --count;
      if (copied >= text.bytes.size()) break;
      const std::size_t size = decode(text.bytes, copied).size;
      out.append(text, copied, copied + size);
      copied += size;
    }
  } else {
    std::size_t at = 0;
    for (; count != 0 && (at = jinja::find(text.bytes, from.bytes, copied)) != std::string::npos;
         count -= count > 0) {
      out.append(text, copied, at);
      out.append(to);
      copied = at + from.bytes.size();
    }
  }
  out.append(text, copied, text.bytes.size());
  return out.value();
}

Value concatenate(Render& render, const Text& left, const Text& right) {
  TextWriter out(render);
  const bool markup = left.markup || right.markup;
  const auto append = [&](const Text& part) {
    if (markup && !part.markup) {
      out.append(*escaped(render, Value(std::make_shared<const Text>(part))));
    } else {
      out.append(part);
    }
  };
  append(left);
  append(right);
  out.set_markup(markup);
  return out.value();
}

Value repeat(Render& render, const Text& text, Int times) {
  TextWriter out(render);
  out.set_markup(text.markup);
  if (text.bytes.empty()) return out.value();
  if (times > Int(render.limits().text_bytes)) render.check_text(std::size_t(-1));
  for (; times > 0; --times) out.append(text);
  return out.value();
}

Value join(Render& render, const Text& separator, const Values& items) {
  TextWriter out(render);
  bool first = true;
  for (const Value& item : items) {
    if (!first) out.append(separator);
    first = false;
    print(out, item);
  }
  return out.value();
}

Value reversed(Render& render, const Text& text) {
  TextWriter out(render);
  out.set_markup(text.markup);
  for (std::size_t end = text.bytes.size(); end > 0;) {
    const std::size_t begin = end - decode_before(text.bytes, end).size;
    out.append(text, begin, end);
    end = begin;
  }
  return out.value();
}

std::vector<ByteRange> lines(const Text& text, bool keep_ends) {
  std::vector<ByteRange> found;
  const std::string& bytes = text.bytes;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const CodePoint c = decode(bytes, at);
    const std::size_t end = at;
    at += c.size;
    if (!is_line_break(c.value)) continue;
    if (c.value == '\r' && at < bytes.size() && bytes[at] == '\n') ++at;
    found.push_back({begin, keep_ends ? at : end});
    begin = at;
  }
  if (begin < bytes.size()) found.push_back({begin, bytes.size()});
  return found;
}

std::size_t find(std::string_view in, std::string_view what, std::size_t from) {
  if (from > in.size()) return std::string_view::npos;
  if (what.empty()) return from;
  const void* found = memmem(in.data() + from, in.size() - from, what.data(), what.size());
  return found ? std::size_t(static_cast<const char*>(found) - in.data()) : std::string_view::npos;
}

std::size_t find_last(Render& render, std::string_view in, std::string_view what, std::size_t end) {
  if (what.size() > end) return std::string_view::npos;
  for (std::size_t at = end - what.size();; --at) {
    render.charge_text(what.size());
    if (in.compare(at, what.size(), what) == 0) return at;
    if (at == 0) return std::string_view::npos;
  }
}

}  // namespace troupe::model::jinja
