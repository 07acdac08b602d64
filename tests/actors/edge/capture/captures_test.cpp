#include "actors/edge/capture/captures.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "actors/link/certificate_authority.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/file_descriptor.hpp"
#include "tests/actors/edge/http_server_fixture.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::actors::edge {
namespace {

using std::filesystem::path;
using ::testing::HasSubstr;

struct CapturesTest : HttpServerFixture {
  TemporaryFolder folder;

  CapturesTest() {
    const Credentials operators = CertificateAuthority::make("test", std::chrono::days(1)).issue("operator");
    folder.write("operator.pem", operators.certificate);
    folder.write("operator.key", operators.key);
    create_directory(folder.path() / "captures");
    settings.api_keys = {"k"};
    settings.capture = {.folder = (folder.path() / "captures").string(),
                        .certificate = (folder.path() / "operator.pem").string()};
  }
  Response ask(std::string_view method, std::string_view target, std::string_view body,
               std::string_view headers = "") {
    Client client(port());
    client.send(head(method, target, body, headers) + std::string(body));
    return client.read_response();
  }
  static std::string head(std::string_view method, std::string_view target, std::string_view body,
                          std::string_view headers) {
    return std::string(method) + " " + std::string(target) +
           " HTTP/1.1\r\nAuthorization: Bearer k\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string(headers) + "\r\n";
  }
  // Gives the file's name.
  std::string order(const std::string& id) {
    return ask("PUT", "/v1/debug/capture", R"({"request_id": ")" + id + R"(", "seconds": 60})")
        .json()["file"];
  }
  static std::string completion(const std::string& id, const std::string& body,
                                const std::string& headers = "") {
    return head("POST", "/v1/completions", body, "X-Request-Id: " + id + "\r\n" + headers) + body;
  }
  // Answers one completion of this id.
  void complete(const std::string& id, const std::string& text) {
    const std::string body = R"({"model": "demo", "prompt": "a secret", "max_tokens": 3})";
    Client client(port());
    client.send(head("POST", "/v1/completions", body, "X-Request-Id: " + id + "\r\n") + body);
    const auto generation = service->next();
    generation->accept({.prompt_tokens = 1});
    generation->text(0, text);
    generation->finish(0);
    generation->end({});
    EXPECT_EQ(client.read_response().status, 200);
    client.get("/livez");  // once that is answered, the request before is done with
    client.read_response();
  }
  // As an operator does.
  Json opened(const path& file) {
    const auto name = [&](const char* each) { return " " + (folder.path() / each).string(); };
    const std::string command = "openssl cms -decrypt -inform DER -in " + file.string() + " -recip" +
                                name("operator.pem") + " -inkey" + name("operator.key") + " -out" +
                                name("text");
    EXPECT_EQ(std::system(command.c_str()), 0);
    return Json::parse(read_file(folder.path() / "text", 2 * most_captured_bytes));
  }
  std::size_t files() {
    return std::size_t(std::distance(std::filesystem::directory_iterator(settings.capture.folder), {}));
  }
};

TEST_F(CapturesTest, OneRequestsTextIsWrittenForWhoHasTheKey) {
  complete("r-0", "unseen");
  EXPECT_EQ(files(), 0u);
  const Response ordered = ask("PUT", "/v1/debug/capture", R"({"request_id": "r-1", "seconds": 60})");
  EXPECT_EQ(ordered.status, 202);
  complete("r-2", "unseen");
  complete("r-1", "the answer");
  complete("r-1", "unseen");
  server.reset();  // by then it is written
  EXPECT_EQ(files(), 1u);
  const path file = path(settings.capture.folder) / ordered.json()["file"].get<std::string>();
  using std::filesystem::perms;
  EXPECT_EQ(status(file).permissions(), perms::owner_read | perms::owner_write);
  const std::string bytes = read_file(file, 1 << 20);
  EXPECT_EQ(bytes.find("a secret"), bytes.npos);
  EXPECT_EQ(bytes.find("the answer"), bytes.npos);
  const Json text = opened(file);
  EXPECT_EQ(text["request_id"], "r-1");
  EXPECT_EQ(text["status"], 200);
  EXPECT_THAT(text["body"].get<std::string>(), HasSubstr("a secret"));
  EXPECT_EQ(text["content"]["0"], "the answer");
  EXPECT_EQ(text["whole"], true);
}

TEST_F(CapturesTest, AnAnswerThatOutlivesItsClientIsWrittenAtItsEnd) {
  for (const bool outlives : {true, false}) {
    server.reset();
    settings.retries.resume_window = std::chrono::seconds(outlives ? 60 : 0);
    const path file = path(settings.capture.folder) / order("r-1");
    Client client(port());
    client.send(completion("r-1", R"({"model": "demo", "prompt": "a secret", "stream": true})"));
    const auto generation = service->next();
    generation->accept({.prompt_tokens = 1});
    generation->text(0, "first, ");
    client.read_until("first");
    client.close();
    if (outlives) {
      generation->text(0, "second");
      generation->finish(0);
      generation->end({});
      EXPECT_THAT(ask("GET", "/v1/streams/cmpl-r-1", "").body, HasSubstr("[DONE]"));
    } else {
      generation->wait_cancelled();
    }
    server.reset();
    const Json text = opened(file);
    EXPECT_EQ(text["content"]["0"], outlives ? "first, second" : "first, ");
    EXPECT_EQ(text["whole"], outlives);
    EXPECT_EQ(text["status"], outlives ? 200 : 499);
  }
}

TEST_F(CapturesTest, AReplayLeavesTheOrderToTheNextRequest) {
  const std::string key = "Idempotency-Key: key\r\n";
  const auto answer = [&](bool computed) {
    Client client(port());
    client.send(completion("r-1", R"({"model": "demo", "prompt": "a secret"})", key));
    if (computed) {
      const auto generation = service->next();
      generation->accept({.prompt_tokens = 1});
      generation->finish(0);
      generation->end({});
    }
    EXPECT_EQ(client.read_response().status, 200);
  };
  answer(true);
  const std::string file = order("r-1");
  answer(false);
  complete("r-1", "the answer");
  server.reset();
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(opened(path(settings.capture.folder) / file)["content"]["0"], "the answer");
}

TEST_F(CapturesTest, WhatIsRefusedIsCapturedToo) {
  ask("PUT", "/v1/debug/capture", R"({"request_id": "r-1", "seconds": 60})");
  EXPECT_EQ(ask("POST", "/v1/completions", R"({"prompt": 3})", "X-Request-Id: r-1\r\n").status, 400);
  EXPECT_EQ(get("/livez").status, 200);
  for (const auto end = now() + ScriptedGeneration::deadline; files() == 0;) ASSERT_LT(now(), end);
}

TEST_F(CapturesTest, OrdersAreChecked) {
  for (const char* wrong :
       {"{}", R"({"request_id": "r"})", R"({"seconds": 1})", R"({"request_id": "", "seconds": 1})",
        R"({"request_id": "a b", "seconds": 1})", R"({"request_id": "r", "seconds": 0})",
        R"({"request_id": "r", "seconds": 86401})", R"({"request_id": 1, "seconds": 1})"})
    EXPECT_EQ(ask("PUT", "/v1/debug/capture", wrong).status, 400) << wrong;
  EXPECT_EQ(get("/v1/debug/capture").status, 405);
}

TEST_F(CapturesTest, NothingIsCapturedUnlessTheServerWasStartedForIt) {
  settings.capture = {};
  const Response refused = ask("PUT", "/v1/debug/capture", R"({"request_id": "r-1", "seconds": 60})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.json()["error"]["code"], "capture_off");
}

TEST_F(CapturesTest, OrdersEnd) {
  Captures captures(settings.capture);
  const TimePoint start = now();
  const std::chrono::seconds minute{60};
  EXPECT_TRUE(captures.order("a", minute, start));
  EXPECT_FALSE(captures.begin("a", start + minute));
  EXPECT_FALSE(captures.begin("a", start));  // it is gone
  for (std::size_t i = 0; i < most_orders; ++i) EXPECT_TRUE(captures.order(std::to_string(i), minute, start));
  EXPECT_EQ(captures.order("more", minute, start).error().kind, RefusalKind::rate_limited);
  EXPECT_TRUE(captures.order("0", minute, start));
  EXPECT_TRUE(captures.order("more", minute, start + minute));
}

TEST_F(CapturesTest, LongAnswersAreCutOff) {
  {
    Captures captures(settings.capture);
    ASSERT_TRUE(captures.order("a", std::chrono::seconds(60), now()));
    const auto capture = captures.begin("a", now());
    runtime::Delta delta;
    delta.content = std::string(most_captured_bytes / 2, 'x');
    for (int i = 0; i < 3; ++i) capture->wrote(delta);
    capture->write(200);
  }
  const auto file = std::filesystem::directory_iterator(settings.capture.folder)->path();
  const Json text = opened(file);
  EXPECT_EQ(text["content"]["0"].get<std::string>().size(), most_captured_bytes);
  EXPECT_EQ(text["whole"], false);
}

// On a disk that takes nothing: a pipe in the place of the file, which nobody reads.
TEST_F(CapturesTest, SoManyWaitForTheDisk) {
  constexpr std::size_t pipe_bytes = 64 << 10;
  {
    Captures captures(settings.capture);
    const auto ordered = [&](const std::string& id) {
      return path(settings.capture.folder) / captures.order(id, std::chrono::seconds(60), now()).value();
    };
    const auto write = [&](const std::string& id, std::size_t bytes) {
      const auto capture = captures.begin(id, now());
      runtime::Delta delta;
      delta.content = std::string(bytes, 'x');
      capture->wrote(delta);
      capture->write(200);
    };
    const path slow = ordered("slow");
    ASSERT_EQ(mkfifo(slow.c_str(), 0600), 0);
    write("slow", 4 * pipe_bytes);
    const FileDescriptor reader(::open(slow.c_str(), O_RDONLY | O_CLOEXEC));  // once it is being written
    for (std::size_t i = 0; i < most_unwritten + 1; ++i) {
      ordered(std::to_string(i));
      write(std::to_string(i), 1);
    }
    for (char bytes[4096]; ::read(reader.get(), bytes, sizeof bytes) > 0;) continue;
  }
  EXPECT_EQ(files(), 1 + most_unwritten);
}

TEST_F(CapturesTest, NoLinkIsFollowed) {
  const path other = folder.write("other", "stays");
  {
    Captures captures(settings.capture);
    const auto name = captures.order("a", std::chrono::seconds(60), now());
    create_symlink(other, path(settings.capture.folder) / *name);
    captures.begin("a", now())->write(200);
  }
  EXPECT_EQ(read_file(other, 100), "stays");
}

TEST_F(CapturesTest, AServerDoesNotStartWithWhatItCannotUse) {
  const auto failure = [](config::CaptureSettings wrong) { return error_of([&] { Captures made(wrong); }); };
  EXPECT_THAT(failure({"/nowhere", settings.capture.certificate}), HasSubstr("--capture-folder"));
  EXPECT_THAT(failure({settings.capture.folder, "/nowhere"}), HasSubstr("no such file"));
  const std::string wrong = folder.write("wrong.pem", "text").string();
  EXPECT_THAT(failure({settings.capture.folder, wrong}), HasSubstr("certificate cannot be read"));
  EXPECT_EQ(failure({}), "no error");
}

}  // namespace
}  // namespace troupe::actors::edge
