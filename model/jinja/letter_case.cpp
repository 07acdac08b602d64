#include "model/jinja/strings.hpp"

namespace troupe::model::jinja {
namespace {

constexpr char32_t capital_sigma = 0x3A3;

bool cased_before(std::string_view bytes, std::size_t at) {
  while (at > 0) {
    const CodePoint c = decode_before(bytes, at);
    if (!is_case_ignorable(c.value)) return is_cased(c.value);
    at -= c.size;
  }
  return false;
}

bool cased_after(std::string_view bytes, std::size_t at) {
  while (at < bytes.size()) {
    const CodePoint c = decode(bytes, at);
    if (!is_case_ignorable(c.value)) return is_cased(c.value);
    at += c.size;
  }
  return false;
}

// The small sigma at the end of a word has a form of its own (Unicode 15, table 3-17: Final_Sigma).
std::string lower_at(std::string_view bytes, std::size_t at, CodePoint c) {
  if (c.value != capital_sigma) return to_lower(c.value);
  return cased_before(bytes, at) && !cased_after(bytes, at + c.size) ? "ς" : "σ";
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

Value capitalize(Render& render, const Text& text) {
  return map_characters(render, text, [&](CodePoint c, std::size_t at) {
    return at == 0 ? to_title(c.value) : lower_at(text.bytes, at, c);
  });
}

Value title(Render& render, const Text& text) {
  bool in_word = false;
  return map_characters(render, text, [&](CodePoint c, std::size_t at) {
    const bool begins = !in_word;
    in_word = is_cased(c.value);
    return begins ? to_title(c.value) : lower_at(text.bytes, at, c);
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
    if (is_title(c.value) || (upper ? is_lower(c.value) : is_upper(c.value))) return false;
    any = any || (upper ? is_upper(c.value) : is_lower(c.value));
  }
  return any;
}

}  // namespace troupe::model::jinja
