#include "runtime/generation/pattern_filter.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>

namespace troupe::runtime {
namespace {

std::shared_ptr<const FilterRule> stop(const std::string& pattern, std::size_t hold_back = 256) {
  return std::make_shared<const FilterRule>(FilterRule{
      .filter = "f", .source = pattern, .pattern = FilterPattern(pattern), .hold_back = hold_back});
}
std::shared_ptr<const FilterRule> mask(const std::string& pattern, std::size_t hold_back = 256,
                                       const std::string& replacement = "[x]") {
  return std::make_shared<const FilterRule>(FilterRule{.filter = "f",
                                                       .source = pattern,
                                                       .pattern = FilterPattern(pattern),
                                                       .masks = true,
                                                       .replacement = replacement,
                                                       .hold_back = hold_back});
}

struct Told {
  std::string text;
  std::vector<FilterAction> matches;
  bool stopped = false;
  friend bool operator==(const Told&, const Told&) = default;
};

Told filtered(const PatternFilter::Rules& rules, const std::vector<std::string>& pieces,
              bool may_change = true) {
  const PatternFilter filter(rules);
  const auto text = filter.begin(may_change);
  Told told;
  for (const std::string& piece : pieces) told.text += text->push(piece);
  told.text += text->finish();
  EXPECT_FALSE(text->holds());
  for (const FilterMatch& match : text->take_matches()) {
    EXPECT_EQ(match.filter, "f");
    told.matches.push_back(match.action);
  }
  told.stopped = text->stopped();
  return told;
}

TEST(PatternFilter, MasksEveryMatchAndStopsBeforeTheFirst) {
  EXPECT_EQ(filtered({mask("\\d+")}, {"a 12 b 3"}),
            (Told{"a [x] b [x]", {FilterAction::mask, FilterAction::mask}, false}));
  EXPECT_EQ(filtered({stop("b\\w+")}, {"a bc bd"}), (Told{"a ", {FilterAction::stop}, true}));
  EXPECT_EQ(filtered({mask("x")}, {"abc"}), (Told{"abc", {}, false}));
  EXPECT_EQ(filtered({mask("b+", 256, "")}, {"abbc"}).text, "ac");
}

TEST(PatternFilter, FindsWhatComesInPieces) {
  EXPECT_EQ(filtered({mask("sk-[a-z]{4,}")}, {"my s", "k", "-ab", "c", "d", "ef go"}).text, "my [x] go");
  EXPECT_EQ(filtered({stop("secret")}, {"a se", "cret"}).text, "a ");
  EXPECT_EQ(filtered({stop("secret")}, {"a se", "crecy"}).text, "a secrecy");
}

TEST(PatternFilter, HoldsBackWhatMayMatchAndNoMore) {
  const PatternFilter filter({mask("secret", 6)});
  const auto text = filter.begin(true);
  EXPECT_EQ(text->push("a se"), "a ");
  EXPECT_TRUE(text->holds());
  EXPECT_EQ(text->push("x"), "sex");
  EXPECT_FALSE(text->holds());
  EXPECT_EQ(text->push("secr"), "");
  EXPECT_EQ(text->finish(), "secr");
}

TEST(PatternFilter, AMatchIsNoLongerThanWhatMayWait) {
  EXPECT_EQ(filtered({mask("a+b", 4)}, {"aaab aaaaab"}).text, "[x] aa[x]");
  EXPECT_EQ(filtered({mask("a+", 4)}, {"aaaaaa"}).text, "[x][x]");
  EXPECT_EQ(filtered({mask("é+", 5)}, {"ééé"}).text, "[x][x]") << "whole characters";
  const PatternFilter filter({mask("a.*b", 8)});
  const auto text = filter.begin(true);
  std::string told;
  for (int i = 0; i < 1000; ++i) {
    told += text->push("a");
    EXPECT_LE(std::size_t(i + 1) - told.size(), 8u);
  }
}

TEST(PatternFilter, TheFirstToBeginAndThenTheFirstInOrderCounts) {
  EXPECT_EQ(filtered({mask("bc", 256, "1"), mask("ab", 256, "2")}, {"abc"}).text, "2c");
  EXPECT_EQ(filtered({mask("ab", 256, "1"), mask("abc", 256, "2")}, {"a", "b", "c"}).text, "1c");
  EXPECT_EQ(filtered({mask("abc", 256, "2"), mask("ab", 256, "1")}, {"a", "b", "c"}).text, "2");
  EXPECT_EQ(filtered({stop("cd"), mask("bcd", 256, "1")}, {"abcde"}).text, "a1e")
      << "what is masked is not seen";
}

TEST(PatternFilter, WhatIsToldInAPlaceIsNotReadAgain) {
  EXPECT_EQ(filtered({mask("a", 256, "aa")}, {"aba"}).text, "aabaa");
}

TEST(PatternFilter, LooksAroundWhatItMasked) {
  EXPECT_EQ(filtered({mask("(?<=a)b")}, {"a", "b", "b"}).text, "a[x]b");
  EXPECT_EQ(filtered({mask("(?<=b)b")}, {"b", "b", "b"}).text, "b[x][x]") << "at what the model wrote";
  EXPECT_EQ(filtered({mask("a(?!b)")}, {"a", "b", "a"}).text, "ab[x]");
  EXPECT_EQ(filtered({mask("^a")}, {"a", "a"}).text, "[x]a");
  EXPECT_EQ(filtered({mask("(?m)^a")}, {"a\n", "aa"}).text, "[x]\n[x]a");
  EXPECT_EQ(filtered({mask("\\Aa")}, {std::string(20'000, 'b'), "a"}).text, std::string(20'000, 'b') + "a");
}

TEST(PatternFilter, WhereNothingMayBeMaskedItStops) {
  EXPECT_EQ(filtered({mask("b")}, {"abc"}, false), (Told{"a", {FilterAction::stop}, true}));
}

// The answer ends before what cannot be decided, rather than to tell it.
TEST(PatternFilter, APatternThatTakesTooLongStops) {
  const std::string hard = std::string(60, 'a') + "d";
  const Told expected{"so ", {FilterAction::limit}, true};
  EXPECT_EQ(filtered({mask("(?:a+)+[bc]")}, {"so " + hard + " then"}), expected);
  EXPECT_EQ(filtered({mask("(?:a+)+[bc]")}, {"so ", hard.substr(0, 20), hard.substr(20), " then"}), expected);
  EXPECT_EQ(filtered({mask("(?:a+)+[bc]")}, {"so aaab."}).text, "so [x].");
}

TEST(PatternFilter, ItsDigestIsOfAllThatItDoes) {
  const auto digest = [](const PatternFilter::Rules& rules) { return PatternFilter(rules).digest(); };
  const std::string one = digest({mask("a")});
  EXPECT_EQ(one, digest({mask("a")}));
  for (const auto& other : {PatternFilter::Rules{mask("b")},
                            {mask("a", 255)},
                            {mask("a", 256, "y")},
                            {stop("a")},
                            {mask("a"), mask("a")},
                            {}})
    EXPECT_NE(one, digest(other));
}

// What a filter does, by its definition: each place is decided by what a rule may see from there.
Told by_definition(const PatternFilter::Rules& rules, const std::string& text) {
  const auto is_boundary = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
  };
  Told told;
  for (std::size_t at = 0; at < text.size();) {
    FilterPattern::Found found;
    const FilterRule* of = nullptr;
    for (const auto& rule : rules) {
      std::size_t end = std::min(text.size(), at + rule->hold_back);
      while (end < text.size() && !is_boundary(end)) --end;
      found = rule->pattern.match_at(std::string_view(text).substr(0, end), at, true);
      of = rule.get();
      if (found.outcome != FilterPattern::Outcome::nothing) break;
    }
    if (found.outcome == FilterPattern::Outcome::match && of->masks) {
      told.text += of->replacement;
      told.matches.push_back(FilterAction::mask);
      at = found.end;
    } else if (found.outcome != FilterPattern::Outcome::nothing) {
      told.matches.push_back(found.outcome == FilterPattern::Outcome::match ? FilterAction::stop
                                                                            : FilterAction::limit);
      told.stopped = true;
      break;
    } else {
      do told.text += text[at++];
      while (at < text.size() && !is_boundary(at));
    }
  }
  return told;
}

rc::Gen<std::string> texts() {
  const auto word = rc::gen::element<std::string>("a", "b", "c", "1", "2", " ", "\n", "@", ".", "é", "字",
                                                  "👩", "A", "ab", "secret", "aaaa", "\r\n");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(word),
                      [](const std::vector<std::string>& words) {
                        return std::accumulate(words.begin(), words.end(), std::string());
                      });
}

rc::Gen<PatternFilter::Rules> rule_lists() {
  const auto pattern = rc::gen::element<std::string>(
      "secret", "[a-c]+@[a-c]+", "\\b\\w+\\b", "a.*b", "a.*?b", "(?s)a.*b", "a+", "(a+)+[bc]1", "(?<=a)b",
      "(?<!a)b", "a(?=b)", "a(?!b)", "^a", "(?m)^a", "(?m)a$", "b$", "\\d{2,4}", "(a|b)\\1", "(?i)a", "é|字",
      "[^a]{3}", ".{5}", "(?:ab|abc|b)c?", "\\s+\\S", "\\R", "\\Xa", "(?<=\\n)[a-c]", "a++b?", "(?>a+|b)c",
      "\\Aa", "a\\z", "(a)(?(1)b|c)");
  const auto rule = rc::gen::map(rc::gen::tuple(pattern, rc::gen::inRange<std::size_t>(4, 14),
                                                rc::gen::weightedElement<bool>({{4, true}, {1, false}})),
                                 [](const std::tuple<std::string, std::size_t, bool>& made) {
                                   const auto& [source, hold_back, masks] = made;
                                   return masks ? mask(source, hold_back) : stop(source, hold_back);
                                 });
  return rc::gen::resize(4, rc::gen::nonEmpty(rc::gen::container<PatternFilter::Rules>(rule)));
}

// Between characters.
std::vector<std::string> cut(const std::string& text) {
  std::vector<std::string> pieces{""};
  for (std::size_t at = 0; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && *rc::gen::inRange(0, 3) == 0)
      pieces.emplace_back();
    pieces.back() += text[at];
  }
  return pieces;
}

RC_GTEST_PROP(PatternFilter, NoMatterInWhatPiecesATextComes, ()) {
  const auto rules = *rule_lists();
  const std::string text = *texts();
  const Told expected = by_definition(rules, text);
  RC_ASSERT(filtered(rules, {text}) == expected);
  RC_ASSERT(filtered(rules, cut(text)) == expected);
}

// What was told long ago is let go.
TEST(PatternFilter, ALongTextIsReadAsAShortOneIs) {
  std::string text, piece = "a secret, abc@abc.\nab字 12 ";
  for (int i = 0; i < 1000; ++i) text += piece;
  const PatternFilter::Rules rules{mask("(?<=a )secret", 16), mask("(?m)^a", 8),
                                   mask("(?<![字a-z ])1|\\b12\\b", 8)};
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < text.size(); at += piece.size())
    pieces.push_back(text.substr(at, piece.size()));
  const Told expected = by_definition(rules, text);
  EXPECT_EQ(expected.matches.size(), 3001u);
  EXPECT_EQ(filtered(rules, pieces), expected);
  EXPECT_EQ(filtered(rules, {text}), expected);
}

}  // namespace
}  // namespace troupe::runtime
