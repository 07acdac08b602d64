#include "model/grammar/call_watch.hpp"

#include <utility>

#include "model/grammar/token_mask.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

constexpr auto& openings = OutputParser::openings_of_calls;

// How much of the tag the text ends with, behind one more byte. A tag begins with a "<" and has no other.
std::uint8_t matching_behind(std::string_view tag, std::uint8_t matching, char next) {
  if (matching < tag.size() && tag[matching] == next) return std::uint8_t(matching + 1);
  return next == tag.front();
}

std::vector<std::vector<TokenId>> tokens_completing(std::string_view opening, TokenId but,
                                                    const Tokenizer& tokenizer) {
  std::vector<std::vector<TokenId>> completing(opening.size());
  for (TokenId token = 0; token < tokenizer.vocab_size(); ++token) {
    const std::string_view text = tokenizer.token_bytes(token);
    if (text.empty() || token == but) continue;
    for (auto k = opening.find(text.front(), 1); k != opening.npos; k = opening.find(text.front(), k + 1))
      if (text.starts_with(opening.substr(k))) completing[k].push_back(token);
  }
  return completing;
}

}  // namespace

CallOpening::CallOpening(std::size_t of_form, TokenId that_begins, bool thinks, const Tokenizer& tokenizer)
    : form(of_form), token(that_begins), may_think(thinks) {
  const std::string_view text = tokenizer.token_bytes(token);
  const auto at = openings[form].find(text);
  CHECK(at != std::string_view::npos, "calls begin with a token that is not of their opening");
  read = at + text.size();
  for (std::size_t i = 0; i < openings.size(); ++i)
    completing[i] = tokens_completing(openings[i], token, tokenizer);
}

CallWatch::CallWatch(const CallOpening& opening, const Tokenizer& tokenizer, bool thinks)
    : opening_(&opening), tokenizer_(&tokenizer) {
  places_.push_back({thinks ? Part::thoughts : opening.may_think ? Part::beginning : Part::text});
}

CallWatch::Place CallWatch::behind(Place place, char next) {
  std::uint8_t& of_tag = place.matching.front();
  switch (place.part) {
    case Part::beginning: {
      constexpr std::string_view tag = OutputParser::begin_thoughts;
      const bool blank = of_tag == 0 && blanks.find(next) != blanks.npos;
      if (blank && place.blanks < OutputParser::max_leading_blanks) {
        ++place.blanks;
        return place;
      }
      if (tag[of_tag] != next) {  // no thoughts: what stands there is text
        Place text{Part::text};
        for (const char c : tag.substr(0, of_tag)) text = behind(text, c);
        return behind(text, next);
      }
      return ++of_tag < tag.size() ? place : Place{Part::thoughts};
    }
    case Part::thoughts:
      of_tag = matching_behind(OutputParser::end_thoughts, of_tag, next);
      return of_tag < OutputParser::end_thoughts.size() ? place : Place{Part::text};
    case Part::text:
      for (std::size_t i = 0; i < openings.size(); ++i)
        place.matching[i] = matching_behind(openings[i], place.matching[i], next);
      return place;
    case Part::calls:
      return place;
  }
  return place;
}

bool CallWatch::accept(TokenId token) {
  Place place = places_.back();
  const bool begins = token == opening_->token;
  for (const char c : tokenizer_->token_bytes(token)) {
    place = behind(place, c);
    if (place.part != Part::text || begins) continue;
    for (std::size_t i = 0; i < openings.size(); ++i)
      if (place.matching[i] == openings[i].size()) return false;
  }
  if (begins && place.part == Part::text && place.matching[opening_->form] == opening_->read)
    place = {Part::calls};
  places_.push_back(place);
  return true;
}

void CallWatch::accept_of_calls(bool last) {
  places_.push_back({last ? Part::text : Part::calls});
}

std::int64_t CallWatch::rollback(std::int64_t n) {
  std::int64_t of_calls = 0;
  for (; n > 0; --n) {
    const bool after = in_calls();
    places_.pop_back();
    of_calls += after || in_calls();
  }
  return of_calls;
}

bool CallWatch::fill(std::span<std::uint32_t> mask, std::int64_t vocab_size) const {
  const Place& place = places_.back();
  if (place.part != Part::text) return false;
  bool fills = false;
  for (std::size_t i = 0; i < openings.size(); ++i) {
    const auto& forbidden = opening_->completing[i][place.matching[i]];
    if (forbidden.empty()) continue;
    if (!std::exchange(fills, true)) allow_all(mask, vocab_size);
    for (const TokenId token : forbidden)
      if (token < vocab_size) forbid(mask, token);
  }
  return fills;
}

}  // namespace troupe::model
