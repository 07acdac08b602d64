#include "actors/edge/server_tls.hpp"

#include <gmock/gmock.h>

#include <csignal>

#include "actors/link/certificate_authority.hpp"
#include "tests/actors/edge/http_server_fixture.hpp"
#include "tests/actors/edge/tls_client.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::actors::edge {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct ServerTlsTest : HttpServerFixture {
  TemporaryFolder folder;
  const CertificateAuthority authority = CertificateAuthority::make("test", std::chrono::days(1));

  ServerTlsTest() {
    folder.write("ca.pem", authority.certificate_pem());
    issue("server");
    issue("client");
    settings.tls.certificate = file("server.pem");
    settings.tls.key = file("server.key");
  }
  void issue(const std::string& name) { write(name, authority.issue("127.0.0.1")); }
  void issue_by_a_stranger(const std::string& name) {
    write(name, CertificateAuthority::make("other", std::chrono::days(1)).issue("127.0.0.1"));
  }
  void write(const std::string& name, const Credentials& made) {
    folder.write(name + ".pem", made.certificate);
    folder.write(name + ".key", made.key);
  }
  std::string file(const std::string& name) const { return (folder.path() / name).string(); }
  TlsClient::Options trusting() const { return {.authority = file("ca.pem")}; }
  TlsClient::Options with_certificate(const std::string& name) const {
    return {.authority = file("ca.pem"), .certificate = file(name + ".pem"), .key = file(name + ".key")};
  }
  // Of a page, over a connection of its own.
  std::string page(const TlsClient::Options& options) {
    TlsClient client(port(), options);
    client.send("GET /livez HTTP/1.1\r\n\r\n");
    return client.read_until("{\"status\":\"ok\"}");
  }
};

TEST_F(ServerTlsTest, ServesPagesAndStreams) {
  EXPECT_THAT(page(trusting()), AllOf(StartsWith("HTTP/1.1 200 OK"), EndsWith("{\"status\":\"ok\"}")));
  TlsClient client(port(), trusting());
  const std::string body = R"({"model": "demo", "prompt": "a", "stream": true})";
  for (int turn = 0; turn < 3; ++turn) {  // the connection is kept
    client.send("POST /v1/completions HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body);
    const auto generation = service->next();
    generation->accept({.prompt_tokens = 1});
    generation->text(0, "hello");
    EXPECT_THAT(client.read_until("hello"), HasSubstr("HTTP/1.1 200 OK"));
    generation->finish(0);
    generation->end({.prompt_tokens = 1, .completion_tokens = 1});
    client.read_until("\r\n0\r\n\r\n");
  }
  client.send("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.ended_properly());
}

TEST_F(ServerTlsTest, AClientThatLeavesEndsItsGeneration) {
  auto client = std::make_unique<TlsClient>(port(), trusting());
  const std::string body = R"({"model": "demo", "prompt": "a", "stream": true})";
  client->send("POST /v1/completions HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) +
               "\r\n\r\n" + body);
  const auto generation = service->next();
  client.reset();
  generation->wait_cancelled();
}

TEST_F(ServerTlsTest, LargeBodiesAndAnswersPass) {
  TlsClient client(port(), trusting());
  const std::string text(1 << 20, 'x');
  const std::string body = R"({"model": "demo", "prompt": ")" + text + R"("})";
  client.send("POST /v1/completions HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
              body);
  const auto generation = service->next();
  EXPECT_EQ(std::get<std::string>(generation->request.prompts.front()).size(), text.size());
  generation->accept({.prompt_tokens = 1});
  generation->text(0, text);
  generation->finish(0);
  generation->end({});
  EXPECT_THAT(client.read_until("usage"), HasSubstr(text));
}

TEST_F(ServerTlsTest, SpeaksOnePointTwoAndUp) {
  EXPECT_EQ(TlsClient(port(), trusting()).version(), "TLSv1.3");
  TlsClient::Options options = trusting();
  options.newest = TLS1_2_VERSION;
  EXPECT_EQ(TlsClient(port(), options).version(), "TLSv1.2");
  EXPECT_THAT(page(options), StartsWith("HTTP/1.1 200 OK"));
  options.newest = TLS1_1_VERSION;
  EXPECT_FALSE(TlsClient(port(), options).connected());
}

TEST_F(ServerTlsTest, AgreesOnHttp11) {
  TlsClient::Options options = trusting();
  EXPECT_EQ(TlsClient(port(), options).protocol(), "");
  options.protocols = "\x02h2\x08http/1.1";
  EXPECT_EQ(TlsClient(port(), options).protocol(), "http/1.1");
  options.protocols = "\x02h2";
  EXPECT_FALSE(TlsClient(port(), options).connected());
}

TEST_F(ServerTlsTest, ClientsShowCertificatesWhereTheyMust) {
  settings.tls.authorities = file("ca.pem");
  issue_by_a_stranger("stranger");
  for (const std::optional<std::int32_t> required : {std::optional<std::int32_t>(), std::optional(2)}) {
    server.reset();
    settings.tls.certificate_requirements = required;
    EXPECT_THAT(page(with_certificate("client")), StartsWith("HTTP/1.1 200 OK"));
    EXPECT_EQ(page(trusting()), "");
    EXPECT_EQ(page(with_certificate("stranger")), "");
  }
}

TEST_F(ServerTlsTest, ACertificateThatMayBeLeftOutMustBeRightWhereItIsShown) {
  settings.tls.authorities = file("ca.pem");
  settings.tls.certificate_requirements = 1;
  issue_by_a_stranger("stranger");
  EXPECT_THAT(page(with_certificate("client")), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(page(trusting()), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_EQ(page(with_certificate("stranger")), "");
}

TEST_F(ServerTlsTest, ClientsThatAreAskedForNoCertificateMayHaveAny) {
  settings.tls.authorities = file("ca.pem");
  settings.tls.certificate_requirements = 0;
  issue_by_a_stranger("stranger");
  EXPECT_THAT(page(trusting()), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(page(with_certificate("stranger")), StartsWith("HTTP/1.1 200 OK"));
}

TEST_F(ServerTlsTest, ClientsInClearAreSentAway) {
  Client client(port());
  client.get("/livez");
  EXPECT_EQ(client.read_to_end().find("HTTP/1.1 200"), std::string::npos);
}

TEST_F(ServerTlsTest, ASilentClientHoldsNothingUp) {
  settings.connection.header_timeout = std::chrono::milliseconds(50);
  Client client(port());
  EXPECT_TRUE(client.at_end());
  Client late(port());
  server->stop();
  EXPECT_TRUE(late.at_end());
}

TEST_F(ServerTlsTest, ANewCertificateIsShownAfterASignalAndStreamsGoOn) {
  TlsClient before(port(), trusting());
  const std::string body = R"({"model": "demo", "prompt": "a", "stream": true})";
  before.send("POST /v1/completions HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
              body);
  const auto generation = service->next();
  issue("server");
  raise(SIGHUP);
  const auto is_new = [&] {
    return TlsClient(port(), trusting()).certificate_digest() != before.certificate_digest();
  };
  for (const auto end = now() + ScriptedGeneration::deadline; !is_new();) ASSERT_LT(now(), end);
  folder.write("server.pem", "no certificate");
  raise(SIGHUP);
  EXPECT_THAT(page(trusting()), StartsWith("HTTP/1.1 200 OK"));
  generation->accept({.prompt_tokens = 1});
  generation->text(0, "still here");
  EXPECT_THAT(before.read_until("still here"), EndsWith("still here"));
  generation->finish(0);
  generation->end({});
  before.read_until("[DONE]");
}

TEST_F(ServerTlsTest, FilesThatCannotBeUsedAreNamed) {
  const auto failure = [&](const std::string& certificate, const std::string& key = "",
                           const std::string& authorities = "") {
    const config::EdgeTlsSettings tls{.certificate = certificate, .key = key, .authorities = authorities};
    return error_of([&] { ServerTls made(tls); });
  };
  EXPECT_THAT(failure(file("none.pem")), AllOf(HasSubstr("none.pem"), HasSubstr("--ssl-certfile")));
  EXPECT_THAT(failure(file("server.key"), file("server.key")), HasSubstr("--ssl-certfile"));
  EXPECT_THAT(failure(file("server.pem"), file("client.key")),
              AllOf(HasSubstr("client.key"), HasSubstr("--ssl-keyfile")));
  EXPECT_THAT(failure(file("server.pem")), HasSubstr("--ssl-keyfile"));
  EXPECT_THAT(failure(file("server.pem"), file("server.key"), file("x")), HasSubstr("--ssl-ca-certs"));
  const Credentials made = authority.issue("127.0.0.1");
  const std::string both = folder.write("both.pem", made.certificate + made.key).string();
  EXPECT_EQ(failure(both), "no error");
}

}  // namespace
}  // namespace troupe::actors::edge
