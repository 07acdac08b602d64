// An answer as a model without any sense writes it: each token is drawn from those that the grammar allows.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "model/grammar/grammar_matcher.hpp"
#include "tests/model/grammar/vocabularies.hpp"

namespace troupe::model {

inline std::vector<TokenId> allowed_tokens(GrammarMatcher& matcher, std::int64_t vocab_size) {
  std::vector<std::uint32_t> mask(mask_words(vocab_size), ~std::uint32_t{0});
  matcher.fill(mask);
  std::vector<TokenId> allowed;
  for (TokenId token = 0; token < vocab_size; ++token)
    if (mask[std::size_t(token) / 32] >> token % 32 & 1) allowed.push_back(token);
  return allowed;
}

struct Walk {
  std::vector<TokenId> tokens;  // without the one that ended it
  std::string text;
  bool ended = false;
};

// After `patience` tokens it wants to come to an end: it takes what ends or closes something, if that may come.
inline Walk random_walk(const GrammarVocabulary& vocabulary, std::shared_ptr<const CompiledGrammar> grammar,
                        std::uint64_t seed, int patience = 40, int longest = 2000) {
  std::mt19937_64 random(seed);
  GrammarMatcher matcher(std::move(grammar));
  Walk walk;
  const auto closes = [&](TokenId token) {
    const std::string_view text = vocabulary.tokenizer.token_bytes(token);
    return token == GrammarVocabulary::eos ||
           (text.size() == 1 && std::string_view("\"}]@.:").find(text) != std::string_view::npos);
  };
  for (int step = 0; step < longest && !matcher.terminated(); ++step) {
    std::vector<TokenId> allowed = allowed_tokens(matcher, vocabulary.size);
    if (allowed.empty()) return walk;
    if (step >= patience) {
      std::vector<TokenId> closing;
      std::ranges::copy_if(allowed, std::back_inserter(closing), closes);
      if (!closing.empty()) allowed = std::move(closing);
    }
    const TokenId token = allowed[random() % allowed.size()];
    EXPECT_TRUE(matcher.accept(token)) << "a token that the mask allows";
    if (!matcher.terminated()) walk.tokens.push_back(token);
  }
  walk.ended = matcher.terminated();
  walk.text = vocabulary.tokenizer.decode(walk.tokens);
  return walk;
}

}  // namespace troupe::model
