#include "model/grammar/call_watch.hpp"

#include <utility>

#include "model/grammar/tag_letters.hpp"
#include "model/grammar/token_mask.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

CallOpening::CallOpening(ToolCallSyntax of_form, TokenId that_begins, bool thinks, const Tokenizer& tokenizer)
    : syntax(of_form),
      openings(OutputParser::openings_of_calls(syntax)),
      form(syntax == ToolCallSyntax::dsml ? 1 : 0),
      token(that_begins),
      may_think(thinks) {
  const std::string_view text = tokenizer.token_bytes(token);
  const auto at = openings[form].find(text);
  CHECK(at != std::string_view::npos, "calls begin with a token that is not of their opening");
  read = at + text.size();
  for (const std::string_view opening : openings)
    completing.push_back(tokens_completing(opening, token, tokenizer));
}

CallWatch::CallWatch(const CallOpening& opening, const Tokenizer& tokenizer, bool thinks)
    : opening_(&opening), tokenizer_(&tokenizer) {
  places_.push_back({thinks ? Part::thoughts : opening.may_think ? Part::beginning : Part::text});
}

CallWatch::Place CallWatch::behind(Place place, char next) const {
  const auto openings = opening_->openings;
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

// Who tells the answer may leave out special tokens before its parser reads it, but for those that are markers.
bool CallWatch::is_hidden(TokenId token) const {
  if (!tokenizer_->is_special(token)) return false;
  const OutputParser parser(
      {.reasoning = opening_->may_think, .tool_calls = true, .syntax = opening_->syntax});
  return !parser.is_marker(tokenizer_->token_bytes(token));
}

bool CallWatch::accept(TokenId token) {
  const auto openings = opening_->openings;
  Place place = places_.back();
  if (is_hidden(token)) {
    places_.push_back(place);
    return true;
  }
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
  for (std::size_t i = 0; i < opening_->openings.size(); ++i) {
    const auto& forbidden = opening_->completing[i][place.matching[i]];
    if (forbidden.empty()) continue;
    if (!std::exchange(fills, true)) allow_all(mask, vocab_size);
    for (const TokenId token : forbidden)
      if (token < vocab_size) forbid(mask, token);
  }
  return fills;
}

}  // namespace troupe::model
