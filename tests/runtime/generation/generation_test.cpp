// A generation against a scheduler that the test plays: tokens of n choices in any order, scarce credit,
// faults and cancellations at any moment, over many seeds. After each event its invariants are checked.
#include "runtime/generation/generation.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "runtime/base/file.hpp"
#include "runtime/generation/pattern_filter.hpp"
#include "runtime/scheduling/admission.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::runtime {
namespace {

const model::TextModel& text_model() {
  static const auto loaded = model::TextModel::load(DEMO_MODEL);
  return loaded;
}

constexpr SequenceId first_sequence = 100;

// Keeps what each sequence is doing at the scheduler and what the reader was told.
class Recorder final : public GenerationOutlet {
 public:
  struct Told {
    std::string content, stop_reason;
    ChoiceEnd finish = ChoiceEnd::none;
    std::string reasoning{};
    std::vector<std::string> calls{};  // "id name arguments"
    std::string logprob_bytes{};       // of the chosen tokens
    std::vector<float> logprobs{};     // theirs, each followed by those of the alternatives
    std::string answer_bytes{};        // of those that are of the answer
    std::optional<TokenId> stop_token{};
    bool operator==(const Told&) const = default;
  };

  void submit(const Submission& submission) override {
    EXPECT_FALSE(closed());
    EXPECT_EQ(submission.resubmitted, submitted_before.contains(submission.sequence));
    submitted_before.insert({submission.sequence, true});
    known[submission.sequence] = submission;
    paused[submission.sequence] = false;
  }
  void pause(SequenceId sequence) override { EXPECT_FALSE(std::exchange(paused.at(sequence), true)); }
  void resume(SequenceId sequence) override { EXPECT_TRUE(std::exchange(paused.at(sequence), false)); }
  void cancel(SequenceId sequence) override { EXPECT_EQ(known.erase(sequence), 1u); }
  void accepted(const Usage& prompts) override {
    EXPECT_FALSE(closed());
    EXPECT_EQ(all_deltas, 0);
    EXPECT_EQ(prompts.completion_tokens, 0);
    ++accepted_times;
  }
  void delta(Delta delta) override {
    EXPECT_FALSE(closed());
    EXPECT_TRUE(delta.says_something());
    Told& choice = told[delta.choice];
    EXPECT_EQ(choice.finish, ChoiceEnd::none) << "a delta after the choice's last";
    choice.content += delta.content;
    token_ids.insert(token_ids.end(), delta.token_ids.begin(), delta.token_ids.end());
    for (const LogprobEntry& each : delta.prompt_logprobs) prompt_logprobs.push_back(each);
    if (!delta.prompt_token_ids.empty()) prompt_token_ids = delta.prompt_token_ids;
    choice.finish = delta.finish;
    choice.stop_reason = delta.stop_reason;
    choice.stop_token = delta.stop_token;
    choice.reasoning += delta.reasoning;
    for (const ToolCallDelta& call : delta.tool_calls) {
      if (std::size_t(call.index) == choice.calls.size())
        choice.calls.push_back(call.id + " " + call.name + " ");
      choice.calls.at(std::size_t(call.index)) += call.arguments;
    }
    for (const LogprobEntry& entry : delta.logprobs) {
      choice.logprob_bytes += entry.chosen.bytes;
      if (entry.of_answer) choice.answer_bytes += entry.chosen.bytes;
      if (entry.of_thoughts) thought_bytes += entry.chosen.bytes;
      choice.logprobs.push_back(entry.chosen.logprob);
      for (const LogprobToken& each : entry.top) choice.logprobs.push_back(each.logprob);
    }
    ++deltas[delta.choice];
    ++all_deltas;
  }
  void end(const Usage& total) override {
    EXPECT_FALSE(closed());
    ++ends;
    usage = total;
  }
  void failure(const Refusal& why) override {
    EXPECT_FALSE(closed());
    failures.push_back(why);
  }
  void first_token(Duration since) override {
    EXPECT_GE(since, Duration::zero());
    ++first_tokens;
  }
  void next_token(Duration since) override {
    EXPECT_GE(since, Duration::zero());
    ++next_tokens;
  }
  void choice_ended(ChoiceEnd how) override { ++ended[how]; }
  void choice_served(const ChoiceTimes& times) override { served.push_back(times); }
  void repetition_ended() override { ++repetitions; }
  void filter_matched(const FilterMatch& match) override { matches.push_back(match.action); }

  bool closed() const { return ends + int(failures.size()) > 0; }

  std::map<SequenceId, Submission> known;  // at the scheduler
  std::map<SequenceId, bool> submitted_before, paused;
  std::map<std::int32_t, Told> told;
  std::map<std::int32_t, int> deltas;
  std::map<ChoiceEnd, int> ended;
  std::vector<ChoiceTimes> served;
  int repetitions = 0;
  std::vector<FilterAction> matches;
  std::vector<TokenId> token_ids, prompt_token_ids;
  std::vector<LogprobEntry> prompt_logprobs;
  std::string thought_bytes;  // of tokens whose log-probabilities were told
  int accepted_times = 0, all_deltas = 0, ends = 0, first_tokens = 0, next_tokens = 0;
  Usage usage;
  std::vector<Refusal> failures;
};

GenerationRequest asking(std::int32_t n, std::vector<std::string> stop = {}) {
  GenerationRequest request;
  request.id = "cmpl-test";
  request.prompts = {std::string("Count")};
  request.n = n;
  request.stop = std::move(stop);
  return request;
}

// A request with its scheduler, which says the given texts, a token at a time.
class Conversation {
 public:
  Conversation(GenerationRequest request, std::vector<std::string> texts,
               const model::TextModel& model = text_model(), RepetitionLimits repetition = {})
      : request_(std::move(request)) {
    for (const auto& text : texts) scripts.push_back(model.tokenizer.encode(text).value());
    const GenerationRules rules{.max_model_len = 4096, .repetition = repetition};
    auto choices = make_choices(request_, model, rules, first_sequence, 1).value();
    generation.emplace(request_, std::move(choices), model, outlet, TimePoint{});
    generation->check();
  }

  // The next token of a choice that the scheduler knows; a paused one may still have a token in flight.
  void token(std::int32_t choice) {
    const SequenceId sequence = first_sequence + SequenceId(choice);
    const auto found = outlet.known.find(sequence);
    if (found == outlet.known.end()) return;
    Submission& submission = found->second;
    const auto position = submission.tokens.size() - std::size_t(submission.prompt_tokens);
    const auto& script = scripts.at(std::size_t(choice));
    const TokenId next = script.at(position);
    const float logprob = -float(position);
    CommittedToken committed{sequence, position, {next, logprob, {}}, FinishReason::none, 1};
    for (std::int32_t i = 0; i < request_.logprobs; ++i)
      committed.sampled.top.push_back({(next + i) % text_model().tokenizer.vocab_size(), logprob - float(i)});
    submission.tokens.push_back(next);
    if (position + 1 == script.size()) {
      committed.finish = ends_with;
      outlet.known.erase(found);
    }
    ++tokens;
    generation->take(committed, TimePoint{} + std::chrono::milliseconds(tokens));
    generation->check();
  }
  void grant(std::int32_t deltas) {
    granted += deltas;
    generation->grant(deltas);
    generation->check();
  }
  // The scheduler died, and another came.
  void fault() {
    outlet.known.clear();
    generation->meet_scheduler();
    generation->check();
  }
  // Of one choice, to its end: with credit and nothing in between, or with faults and little credit.
  void run() {
    generation->meet_scheduler();
    grant(1'000'000);
    while (!outlet.closed()) token(0);
  }
  void run_disturbed(std::mt19937& random) {
    generation->meet_scheduler();
    while (!outlet.closed()) {
      if (random() % 8 == 0) fault();
      token(0);
      grant(std::int32_t(random() % 3));
    }
  }

  std::vector<std::vector<TokenId>> scripts;  // by choice
  Recorder outlet;
  std::optional<Generation> generation;
  int tokens = 0, granted = 0;
  FinishReason ends_with = FinishReason::length;  // all scripts

 private:
  GenerationRequest request_;
};

const std::vector<std::string> four_texts{"1, 2, 3, 4, 5, 6, 7, 8, STOP and more",
                                          "Hello, wörld! 你好 👩‍👩‍👧", "a fox, a crow, an owl",
                                          "ST OP STO STOP"};

// With credit and nothing in between.
Recorder undisturbed() {
  Conversation talk(asking(4, {"STOP"}), four_texts);
  talk.generation->meet_scheduler();
  talk.grant(1'000'000);
  for (std::int32_t choice = 0; choice < 4; ++choice)
    while (talk.outlet.known.contains(first_sequence + SequenceId(choice))) talk.token(choice);
  return talk.outlet;
}

TEST(Generation, TellsEachChoiceItsTextAndItsEnd) {
  const Recorder outlet = undisturbed();
  EXPECT_EQ(outlet.told.at(0), (Recorder::Told{"1, 2, 3, 4, 5, 6, 7, 8, ", "STOP", ChoiceEnd::stop}));
  EXPECT_EQ(outlet.told.at(1), (Recorder::Told{four_texts[1], "", ChoiceEnd::length}));
  EXPECT_EQ(outlet.told.at(3), (Recorder::Told{"ST OP STO ", "STOP", ChoiceEnd::stop}));
  EXPECT_EQ(outlet.ends, 1);
  EXPECT_EQ(outlet.usage.completion_tokens, outlet.first_tokens + outlet.next_tokens);
  EXPECT_EQ(outlet.usage.cached_tokens, 1) << "a prompt counts once";
}

TEST(Generation, TellsHowItWasServed) {
  using std::chrono::milliseconds;
  auto request = asking(2);
  request.slo = {.ttft_slo_ms = 7};
  Conversation talk(request, {"1, 2, 3", "4"});
  const std::vector<TokenId> tokens = talk.scripts[0];
  const int gaps = int(tokens.size()) - 1;
  ASSERT_GE(gaps, 1);
  talk.generation->meet_scheduler();
  for (int i = 0; i <= gaps; ++i) {
    CommittedToken committed{
        first_sequence, std::uint64_t(i), {tokens[std::size_t(i)], -1, {}}, FinishReason::none, 0};
    committed.seated = TimePoint{} + milliseconds(i == 0 ? 2 : 9);  // after a fault it gets them again
    if (i == gaps) committed.finish = FinishReason::length;
    talk.generation->take(committed, TimePoint{} + milliseconds(7 + 10 * i));
  }
  talk.generation->cancel();
  ASSERT_EQ(talk.outlet.served.size(), 1u) << "what was cancelled is not told";
  const ChoiceTimes& times = talk.outlet.served.front();
  EXPECT_EQ(times.queue, milliseconds(2));
  EXPECT_EQ(times.prefill, milliseconds(5));
  EXPECT_EQ(times.decode, milliseconds(10 * gaps));
  EXPECT_EQ(times.inference(), milliseconds(5 + 10 * gaps));
  EXPECT_EQ(times.per_token(), milliseconds(10));
  EXPECT_EQ(times.output_tokens, gaps + 1);
  EXPECT_EQ(times.prompt_tokens, talk.generation->usage().prompt_tokens);
  EXPECT_TRUE(times.in_time());
  ASSERT_EQ(times.replays.size(), 1u);
  EXPECT_EQ(times.replays[0].lost, TimePoint{} + milliseconds(7));
  EXPECT_EQ(times.replays[0].back, TimePoint{} + milliseconds(17));
  ChoiceTimes other = times;
  const std::int32_t latency = 7 + 10 * gaps;
  for (const ServiceLevels& slo : {ServiceLevels{6, 0, 0}, {0, 9, 0}, {0, 0, latency - 1}}) {
    other.slo = slo;
    EXPECT_FALSE(other.in_time());
  }
  other.slo = {7, 10, latency};
  EXPECT_TRUE(other.in_time());
}

TEST(Generation, IsAcceptedOnceAllItsChoicesWait) {
  Conversation talk(asking(2), {"a", "b"});
  talk.generation->meet_scheduler();
  talk.generation->queued(first_sequence);
  talk.generation->queued(first_sequence);  // by another scheduler
  EXPECT_EQ(talk.outlet.accepted_times, 0);
  talk.generation->queued(first_sequence + 1);
  EXPECT_EQ(talk.outlet.accepted_times, 1);
  talk.generation->queued(first_sequence + 1);
  EXPECT_EQ(talk.outlet.accepted_times, 1);
}

TEST(Generation, TellsThePromptsLogprobsOnceAndItsTokens) {
  auto request = asking(1);
  request.prompt_logprobs = 0;
  request.return_prompt_ids = request.echo = true;
  request.logprobs = 0;
  Conversation talk(request, {"1, 2"});
  talk.generation->meet_scheduler();
  const Submission submission = talk.outlet.known.at(first_sequence);
  EXPECT_EQ(submission.sampling.prompt_logprobs, 0);
  CommittedToken first{first_sequence, 0, {talk.scripts[0][0], -1, {}}, FinishReason::none, 0};
  for (std::size_t i = 1; i < submission.tokens.size(); ++i)
    first.prompt_logprobs.push_back({submission.tokens[i], -float(i), {}, 3});
  talk.grant(9);
  talk.generation->take(first, TimePoint{});
  ASSERT_EQ(talk.outlet.prompt_logprobs.size(), submission.tokens.size());
  EXPECT_TRUE(talk.outlet.prompt_logprobs[0].first_of_prompt);
  EXPECT_EQ(talk.outlet.prompt_token_ids, submission.tokens);
  EXPECT_EQ(talk.outlet.token_ids, (std::vector<TokenId>{talk.scripts[0][0]}));
  EXPECT_EQ(talk.outlet.told[0].logprobs.size(), submission.tokens.size() + 1);
  talk.fault();
  EXPECT_EQ(talk.outlet.known.at(first_sequence).sampling.prompt_logprobs, -1);
}

// The ranks compute as many as the greater of both.
TEST(Generation, TheEchoAndThePromptsLogprobsHaveAlternativesOfTheirOwn) {
  for (const auto& [echoed, told] : std::vector<std::pair<std::int32_t, std::int32_t>>{{1, 3}, {3, 0}}) {
    auto request = asking(1);
    request.prompts = {std::string("Count from one to three.")};
    request.prompt_logprobs = told;
    request.echo = true;
    request.logprobs = echoed;
    Conversation talk(request, {"1, 2"});
    talk.generation->meet_scheduler();
    const Submission submission = talk.outlet.known.at(first_sequence);
    EXPECT_EQ(submission.sampling.prompt_logprobs, 3);
    CommittedToken first{first_sequence, 0, {talk.scripts[0][0], -1, {}}, FinishReason::none, 0};
    for (std::size_t i = 1; i < submission.tokens.size(); ++i)
      first.prompt_logprobs.push_back({submission.tokens[i], -1, {{5, -1}, {6, -2}, {7, -3}}, 1});
    talk.grant(9);
    talk.generation->take(first, TimePoint{});
    const std::size_t known = submission.tokens.size() - 1;  // the first has no alternatives
    ASSERT_GT(known, 2u);
    ASSERT_EQ(talk.outlet.prompt_logprobs.size(), 1 + known);
    for (std::size_t i = 1; i <= known; ++i)
      EXPECT_EQ(talk.outlet.prompt_logprobs[i].top.size(), std::size_t(told));
    EXPECT_EQ(talk.outlet.told[0].logprobs.size(), 1 + known * std::size_t(1 + echoed) + 1);
  }
}

TEST(Generation, WithoutOutputThePromptAloneIsTold) {
  auto request = asking(1);
  request.echo = true;
  request.max_tokens = 0;
  Conversation talk(request, {"1, 2"});
  talk.generation->meet_scheduler();
  EXPECT_EQ(talk.outlet.known.at(first_sequence).max_output_tokens, 1);
  talk.grant(9);
  talk.generation->take({first_sequence, 0, {talk.scripts[0][0], -1, {}}, FinishReason::length, 0},
                        TimePoint{});
  EXPECT_EQ(talk.outlet.told[0].content, "Count");
  EXPECT_EQ(talk.outlet.told[0].finish, ChoiceEnd::length);
  EXPECT_EQ(talk.outlet.usage.completion_tokens, 0);
  EXPECT_EQ(talk.outlet.ends, 1);
}

TEST(Generation, OfATruncatedPromptWhatWasTakenIsEchoed) {
  auto request = asking(1);
  request.prompts = {std::string("one two three four")};
  request.echo = true;
  request.max_tokens = 0;
  request.truncate_prompt_tokens = 2;
  Conversation talk(request, {"1, 2"});
  talk.generation->meet_scheduler();
  const auto& prompt = talk.outlet.known.at(first_sequence).tokens;
  ASSERT_EQ(prompt.size(), 2u);
  talk.grant(9);
  talk.generation->take({first_sequence, 0, {talk.scripts[0][0], -1, {}}, FinishReason::length, 0},
                        TimePoint{});
  EXPECT_EQ(talk.outlet.told[0].content, text_model().tokenizer.decode(prompt));
}

TEST(Generation, AnyOrderCreditAndFaultsGiveTheSameTextsAndOneEnd) {
  const Recorder expected = undisturbed();
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    Conversation talk(asking(4, {"STOP"}), four_texts);
    talk.generation->meet_scheduler();
    for (int event = 0; !talk.outlet.closed(); ++event) {
      ASSERT_LT(event, 100'000) << "seed " << seed;
      const auto dice = random() % 100;
      if (dice < 80)
        talk.token(std::int32_t(random() % 4));
      else if (dice < 95)
        talk.grant(std::int32_t(random() % 3));
      else if (dice < 97)
        talk.fault();
      else if (const SequenceId sequence = first_sequence + random() % 4; talk.outlet.known.erase(sequence))
        talk.generation->replay(sequence);
      ASSERT_LE(talk.outlet.all_deltas, talk.granted) << "seed " << seed;
    }
    ASSERT_EQ(talk.outlet.told, expected.told) << "seed " << seed;
    ASSERT_EQ(talk.outlet.usage.completion_tokens, expected.usage.completion_tokens) << "seed " << seed;
    ASSERT_TRUE(talk.outlet.known.empty()) << "seed " << seed;
    talk.generation->fail({});  // nothing comes after the end
    talk.generation->cancel();
    ASSERT_EQ(talk.outlet.ends, 1);
  }
}

TEST(Generation, ACancellationAtAnyMomentTakesAllBackAndTellsNobody) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Conversation talk(asking(4), four_texts);
    talk.generation->meet_scheduler();
    for (auto events = random() % 40; events > 0; --events)
      random() % 2 ? talk.token(std::int32_t(random() % 4)) : talk.grant(std::int32_t(random() % 3));
    const bool ended = talk.outlet.closed();
    talk.generation->cancel();
    talk.generation->check();
    EXPECT_TRUE(talk.generation->over());
    EXPECT_TRUE(talk.outlet.known.empty()) << "seed " << seed;
    EXPECT_EQ(talk.outlet.closed(), ended) << "seed " << seed;
    const int told = talk.outlet.all_deltas;
    talk.grant(100);
    talk.fault();
    EXPECT_EQ(talk.outlet.all_deltas, told) << "seed " << seed;
    int ends = 0;
    for (const auto& [how, count] : talk.outlet.ended) ends += count;
    EXPECT_EQ(ends, 4) << "seed " << seed;
  }
}

TEST(Generation, CutShortAtAnyMomentItEndsWithWhatThereIs) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Conversation talk(asking(4), four_texts);
    talk.generation->meet_scheduler();
    for (auto events = random() % 40; events > 0; --events)
      random() % 2 ? talk.token(std::int32_t(random() % 4)) : talk.grant(std::int32_t(random() % 3));
    talk.generation->cut_short();
    talk.generation->check();
    EXPECT_TRUE(talk.outlet.known.empty()) << "seed " << seed;
    talk.grant(100);
    talk.fault();
    talk.generation->cut_short();
    EXPECT_TRUE(talk.generation->over());
    EXPECT_EQ(talk.outlet.ends, 1) << "seed " << seed;
    ASSERT_EQ(talk.outlet.told.size(), 4u) << "seed " << seed;
    for (const auto& [index, choice] : talk.outlet.told) {
      EXPECT_NE(choice.finish, ChoiceEnd::none);
      std::string content = choice.content;
      const std::string cut = "\uFFFD";  // what stands for part of a character
      while (content.ends_with(cut)) content.resize(content.size() - cut.size());
      EXPECT_TRUE(four_texts[std::size_t(index)].starts_with(content)) << "seed " << seed;
    }
  }
}

TEST(Generation, SaysByWhenItMustBegin) {
  auto request = asking(2);
  request.times = {.request = std::chrono::seconds(9), .first_token = std::chrono::seconds(2)};
  Conversation talk(request, {"a", "b"});
  talk.generation->meet_scheduler();
  ASSERT_EQ(talk.outlet.known.size(), 2u);
  EXPECT_EQ(talk.outlet.known.begin()->second.start_by, TimePoint{} + std::chrono::seconds(2));
  EXPECT_EQ(talk.outlet.known.rbegin()->second.start_by, TimePoint{}) << "it may follow when there is room";
}

TEST(Generation, ALateChoiceWaitsOnIfAnotherHasBegunTheAnswer) {
  auto request = asking(2);
  request.times = {.first_token = std::chrono::seconds(2)};
  Conversation late(request, {"1, 2", "3"}), begun(request, {"1, 2", "3"});
  late.generation->meet_scheduler();
  late.generation->refused(first_sequence, too_late(3));
  ASSERT_EQ(late.outlet.failures.size(), 1u);
  EXPECT_EQ(late.outlet.failures[0].code, deadline_code);

  begun.generation->meet_scheduler();
  begun.grant(1000);
  begun.token(1);
  begun.outlet.known.erase(first_sequence);  // as the scheduler has
  begun.generation->refused(first_sequence, too_late(3));
  EXPECT_EQ(begun.outlet.known.at(first_sequence).start_by, TimePoint{});
  for (const std::int32_t choice : {0, 1})
    while (begun.outlet.known.contains(first_sequence + SequenceId(choice))) begun.token(choice);
  EXPECT_EQ(begun.outlet.ends, 1);
  EXPECT_EQ(begun.outlet.told.at(0).content, "1, 2");
}

// The same text in other tokens: cut anywhere between characters' bytes, each piece tokenized by itself.
std::vector<TokenId> other_tokens(const std::string& text, std::mt19937& random) {
  std::vector<TokenId> tokens;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = std::min(text.size() - at, std::size_t(1 + random() % 5));
    const auto piece = text_model().tokenizer.encode(text.substr(at, size)).value();
    tokens.insert(tokens.end(), piece.begin(), piece.end());
    at += size;
  }
  return tokens;
}

TEST(Generation, ATextAndItsStopStringsDoNotDependOnItsTokens) {
  const std::string text = "to be or not to be, that is the que\nquestion; WHETHER 'tis";
  const std::vector<std::string> stop{"que\nquest", "questions", "WHETHER"};
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    auto request = asking(1, stop);
    request.include_stop_str_in_output = seed % 2;
    request.logprobs = 1;
    Conversation talk(request, {text});
    talk.scripts[0] = other_tokens(text, random);
    talk.generation->meet_scheduler();
    while (!talk.outlet.closed()) {
      talk.token(0);
      if (random() % 2) talk.grant(std::int32_t(random() % 3));
    }
    const Recorder::Told& told = talk.outlet.told.at(0);
    ASSERT_EQ(told.content, "to be or not to be, that is the " + std::string(seed % 2 ? "que\nquest" : ""));
    ASSERT_EQ(told.stop_reason, "que\nquest");
    ASSERT_TRUE(text.starts_with(told.logprob_bytes)) << "each token once, with those of the stop string";
    ASSERT_GE(told.logprob_bytes.size(), text.find("ion;"));
  }
}

TEST(Generation, LogprobsComeWithTheirTokens) {
  auto request = asking(1);
  request.logprobs = 2;
  Conversation talk(request, {four_texts[2]});
  talk.generation->meet_scheduler();
  while (talk.outlet.known.contains(first_sequence)) talk.token(0);
  talk.grant(1);
  const Recorder::Told& told = talk.outlet.told.at(0);
  EXPECT_EQ(told.logprob_bytes, four_texts[2]);
  ASSERT_EQ(told.logprobs.size(), 3 * talk.scripts[0].size());
  for (std::size_t i = 0; i < talk.scripts[0].size(); ++i) {
    EXPECT_EQ(told.logprobs[3 * i], -float(i));
    EXPECT_EQ(told.logprobs[3 * i + 1], -float(i));
    EXPECT_EQ(told.logprobs[3 * i + 2], -float(i) - 1);
  }
}

// What comes of a text that a token of stop_ids ends, with all credit.
Recorder::Told ended_by(GenerationRequest request, const std::string& text, TokenId end) {
  Conversation talk(std::move(request), {text});
  talk.ends_with = FinishReason::stop;
  talk.scripts[0].push_back(end);
  talk.run();
  return talk.outlet.told.at(0);
}

TEST(Generation, AStopTokenOfTheClientsIsTold) {
  const TokenId fox = text_model().tokenizer.encode("fox").value().front(), eos = text_model().eos_ids.at(0);
  auto request = asking(1);
  EXPECT_EQ(ended_by(request, "a", eos).stop_token, std::nullopt);
  request.stop_token_ids = {fox, eos};
  EXPECT_EQ(ended_by(request, "a", fox).stop_token, fox);
  EXPECT_EQ(ended_by(request, "a", fox).content, "a");
  EXPECT_EQ(ended_by(request, "a", eos).stop_token, std::nullopt) << "the model's own";
  request.ignore_eos = true;
  EXPECT_EQ(ended_by(request, "a", eos).stop_token, eos);
}

TEST(Generation, WhatItStoppedAtIsTextIfAskedFor) {
  const TokenId fox = text_model().tokenizer.encode("fox").value().front(), eos = text_model().eos_ids.at(0);
  const std::string end = text_model().tokenizer.decode({{fox}});
  auto request = asking(1);
  request.stop_token_ids = {fox};
  request.include_stop_str_in_output = true;
  EXPECT_EQ(ended_by(request, "a ", fox).content, "a " + end);
  EXPECT_EQ(ended_by(request, "a ", eos).content, "a ") << "a token of control";
  request.skip_special_tokens = false;
  EXPECT_EQ(ended_by(request, "a ", eos).content, "a " + text_model().tokenizer.decode({{eos}}));
  request.stop = {end};  // which goes before the token
  EXPECT_EQ(ended_by(request, "a ", fox).stop_reason, end);
  EXPECT_EQ(ended_by(request, "a ", fox).stop_token, std::nullopt);
}

TEST(Generation, AStopStringDoesNotEndItBeforeTheFewestTokens) {
  auto request = asking(1, {"STOP"});
  request.min_tokens = std::int32_t(text_model().tokenizer.encode(four_texts[3]).value().size()) - 1;
  Conversation talk(request, {four_texts[3]});
  talk.generation->meet_scheduler();
  talk.grant(1'000'000);
  while (!talk.outlet.closed()) {
    talk.token(0);
    talk.fault();
  }
  EXPECT_GT(talk.outlet.usage.completion_tokens, *request.min_tokens);
  EXPECT_TRUE(talk.outlet.told.at(0).content.starts_with("ST OP STO"));
}

TEST(Generation, WithoutTheWishThereAreNoLogprobs) {
  EXPECT_TRUE(undisturbed().told.at(2).logprobs.empty());
}

// With a tool, thinking.
GenerationRequest asking_for_weather() {
  auto request = asking(1);
  request.prompts = {
      ChatPrompt{.messages = nlohmann::ordered_json::parse(R"([{"role": "user", "content": "Weather?"}])"),
                 .tools = nlohmann::ordered_json::parse(R"([{"type": "function", "function": {
      "name": "get_weather", "description": "The weather", "parameters": {"type": "object"}}}])"),
                 .template_kwargs = {{"thinking", true}}}};
  return request;
}

const std::string two_calls =
    "Lima or Oslo?</think>Let me see.<｜tool▁calls▁begin｜>"
    "<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Lima\"}<｜tool▁call▁end｜>"
    "<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Oslo\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

TEST(Generation, ThoughtsTextAndCallsAreToldApart) {
  const Recorder::Told expected{"Let me see.",
                                "",
                                ChoiceEnd::tool_calls,
                                "Lima or Oslo?",
                                {"call_32f112c5345a43a14c955f43 get_weather {\"city\": \"Lima\"}",
                                 "call_9b024946b9f22d9cad4e9a2e get_weather {\"city\": \"Oslo\"}"}};
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    Conversation talk(asking_for_weather(), {two_calls});
    talk.ends_with = FinishReason::stop;
    talk.scripts[0].push_back(text_model().eos_ids.at(0));
    talk.generation->meet_scheduler();
    while (!talk.outlet.closed()) {
      talk.token(0);
      if (random() % 3 == 0) talk.grant(std::int32_t(random() % 3));
      if (random() % 20 == 0) talk.fault();
    }
    ASSERT_EQ(talk.outlet.told.at(0), expected) << "seed " << seed;
  }
}

TEST(Generation, LogprobsSayWhetherTheyAreOfTheAnswer) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    auto request = asking_for_weather();
    request.logprobs = 0;
    Conversation talk(request, {two_calls});
    talk.generation->meet_scheduler();
    while (!talk.outlet.closed()) {
      talk.token(0);
      if (random() % 3 == 0) talk.grant(std::int32_t(random() % 3));
    }
    EXPECT_EQ(talk.outlet.told.at(0).answer_bytes, "Let me see.") << "seed " << seed;
    EXPECT_EQ(talk.outlet.thought_bytes, "Lima or Oslo?</think>") << "seed " << seed;
  }
}

// The prompt has opened the thoughts; a blank before the model's own tag is one of them, if it turns out so or not.
TEST(Generation, BlanksBeforeThoughtsAreCounted) {
  const std::string thoughts = "\nLima or Oslo?";
  Conversation talk(asking_for_weather(), {thoughts});
  talk.run();
  EXPECT_EQ(talk.outlet.usage.reasoning_tokens, talk.outlet.usage.completion_tokens);
}

// A client may choose the request's id, and choose it again.
TEST(Generation, IdsOfCallsDifferThoughTheRequestsDoNot) {
  std::set<std::string> ids;
  for (const SequenceId first : {SequenceId(1), SequenceId(2)}) {
    auto request = asking_for_weather();
    auto choices = make_choices(request, text_model(), {.max_model_len = 4096}, first, 1).value();
    Recorder outlet;
    Generation generation(request, std::move(choices), text_model(), outlet, TimePoint{});
    generation.meet_scheduler();
    generation.grant(1'000'000);
    std::uint64_t position = 0;
    const auto tokens = text_model().tokenizer.encode(two_calls).value();  // outlives the loop
    for (const TokenId token : tokens)
      generation.take({first, position++, {token, 0, {}}, FinishReason::none, 0}, TimePoint{});
    for (const std::string& call : outlet.told.at(0).calls) ids.insert(call.substr(0, call.find(' ')));
  }
  EXPECT_EQ(ids.size(), 4u);
}

TEST(Generation, IdsOfCallsAreShortAndNoTwoAreTheSame) {
  std::set<std::string> ids;
  for (const std::string id : {"chatcmpl-1", "chatcmpl-2", "chatcmpl-1_0"}) {
    auto request = asking_for_weather();
    request.n = 2;
    request.id = id;
    Conversation talk(request, {two_calls, two_calls});
    talk.generation->meet_scheduler();
    talk.grant(1'000'000);
    for (std::int32_t choice = 0; choice < 2; ++choice)
      while (talk.outlet.known.contains(first_sequence + SequenceId(choice))) talk.token(choice);
    for (const auto& [choice, told] : talk.outlet.told)
      for (const std::string& call : told.calls) ids.insert(call.substr(0, call.find(' ')));
  }
  EXPECT_EQ(ids.size(), 12u);
  for (const std::string& id : ids) EXPECT_LE(id.size(), 40u) << id;
}

// As a request that is run again by another process has them.
TEST(Generation, IdsOfCallsAreThoseOfItsNonceWhereItHasOne) {
  const auto calls = [](std::uint64_t nonce) {
    auto request = asking_for_weather();
    request.nonce = nonce;
    Conversation talk(request, {two_calls});
    talk.run();
    return talk.outlet.told.at(0).calls;
  };
  EXPECT_EQ(calls(0), calls(first_sequence));
  EXPECT_NE(calls(first_sequence + 1), calls(first_sequence));
}

// The demo model with Kimi K2's tokens and template.
model::TextModel kimi_model(const TemporaryFolder& folder) {
  constexpr std::size_t most_bytes = 1 << 20;
  for (const char* name : {"config.json", "tokenizer_config.json", "generation_config.json"})
    std::filesystem::copy_file(std::filesystem::path(DEMO_MODEL) / name, folder.path() / name);
  std::string tokens = read_file(std::filesystem::path(DEMO_MODEL) / "tokenizer.json", most_bytes);
  for (const auto& [own, kimis] : {std::pair{"<｜tool▁calls▁begin｜>", "<|tool_calls_section_begin|>"},
                                   std::pair{"<｜tool▁calls▁end｜>", "<|tool_calls_section_end|>"},
                                   std::pair{"<｜tool▁call▁begin｜>", "<|tool_call_begin|>"},
                                   std::pair{"<｜tool▁sep｜>", "<|tool_call_argument_begin|>"},
                                   std::pair{"<｜tool▁call▁end｜>", "<|tool_call_end|>"}})
    for (auto at = tokens.find(own); at != tokens.npos; at = tokens.find(own))
      tokens.replace(at, std::string_view(own).size(), kimis);
  folder.write("tokenizer.json", tokens);
  return model::TextModel::load(folder.path(), TEST_DATA "/jinja/templates/kimi-k2.jinja");
}

TEST(Generation, AnIdThatTheModelGivesACallIsItsId) {
  const TemporaryFolder folder;
  const model::TextModel kimi = kimi_model(folder);
  const auto call = [](const std::string& head) {
    return "<|tool_call_begin|>" + head + "<|tool_call_argument_begin|>{\"city\": \"Lima\"}<|tool_call_end|>";
  };
  Conversation talk(asking_for_weather(),
                    {"So.<|tool_calls_section_begin|>" + call("functions.get_weather:7") +
                     call("get_weather") + "<|tool_calls_section_end|>"},
                    kimi);
  talk.run();
  EXPECT_EQ(talk.outlet.told.at(0).content, "So.");
  EXPECT_EQ(talk.outlet.told.at(0).calls,
            (std::vector<std::string>{"functions.get_weather:7 get_weather {\"city\": \"Lima\"}",
                                      "call_9b024946b9f22d9cad4e9a2e get_weather {\"city\": \"Lima\"}"}));
}

TEST(Generation, OneThatIsUnpacedTellsEachTokenAtOnce) {
  auto request = asking(1);
  request.unpaced = true;
  Conversation talk(request, {four_texts[2]});
  talk.generation->meet_scheduler();
  while (!talk.outlet.closed()) talk.token(0);
  EXPECT_EQ(talk.outlet.deltas.at(0), talk.tokens);
  EXPECT_FALSE(talk.outlet.paused[first_sequence]);
}

TEST(Generation, WithoutParallelCallsAChoiceEndsWithItsFirst) {
  auto request = asking_for_weather();
  std::get<ChatPrompt>(request.prompts[0]).parallel_tool_calls = false;
  Conversation talk(request, {two_calls});
  talk.run();
  EXPECT_EQ(talk.outlet.told.at(0),
            (Recorder::Told{"Let me see.",
                            "",
                            ChoiceEnd::tool_calls,
                            "Lima or Oslo?",
                            {"call_32f112c5345a43a14c955f43 get_weather {\"city\": \"Lima\"}"}}));
  EXPECT_TRUE(talk.outlet.known.empty()) << "the scheduler was not told";
  EXPECT_LT(talk.tokens, int(talk.scripts[0].size()));
}

TEST(Generation, ASlowReaderPausesOnlySequencesWithNewsAndTheyTakeTurns) {
  Conversation talk(asking(3), {four_texts[0], four_texts[0], four_texts[0]});
  talk.generation->meet_scheduler();
  talk.token(0);
  EXPECT_TRUE(talk.outlet.paused.at(first_sequence));
  EXPECT_FALSE(talk.outlet.paused.at(first_sequence + 1));
  talk.token(1);
  talk.token(2);
  talk.grant(1);
  EXPECT_FALSE(talk.outlet.paused.at(first_sequence));
  EXPECT_TRUE(talk.outlet.paused.at(first_sequence + 1));
  for (int round = 0; round < 6; ++round) {
    for (std::int32_t choice = 0; choice < 3; ++choice) talk.token(choice);
    talk.grant(1);
  }
  for (const auto& [choice, deltas] : talk.outlet.deltas) EXPECT_GE(deltas, 2) << choice;
  EXPECT_EQ(talk.outlet.deltas.size(), 3u);
}

TEST(Generation, WorkForATokenDoesNotGrowWithTheChoices) {
  for (const std::int32_t n : {1, 10, 100}) {
    Conversation talk(asking(n), std::vector<std::string>(std::size_t(n), four_texts[2]));
    talk.generation->meet_scheduler();
    for (std::int32_t choice = 0; choice < n; ++choice) talk.token(choice);
    EXPECT_EQ(talk.generation->visits(), std::uint64_t(n)) << "without credit, one look a token";
    talk.grant(n);
    EXPECT_EQ(talk.generation->visits(), std::uint64_t(2 * n)) << "and one for each credit spent";
  }
}

TEST(Generation, AnOutputThatIsNoNumberEndsTheRequest) {
  Conversation talk(asking(2), {four_texts[0], four_texts[1]});
  talk.generation->meet_scheduler();
  talk.token(1);
  talk.outlet.known.erase(first_sequence);
  talk.outlet.known[first_sequence];  // the scheduler has forgotten it; a cancel of it is ignored
  talk.generation->take({first_sequence, 0, {no_token, 0, {}}, FinishReason::error, 0}, {});
  ASSERT_EQ(talk.outlet.failures.size(), 1u);
  EXPECT_EQ(talk.outlet.failures[0].code, "not_a_number");
  EXPECT_EQ(talk.outlet.ended.at(ChoiceEnd::error), 2);
}

TEST(Generation, WishesThatLeaveNoTokenAreTheClients) {
  GenerationRequest request = asking(1);
  request.presence_penalty = 1;
  Conversation talk(request, {four_texts[0]});
  talk.generation->meet_scheduler();
  talk.outlet.known.erase(first_sequence);
  talk.outlet.known[first_sequence];
  talk.generation->take({first_sequence, 0, {no_token, 0, {}}, FinishReason::error, 0}, {});
  ASSERT_EQ(talk.outlet.failures.size(), 1u);
  EXPECT_EQ(talk.outlet.failures[0].code, "no_token_allowed");
  EXPECT_EQ(talk.outlet.failures[0].kind, RefusalKind::invalid);
}

TEST(Generation, AGrammarThatTakesTooLongIsTheClients) {
  Conversation talk(asking(1), {four_texts[0]});
  talk.generation->meet_scheduler();
  talk.outlet.known.erase(first_sequence);
  talk.outlet.known[first_sequence];
  talk.generation->take({first_sequence, 0, {no_mask, 0, {}}, FinishReason::error, 0}, {});
  ASSERT_EQ(talk.outlet.failures.size(), 1u);
  EXPECT_EQ(talk.outlet.failures[0].code, "grammar_too_costly");
  EXPECT_EQ(talk.outlet.failures[0].kind, RefusalKind::invalid);
}

TEST(Generation, EchoesAPromptOnceBeforeTheText) {
  auto request = asking(1);
  request.echo = true;
  Conversation talk(request, {" up"});
  talk.run();
  EXPECT_EQ(talk.outlet.told.at(0).content, "Count up");
}

TEST(GenerationDeathTest, ATokenOutOfOrderStops) {
  Conversation talk(asking(1), {four_texts[0]});
  talk.generation->meet_scheduler();
  EXPECT_DEATH(talk.generation->take({first_sequence, 1, {5, 0, {}}, FinishReason::none, 0}, {}), "in order");
}

TEST(Generation, WhatGoesRoundInCirclesEndsOnceWhateverHappens) {
  std::string text = "Well, ";
  for (int i = 0; i < 40; ++i) text += "no, ";
  std::optional<Recorder::Told> expected;
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    Conversation talk(asking(1), {text}, text_model(), {8, 4});
    talk.run_disturbed(random);
    const Recorder::Told& told = talk.outlet.told.at(0);
    if (!expected) expected = told;
    ASSERT_EQ(told, *expected);
    EXPECT_EQ(told.finish, ChoiceEnd::stop);
    EXPECT_EQ(told.stop_reason, "");
    EXPECT_EQ(talk.outlet.repetitions, 1);
    EXPECT_EQ(talk.outlet.usage.completion_tokens, talk.tokens) << "what comes behind is not counted";
    EXPECT_LT(std::size_t(talk.tokens), talk.scripts[0].size());
    EXPECT_TRUE(talk.outlet.known.empty());
  }
}

// Of one rule, for all answers of a request.
GenerationRequest asking_through(const std::string& pattern, bool masks,
                                 GenerationRequest request = asking(1)) {
  request.logprobs = 1;
  request.filter = std::make_shared<const PatternFilter>(
      PatternFilter::Rules{std::make_shared<const FilterRule>(FilterRule{.filter = "f",
                                                                         .source = pattern,
                                                                         .pattern = FilterPattern(pattern),
                                                                         .masks = masks,
                                                                         .replacement = "[x]"})});
  return request;
}

TEST(Generation, AFilterEndsAnAnswerWhateverItsTokens) {
  const std::string text = "The code is 1234567, as I said.";
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Conversation talk(asking_through("\\d{7}", false), {text});
    talk.scripts[0] = other_tokens(text, random);
    talk.run_disturbed(random);
    const Recorder::Told& told = talk.outlet.told.at(0);
    ASSERT_EQ(told.content, "The code is ") << "seed " << seed;
    EXPECT_EQ(told.finish, ChoiceEnd::content_filter);
    EXPECT_EQ(told.logprob_bytes, "The code is ") << "tokens tell nothing else";
    EXPECT_EQ(talk.outlet.matches, std::vector{FilterAction::stop});
    EXPECT_EQ(std::size_t(talk.outlet.usage.completion_tokens), talk.outlet.token_ids.size());
    EXPECT_EQ(talk.outlet.usage.completion_tokens, talk.tokens);
    EXPECT_EQ(talk.outlet.ended[ChoiceEnd::content_filter], 1);
    EXPECT_TRUE(talk.outlet.known.empty());
  }
}

TEST(Generation, WhatAFilterMasksIsInNoTokenEither) {
  const std::string text = "The code is 1234567, and 7654321 is one, too.";
  const std::string masked = "The code is [x], and [x] is one, too.";
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Conversation talk(asking_through("\\d{7}", true), {text});
    talk.scripts[0] = other_tokens(text, random);
    talk.run_disturbed(random);
    const Recorder::Told& told = talk.outlet.told.at(0);
    ASSERT_EQ(told.content, masked) << "seed " << seed;
    EXPECT_EQ(told.logprob_bytes, masked) << "seed " << seed;
    EXPECT_EQ(told.finish, ChoiceEnd::length);
    EXPECT_EQ(talk.outlet.matches, (std::vector{FilterAction::mask, FilterAction::mask}));
    EXPECT_EQ(talk.outlet.token_ids.size(), talk.scripts[0].size()) << "each counts";
    EXPECT_EQ(text_model().tokenizer.decode(talk.outlet.token_ids, true).find("2345"), std::string::npos);
  }
}

// Thoughts that a filter still held back when the answer began.
TEST(Generation, WhatAFilterMasksAtABorderStaysOnItsSide) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    Conversation talk(asking_through("\\d{4,9}", true, asking_for_weather()),
                      {"The code is 1234</think>56 or 98765 it is."});
    talk.run_disturbed(random);
    const Recorder::Told& told = talk.outlet.told.at(0);
    ASSERT_EQ(told.reasoning, "The code is [x]") << "seed " << seed;
    ASSERT_EQ(told.content, "56 or [x] it is.");
    EXPECT_EQ(told.answer_bytes, told.content);
    EXPECT_EQ(talk.outlet.thought_bytes, told.reasoning);
  }
}

TEST(Generation, WhatAFilterLetsThroughIsTheSame) {
  auto plain = asking(1, {"STOP"});
  plain.logprobs = 1;
  auto through = asking_through("nowhere in it|8, S.*q", true);
  through.stop = {"STOP"};
  for (auto request : {plain, through}) {
    Conversation talk(request, {four_texts[0]});
    talk.run();
    EXPECT_EQ(talk.outlet.told.at(0).content, "1, 2, 3, 4, 5, 6, 7, 8, ");
    EXPECT_EQ(talk.outlet.told.at(0).stop_reason, "STOP");
    EXPECT_EQ(talk.outlet.told.at(0).finish, ChoiceEnd::stop);
    EXPECT_EQ(talk.outlet.token_ids,
              std::vector<TokenId>(talk.scripts[0].begin(), talk.scripts[0].begin() + talk.tokens));
  }
}

TEST(Generation, CutShortItTellsWhatAFilterHeldBack) {
  Conversation talk(asking_through("say.*more", false), {"I say no and more"});
  talk.generation->meet_scheduler();
  talk.grant(1'000'000);
  while (std::size_t(talk.tokens) + 1 < talk.scripts[0].size()) talk.token(0);
  talk.generation->cut_short();
  EXPECT_EQ(talk.outlet.told.at(0).finish, ChoiceEnd::length);
  EXPECT_EQ(talk.outlet.told.at(0).content, talk.outlet.told.at(0).logprob_bytes);
  EXPECT_TRUE(talk.outlet.told.at(0).content.starts_with("I say"));
}

}  // namespace
}  // namespace troupe::runtime
