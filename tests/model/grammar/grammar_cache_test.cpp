#include "model/grammar/grammar_cache.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <thread>

#include "tests/model/grammar/vocabularies.hpp"

namespace troupe::model {
namespace {

GrammarSpec choice(const std::string& text) {
  return {.kind = GrammarSpec::Kind::choice, .text = "[\"" + text + "\"]"};
}

class GrammarCacheTest : public testing::Test {
 protected:
  GrammarCache::Compile counting() {
    return [this](const GrammarSpec& spec, TimePoint deadline) {
      ++compiles;
      return demo_vocabulary().compiler.compile(spec, deadline);
    };
  }
  std::atomic<int> compiles = 0;
};

TEST_F(GrammarCacheTest, CompilesOnce) {
  GrammarCache cache(counting(), {});
  EXPECT_EQ(cache.find(grammar_id(choice("a"))), nullptr);
  const auto first = cache.get(choice("a")), second = cache.get(choice("a"));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(cache.find(grammar_id(choice("a"))), *first);
  EXPECT_EQ(compiles, 1);
}

TEST_F(GrammarCacheTest, RefusalsAreNotKept) {
  GrammarCache cache(counting(), {});
  EXPECT_FALSE(cache.get({.kind = GrammarSpec::Kind::regex, .text = "("}));
  EXPECT_FALSE(cache.get({.kind = GrammarSpec::Kind::regex, .text = "("}));
  EXPECT_EQ(compiles, 2);
}

TEST_F(GrammarCacheTest, KeepsTheLastUsedWithinItsBytes) {
  const auto size = [](const std::string& text) {
    return compile(demo_vocabulary(), choice(text)).value()->bytes();
  };
  GrammarCache cache(counting(), {.bytes = size("a") + std::max(size("b"), size("c"))});
  ASSERT_TRUE(cache.get(choice("a")));
  ASSERT_TRUE(cache.get(choice("b")));
  ASSERT_NE(cache.find(grammar_id(choice("a"))), nullptr);  // used last
  ASSERT_TRUE(cache.get(choice("c")));
  EXPECT_NE(cache.find(grammar_id(choice("a"))), nullptr);
  EXPECT_EQ(cache.find(grammar_id(choice("b"))), nullptr);
  EXPECT_NE(cache.find(grammar_id(choice("c"))), nullptr);
}

TEST_F(GrammarCacheTest, KeepsNothingThatIsLargerThanAll) {
  GrammarCache cache(counting(), {.bytes = 1});
  EXPECT_TRUE(cache.get(choice("a")));
  EXPECT_EQ(cache.find(grammar_id(choice("a"))), nullptr);
}

// A compile that ends when it is told to.
struct Gate {
  GrammarCache::Compile compile() {
    return [this](const GrammarSpec& spec, TimePoint deadline) {
      ++begun;
      begun.notify_all();
      open.wait();
      return demo_vocabulary().compiler.compile(spec, deadline);
    };
  }
  std::atomic<int> begun = 0;
  std::latch open{1};
};

TEST(GrammarCache, OthersWaitForTheCompileThatRuns) {
  Gate gate;
  GrammarCache cache(gate.compile(), {.threads = 4});
  std::vector<std::shared_ptr<const CompiledGrammar>> got(8);
  {
    std::vector<std::jthread> threads;
    for (auto& grammar : got) threads.emplace_back([&] { grammar = cache.get(choice("a")).value(); });
    gate.begun.wait(0);
    gate.open.count_down();
  }
  EXPECT_EQ(gate.begun, 1);
  for (const auto& grammar : got) EXPECT_EQ(grammar, got[0]);
}

TEST(GrammarCache, RefusesWhenTooManyWait) {
  Gate gate;
  GrammarCache cache(gate.compile(), {.threads = 1, .waiting = 1});
  std::jthread first([&] { EXPECT_TRUE(cache.get(choice("a"))); });
  gate.begun.wait(0);
  // One waits; as long as no more than that do, one of two others is refused.
  std::atomic<int> refused = 0;
  std::vector<std::jthread> others;
  for (const char* text : {"b", "c"})
    others.emplace_back([&, text] {
      const auto grammar = cache.get(choice(text));
      if (grammar) return;
      EXPECT_EQ(grammar.error().kind, RefusalKind::unavailable);
      ++refused;
      refused.notify_all();
    });
  refused.wait(0);
  gate.open.count_down();
  others.clear();
  EXPECT_EQ(refused, 1);
}

// What waited for a thread beyond its time is not begun.
TEST(GrammarCache, TimeInTheQueueCounts) {
  GrammarCache cache([](const GrammarSpec& spec,
                        TimePoint deadline) { return demo_vocabulary().compiler.compile(spec, deadline); },
                     {.timeout = Duration::zero()});
  const auto late = cache.get({.kind = GrammarSpec::Kind::json_object});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, "grammar_compile_timeout");
}

// So does what a request waited for before it asked.
TEST(GrammarCache, ADeadlineMayBeOlderThanTheQuestion) {
  GrammarCache cache([](const GrammarSpec& spec,
                        TimePoint deadline) { return demo_vocabulary().compiler.compile(spec, deadline); },
                     {.timeout = std::chrono::hours(1)});
  EXPECT_GT(cache.deadline(), now() + std::chrono::minutes(59));
  const auto late = cache.get({.kind = GrammarSpec::Kind::json_object}, now());
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, "grammar_compile_timeout");
}

}  // namespace
}  // namespace troupe::model
