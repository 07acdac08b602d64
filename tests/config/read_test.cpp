#include "config/read.hpp"

#include <filesystem>
#include <fstream>

#include "config/settings.hpp"
#include "config/settings_file.hpp"
#include "config/speculation.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::config {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Texts = std::vector<std::string>;

const Texts policies{"decode_first", "fcfs", "priority"};

Settings read_all(const Texts& arguments, const Texts& environment = {}) {
  Settings settings;
  Table table = schema(settings, policies);
  EXPECT_TRUE(read(table, {arguments, environment}));
  return settings;
}

std::string refusal(const Texts& arguments, const Texts& environment = {}) {
  Settings settings;
  Table table = schema(settings, policies);
  try {
    read(table, {arguments, environment});
    validate(settings);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

class ReadFile : public testing::Test {
 protected:
  std::string write(std::string_view text) {
    std::ofstream(file_) << text;
    return file_.string();
  }

  const TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path() / "settings.toml";
};

TEST(Read, NothingGivenLeavesDefaults) {
  const Settings settings = read_all({});
  EXPECT_EQ(settings.edge.host, "127.0.0.1");
  EXPECT_EQ(settings.edge.port, 8000);
  EXPECT_EQ(settings.scheduling_policy, "decode_first");
  EXPECT_FALSE(settings.max_model_len);
  EXPECT_TRUE(settings.scheduler.prefix_caching);
  EXPECT_NO_THROW(validate(settings));
}

TEST(Read, EveryDefaultIsInItsOwnRange) {
  Settings settings;
  for (Setting& each : schema(settings, policies)) {
    if (toml_value(each).empty() || kind_of(each) == Kind::texts) continue;
    std::string text = toml_value(each);
    if (text.front() == '"') text = text.substr(1, text.size() - 2);
    EXPECT_NO_THROW(assign({&each, {text}, "default"})) << each.name;
  }
}

TEST(Read, EachOfSeveralIsOneOfTheChoices) {
  Texts checks;
  Table table{{.name = "only", .target = &checks, .choices = {"health", "models"}, .flag_only = true}};
  const Texts known{"--only", "models", "--only", "health"}, unknown{"--only", "health", "--only", "helth"};
  EXPECT_TRUE(read(table, {known, {}}));
  EXPECT_THAT(checks, testing::ElementsAre("models", "health"));
  EXPECT_THROW(read(table, {unknown, {}}), UsageError);
}

TEST(Read, FlagsOfEveryKind) {
  const Settings settings =
      read_all({"folder", "--port", "0", "--served-model-name", "a", "--served-model-name", "b",
                "--kv-cache-memory-bytes=4G", "--no-enable-prefix-caching", "--gpu-memory-utilization",
                "0.25", "--header-timeout", "1.5", "--max_num_seqs=8", "--log-level", "off"});
  EXPECT_EQ(settings.model, "folder");
  EXPECT_EQ(settings.edge.port, 0);
  EXPECT_THAT(settings.served_model_name, ElementsAre("a", "b"));
  EXPECT_EQ(settings.kv_cache_memory_bytes, ByteSize{std::size_t{4} << 30});
  EXPECT_FALSE(settings.scheduler.prefix_caching);
  EXPECT_EQ(settings.gpu_memory_utilization, 0.25);
  EXPECT_EQ(settings.edge.connection.header_timeout, milliseconds(1500));
  EXPECT_EQ(settings.scheduler.max_num_seqs, 8);
  EXPECT_EQ(settings.log_level, "off");
}

TEST(Read, AGpuIsForItsRankAloneAndAHostForOthersToo) {
  EXPECT_EQ(read_all({}).memory_utilization(), 0.5);
  EXPECT_EQ(read_all({"--device", "cuda"}).memory_utilization(), 0.9);
  EXPECT_EQ(read_all({"--device", "cuda", "--gpu-memory-utilization", "0.25"}).memory_utilization(), 0.25);
}

TEST(Read, WeightsOfAGpuMayStayInTheHostsMemory) {
  EXPECT_EQ(read_all({"--device", "cuda"}).cpu_offload_bytes(), 0u);
  EXPECT_EQ(read_all({"--device", "cuda", "--cpu-offload-gb", "1.5"}).cpu_offload_bytes(),
            std::size_t{3} << 29);
  EXPECT_EQ(read_all({"--cpu-offload-gb", "1.5"}).cpu_offload_bytes(), 0u) << "a CPU has no other memory";
  EXPECT_THAT(refusal({"--cpu-offload-gb", "-1"}), HasSubstr("--cpu-offload-gb: '-1' is out of range"));
}

TEST(Read, ShortFlagsOfTwoLetters) {
  const Settings settings = read_all({"-tp", "2", "-dp=4", "-ep"});
  EXPECT_EQ(settings.tensor_parallel_size, 2);
  EXPECT_EQ(settings.data_parallel_size, 4);
  EXPECT_TRUE(settings.enable_expert_parallel);
}

TEST(Read, TheLastOfAFlagCounts) {
  const Settings settings = read_all({"--port", "1", "--port", "2", "--no-enable-expert-parallel", "-ep"});
  EXPECT_EQ(settings.edge.port, 2);
  EXPECT_TRUE(settings.enable_expert_parallel);
}

TEST(Read, AFlagWithSeveralValuesTakesOneATime) {
  const Settings settings = read_all({"--api-key", "k1", "folder", "--api-key=k2"});
  EXPECT_EQ(settings.model, "folder");
  EXPECT_THAT(settings.edge.api_keys, ElementsAre("k1", "k2"));
}

TEST(Read, AListMayBeAJsonArray) {
  const Settings settings =
      read_all({"--allowed-origins", R"(["https://a.example", "https://b.example"])", "--allowed-methods=[]",
                "--allowed-headers", "[x", "--allowed-headers", "[1]"});
  EXPECT_THAT(settings.edge.cors.allowed_origins, ElementsAre("https://a.example", "https://b.example"));
  EXPECT_THAT(settings.edge.cors.allowed_methods, ElementsAre());
  EXPECT_THAT(settings.edge.cors.allowed_headers, ElementsAre("[x", "[1]"));
}

TEST(Read, ModelByFlagOrPlace) {
  EXPECT_EQ(read_all({"--model", "there"}).model, "there");
  EXPECT_EQ(read_all({"there"}).model, "there");
  EXPECT_THAT(refusal({"here", "there"}), HasSubstr("'there' is one argument too many"));
}

TEST(Read, HelpSetsNothing) {
  Settings settings;
  Table table = schema(settings);
  const Texts arguments{"--port", "1", "-h"};
  EXPECT_FALSE(read(table, {arguments, {}}));
  EXPECT_EQ(settings.edge.port, 8000);
}

TEST_F(ReadFile, FlagsOverVariablesOverFile) {
  const std::string file = write("port = 1\nmax-num-seqs = 1\nblock_size = 1\n");
  const Settings settings =
      read_all({"--config", file, "--port", "3"}, {"TROUPE_PORT=2", "TROUPE_MAX_NUM_SEQS=2"});
  EXPECT_EQ(settings.edge.port, 3);
  EXPECT_EQ(settings.scheduler.max_num_seqs, 2);
  EXPECT_EQ(settings.scheduler.block_size, 1);
  EXPECT_EQ(settings.scheduler.max_num_batched_tokens, 2048);
}

TEST_F(ReadFile, VariableNamesTheFile) {
  EXPECT_EQ(read_all({}, {"TROUPE_CONFIG=" + write("port = 7")}).edge.port, 7);
}

TEST_F(ReadFile, ValuesOfEveryType) {
  const Settings settings = read_all({"--config", write(R"(
model = "m"
api-key = ["k1", "k2"]
served-model-name = "one"
enable-prefix-caching = false
gpu-memory-utilization = 1
idle-timeout = 0.5
kv-cache-memory-bytes = "512MiB"
max-body-bytes = 1024
)")});
  EXPECT_EQ(settings.model, "m");
  EXPECT_THAT(settings.edge.api_keys, ElementsAre("k1", "k2"));
  EXPECT_THAT(settings.served_model_name, ElementsAre("one"));
  EXPECT_FALSE(settings.scheduler.prefix_caching);
  EXPECT_EQ(settings.gpu_memory_utilization, 1);
  EXPECT_EQ(settings.edge.connection.idle_timeout, milliseconds(500));
  EXPECT_EQ(settings.kv_cache_memory_bytes, ByteSize{512 << 20});
  EXPECT_EQ(settings.edge.connection.body_size, ByteSize{1024});
}

TEST_F(ReadFile, RefusalsNameFileAndLine) {
  const auto refused = [&](std::string_view text) { return refusal({"--config", write(text)}); };
  EXPECT_THAT(refused("\nmax-num-sequences = 1"),
              AllOf(HasSubstr(".toml:2: max-num-sequences"), HasSubstr("nearest known one is max-num-seqs")));
  EXPECT_THAT(refused("port = \"80\""), HasSubstr(".toml:1: port: wrong type; give a whole number"));
  EXPECT_THAT(refused("port = 80.5"), HasSubstr("wrong type"));
  EXPECT_THAT(refused("port = 65536"), HasSubstr("'65536' is out of range; permitted: 0 to 65535"));
  EXPECT_THAT(refused("api-key = [1]"), HasSubstr("array of texts"));
  EXPECT_THAT(refused("[edge]\nport = 1"), HasSubstr("unknown key"));
  EXPECT_THAT(refused("block-size = 1\nblock_size = 2"), HasSubstr("given twice"));
  EXPECT_THAT(refused("port = "), HasSubstr(".toml:1"));
  EXPECT_THAT(refused("config = \"other.toml\""), HasSubstr("unknown key"));
  EXPECT_THAT(refused("show-config = true"), HasSubstr("unknown key"));
}

TEST_F(ReadFile, TooLargeOrMissing) {
  EXPECT_THAT(refusal({"--config", write(std::string(max_settings_file_bytes + 1, '\n'))}),
              HasSubstr("is larger than 1048576 bytes"));
  EXPECT_EQ(read_all({"--config", write(std::string(max_settings_file_bytes, '\n'))}).edge.port, 8000);
  Settings settings;
  Table table = schema(settings);
  const Texts missing{"--config", "no/such.toml"}, folder{"--config", testing::TempDir()};
  EXPECT_THROW(read(table, {missing, {}}), Error);
  EXPECT_THROW(read(table, {folder, {}}), Error);
}

TEST(Read, RefusalsOfFlags) {
  EXPECT_THAT(refusal({"--prot", "80"}), AllOf(HasSubstr("--prot: unknown flag"), HasSubstr("--port")));
  EXPECT_THAT(refusal({"--max-num-sqs=1"}), HasSubstr("--max-num-seqs"));
  EXPECT_THAT(refusal({"-tpp"}), HasSubstr("-tp"));
  EXPECT_THAT(refusal({"--port"}), HasSubstr("--port"));
  EXPECT_THAT(refusal({"--port", "eighty"}), HasSubstr("--port: 'eighty' is not a whole number"));
  EXPECT_THAT(refusal({"--port", "-1"}), HasSubstr("permitted: 0 to 65535"));
  EXPECT_THAT(refusal({"--port", "99999999999999999999"}), HasSubstr("out of range"));
  EXPECT_THAT(refusal({"--gpu-memory-utilization", "0"}), HasSubstr("permitted: above 0, up to 1"));
  EXPECT_THAT(refusal({"--gpu-memory-utilization", "nan"}), HasSubstr("is not a number"));
  EXPECT_THAT(refusal({"--kv-cache-memory-bytes", "9999999T"}), HasSubstr("out of range"));
  EXPECT_THAT(refusal({"--kv-cache-memory-bytes", "many"}), HasSubstr("such as 512M"));
  EXPECT_THAT(refusal({"--kv-cache-dtype", "fp8_e5m2"}), HasSubstr("permitted: auto f32 bf16 fp8"));
  EXPECT_THAT(refusal({"--system-prompt", "drop"}), HasSubstr("permitted: keep fold reject"));
  EXPECT_EQ(read_all({"--scheduling-policy", "lifo"}).scheduling_policy, "lifo") << "a plugin may bring it";
  EXPECT_THAT(refusal({"--header-timeout", "0"}), HasSubstr("above 0 seconds"));
  EXPECT_THAT(refusal({"--header-timeout", "0.0001"}), HasSubstr("above 0 seconds"));  // would become none
}

// Whatever the row of the table says.
TEST(Read, WhatATargetCannotHoldIsOutOfRange) {
  std::uint16_t narrow = 1;
  std::int32_t middle = 1;
  std::optional<std::int32_t> open;
  std::chrono::milliseconds time{1};
  Table table{{.name = "narrow", .target = &narrow, .argument = "N", .help = "", .range = {-1}},
              {.name = "middle", .target = &middle, .argument = "N", .help = ""},
              {.name = "open", .target = &open, .argument = "N", .help = "", .range = {-1}},
              {.name = "time", .target = &time, .argument = "N", .help = ""}};
  const auto told = [&](std::size_t row, const char* text) -> std::string {
    try {
      assign({&table[row], {text}, "it"});
    } catch (const UsageError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(told(0, "65535"), "accepted");
  EXPECT_EQ(narrow, 65535);
  EXPECT_EQ(told(0, "65536"), "it: '65536' is out of range; permitted: 0 to 65535");
  EXPECT_THAT(told(0, "-1"), HasSubstr("permitted: 0 to 65535"));
  EXPECT_EQ(told(1, "2147483647"), "accepted");
  EXPECT_THAT(told(1, "2147483648"), HasSubstr("permitted: 0 to 2147483647"));
  EXPECT_EQ(told(2, "-1"), "accepted");
  EXPECT_THAT(told(2, "2147483648"), HasSubstr("permitted: -1 to 2147483647"));
  EXPECT_THAT(told(3, "1e300"), HasSubstr("is out of range"));
  EXPECT_EQ(told(3, "0.0125"), "accepted");
  EXPECT_EQ(time, milliseconds(13));
  EXPECT_EQ(narrow, 65535);
  EXPECT_EQ(middle, 2147483647);
}

TEST(Read, RefusalsOfVariables) {
  EXPECT_THAT(refusal({}, {"TROUPE_MAX_SEQS=1"}),
              AllOf(HasSubstr("TROUPE_MAX_SEQS: unknown variable"), HasSubstr("TROUPE_MAX_NUM_SEQS")));
  EXPECT_THAT(refusal({}, {"TROUPE_ENABLE_PREFIX_CACHING=maybe"}), HasSubstr("neither true nor false"));
  EXPECT_THAT(refusal({}, {"TROUPE_SHOW_CONFIG=1"}), HasSubstr("unknown variable"));
  EXPECT_EQ(refusal({}, {"TROUPE_BINARY=/bin/troupe", "OTHER=1"}), "accepted");
}

TEST(Read, VariablesThatKubernetesSetsForAServiceAreNoSettings) {
  const Texts links{"TROUPE_SERVICE_HOST=10.0.0.1",
                    "TROUPE_SERVICE_PORT=8000",
                    "TROUPE_SERVICE_PORT_HTTP=8000",
                    "TROUPE_PORT=tcp://10.0.0.1:8000",
                    "TROUPE_PORT_8000_TCP=tcp://10.0.0.1:8000",
                    "TROUPE_PORT_8000_TCP_PROTO=tcp",
                    "TROUPE_PORT_8000_TCP_PORT=8000",
                    "TROUPE_PORT_8000_TCP_ADDR=10.0.0.1",
                    "TROUPE_CONTROL_PORT=udp://10.0.0.2:9",
                    "TROUPE_BLUE_SERVICE_HOST=10.0.0.1",
                    "TROUPE_BLUE_PORT_53_UDP_ADDR=10.0.0.1"};
  EXPECT_EQ(read_all({}, links), read_all({}, {}));
  EXPECT_EQ(read_all({}, {"TROUPE_PORT=8001", "TROUPE_SERVICE_HOST=10.0.0.1"}).edge.port, 8001);
  for (const char* slip : {"TROUPE_PORT=tcp", "TROUPE_SERVICE_HOTS=x", "TROUPE_PORT_X_TCP=1"})
    EXPECT_NE(refusal({}, {slip}), "accepted") << slip;
}

TEST(Read, ListsInVariables) {
  EXPECT_THAT(read_all({}, {"TROUPE_SERVED_MODEL_NAME=a,b"}).served_model_name, ElementsAre("a", "b"));
  // A key that was meant and came out empty must not open the door.
  EXPECT_THAT(refusal({}, {"TROUPE_API_KEY="}), HasSubstr("--api-key: a key is empty"));
}

TEST(Read, CommandsPassOverEachOthersSettings) {
  Settings settings;
  Table few = select(schema(settings), {"model", "threads"});
  const Texts environment{"TROUPE_PORT=1", "TROUPE_THREADS=2"};
  EXPECT_TRUE(read(few, {{}, environment}));
  EXPECT_EQ(settings.threads, 2);
  EXPECT_EQ(settings.edge.port, 8000);
  const Texts flags{"--port", "1"};
  EXPECT_THROW(read(few, {flags, {}}), UsageError);
}

TEST(Validate, WhatDoesNotGoTogether) {
  EXPECT_EQ(refusal({"-tp", "2", "-dp", "4", "-ep"}), "accepted");
  EXPECT_THAT(refusal({"-tp", "3"}),
              AllOf(HasSubstr("--tensor-parallel-size"), HasSubstr("'3' is not a power of two")));
  EXPECT_THAT(refusal({"-dp", "6"}), HasSubstr("--data-parallel-size: '6' is not a power of two"));
  EXPECT_THAT(refusal({"--virtual-shards", "12"}), HasSubstr("--virtual-shards: '12' is not a power of two"));
  EXPECT_THAT(refusal({"--expert-shards", "3"}), HasSubstr("--expert-shards: '3' is not a power of two"));
  EXPECT_THAT(refusal({"--require-rdma"}), HasSubstr("--require-rdma"));
  EXPECT_EQ(refusal({"--require-rdma", "--device", "cuda"}), "accepted");
  EXPECT_THAT(refusal({"--require-rdma", "--device", "cuda", "--gpu-communicator", "host"}),
              HasSubstr("by way of the host tensors go over TCP"));
  EXPECT_THAT(refusal({"--max-num-batched-tokens", "4", "--max-num-seqs", "8"}),
              HasSubstr("fewer than --max-num-seqs, which is 8"));
  EXPECT_THAT(refusal({"--served-model-name", ""}), HasSubstr("a name is empty"));
  EXPECT_EQ(refusal({"--degrade"}), "accepted");
  EXPECT_THAT(refusal({"--degrade", "-tp", "2", "--nodes", "2"}),
              HasSubstr("--degrade: a replica of several nodes does not start again with less"));
}

TEST(Validate, ARegionIsANameThatHeadersAndLabelsTake) {
  for (const std::string& name :
       {std::string("eu-west-1"), std::string("a_b.C9"), std::string(max_region_bytes, 'a')})
    EXPECT_EQ(refusal({"--region", name}), "accepted");
  for (const std::string& name : {std::string("eu west"), std::string("\"a\""), std::string("ü"),
                                  std::string("a\nb"), std::string(max_region_bytes + 1, 'a')})
    EXPECT_THAT(refusal({"--region", name}), HasSubstr("is no name of a region"));
}

TEST(Read, TheRepetitionGuardHasBounds) {
  EXPECT_EQ(refusal({"--repetition-guard", "--repetition-guard-ngram", "1024", "--repetition-guard-repeats",
                     "1000"}),
            "accepted");
  EXPECT_THAT(refusal({"--repetition-guard-ngram", "0"}), HasSubstr("out of range; permitted: 1 to 1024"));
  EXPECT_THAT(refusal({"--repetition-guard-ngram", "1025"}), HasSubstr("out of range"));
  EXPECT_THAT(refusal({"--repetition-guard-repeats", "1"}), HasSubstr("out of range; permitted: 2 to 1000"));
  EXPECT_THAT(refusal({"--repetition-guard-repeats", "1001"}), HasSubstr("out of range"));
}

TEST(Validate, CertificatesOfClientsNeedAnAuthority) {
  const auto with = [](const char* requirements, Texts more = {}) {
    Texts flags{"--ssl-certfile", "a.pem", "--ssl-cert-reqs", requirements};
    flags.insert(flags.end(), more.begin(), more.end());
    return refusal(flags);
  };
  EXPECT_EQ(with("0"), "accepted");
  EXPECT_THAT(with("1"), HasSubstr("--ssl-ca-certs: is missing"));
  for (const char* each : {"0", "1", "2"}) EXPECT_EQ(with(each, {"--ssl-ca-certs", "ca.pem"}), "accepted");
  EXPECT_THAT(with("3"), HasSubstr("--ssl-cert-reqs: '3' is out of range; permitted: 0 to 2"));
}

TEST(Validate, RanksAreSpreadEvenlyOverNodes) {
  EXPECT_EQ(refusal({"-tp", "4", "--nodes", "4"}), "accepted");
  EXPECT_THAT(refusal({"-tp", "4", "--nodes", "3"}),
              AllOf(HasSubstr("--nodes"), HasSubstr("4 ranks cannot be spread evenly over 3 nodes")));
  EXPECT_THAT(refusal({"--nodes", "2"}), HasSubstr("1 ranks cannot be spread evenly over 2 nodes"));
}

TEST(Validate, LinksBetweenHostsNeedCertificatesAndANetwork) {
  const Texts certificates{"--tls-ca", "a", "--tls-certificate", "b", "--tls-key", "c"};
  const auto with = [&](Texts more) {
    more.insert(more.end(), certificates.begin(), certificates.end());
    return refusal(more);
  };
  EXPECT_EQ(with({}), "accepted");
  for (std::size_t missing = 0; missing < 3; ++missing) {
    Texts some = certificates;
    some.erase(some.begin() + std::ptrdiff_t(2 * missing), some.begin() + std::ptrdiff_t(2 * missing + 2));
    EXPECT_THAT(refusal(some), HasSubstr("certificates are given in part"));
  }
  for (const char* near : {"127.0.0.1", "127.3.2.1", "::1", "localhost"})
    EXPECT_EQ(refusal({"--control-host", near}), "accepted") << near;
  for (const char* far : {"10.0.0.1", "0.0.0.0", "host-1", "::"}) {
    EXPECT_THAT(refusal({"--control-host", far}),
                AllOf(HasSubstr("--control-host"), HasSubstr("there are no certificates")));
    EXPECT_THAT(with({"--control-host", far}), HasSubstr("give --tensor-interface"));
    EXPECT_EQ(with({"--control-host", far, "--tensor-interface", "eth1"}), "accepted");
  }
}

TEST(Validate, AHangIsNotToldBeforeItCouldBeSeen) {
  EXPECT_THAT(refusal({"--hang-timeout", "0.09"}), HasSubstr("--hang-timeout: too short"));
  EXPECT_EQ(refusal({"--hang-timeout", "0.1"}), "accepted");
}

TEST(Read, ANodeHasItsLinksThreadsAndLogAndNothingElse) {
  Settings settings;
  Table table = node_schema(settings);
  const Texts flags{"--tensor-interface", "eth1", "--threads", "3"}, others{"--max-num-seqs", "3"};
  const Texts environment{"TROUPE_MAX_NUM_SEQS=3", "TROUPE_LOG_LEVEL=error"};
  EXPECT_TRUE(read(table, {flags, environment}));
  EXPECT_EQ(settings.tensor_interface, "eth1");
  EXPECT_EQ(settings.threads, 3);
  EXPECT_EQ(settings.log_level, "error");
  EXPECT_EQ(settings.scheduler.max_num_seqs, 256);
  EXPECT_THROW(read(table, {others, {}}), UsageError);
}

TEST(Show, NamesSourcesAndHidesSecrets) {
  Settings settings;
  Table table = schema(settings);
  const Texts arguments{"--api-key", "sesame", "--kv-cache-memory-bytes", "1536M"};
  const Texts environment{"TROUPE_PORT=9"};
  read(table, {arguments, environment});
  const std::string shown = show(table);
  EXPECT_THAT(shown, HasSubstr("port = 9  # from TROUPE_PORT\n"));
  EXPECT_THAT(shown, HasSubstr("kv-cache-memory-bytes = \"1536M\"  # from --kv-cache-memory-bytes\n"));
  EXPECT_THAT(shown, HasSubstr("host = \"127.0.0.1\"  # from default\n"));
  EXPECT_THAT(shown, testing::Not(HasSubstr("sesame")));
}

TEST(Show, IsASettingsFileThatSaysTheSame) {
  Settings settings;
  Table table = schema(settings);
  const Texts arguments{"--served-model-name", "a\"b", "--idle-timeout", "0.25", "--port", "9"};
  read(table, {arguments, {}});
  Settings again;
  Table other = schema(again);
  for (const Given& each : parse_settings_text(other, show(table), "shown", table)) assign(each);
  EXPECT_EQ(again.served_model_name, settings.served_model_name);
  EXPECT_EQ(again.edge.connection.idle_timeout, settings.edge.connection.idle_timeout);
  EXPECT_EQ(again.edge.port, 9);
}

TEST(Validate, DefaultVariablesOfTheTemplateAreAnObject) {
  EXPECT_EQ(refusal({"--default-chat-template-kwargs", R"({"thinking": true})"}), "accepted");
  for (const char* wrong : {"thinking", "[true]", "{"})
    EXPECT_THAT(refusal({"--default-chat-template-kwargs", wrong}),
                HasSubstr("--default-chat-template-kwargs: '" + std::string(wrong) + "' is no JSON object"));
}

TEST(Read, SpeculationInVllmsForm) {
  const auto speculation = [&](const Texts& flags) { return speculation_of(read_all(flags)); };
  EXPECT_EQ(speculation({}), Speculation{});
  const Speculation two{DraftMethod::ngram, 2, false};
  EXPECT_EQ(speculation({"--speculative-config", R"({"method": "ngram", "num_speculative_tokens": 2})"}),
            two);
  EXPECT_EQ(speculation({"--num-speculative-tokens", "3", "--speculative-auto"}),
            (Speculation{DraftMethod::mtp, 3, true}));
  EXPECT_EQ(
      speculation({"--speculative-config", R"({"method": "deepseek_mtp"})", "--num-speculative-tokens=1"})
          .tokens,
      1);
  EXPECT_THAT(refusal({"--speculative-config", "mtp"}), HasSubstr("'mtp' is no JSON object"));
  EXPECT_THAT(refusal({"--speculative-config", R"({"method": "eagle"})"}),
              HasSubstr("method \"eagle\" is not known"));
  EXPECT_THAT(refusal({"--speculative-config", R"({"num_speculative_tokens": 1})"}),
              HasSubstr("a method is missing"));
  EXPECT_THAT(refusal({"--speculative-config", R"({"method": "mtp"})"}),
              HasSubstr("num_speculative_tokens is missing"));
  EXPECT_THAT(refusal({"--speculative-config", R"({"method": "mtp", "num_speculative_tokens": 9})"}),
              HasSubstr("from 1 to 8"));
  EXPECT_THAT(refusal({"--speculative-config", R"({"model": "x"})"}), HasSubstr("'model' is not known"));
  EXPECT_THAT(refusal({"--speculative-auto"}), HasSubstr("no speculation to adapt"));
}

}  // namespace
}  // namespace troupe::config
