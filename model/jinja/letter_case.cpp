#include "model/jinja/strings.hpp"

namespace troupe::model::jinja {
namespace {

constexpr char32_t capital_sigma = 0x3A3;

// The small sigma at the end of a word has a form of its own.
std::string lower_at(std::string_view bytes, std::size_t at, CodePoint c) {
  if (c.value != capital_sigma) return to_lower(c.value);
  const bool before = at > 0 && is_alpha(decode_before(bytes, at).value);
  const std::size_t next = at + c.size;
  const bool after = next < bytes.size() && is_alpha(decode(bytes, next).value);
  return before && !after ? "ς" : "σ";
}

// change(character, byte) gives what stands for a character; marks follow it.
template <class Change>
Value map_characters(Render& render, const Text& text, Change change) {
  TextWriter out(render);
  out.set_markup(text.markup);
  for (std::size_t at = 0; at < text.bytes.size();) {
    const CodePoint c = decode(text.bytes, at);
    out.append(change(c, at), text.plain_at(at));
    at += c.size;
  }
  return out.value();
}

bool parts_words(char32_t c) {
  return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
}

}  // namespace

Value upper(Render& render, const Text& text) {
  return map_characters(render, text, [](CodePoint c, std::size_t) { return to_upper(c.value); });
}

Value lower(Render& render, const Text& text) {
  return map_characters(render, text,
                        [&](CodePoint c, std::size_t at) { return lower_at(text.bytes, at, c); });
}

Value swap_case(Render& render, const Text& text) {
  return map_characters(render, text, [&](CodePoint c, std::size_t at) {
    return is_upper(c.value)   ? lower_at(text.bytes, at, c)
           : is_lower(c.value) ? to_upper(c.value)
                               : text.bytes.substr(at, c.size);
  });
}

Value capitalize(Render& render, const Text& text) {
  return map_characters(render, text, [&](CodePoint c, std::size_t at) {
    return at == 0 ? to_title(c.value) : lower_at(text.bytes, at, c);
  });
}

Value title(Render& render, const Text& text) {
  bool in_word = false;
  return map_characters(render, text, [&](CodePoint c, std::size_t at) {
    const bool begins = !in_word;
    const std::string small = lower_at(text.bytes, at, c);
    in_word = is_upper(c.value) || is_lower(c.value) || small != text.bytes.substr(at, c.size);
    return begins ? to_title(c.value) : small;
  });
}

Value title_words(Render& render, const Text& text) {
  bool begins = true;
  return map_characters(render, text, [&](CodePoint c, std::size_t at) {
    if (parts_words(c.value)) {
      begins = true;
      return text.bytes.substr(at, c.size);
    }
    return std::exchange(begins, false) ? to_upper(c.value) : lower_at(text.bytes, at, c);
  });
}

bool all_cased(Render& render, const Text& text, bool upper) {
  render.charge_text(text.bytes.size());
  bool any = false;
  for (std::size_t at = 0; at < text.bytes.size();) {
    const CodePoint c = decode(text.bytes, at);
    at += c.size;
    if (upper ? is_lower(c.value) : is_upper(c.value)) return false;
    any = any || (upper ? is_upper(c.value) : is_lower(c.value));
  }
  return any;
}

}  // namespace troupe::model::jinja
