// troupe chat before the demo model, before a server that says what the test tells it to, and on a terminal.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "runtime/base/file_descriptor.hpp"
#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using nlohmann::ordered_json;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int deadline_ms = 20'000;

std::string whole(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::string event(const ordered_json& delta) {
  return "data: " + ordered_json{{"choices", {{{"index", 0}, {"delta", delta}}}}}.dump() + "\n\n";
}

const std::string stream_head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", done = "data: [DONE]\n\n";

std::string says(const std::string& content) {
  return stream_head + event({{"content", content}}) + done;
}

// Answers a request on each connection with the next of its lines.
class ScriptedServer {
 public:
  struct Line {
    std::string bytes;
    bool stays = false;  // and says nothing more, until the client goes
  };

  explicit ScriptedServer(std::vector<Line> lines)
      : lines_(std::move(lines)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_.get(), any, size), 0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    EXPECT_EQ(getsockname(listener_.get(), any, &size), 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] {
      for (const Line& line : lines_) answer(line);
    });
  }
  ~ScriptedServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  const std::string& url() const { return url_; }
  std::string request(std::size_t index) const {
    const std::lock_guard lock(mutex_);
    return requests_.at(index);
  }
  ordered_json messages(std::size_t index) const {
    const std::string text = request(index);
    return ordered_json::parse(text.substr(text.find("\r\n\r\n") + 4)).at("messages");
  }

 private:
  void answer(const Line& line) {
    const FileDescriptor client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    std::string request = read_request(client);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(std::move(request));
    }
    EXPECT_EQ(send(client.get(), line.bytes.data(), line.bytes.size(), MSG_NOSIGNAL),
              ssize_t(line.bytes.size()));
    if (!line.stays) return;
    char rest = 0;
    EXPECT_LE(recv(client.get(), &rest, 1, 0), 0);  // the client went
  }

  static std::string read_request(const FileDescriptor& client) {
    std::string text;
    char bytes[4096];
    for (;;) {
      const auto head = text.find("\r\n\r\n");
      const auto length = text.find("Content-Length: ");
      if (head != text.npos) {
        const std::size_t body = length < head ? std::stoul(text.substr(length + 16)) : 0;
        if (text.size() >= head + 4 + body) return text;
      }
      const ssize_t come = recv(client.get(), bytes, sizeof bytes, 0);
      if (come <= 0) return text;
      text.append(bytes, std::size_t(come));
    }
  }

  const std::vector<Line> lines_;
  FileDescriptor listener_;
  std::string url_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

ordered_json message(const char* role, const char* content) {
  return {{"role", role}, {"content", content}};
}

using Chat = ProgramTest;
using Lines = std::vector<ScriptedServer::Line>;

TEST_F(Chat, TheDemoModelAnswersEachLine) {
  const Outcome outcome = run("chat --extra-body '{\"temperature\": 0}'",
                              "Solve 17 * 23\n\n/reset\nSolve 17 * 23\n/quit\nnever\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const std::string once = outcome.out.substr(0, outcome.out.size() / 2);
  EXPECT_THAT(once, EndsWith("17 * 23 = 391\n"));
  EXPECT_EQ(outcome.out, once + once);
}

TEST_F(Chat, WhatWasSaidGoesAlongUntilItIsReset) {
  const ScriptedServer server(Lines{{says("1")}, {says("2")}, {says("3")}});
  const Outcome outcome =
      run("chat " + server.url() + "/v1 --model m --system S --extra-body '{\"seed\": 7}'",
          "one\ntwo\n/reset\nthree\n", "TROUPE_API_KEY=k");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "1\n2\n3\n");
  const auto system = message("system", "S"), one = message("user", "one"), two = message("user", "two");
  EXPECT_EQ(server.messages(0), ordered_json({system, one}));
  EXPECT_EQ(server.messages(1), ordered_json({system, one, message("assistant", "1"), two}));
  EXPECT_EQ(server.messages(2), ordered_json({system, message("user", "three")}));
  EXPECT_THAT(server.request(0),
              AllOf(testing::StartsWith("POST /v1/chat/completions "), HasSubstr("Bearer k\r\n"),
                    HasSubstr("\"seed\":7"), HasSubstr("\"model\":\"m\"")));
}

TEST_F(Chat, TheServerNamesItsModel) {
  const ScriptedServer server(
      {{whole("200 OK", R"({"data": [{"id": "first"}, {"id": "second"}]})")}, {says("1")}});
  EXPECT_EQ(run("chat " + server.url(), "hi\n").out, "1\n");
  EXPECT_THAT(server.request(0), testing::StartsWith("GET /v1/models "));
  EXPECT_THAT(server.request(1), HasSubstr("\"model\":\"first\""));
}

TEST_F(Chat, AfterAFailureTheConversationGoesOn) {
  const ScriptedServer server(
      Lines{{whole("429 Too Many Requests", R"({"error": {"message": "slow down"}})")},
            {stream_head + event({{"content", "half"}})},
            {stream_head + "data: {\"error\": {\"message\": \"broken\"}}\n\n" + done},
            {says("fine")}});
  const Outcome outcome = run("chat --model m " + server.url(), "a\nb\nc\nd\n");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, EndsWith("fine\n"));
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("status 429: slow down"), HasSubstr("it broke off"), HasSubstr("broken")));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 3);
  EXPECT_EQ(server.messages(3), ordered_json::array({message("user", "d")}));
}

TEST_F(Chat, NobodyThereIsAnErrorLineForEachMessage) {
  const Outcome outcome = run("chat http://127.0.0.1:1", "a\nb\n");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 2) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("Connection refused"));
}

TEST_F(Chat, ACheckpointThatIsNoneEndsIt) {
  const Outcome outcome = run("chat no/such/folder", "a\n");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("no/such/folder"));
}

TEST_F(Chat, AMistakeIsExplained) {
  const Outcome address = run("chat 127.0.0.1:8000", "a\n");
  EXPECT_EQ(address.code, 2);
  EXPECT_THAT(address.err, HasSubstr("give http://127.0.0.1:8000"));
  const ScriptedServer server(Lines{{says("1")}});
  const Outcome command = run("chat --model m " + server.url(), "/zebra\n/etc/hosts is a path\n");
  EXPECT_EQ(command.out, "1\n");
  EXPECT_THAT(command.err, AllOf(HasSubstr("/reset"), HasSubstr("/quit")));
}

// The program on a terminal of its own, of which it is the foreground.
class OnTerminal {
 public:
  explicit OnTerminal(const std::vector<std::string>& arguments) {
    std::vector<char*> words;
    for (const std::string& each : arguments) words.push_back(const_cast<char*>(each.c_str()));
    words.push_back(nullptr);
    int master = -1;
    pid_ = forkpty(&master, nullptr, nullptr, nullptr);
    if (pid_ == 0) {
      execv(words.front(), words.data());
      _exit(127);
    }
    master_ = FileDescriptor(master);
  }
  ~OnTerminal() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  void type(const std::string& keys) {
    EXPECT_EQ(write(master_.get(), keys.data(), keys.size()), ssize_t(keys.size()));
  }
  // What it shows from here on, until it has shown this text.
  std::string until(const std::string& text) {
    while (shown_.find(text) == shown_.npos && read_some()) {
    }
    EXPECT_THAT(shown_, HasSubstr(text));
    const auto found = shown_.find(text);
    if (found == shown_.npos) return std::exchange(shown_, {});
    std::string rest = shown_.substr(found + text.size());
    shown_.resize(found + text.size());
    return std::exchange(shown_, std::move(rest));
  }
  int exit_code() {
    while (read_some()) {
    }
    int status = -1;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  bool read_some() {
    pollfd come{master_.get(), POLLIN, 0};
    if (poll(&come, 1, deadline_ms) != 1) return false;
    char bytes[256];
    const ssize_t size = read(master_.get(), bytes, sizeof bytes);
    if (size <= 0) return false;
    shown_.append(bytes, std::size_t(size));
    return true;
  }

  pid_t pid_ = -1;
  FileDescriptor master_;
  std::string shown_;  // and not yet looked at
};

// The program behind a pipe that stays open, as in a pipeline of which it is the end.
class OnPipes {
 public:
  // interrupted: Ctrl-C has come before it begins.
  explicit OnPipes(const std::vector<std::string>& arguments, bool interrupted = false) {
    std::vector<char*> words;
    for (const std::string& each : arguments) words.push_back(const_cast<char*>(each.c_str()));
    words.push_back(nullptr);
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    EXPECT_EQ(pipe2(in, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      if (interrupted) {
        sigprocmask(SIG_BLOCK, &interrupt, nullptr);
        raise(SIGINT);  // which waits for what the program makes of it
      }
      execv(words.front(), words.data());
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    in_ = FileDescriptor(in[1]);
    out_ = FileDescriptor(out[0]);
  }
  ~OnPipes() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  void say(const std::string& line) {
    EXPECT_EQ(write(in_.get(), line.data(), line.size()), ssize_t(line.size()));
  }
  std::string answer(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t come = 0; come < size;) {
      const ssize_t more = read(out_.get(), text.data() + come, size - come);
      if (more <= 0) return text.substr(0, come);
      come += std::size_t(more);
    }
    return text;
  }
  void interrupt() const { kill(pid_, SIGINT); }
  int status() {
    int status = -1;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }

 private:
  pid_t pid_ = -1;
  FileDescriptor in_, out_;
};

TEST_F(Chat, CtrlCEndsItWhileItWaitsForAPipe) {
  const ScriptedServer server(Lines{{says("one")}});
  OnPipes piped({TROUPE_BINARY, "chat", server.url(), "--model", "m"});
  piped.say("hi\n");
  EXPECT_EQ(piped.answer(4), "one\n");
  piped.interrupt();
  const int status = piped.status();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << status;
}

TEST_F(Chat, CtrlCEndsItWhileTheModelIsLoaded) {
  OnPipes piped({TROUPE_BINARY, "chat"}, true);
  const int status = piped.status();
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 130);
}

TEST_F(Chat, ATerminalShowsReasoningDimAndCtrlDEnds) {
  const ScriptedServer server(
      Lines{{stream_head + event({{"reasoning_content", "thought"}}) + event({{"content", "said"}}) + done}});
  OnTerminal terminal({TROUPE_BINARY, "chat", server.url(), "--model", "m"});
  terminal.until("> ");
  terminal.type("hi\n");
  EXPECT_THAT(terminal.until("said"), HasSubstr("\x1b[2mthought\x1b[0m"));
  terminal.until("> ");
  terminal.type("\x04");
  EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(Chat, CtrlCStopsTheAnswerAndNotTheProgram) {
  const ScriptedServer server(Lines{{stream_head + event({{"content", "begun"}}), true}, {says("next")}});
  OnTerminal terminal({TROUPE_BINARY, "chat", server.url(), "--model", "m"});
  terminal.until("> ");
  terminal.type("first\n");
  terminal.until("begun");
  terminal.type("\x03");
  terminal.until("> ");
  terminal.type("\x03");  // nothing runs, and nothing that comes later is stopped
  terminal.type("second\n");
  terminal.until("next");
  terminal.until("> ");
  terminal.type("/quit\n");
  EXPECT_EQ(terminal.exit_code(), 0);
  EXPECT_EQ(server.messages(1), ordered_json({message("user", "first"), message("assistant", "begun"),
                                              message("user", "second")}));
}

TEST_F(Chat, AnAnswerThatIsStoppedBeforeItsFirstWordIsNoMessage) {
  const ScriptedServer server(
      Lines{{stream_head + event({{"reasoning_content", "hmm"}}), true}, {says("next")}});
  OnTerminal terminal({TROUPE_BINARY, "chat", server.url(), "--model", "m"});
  terminal.until("> ");
  terminal.type("first\n");
  terminal.until("hmm");
  terminal.type("\x03");
  terminal.until("> ");
  terminal.type("second\n");
  terminal.until("next");
  terminal.until("> ");
  terminal.type("/quit\n");
  EXPECT_EQ(terminal.exit_code(), 0);
  EXPECT_EQ(server.messages(1), ordered_json({message("user", "second")}));
}

#ifdef TROUPE_LIBEDIT
TEST_F(Chat, LinesAreEditedAndCtrlCClearsThem) {
  const ScriptedServer server(Lines{{says("one")}, {says("two")}});
  OnTerminal terminal({TROUPE_BINARY, "chat", server.url(), "--model", "m"});
  terminal.until("> ");
  terminal.type("forgotten\x03");
  terminal.until("^C");
  terminal.until("> ");
  terminal.type("wrld\x1b[D\x1b[D\x1b[Do\r");  // three to the left
  terminal.until("one");
  terminal.until("> ");
  terminal.type("\x1b[A\r");  // the line before
  terminal.until("two");
  terminal.until("> ");
  terminal.type("\x03");
  terminal.until("once more");
  terminal.until("> ");
  terminal.type("\x03");
  EXPECT_EQ(terminal.exit_code(), 0);
  EXPECT_EQ(server.messages(0), ordered_json::array({message("user", "world")}));
  EXPECT_EQ(server.messages(1).back(), message("user", "world"));
}
#endif

}  // namespace
}  // namespace troupe::launch
