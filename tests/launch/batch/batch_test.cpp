// A batch before a replica that says what the test tells it to.
#include "launch/batch/batch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>
#include <sstream>

#include "runtime/base/file.hpp"
#include "runtime/generation/pattern_filter.hpp"
#include "tests/actors/edge/scripted_service.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::launch::batch {
namespace {

using actors::edge::ScriptedGeneration;
using actors::edge::ScriptedService;
using ::testing::HasSubstr;
using Generation = std::shared_ptr<ScriptedGeneration>;

std::string line_of(int number) {
  return Json{{"custom_id", std::to_string(number)},
              {"method", "POST"},
              {"url", "/v1/completions"},
              {"body", {{"model", "demo"}, {"prompt", "prompt " + std::to_string(number)}}}}
             .dump() +
         "\n";
}

std::string lines_of(int count) {
  std::string text;
  for (int i = 1; i <= count; ++i) text += line_of(i);
  return text;
}

// Which line is asked.
std::string asked(const Generation& generation) {
  return std::get<std::string>(generation->request.prompts.at(0)).substr(7);
}

void answer(const Generation& generation) {
  generation->accept({.prompt_tokens = 1});
  generation->text(0, "answer " + asked(generation));
  generation->finish(0);
  generation->end({.prompt_tokens = 1, .completion_tokens = 1});
}

const Refusal full{RefusalKind::unavailable, "the queue is full", "", "queue_full"};

class BatchTest : public testing::Test {
 protected:
  // In a thread of its own; what it throws comes out of the future.
  std::future<void> run(const std::string& input, std::size_t max_concurrency,
                        std::int32_t buffered_deltas = 8) {
    folder_.write("in", input);
    return std::async(std::launch::async, [this, max_concurrency, buffered_deltas] {
      BatchInput lines(folder_.path() / "in");
      BatchOutput output(folder_.path() / "out", lines.digest());
      const BatchLimits limits{.max_concurrency = max_concurrency,
                               .buffered_deltas = buffered_deltas,
                               .request = {},
                               .times = times_,
                               .filter = filter_};
      Batch(service_, lines, output, limits).run([&] { written_ = output.lines(); });
    });
  }
  std::vector<Json> output() const {
    std::istringstream text(read_file(folder_.path() / "out", 1 << 20));
    std::vector<Json> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
    return lines;
  }
  // Each line once, with its own answer.
  void expect_answers(std::size_t count) const {
    std::set<std::string> seen;
    for (const Json& line : output()) {
      const std::string id = line["custom_id"];
      EXPECT_TRUE(seen.insert(id).second) << id;
      EXPECT_EQ(line["response"]["status_code"], 200) << line;
      EXPECT_EQ(line["response"]["body"]["choices"][0]["text"], "answer " + id);
    }
    EXPECT_EQ(seen.size(), count);
  }

  ScriptedService service_;
  const TemporaryFolder folder_;
  TimeLimits times_;
  std::shared_ptr<const runtime::OutputFilter> filter_;
  std::atomic<std::size_t> written_ = 0;
};

TEST_F(BatchTest, EachLineIsAnsweredInTheOrderInWhichTheyEnd) {
  auto done = run(lines_of(3), 3);
  const Generation first = service_.next(), second = service_.next(), third = service_.next();
  answer(second);
  second->wait_destroyed();
  answer(third);
  third->wait_destroyed();
  answer(first);
  done.get();
  expect_answers(3);
  EXPECT_EQ(output()[0]["custom_id"], "2");
  EXPECT_EQ(output()[2]["custom_id"], "1");
  EXPECT_EQ(written_, 3u);
  const Json line = output()[2];
  EXPECT_EQ(line["id"], "batch_req_" + line["response"]["request_id"].get<std::string>());
  EXPECT_EQ(line["response"]["body"]["id"], "cmpl-" + line["response"]["request_id"].get<std::string>());
  EXPECT_EQ(line["response"]["body"]["usage"]["prompt_tokens"], 1);
}

TEST_F(BatchTest, EachAnswerGoesThroughTheFilter) {
  filter_ = std::make_shared<const runtime::PatternFilter>(runtime::PatternFilter::Rules{});
  auto done = run(lines_of(2), 2);
  for (int i = 0; i < 2; ++i) {
    const Generation generation = service_.next();
    EXPECT_EQ(generation->request.filter, filter_);
    answer(generation);
  }
  done.get();
}

TEST_F(BatchTest, SoManyRunAtATime) {
  constexpr std::size_t most = 3, lines = 20;
  auto done = run(lines_of(lines), most);
  std::vector<Generation> open;
  for (std::size_t come = 0; come < lines;) {
    while (open.size() < most && come < lines) {
      open.push_back(service_.next());
      ++come;
    }
    EXPECT_TRUE(service_.idle());
    answer(open.front());
    open.erase(open.begin());
  }
  for (const Generation& each : open) answer(each);
  done.get();
  expect_answers(lines);
}

TEST_F(BatchTest, ALongAnswerGetsCreditAsItIsCollected) {
  auto done = run(lines_of(1), 1, 2);
  const Generation generation = service_.next();
  generation->accept({.prompt_tokens = 1});
  for (const char* part : {"a", "n", "s", "w", "e", "r", " ", "1"}) generation->text(0, part);
  generation->finish(0);
  generation->end({});
  done.get();
  expect_answers(1);
}

// The service has room for two and turns away the rest, which loses nothing.
TEST_F(BatchTest, AFullQueueIsWaitedFor) {
  constexpr std::size_t lines = 12, concurrency = 8, room = 2;
  auto done = run(lines_of(lines), concurrency);
  std::vector<Generation> open;
  const auto take = [&] {
    Generation come = service_.next();
    if (open.size() == room) return come->fail(full);
    open.push_back(std::move(come));
  };
  for (std::size_t i = 0; i < concurrency; ++i) take();
  for (std::size_t answered = 0; answered < lines;) {
    if (open.empty() || !service_.idle()) {
      take();
      continue;
    }
    answer(open.front());
    open.erase(open.begin());
    ++answered;
  }
  done.get();
  expect_answers(lines);
}

// Nothing of ours runs, so that nothing that ends will tell when there is room.
TEST_F(BatchTest, AServiceThatIsFullByItselfIsAskedAgain) {
  auto done = run(lines_of(1), 1);
  for (int i = 0; i < 3; ++i) service_.next()->fail(full);
  answer(service_.next());
  done.get();
  expect_answers(1);
}

// Of the bound on what one caller has waiting, which the batch is.
TEST_F(BatchTest, AServiceInWhichTooManyOfItsLinesWaitIsAskedAgain) {
  auto done = run(lines_of(2), 2);
  const Generation first = service_.next();
  service_.next()->fail({RefusalKind::rate_limited, "too many", "", "too_many_waiting"});
  answer(first);
  answer(service_.next());
  done.get();
  expect_answers(2);
}

TEST_F(BatchTest, ALineHasTheTimeThatTheOperatorGivesIt) {
  times_ = {.request = std::chrono::seconds(9), .queue = std::chrono::seconds(2), .partial = true};
  auto done = run(lines_of(1), 1);
  const Generation generation = service_.next();
  EXPECT_EQ(generation->request.times, times_);
  answer(generation);
  done.get();
  expect_answers(1);
}

TEST_F(BatchTest, ALineWhoseTimeIsUpIsAnsweredWithThat) {
  constexpr int lines = 3;
  auto done = run(lines_of(lines), 1);
  const Refusal late[lines] = {{RefusalKind::unavailable, "late", "", "queue_timeout"},
                               {RefusalKind::unavailable, "late", "", "ttft_timeout"},
                               {RefusalKind::timeout, "late", "", "request_timeout"}};
  for (const Refusal& each : late) service_.next()->fail(each);
  done.get();
  ASSERT_EQ(output().size(), std::size_t(lines));
  for (int i = 0; i < lines; ++i)
    EXPECT_EQ(output()[std::size_t(i)]["response"]["body"]["error"]["code"], late[i].code);
}

TEST_F(BatchTest, BadLinesAreAnsweredWithTheirErrors) {
  auto done = run("no json\n" + line_of(1) + "{}\n\n" + line_of(2) + "{\"custom_id\": \"x\"}\n", 2);
  for (int i = 0; i < 2; ++i) answer(service_.next());
  done.get();
  int errors = 0;
  for (const Json& each : output()) errors += each["error"].is_object();
  EXPECT_EQ(output().size(), 5u);
  EXPECT_EQ(errors, 3);
}

// Ollama's way to have a model loaded: there is nothing to generate, in whichever line it stands.
TEST_F(BatchTest, ALineWithoutAPromptIsAnsweredWithoutTheService) {
  std::string input;
  for (const Json& body : {Json{{"model", "demo"}, {"stream", false}},
                           Json{{"model", "demo"}, {"prompt", ""}, {"stream", false}}})
    input +=
        Json{{"custom_id", "l"}, {"method", "POST"}, {"url", "/api/generate"}, {"body", body}}.dump() + "\n";
  input +=
      R"({"custom_id": "c", "method": "POST", "url": "/api/chat", "body": {"model": "demo", "messages": [], "stream": false}})";
  service_.throws = true;
  run(input, 2).get();
  ASSERT_EQ(output().size(), 3u);
  for (const Json& line : output()) {
    EXPECT_EQ(line["response"]["status_code"], 200) << line;
    EXPECT_EQ(line["response"]["body"]["done_reason"], "load") << line;
  }
}

TEST_F(BatchTest, ManyBadLinesNeedNoService) {
  service_.throws = true;
  std::string input;
  for (int i = 0; i < 100; ++i) input += "bad\n";
  run(input, 4).get();
  EXPECT_EQ(output().size(), 100u);
}

TEST_F(BatchTest, WhatFailsOnTheWayIsAnAnswer) {
  auto done = run(lines_of(1), 1);
  const Generation generation = service_.next();
  generation->accept({.prompt_tokens = 1});
  generation->text(0, "begun");
  generation->fail({RefusalKind::internal, "broken", "", ""});
  done.get();
  EXPECT_EQ(output().at(0)["response"]["status_code"], 500);
  EXPECT_EQ(output().at(0)["response"]["body"]["error"]["message"], "broken");
}

TEST_F(BatchTest, AModelThatGivesUpStopsTheBatchWhichGoesOnLater) {
  auto stopped = run(lines_of(3), 2);
  answer(service_.next());
  const Generation second = service_.next(), third = service_.next();
  service_.is_healthy = service_.is_ready = false;
  for (const Generation& each : {second, third}) each->fail({RefusalKind::unavailable, "gone", "", ""});
  EXPECT_THAT(error_of([&] { stopped.get(); }), HasSubstr("the model: has failed"));
  service_.is_healthy = service_.is_ready = true;
  auto done = run(lines_of(3), 2);
  for (int i = 0; i < 2; ++i) answer(service_.next());
  done.get();
  EXPECT_TRUE(service_.idle());
  expect_answers(3);
}

TEST_F(BatchTest, AModelThatLoadsIsWaitedFor) {
  service_.is_ready = false;
  auto done = run(lines_of(1), 1);
  EXPECT_TRUE(service_.idle());
  service_.is_ready = true;
  answer(service_.next());
  done.get();
  expect_answers(1);
}

TEST_F(BatchTest, WhatRunsIsCancelledWhenItCannotGoOn) {
  auto stopped = run(lines_of(2), 2);
  const Generation first = service_.next(), second = service_.next();
  service_.is_healthy = service_.is_ready = false;
  first->fail({RefusalKind::unavailable, "gone", "", ""});
  EXPECT_THROW(stopped.get(), Error);
  second->wait_destroyed();
}

}  // namespace
}  // namespace troupe::launch::batch
