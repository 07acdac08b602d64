#include "runtime/execution/logit_state.hpp"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "model/grammar/grammar_compiler.hpp"
#include "model/text/text_model.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::runtime {
namespace {

using testing::ElementsAre;

constexpr std::int64_t vocabulary = 70;

RowChanges filled(LogitState& state) {
  RowChanges changes;
  state.fill(changes);
  return changes;
}

LogitState state_of(const LogitRules& rules, const std::vector<TokenId>& tokens, std::int32_t prompt) {
  LogitState state(rules, nullptr, vocabulary);
  state.catch_up(tokens, prompt);
  return state;
}

// Of a token: bias, seen, count.
kernels::LogitEdit edit_of(const RowChanges& changes, TokenId token) {
  for (const kernels::LogitEdit& each : changes.edits)
    if (each.token == token) return each;
  return {.token = token};
}

bool banned(const RowChanges& changes, TokenId token) {
  return std::isinf(edit_of(changes, token).bias);
}

std::vector<TokenId> allowed(const RowChanges& changes) {
  std::vector<TokenId> tokens;
  for (TokenId token = 0; token < vocabulary; ++token)
    if (changes.allowed.empty() || changes.allowed[std::size_t(token) / 32] >> (token % 32) & 1)
      tokens.push_back(token);
  return tokens;
}

TEST(LogitState, PenaltiesTellPromptAndOutputApart) {
  auto state = state_of({.repetition_penalty = 1.5f, .frequency_penalty = 1}, {1, 2, 2, 3, 3, 1}, 3);
  const RowChanges changes = filled(state);
  EXPECT_TRUE(edit_of(changes, 1).seen && edit_of(changes, 2).seen && edit_of(changes, 3).seen);
  EXPECT_EQ(edit_of(changes, 1).count, 1);
  EXPECT_EQ(edit_of(changes, 2).count, 0);
  EXPECT_EQ(edit_of(changes, 3).count, 2);
  EXPECT_EQ(changes.changes.repetition_penalty, 1.5f);
  EXPECT_EQ(changes.changes.frequency_penalty, 1);
}

TEST(LogitState, ATokenIsEditedOnce) {
  auto state =
      state_of({.presence_penalty = 1, .bias = {{3, 2}}, .min_tokens = 9, .ends = {3, 4}}, {3, 3}, 1);
  const RowChanges changes = filled(state);
  EXPECT_EQ(changes.edits.size(), 2u);
  EXPECT_TRUE(banned(changes, 3) && banned(changes, 4));
}

// For whatever reasons.
TEST(LogitState, ATokenIsBannedOnce) {
  auto state = state_of({.bad_words = {{7, 8}, {8}, {5}}, .min_tokens = 9, .ends = {5, 5}}, {1, 7}, 1);
  const RowChanges changes = filled(state);
  EXPECT_EQ(changes.edits.size(), 2u);
  EXPECT_TRUE(banned(changes, 5) && banned(changes, 8));
}

TEST(LogitState, AnAnswerEndsNoEarlierThanItMay) {
  const LogitRules rules{.min_tokens = 2, .ends = {5}};
  for (const auto& [outputs, held] : std::vector<std::pair<int, bool>>{{0, true}, {1, true}, {2, false}}) {
    auto state = state_of(rules, std::vector<TokenId>(std::size_t(3 + outputs), 1), 3);
    EXPECT_EQ(banned(filled(state), 5), held) << outputs;
  }
}

TEST(LogitState, ABadWordIsNotCompletedInTheOutput) {
  const LogitRules rules{.bad_words = {{7, 8}, {9}}};
  auto begun = state_of(rules, {1, 7}, 1), in_prompt = state_of(rules, {1, 7}, 2);
  EXPECT_TRUE(banned(filled(begun), 8));
  EXPECT_FALSE(banned(filled(in_prompt), 8));
  EXPECT_TRUE(banned(filled(in_prompt), 9));
}

TEST(LogitState, OnlyWhatIsAllowedMayCome) {
  auto state = state_of({.allowed = {0, 33, 69}}, {1}, 1);
  EXPECT_THAT(allowed(filled(state)), ElementsAre(0, 33, 69));
}

TEST(LogitState, ThinkingEndsWithItsBudget) {
  constexpr TokenId think = 10, end = 11;
  const LogitRules rules{.thinking_budget = 2, .begin_thinking = think, .end_thinking = end};
  const auto forced = [&](const std::vector<TokenId>& tokens, std::int32_t prompt) {
    auto state = state_of(rules, tokens, prompt);
    return allowed(filled(state)) == std::vector<TokenId>{end};
  };
  EXPECT_FALSE(forced({1, think, 5}, 2));
  EXPECT_TRUE(forced({1, think, 5, 6}, 2));
  EXPECT_FALSE(forced({1, think, 5, 6, end, 7, 8}, 2));
  EXPECT_FALSE(forced({1, think, 5, 6, end, 2}, 6));  // of a history
  EXPECT_TRUE(forced({1, think, 5, 6}, 1));           // the model began by itself
  EXPECT_FALSE(forced({1, 5, 6, 7}, 1));
}

const model::TextModel& text() {
  static const auto loaded = model::TextModel::load(DEMO_MODEL);
  return loaded;
}

std::shared_ptr<const model::CompiledGrammar> grammar_of_regex(const std::string& regex) {
  static const model::GrammarCompiler compiler(text().tokenizer, text().tokenizer.vocab_size(),
                                               text().eos_ids);
  return compiler.compile({.kind = GrammarSpec::Kind::regex, .text = regex}, now() + std::chrono::minutes(5))
      .value();
}

// Whatever the rules: rows behind drafts are those of a state that took them as tokens, and the state is as before.
RC_GTEST_PROP(LogitState, DraftsLeaveNoTrace, ()) {
  const auto token = rc::gen::inRange<TokenId>(0, 12);
  const auto tokens = [&](std::size_t least) {
    auto made = *rc::gen::container<std::vector<TokenId>>(token);
    made.resize(std::max(least, made.size()));
    return made;
  };
  const LogitRules rules{.repetition_penalty = 1.25f,
                         .presence_penalty = 0.5f,
                         .bias = {{3, 1}},
                         .bad_words = {tokens(1), tokens(2)},
                         .min_tokens = *rc::gen::inRange(0, 8),
                         .ends = {4},
                         .thinking_budget = *rc::gen::inRange(0, 4),
                         .begin_thinking = 10,
                         .end_thinking = 11};
  const std::vector<TokenId> known = tokens(1), drafts = tokens(0);
  const auto prompt = *rc::gen::inRange<std::int32_t>(1, std::int32_t(known.size()) + 1);
  const auto same = [](const RowChanges& a, const RowChanges& b) {
    if (a.allowed != b.allowed || a.edits.size() != b.edits.size()) return false;
    for (TokenId each = 0; each < vocabulary; ++each) {
      const auto x = edit_of(a, each), y = edit_of(b, each);
      if (x.bias != y.bias || x.seen != y.seen || x.count != y.count) return false;
    }
    return true;
  };
  auto state = state_of(rules, known, prompt);
  const RowChanges before = filled(state);
  std::vector<RowChanges> rows(drafts.size());
  state.fill_drafts(drafts, rows);
  RC_ASSERT(same(filled(state), before));
  std::vector<TokenId> longer = known;
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    longer.push_back(drafts[i]);
    auto other = state_of(rules, longer, prompt);
    RC_ASSERT(same(filled(other), rows[i]));
  }
}

TEST(LogitState, AGrammarGoesOnFromTokensAndBackFromDrafts) {
  const std::int64_t all = text().tokenizer.vocab_size();
  const std::vector<TokenId> one = text().tokenizer.encode("1").value(),
                             word = text().tokenizer.encode("x").value();
  LogitState state({.ends = text().eos_ids, .grammar = {1, 1}}, grammar_of_regex("[0-9]{3}"), all);
  const auto may = [](const RowChanges& changes, TokenId token) {
    return bool(changes.allowed.at(std::size_t(token) / 32) >> (token % 32) & 1);
  };
  state.catch_up(std::vector<TokenId>{2, 3}, 2);
  const RowChanges first = filled(state);
  EXPECT_TRUE(may(first, one[0]) && !may(first, word[0]) && !may(first, text().eos_ids[0]));
  std::vector<RowChanges> rows(3);
  state.fill_drafts(std::vector<TokenId>{one[0], one[0], one[0]}, rows);
  EXPECT_TRUE(may(rows[1], one[0]));
  EXPECT_TRUE(may(rows[2], text().eos_ids[0]) && !may(rows[2], one[0]));
  EXPECT_EQ(filled(state).allowed, first.allowed);
  state.catch_up(std::vector<TokenId>{2, 3, one[0], one[0], one[0]}, 2);
  EXPECT_EQ(filled(state).allowed, rows[2].allowed);
}

// Else who watches the rank takes it for hung while a batch's masks are made, or a long answer is read again.
TEST(LogitState, EachThingThatAGrammarDoesIsAPieceOfWork) {
  TickBoard board;
  std::uint64_t before = 0;
  const auto pieces = [&] { return board.count - std::exchange(before, board.count); };
  const std::vector<TokenId> answer = text().tokenizer.encode("the capital of Norway").value();
  LogitState state({.ends = text().eos_ids, .grammar = {1, 1}}, grammar_of_regex("the capital of Norway"),
                   text().tokenizer.vocab_size(), &board);
  state.catch_up(std::vector<TokenId>{2, 3}, 2);
  EXPECT_EQ(pieces(), 0u) << "the prompt is nothing to a grammar";
  EXPECT_EQ(state.forced(16).size(), answer.size() + 1);
  EXPECT_GE(pieces(), answer.size());
  filled(state);
  EXPECT_EQ(pieces(), 1u);
  std::vector<RowChanges> rows(3);
  state.fill_drafts(std::span(answer).first(3), rows);
  EXPECT_EQ(pieces(), 6u) << "three tokens and three masks";
  std::vector<TokenId> tokens{2, 3};
  tokens.insert(tokens.end(), answer.begin(), answer.end());
  state.catch_up(tokens, 2);
  EXPECT_EQ(pieces(), answer.size());
}

// A draft that leads to a mask that is given up may be wrong: then nothing has been.
TEST(LogitState, AMaskThatIsGivenUpIsOfItsRowAlone) {
  const model::GrammarCompiler compiler(text().tokenizer, text().tokenizer.vocab_size(), text().eos_ids);
  const auto grammar =
      compiler.compile({.kind = GrammarSpec::Kind::regex, .text = "((.{1,12} ?){1,12}!){1,10}"},
                       now() + std::chrono::minutes(5));
  TickBoard board;
  LogitState state({.ends = text().eos_ids, .grammar = {1, 1}}, grammar.value(),
                   text().tokenizer.vocab_size(), &board);
  const TokenId letter = text().tokenizer.encode("x").value().front();
  std::vector<TokenId> tokens{2};
  state.catch_up(tokens, 1);
  std::vector<RowChanges> rows(1);
  for (int i = 0; i < 60 && !rows[0].spent; ++i) {
    EXPECT_FALSE(filled(state).spent);
    state.fill_drafts(std::vector<TokenId>{letter}, rows);
    EXPECT_FALSE(filled(state).spent) << "the draft had not come";
    if (rows[0].spent) break;
    tokens.push_back(letter);
    state.catch_up(tokens, 1);
  }
  ASSERT_TRUE(rows[0].spent);
  EXPECT_EQ(state.followed_drafts(), 0u);
  const std::uint64_t pieces = board.count.load();
  state.fill_drafts(std::vector<TokenId>{letter}, rows);
  EXPECT_EQ(board.count.load(), pieces) << "and it follows no more";
  EXPECT_EQ(state.followed_drafts(), 0u);
  EXPECT_FALSE(filled(state).spent);
  tokens.push_back(letter);
  state.catch_up(tokens, 1);
  EXPECT_TRUE(filled(state).spent);
  EXPECT_TRUE(filled(state).spent) << "and stays so";
}

}  // namespace
}  // namespace troupe::runtime
