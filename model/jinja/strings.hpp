// What filters, operators and methods do with strings. The caller's characters stay marked wherever they go.
// One rendering's thread. Throws Failure at a limit.
#pragma once

#include "model/jinja/render.hpp"
#include "model/jinja/unicode.hpp"

namespace troupe::model::jinja {

enum class Side { left, right, both };

Value strip(Render& render, const Text& text, const Text* chars, Side side);  // chars null: white space
// count < 0: all. An empty `from` stands between all characters.
Value replace(Render& render, const Text& text, const Text& from, const Text& to, Int count);
Value concatenate(Render& render, const Text& left, const Text& right);
Value repeat(Render& render, const Text& text, Int times);
// Items are any values; str() is taken of them.
Value join(Render& render, const Text& separator, const Values& items);
Value reversed(Render& render, const Text& text);

// Byte ranges of the lines, without or with what ends them.
std::vector<ByteRange> lines(const Text& text, bool keep_ends);

// Byte where `what` begins, at `from` or after it; npos if nowhere. In linear time.
std::size_t find(std::string_view in, std::string_view what, std::size_t from = 0);
// The last one that ends at `end` or before.
std::size_t find_last(Render& render, std::string_view in, std::string_view what, std::size_t end);

// Letter case.
Value upper(Render& render, const Text& text);
Value lower(Render& render, const Text& text);
Value capitalize(Render& render, const Text& text);  // the first letter large, all others small
Value title(Render& render, const Text& text);       // str.title(): a capital after all that is no letter
// The filter `title`: a capital after blanks, hyphens and brackets.
Value title_words(Render& render, const Text& text);
// str.isupper() and str.islower(): no letter of the other case, and one of this.
bool all_cased(Render& render, const Text& text, bool upper);

}  // namespace troupe::model::jinja
