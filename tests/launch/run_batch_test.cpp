// troupe run-batch with the demo model: what it answers, and what is left of it when it is killed.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "runtime/base/file_descriptor.hpp"
#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using nlohmann::ordered_json;
using std::filesystem::path;
using ::testing::AllOf;
using ::testing::HasSubstr;

ordered_json chat_line(const std::string& id, const std::string& content, int max_tokens) {
  return {{"custom_id", id},
          {"method", "POST"},
          {"url", "/v1/chat/completions"},
          {"body",
           {{"model", "troupe-mini"},
            {"temperature", 0},
            {"max_tokens", max_tokens},
            {"messages", {{{"role", "user"}, {"content", content}}}}}}};
}

class RunBatch : public ProgramTest {
 protected:
  std::string write_lines(const std::string& name, const std::vector<ordered_json>& lines) const {
    std::string text;
    for (const ordered_json& each : lines) text += each.dump() + "\n";
    return temporary_.write(name, text).string();
  }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  // Of an output, by custom_id; each stands there once.
  std::map<std::string, ordered_json> answers(const std::string& name) const {
    std::map<std::string, ordered_json> found;
    std::istringstream text(read_file(folder_ / name));
    for (std::string line; std::getline(text, line);) {
      auto answer = ordered_json::parse(line);
      const std::string id = answer["custom_id"];
      EXPECT_TRUE(found.emplace(id, std::move(answer)).second) << id << " is there twice";
    }
    return found;
  }
};

TEST_F(RunBatch, AnswersAsTheServerDoes) {
  ordered_json completion{
      {"custom_id", "text"},
      {"method", "POST"},
      {"url", "/v1/completions"},
      {"body", {{"model", "troupe-mini"}, {"prompt", "1 2 3"}, {"max_tokens", 2}, {"ignore_eos", true}}}};
  ordered_json refused = chat_line("refused", "hi", 2);
  refused["body"]["temperature"] = "hot";
  const std::string in = write_lines(
      "in.jsonl", {chat_line("sum", "Solve 17 * 23", 200), completion, refused, {{"custom_id", "bad"}}});
  const Outcome outcome = run("run-batch -i " + in + " -o " + at("out.jsonl"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out + outcome.err, "");
  auto found = answers("out.jsonl");
  ASSERT_EQ(found.size(), 4u);
  const ordered_json& sum = found["sum"]["response"];
  EXPECT_EQ(sum["status_code"], 200);
  EXPECT_EQ(sum["body"]["object"], "chat.completion");
  EXPECT_THAT(sum["body"]["choices"][0]["message"]["content"].get<std::string>(), HasSubstr("17 * 23 = 391"));
  EXPECT_EQ(found["text"]["response"]["body"]["usage"]["completion_tokens"], 2);
  EXPECT_EQ(found["refused"]["response"]["status_code"], 400);
  EXPECT_EQ(found["bad"]["error"]["code"], "invalid_method");
}

TEST_F(RunBatch, ADoneBatchIsLeftAloneAndAChangedInputIsRefused) {
  write_lines("in.jsonl", {chat_line("a", "hi", 1)});
  const std::string command = "run-batch -i " + at("in.jsonl") + " -o " + at("out.jsonl");
  ASSERT_EQ(run(command).code, 0);
  const std::string output = read_file(folder_ / "out.jsonl");
  EXPECT_EQ(run(command).code, 0);
  EXPECT_EQ(read_file(folder_ / "out.jsonl"), output);
  write_lines("in.jsonl", {chat_line("b", "hi", 1)});
  const Outcome refused = run(command);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("the input has changed since"), HasSubstr("out.jsonl.journal")));
  EXPECT_EQ(read_file(folder_ / "out.jsonl"), output);
}

TEST_F(RunBatch, AnswersGoThroughTheFiltersForEveryone) {
  const auto filter = [](const std::string& name, const std::string& rule) {
    return "[[filter]]\nname = \"" + name + "\"\n" + rule;
  };
  const std::string rule = "[[filter.rule]]\npattern = '391'\naction = \"mask\"\n";
  const auto file = temporary_.write(
      "filters.toml", filter("sums", "everyone = true\n" + rule) + filter("all",
                                                                          "[[filter.rule]]\npattern = '.'\n"
                                                                          "action = \"stop\"\n"));
  const Outcome outcome =
      run("run-batch -i " + write_lines("in.jsonl", {chat_line("a", "Solve 17 * 23", 200)}) + " -o " +
          at("out.jsonl") + " --output-filters " + file.string());
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const ordered_json choice = answers("out.jsonl")["a"]["response"]["body"]["choices"][0];
  EXPECT_THAT(choice["message"]["content"].get<std::string>(), HasSubstr("17 * 23 = [filtered]"));
  EXPECT_EQ(choice["finish_reason"], "stop");
}

// More lines at a time than the server's queue has room for.
TEST_F(RunBatch, AFullQueueLosesNothing) {
  std::vector<ordered_json> lines;
  for (int i = 0; i < 24; ++i) lines.push_back(chat_line(std::to_string(i), "hi", 2));
  const Outcome outcome = run("run-batch -i " + write_lines("in.jsonl", lines) + " -o " + at("out.jsonl") +
                              " --max-concurrency 16 --max-num-seqs 1 --max-waiting 1 --max-tokenizing 2");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const auto found = answers("out.jsonl");
  EXPECT_EQ(found.size(), lines.size());
  for (const auto& [id, answer] : found) EXPECT_EQ(answer["response"]["status_code"], 200) << answer;
}

// The program in the background.
class Running {
 public:
  Running(const std::vector<std::string>& arguments, const std::string& errors) {
    std::vector<char*> words;
    for (const std::string& each : arguments) words.push_back(const_cast<char*>(each.c_str()));
    words.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, errors.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0600);
    EXPECT_EQ(posix_spawn(&pid_, words.front(), &files, nullptr, words.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
    ended_ = FileDescriptor(int(syscall(SYS_pidfd_open, pid_, 0)));
  }
  ~Running() {
    if (!reaped_) kill();
  }

  // Whether it ends in so long.
  bool ends_in(std::chrono::milliseconds time) {
    pollfd end{ended_.get(), POLLIN, 0};
    return poll(&end, 1, int(time.count())) == 1;
  }
  int kill() {
    ::kill(pid_, SIGKILL);
    return wait();
  }
  int wait() {
    int status = -1;
    waitpid(pid_, &status, 0);
    reaped_ = true;
    return status;
  }

 private:
  pid_t pid_ = -1;
  FileDescriptor ended_;
  bool reaped_ = false;
};

// What must not depend on kills: all but the time.
ordered_json timeless(ordered_json answer) {
  answer["response"]["body"].erase("created");
  return answer;
}

// Killed 20 times: while it starts, while it writes, and in between.
TEST_F(RunBatch, KilledAtAnyMomentItLosesAndDoublesNothing) {
  constexpr int kills = 20, lines = 300;
  std::mt19937 random(20);
  std::vector<ordered_json> requests;
  for (int i = 0; i < lines; ++i)
    requests.push_back(chat_line(std::to_string(i), "Solve " + std::to_string(i) + " + 7", 1 + i % 6));
  const std::string in = write_lines("in.jsonl", requests);
  const auto command = [&](const char* out) {
    return std::vector<std::string>{
        TROUPE_BINARY, "run-batch", "-i", in, "-o", at(out), "--max-concurrency", "4", "--max-num-seqs", "4"};
  };
  Running undisturbed(command("whole.jsonl"), at("errors"));
  ASSERT_EQ(undisturbed.wait(), 0) << read_file(at("errors"));

  const path journal = at("out.jsonl.journal");
  const auto journal_bytes = [&] { return exists(journal) ? file_size(journal) : 0; };
  int killed = 0;
  std::size_t partly_done = 0;
  while (killed < kills) {
    const auto begin = journal_bytes(), enough = begin + random() % 170;  // a line takes 38 bytes of it
    Running program(command("out.jsonl"), at("errors"));
    bool ended = false;
    while (!ended && journal_bytes() < enough) ended = program.ends_in(std::chrono::milliseconds(1));
    ended = ended || program.ends_in(std::chrono::milliseconds(random() % 10));
    ASSERT_FALSE(ended) << "after " << killed << " kills: " << read_file(at("errors"));
    EXPECT_EQ(program.kill(), SIGKILL);
    ++killed;
    partly_done += journal_bytes() > begin;
  }
  EXPECT_GT(partly_done, std::size_t(kills / 4));  // kills met it at work
  Running last(command("out.jsonl"), at("errors"));
  ASSERT_EQ(last.wait(), 0) << read_file(at("errors"));

  const auto whole = answers("whole.jsonl"), pieced = answers("out.jsonl");
  ASSERT_EQ(whole.size(), std::size_t(lines));
  ASSERT_EQ(pieced.size(), std::size_t(lines));
  for (const auto& [id, answer] : whole) EXPECT_EQ(timeless(pieced.at(id)), timeless(answer));
}

}  // namespace
}  // namespace troupe::launch
