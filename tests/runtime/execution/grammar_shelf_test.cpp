#include "runtime/execution/grammar_shelf.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "tests/runtime/execution/demo_engine.hpp"

namespace troupe::runtime {
namespace {

GrammarSpec choice(const std::string& word) {
  return {.kind = GrammarSpec::Kind::choice, .text = R"([")" + word + R"("])"};
}

// Compiles when it is let.
class Gate {
 public:
  GrammarShelf::Compile compile() {
    return [this](const GrammarSpec& spec) {
      begun_.set_value();
      open_.get_future().wait();
      return model::GrammarCache::Result(grammar_of(spec));
    };
  }
  void wait_until_begun() { begun_.get_future().wait(); }
  void open() { open_.set_value(); }

 private:
  std::promise<void> begun_, open_;
};

TEST(GrammarShelf, MakesReadyAndForgets) {
  GrammarShelf shelf([](const GrammarSpec& spec) { return model::GrammarCache::Result(grammar_of(spec)); });
  const GrammarId id = grammar_id(choice("a"));
  EXPECT_FALSE(shelf.find(id));
  std::promise<bool> made;
  shelf.learn(choice("a"), [&](const Expected<void>& result) { made.set_value(result.has_value()); });
  EXPECT_TRUE(made.get_future().get());
  EXPECT_TRUE(shelf.find(id));
  shelf.forget(id);
  EXPECT_FALSE(shelf.find(id));
}

TEST(GrammarShelf, SaysWhatIsNoGrammar) {
  GrammarShelf shelf([](const GrammarSpec&) -> model::GrammarCache::Result { return refuse("no grammar"); });
  std::promise<std::string> said;
  shelf.learn(choice("a"), [&](const Expected<void>& result) { said.set_value(result.error().message); });
  EXPECT_EQ(said.get_future().get(), "no grammar");
}

TEST(GrammarShelf, OneThatIsReadyIsSaidSoAtOnceToWhoMayAskForIt) {
  GrammarShelf shelf([](const GrammarSpec& spec) { return model::GrammarCache::Result(grammar_of(spec)); });
  std::promise<void> made;
  shelf.learn(choice("a"), [&](const Expected<void>&) { made.set_value(); });
  made.get_future().wait();
  bool found = false;
  shelf.learn(choice("a"),
              [&](const Expected<void>& result) { found = result && shelf.find(grammar_id(choice("a"))); });
  EXPECT_TRUE(found);
}

TEST(GrammarShelf, RefusesWhereTheCheckpointCannotBeReadAndTriesAgain) {
  const auto folder = std::filesystem::path(testing::TempDir()) / ("checkpoint" + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  GrammarShelf shelf(compile_for(folder, {.timeout = std::chrono::minutes(5)}));
  const auto learn = [&] {
    std::promise<Expected<void>> made;
    shelf.learn(choice("a"), [&](const Expected<void>& result) { made.set_value(result); });
    return made.get_future().get();
  };
  const Expected<void> refused = learn();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, RefusalKind::internal);
  EXPECT_EQ(refused.error().message.find(folder.string()), std::string::npos);
  std::filesystem::create_directory_symlink(DEMO_MODEL, folder);
  EXPECT_TRUE(learn());
  EXPECT_TRUE(shelf.find(grammar_id(choice("a"))));
  std::filesystem::remove(folder);
}

TEST(GrammarShelf, APlanGetsWhatItBeginsWithThoughThatIsForgotten) {
  GrammarShelf shelf([](const GrammarSpec& spec) { return model::GrammarCache::Result(grammar_of(spec)); });
  const GrammarId ready = grammar_id(choice("a")), unknown = grammar_id(choice("b"));
  std::promise<void> made;
  shelf.learn(choice("a"), [&](const Expected<void>&) { made.set_value(); });
  made.get_future().wait();
  StepPlan plan;
  for (const GrammarId id : {ready, unknown, GrammarId{}}) plan.begin.emplace_back().rules.grammar = id;
  const Grammars grammars = shelf.of(plan);
  shelf.forget(ready);
  ASSERT_EQ(grammars.size(), 1u);
  EXPECT_TRUE(grammars.at(ready));
}

// Nobody would ever ask to forget it again.
TEST(GrammarShelf, KeepsNothingThatWasForgottenMeanwhile) {
  Gate gate;
  GrammarShelf shelf(gate.compile());
  std::promise<void> done;
  shelf.learn(choice("a"), [&](const Expected<void>&) { done.set_value(); });
  gate.wait_until_begun();
  shelf.forget(grammar_id(choice("a")));
  gate.open();
  done.get_future().wait();
  EXPECT_FALSE(shelf.find(grammar_id(choice("a"))));
}

TEST(GrammarShelf, OneThatTakesLongHoldsNoOtherUp) {
  Gate gate;
  const auto slow = gate.compile();
  GrammarShelf shelf([&](const GrammarSpec& spec) {
    return spec == choice("slow") ? slow(spec) : model::GrammarCache::Result(grammar_of(spec));
  });
  std::promise<void> first, second;
  shelf.learn(choice("slow"), [&](const Expected<void>&) { first.set_value(); });
  gate.wait_until_begun();
  shelf.learn(choice("quick"), [&](const Expected<void>&) { second.set_value(); });
  second.get_future().wait();
  EXPECT_TRUE(shelf.find(grammar_id(choice("quick"))));
  gate.open();
  first.get_future().wait();
}

}  // namespace
}  // namespace troupe::runtime
