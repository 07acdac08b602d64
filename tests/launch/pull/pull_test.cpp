#include "launch/pull/pull.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "launch/pull/file_name.hpp"
#include "launch/pull/manifest.hpp"
#include "runtime/base/file.hpp"
#include "tests/error_of.hpp"
#include "tests/launch/pull/test_hub.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::launch::pull {
namespace {

using std::filesystem::path;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Reply = WebServer::Reply;
using Request = WebServer::Request;

constexpr std::size_t block = PartialFiles::block_bytes;
constexpr const char* weights = "model.safetensors";

struct Pull : testing::Test {
  PullOptions options_of(WebServer& server) {
    PullOptions options{.model = {.repository = "o/m"},
                        .folder = folder,
                        .selection = {},
                        .hub = {.endpoint = *parse_url(server.url()), .token = ""},
                        .download = {}};
    options.download.connections = 1;
    options.download.retries = {.most = 3, .first_delay = Duration(0)};
    options.download.tell = [this](const std::string& line) { told += line + "\n"; };
    return options;
  }
  std::string pull_error(WebServer& server) {
    return error_of([&] { pull(options_of(server)); });
  }
  std::string text(const std::string& name) const { return read_file(folder / name, 1 << 28); }
  std::set<std::string> there() const {
    std::set<std::string> names;
    if (exists(folder))
      for (const auto& each : std::filesystem::recursive_directory_iterator(folder))
        if (each.is_regular_file()) names.insert(each.path().lexically_relative(folder).string());
    return names;
  }

  const TemporaryFolder temporary;
  const path folder = temporary.path() / "model";
  std::string told;
};

std::map<std::string, std::string> small_model() {
  return {{"config.json", "{}"},
          {weights, some_bytes(3 * block + 77)},
          {"README.md", "words"},
          {"original/x.pth", "old"}};
}

bool is_of_weights(const Request& request) {
  return request.target.ends_with(weights);
}

TEST_F(Pull, BringsWhatACheckpointNeedsAndAManifest) {
  TestHub hub(small_model());
  const Pulled pulled = pull(options_of(hub.server()));
  EXPECT_EQ(pulled.commit, TestHub::commit);
  EXPECT_EQ(pulled.files, 2u);
  EXPECT_FALSE(pulled.was_there);
  EXPECT_THAT(there(), UnorderedElementsAre("config.json", weights, "MANIFEST.sha256"));
  EXPECT_EQ(text(weights), hub.file(weights));
  EXPECT_EQ(text("MANIFEST.sha256"), "# troupe pull o/m@" + std::string(TestHub::commit) + "\n" +
                                         sha256_hex("{}") + "  config.json\n" +
                                         sha256_hex(hub.file(weights)) + "  model.safetensors\n");
  for (const Request& each : hub.server().requests()) EXPECT_EQ(each.authorization, "");
}

TEST_F(Pull, PartsComeOverSeveralConnections) {
  std::map<std::string, std::string> files{{"config.json", "{}"},
                                           {"model-1.safetensors", some_bytes(9 * block + 5)},
                                           {"model-2.safetensors", some_bytes(2 * block)},
                                           {"tokenizer.json", ""}};
  TestHub hub(files);
  PullOptions options = options_of(hub.server());
  options.download.connections = 4;
  std::uint64_t last = 0, all = 0;
  options.download.progress = [&](std::uint64_t done, std::uint64_t of) { last = done, all = of; };
  pull(options);
  for (const auto& [name, bytes] : files) EXPECT_TRUE(text(name) == bytes) << name;
  EXPECT_EQ(last, all);
  EXPECT_EQ(all, 11 * block + 7);
}

TEST_F(Pull, ACommitThatIsThereCostsNoRequestAndABranchOne) {
  TestHub hub(small_model());
  PullOptions options = options_of(hub.server());
  pull(options);
  const std::size_t before = hub.server().requests().size();
  options.model.revision = TestHub::commit;
  EXPECT_TRUE(pull(options).was_there);
  EXPECT_EQ(hub.server().requests().size(), before);
  options.model.revision = "main";
  EXPECT_TRUE(pull(options).was_there);
  EXPECT_EQ(hub.server().requests().size(), before + 1);
  std::filesystem::remove(folder / weights);
  EXPECT_FALSE(pull(options).was_there);
  EXPECT_EQ(text(weights), hub.file(weights));
}

TEST_F(Pull, AnAnswerThatIsCutOffGoesOnAtItsEnd) {
  int cuts = 0;
  TestHub* self = nullptr;
  TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
    if (!is_of_weights(request) || ++cuts > 2) return std::nullopt;
    Reply reply = self->plain_answer(request);
    reply.cut = block / 2 + 1;
    return reply;
  });
  self = &hub;
  pull(options_of(hub.server()));
  EXPECT_EQ(text(weights), hub.file(weights));
  EXPECT_THAT(told, HasSubstr("cut off"));
  EXPECT_THAT(hub.server().requests(),
              Contains(Field(&Request::range,
                             "bytes=" + std::to_string(block / 2 + 1) + "-" + std::to_string(block - 1))));
}

TEST_F(Pull, AServerThatIsDownForAWhileIsWaitedFor) {
  int refused = 0;
  TestHub hub(small_model(), [&](const Request&) -> std::optional<Reply> {
    static constexpr unsigned statuses[]{503, 429, 500};
    if (++refused % 4 == 0) return std::nullopt;  // every fourth request is answered
    return Reply{.status = statuses[refused % 4 - 1],
                 .fields = {{"Retry-After", "0"}},
                 .body = "{\"error\": \"busy\"}"};
  });
  pull(options_of(hub.server()));
  EXPECT_EQ(text(weights), hub.file(weights));
  EXPECT_THAT(told, AllOf(HasSubstr("status 503: busy"), HasSubstr("status 429"), HasSubstr("status 500")));
}

TEST_F(Pull, AServerThatStaysDownIsGivenUp) {
  TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
    if (!is_of_weights(request)) return std::nullopt;
    return Reply{.status = 502};
  });
  EXPECT_THAT(pull_error(hub.server()), AllOf(HasSubstr("status 502"), HasSubstr("tried 4 times"),
                                              HasSubstr("goes on where it was"), HasSubstr(weights)));
  EXPECT_THAT(there(), Contains("config.json"));
  EXPECT_EQ(there().count("MANIFEST.sha256"), 0u);
}

TEST_F(Pull, WhoAsksToWaitForTooLongIsNotWaitedFor) {
  WebServer server([](const Request&) { return Reply{.status = 429, .fields = {{"Retry-After", "86400"}}}; });
  EXPECT_THAT(pull_error(server), AllOf(HasSubstr("status 429"), HasSubstr("asks to wait for too long")));
  EXPECT_THAT(server.requests(), SizeIs(1));
}

// The last date that there is would be too late for a clock that counts nanoseconds.
TEST_F(Pull, ADateToWaitForMayBeAnyDate) {
  std::string date = "Fri, 31 Dec 9999 23:59:59 GMT";
  WebServer server([&](const Request&) { return Reply{.status = 503, .fields = {{"Retry-After", date}}}; });
  EXPECT_THAT(pull_error(server), HasSubstr("asks to wait for too long"));
  date = "Thu, 01 Jan 1970 00:00:00 GMT";
  EXPECT_THAT(pull_error(server), HasSubstr("tried 4 times"));
}

TEST_F(Pull, ARefusalThatIsCutOffIsStillOne) {
  WebServer server([](const Request&) { return Reply{.status = 404, .body = "{\"error\"", .cut = 3}; });
  EXPECT_THAT(pull_error(server), AllOf(HasSubstr("status 404"), HasSubstr("names of the model")));
  EXPECT_THAT(server.requests(), SizeIs(1));
}

std::string chunked(const std::string& body) {
  std::string text;
  constexpr std::size_t most = 100'000;
  for (std::size_t at = 0; at < body.size(); at += most) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", std::min(most, body.size() - at));
    text.append(size).append(body, at, most).append("\r\n");
  }
  return text + "0\r\n\r\n";
}

TEST_F(Pull, AnswersMayComeInChunksAndEndTooEarly) {
  std::size_t left_out = 0;
  int times = 100;
  TestHub* self = nullptr;
  TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
    if (!is_of_weights(request) || times-- <= 0) return std::nullopt;
    Reply reply = self->plain_answer(request);
    reply.body = chunked(reply.body);
    reply.framing = "Transfer-Encoding: chunked";
    if (left_out > 0) reply.cut = reply.body.size() - left_out;
    return reply;
  });
  self = &hub;
  pull(options_of(hub.server()));
  EXPECT_EQ(text(weights), hub.file(weights));
  std::filesystem::remove_all(folder);
  left_out = 40;  // its last chunk is not whole
  times = 2;
  pull(options_of(hub.server()));
  EXPECT_EQ(text(weights), hub.file(weights));
  EXPECT_THAT(told, HasSubstr("cut off"));
}

TEST_F(Pull, LengthsThatAreNoneAreRefused) {
  for (const char* length : {"-1", "1e3", "99999999999999999999999", "0x10", "5, 6"}) {
    TestHub* self = nullptr;
    TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
      if (!is_of_weights(request)) return std::nullopt;
      Reply reply = self->plain_answer(request);
      reply.framing = "Content-Length: " + std::string(length);
      return reply;
    });
    self = &hub;
    EXPECT_THAT(pull_error(hub.server()), AllOf(HasSubstr("tried 4 times"), HasSubstr(weights))) << length;
    EXPECT_EQ(there().count(weights), 0u) << length;
  }
}

// More than there is: what has come counts.
TEST_F(Pull, ALengthThatIsTooLargeEndsWithTheConnection) {
  TestHub* self = nullptr;
  TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
    if (!is_of_weights(request)) return std::nullopt;
    Reply reply = self->plain_answer(request);
    reply.framing = "Content-Length: 18446744073709551615";
    reply.cut = reply.body.size();
    return reply;
  });
  self = &hub;
  pull(options_of(hub.server()));
  EXPECT_EQ(text(weights), hub.file(weights));
}

TEST_F(Pull, WrongBytesComeOnceMoreAndThenAreRefused) {
  int wrong = 1;
  TestHub* self = nullptr;
  TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
    if (!is_of_weights(request) || wrong == 0) return std::nullopt;
    --wrong;
    Reply reply = self->plain_answer(request);
    reply.body[9] ^= 1;
    return reply;
  });
  self = &hub;
  pull(options_of(hub.server()));
  EXPECT_EQ(text(weights), hub.file(weights));
  EXPECT_THAT(told,
              AllOf(HasSubstr("its hash is "), HasSubstr(sha256_hex(hub.file(weights))), HasSubstr("again")));

  wrong = 1000;
  std::filesystem::remove_all(folder);
  EXPECT_THAT(pull_error(hub.server()),
              AllOf(HasSubstr(weights), HasSubstr("2 times"),
                    HasSubstr("the server tells " + sha256_hex(hub.file(weights)))));
  EXPECT_EQ(there().count(weights), 0u);
  EXPECT_EQ(there().count("MANIFEST.sha256"), 0u);
}

TEST_F(Pull, SmallFilesAreVerifiedByWhatGitCallsThem) {
  TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
    if (!request.target.ends_with("config.json")) return std::nullopt;
    return Reply{.body = "[]"};
  });
  EXPECT_THAT(pull_error(hub.server()), AllOf(HasSubstr(git_blob("[]")), HasSubstr(git_blob("{}"))));
}

TEST_F(Pull, BlocksThatCameAreNotAskedForAgain) {
  bool refuses = true;
  TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
    if (!refuses || !is_of_weights(request) ||
        !request.range.starts_with("bytes=" + std::to_string(2 * block)))
      return std::nullopt;
    return Reply{.status = 403, .body = "{\"error\": \"not now\"}"};
  });
  EXPECT_THAT(pull_error(hub.server()), AllOf(HasSubstr("status 403: not now"), HasSubstr("HF_TOKEN")));
  const std::size_t before = hub.server().requests().size();
  refuses = false;
  pull(options_of(hub.server()));
  EXPECT_EQ(text(weights), hub.file(weights));
  std::vector<std::string> ranges;
  for (const Request& each : hub.server().requests()) ranges.push_back(each.range);
  ranges.erase(ranges.begin(), ranges.begin() + std::ptrdiff_t(before));
  const auto range = [](std::size_t begin, std::size_t end) {
    return "bytes=" + std::to_string(begin) + "-" + std::to_string(end - 1);
  };
  EXPECT_THAT(ranges, ElementsAre("", range(2 * block, 3 * block), range(3 * block, 3 * block + 77)));
}

TEST_F(Pull, FilesThatAreThereAreTakenIfTheyAreRightAndReplacedIfNot) {
  TestHub hub(small_model());
  std::filesystem::create_directories(folder);
  std::ofstream(folder / weights, std::ios::binary) << hub.file(weights);
  std::ofstream(folder / "config.json") << "[]";
  std::ofstream(folder / "MANIFEST.sha256") << "written by somebody else";
  std::ofstream(folder / "mine.txt") << "stays";
  pull(options_of(hub.server()));
  EXPECT_EQ(text("config.json"), "{}");
  EXPECT_EQ(text("mine.txt"), "stays");
  for (const Request& each : hub.server().requests()) EXPECT_FALSE(is_of_weights(each));
}

TEST_F(Pull, TwoAtATimeBringEverythingOnce) {
  TestHub hub(small_model());
  std::vector<std::jthread> both;
  std::atomic<int> brought = 0;
  for (int i = 0; i < 2; ++i)
    both.emplace_back([&] {
      PullOptions options = options_of(hub.server());
      options.download.tell = [](const std::string&) {};
      brought += pull(options).was_there ? 0 : 1;
    });
  both.clear();
  EXPECT_EQ(brought, 1);
  EXPECT_EQ(text(weights), hub.file(weights));
  EXPECT_THAT(there(), SizeIs(3));
}

TEST_F(Pull, ATokenIsShownToTheEndpointAloneAndOtherHostsAreRefused) {
  TestHub* self = nullptr;
  WebServer other([&](const Request& request) {
    Reply reply = self->part_of(self->file(weights), request);
    return reply;
  });
  TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
    if (!is_of_weights(request)) return std::nullopt;
    return Reply{.status = 302, .fields = {{"Location", other.url() + "/bucket/1?signature=secret"}}};
  });
  self = &hub;
  PullOptions options = options_of(hub.server());
  options.hub.token = "hf_secret";
  const std::string error = error_of([&] { pull(options); });
  EXPECT_THAT(error, AllOf(HasSubstr("redirects to another host, " + other.authority()),
                           HasSubstr("--allow-host " + other.authority())));
  EXPECT_THAT(other.requests(), IsEmpty());
  options.hub.allowed_hosts = {other.authority()};
  pull(options);
  EXPECT_EQ(text(weights), hub.file(weights));
  EXPECT_FALSE(other.requests().empty());
  for (const Request& each : other.requests()) EXPECT_EQ(each.authorization, "");
  for (const Request& each : hub.server().requests()) EXPECT_EQ(each.authorization, "Bearer hf_secret");
}

TEST_F(Pull, RedirectsOfTheEndpointItselfAreFollowedButNotForever) {
  bool forever = false;
  TestHub* self = nullptr;
  TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
    if (request.target == "/cache/1") return self->part_of(self->file(weights), request);
    if (!is_of_weights(request)) return std::nullopt;
    return Reply{.status = 307, .fields = {{"Location", forever ? request.target : "/cache/1"}}};
  });
  self = &hub;
  pull(options_of(hub.server()));
  EXPECT_EQ(text(weights), hub.file(weights));
  std::filesystem::remove_all(folder);
  forever = true;
  EXPECT_THAT(pull_error(hub.server()), HasSubstr("redirects more than 5 times"));
}

TEST_F(Pull, NamesThatLeadElsewhereAreRefusedBeforeAnythingIsWritten) {
  for (const char* name :
       {"../out.safetensors", "/tmp/out", "a/../../out", "a//b", "a\\b", "a\nb", "a/", ".", ""}) {
    TestHub hub({{"config.json", "{}"}, {weights, some_bytes(200)}, {name, "x"}});
    EXPECT_THAT(pull_error(hub.server()), HasSubstr("the name of a file, '")) << name;
    EXPECT_FALSE(exists(folder)) << name;
  }
  EXPECT_FALSE(exists(temporary.path() / "out.safetensors"));
}

TEST_F(Pull, FoldersThatAreLinksAreNotFollowed) {
  std::filesystem::create_directories(folder);
  const path elsewhere = temporary.path() / "elsewhere";
  std::filesystem::create_directory(elsewhere);
  create_directory_symlink(elsewhere, folder / "part");
  TestHub hub({{"part/a.gguf", some_bytes(200)}});
  EXPECT_THAT(pull_error(hub.server()), HasSubstr("is a link"));
  EXPECT_TRUE(is_empty(elsewhere));
  std::filesystem::remove(folder / "part");
  std::filesystem::remove_all(folder / state_folder);
  create_directory_symlink(elsewhere, folder / state_folder);
  EXPECT_THAT(pull_error(hub.server()), HasSubstr("is a link"));
  EXPECT_TRUE(is_empty(elsewhere));
}

TEST_F(Pull, AnswersThatAreNotWhatWasAskedForAreRefused) {
  std::function<Reply(Reply)> change;
  TestHub* self = nullptr;
  TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
    if (!is_of_weights(request)) return std::nullopt;
    return change(self->plain_answer(request));
  });
  self = &hub;
  const auto refusal = [&](std::function<Reply(Reply)> changed) {
    change = std::move(changed);
    return pull_error(hub.server());
  };
  EXPECT_THAT(refusal([&](Reply) { return Reply{.body = hub.file(weights)}; }),
              HasSubstr("sends no parts of files"));
  EXPECT_THAT(refusal([&](Reply reply) {
                reply.fields = {{"Content-Range", "bytes 1-2/3"}};
                return reply;
              }),
              HasSubstr("another part of the file"));
  EXPECT_THAT(refusal([&](Reply reply) {
                reply.body += "more";
                return reply;
              }),
              HasSubstr("more bytes came"));
  EXPECT_THAT(refusal([&](Reply reply) {
                reply.body.pop_back();
                return reply;
              }),
              AllOf(HasSubstr("ended 1 bytes early"), HasSubstr("tried 4 times")));
  EXPECT_THAT(refusal([&](Reply reply) {
                reply.fields.emplace_back("Content-Encoding", "gzip");
                return reply;
              }),
              HasSubstr("is encoded"));
  EXPECT_THAT(refusal([&](Reply) { return Reply{.status = 302}; }), HasSubstr("redirects to what is no URL"));
  EXPECT_THAT(refusal([&](Reply) { return Reply{.status = 404}; }), HasSubstr("status 404"));
}

TEST_F(Pull, AModelThatIsNotThereIsSaidWithWhatTheServerSays) {
  WebServer server([](const Request&) {
    return Reply{.status = 401, .body = R"({"error": "Repository\u001b[2J not found"})"};
  });
  EXPECT_THAT(pull_error(server),
              AllOf(HasSubstr("status 401: Repository[2J not found"), HasSubstr("HF_TOKEN")));
  EXPECT_FALSE(exists(folder));
}

TEST_F(Pull, AnotherCommitThanTheOneThatWasAskedForIsRefused) {
  TestHub hub(small_model(), [&](const Request&) -> std::optional<Reply> {
    return Reply{.body = R"({"sha": "ffffffffffffffffffffffffffffffffffffffff", "siblings": []})"};
  });
  PullOptions options = options_of(hub.server());
  options.model.revision = TestHub::commit;
  EXPECT_THAT(error_of([&] { pull(options); }), HasSubstr("not of the one that was asked for"));
}

TEST_F(Pull, ADiskThatIsTooSmallIsSaidBefore) {
  TestHub* self = nullptr;
  TestHub hub(small_model(), [&](const Request& request) -> std::optional<Reply> {
    if (!request.target.starts_with("/api")) return std::nullopt;
    auto listing = self->listing();
    for (auto& each : listing["siblings"])
      if (each.contains("lfs")) each["lfs"]["size"] = std::uint64_t{1} << 45;
    for (int i = 0; i < 4096; ++i) {  // so many that their parts could not even be counted
      nlohmann::json file = listing["siblings"].back();
      file["rfilename"] = "model-" + std::to_string(i) + ".safetensors";
      file["lfs"] = {{"sha256", std::string(64, 'a')}, {"size", largest_file}};
      listing["siblings"].push_back(std::move(file));
    }
    return Reply{.body = listing.dump()};
  });
  self = &hub;
  EXPECT_THAT(pull_error(hub.server()), AllOf(HasSubstr("bytes are to come"), HasSubstr("are free")));
  for (const Request& each : hub.server().requests()) EXPECT_FALSE(is_of_weights(each));
}

TEST_F(Pull, AServerThatIsSilentIsGivenUp) {
  std::mutex held;
  std::unique_lock holds(held);
  WebServer server([&](const Request&) {
    const std::lock_guard waits(held);
    return Reply{};
  });
  PullOptions options = options_of(server);
  options.download.silence = std::chrono::milliseconds(20);
  options.download.retries.most = 0;
  EXPECT_THAT(error_of([&] { pull(options); }), HasSubstr("tried 1 time"));
  holds.unlock();
}

TEST(PullModel, NamesAreChecked) {
  const Model model = parse_model("deepseek-ai/DeepSeek-V3@refs/pr/1", "REPO");
  EXPECT_EQ(model.repository, "deepseek-ai/DeepSeek-V3");
  EXPECT_EQ(model.revision, "refs/pr/1");
  EXPECT_EQ(parse_model("gpt2", "REPO").revision, "main");
  for (const char* text :
       {"", "a/b/c", "../b", "a/", "/b", "a b", "a/..", "a@", "a@x y", "a@../b", "https://h/a"})
    EXPECT_THAT(error_of([&] { parse_model(text, "REPO"); }), HasSubstr("REPO: '")) << text;
}

}  // namespace
}  // namespace troupe::launch::pull
