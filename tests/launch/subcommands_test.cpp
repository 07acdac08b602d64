#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "launch/json_lines.hpp"
#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using nlohmann::ordered_json;
using std::filesystem::path;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Subcommands : public ProgramTest {
 protected:
  // Answers of a JSON-lines filter.
  std::vector<ordered_json> filter(const std::string& arguments, const std::string& input) {
    const Outcome outcome = run(arguments, input);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    std::vector<ordered_json> lines;
    std::istringstream stream(outcome.out);
    for (std::string line; std::getline(stream, line);) lines.push_back(ordered_json::parse(line));
    return lines;
  }
};

TEST_F(Subcommands, VersionAndHelp) {
  EXPECT_THAT(run("version").out, StartsWith("troupe "));
  EXPECT_EQ(run("--version").out, run("version").out);
  EXPECT_THAT(run("version --verbose").out, StartsWith(run("version").out + "cuda: "));
  EXPECT_THAT(run("--help").out, HasSubstr("serve"));
  EXPECT_THAT(run("certs --help").out, HasSubstr("troupe certs HOST... --out FOLDER"));
  for (const char* name :
       {"serve",     "generate", "logits",   "check",  "tokenize", "template", "synth",
        "convert",   "size",     "status",   "certs",  "keys",     "node",     "pull",
        "run-batch", "chat",     "selftest", "manual", "worker",   "bench",    "version"}) {
    const Outcome page = run(std::string(name) + " --help");
    EXPECT_EQ(page.code, 0);
    EXPECT_THAT(page.out, StartsWith("NAME\n       troupe-" + std::string(name) + " - "));
  }
}

TEST_F(Subcommands, MistakesAreNamedInOneLine) {
  const auto mistake = [&](const std::string& arguments, const std::string& sentence) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_THAT(outcome.err, AllOf(StartsWith("troupe: "), HasSubstr(sentence)));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  };
  mistake("serv", "'serv' is no subcommand; the nearest known one is serve");
  mistake("serve --prot 1", "the nearest known one is --port");
  mistake("serve -tp 3", "--tensor-parallel-size: '3' is not a power of two");
  mistake("serve -tp 2 --nodes 4", "2 ranks cannot be spread evenly over 4 nodes");
  mistake("serve --ssl-keyfile x", "--ssl-certfile: is missing");
  mistake("serve --api-key k --capture-folder x",
          "--capture-folder and --capture-certificate need each other");
  mistake("serve --capture-folder x --capture-certificate y",
          "give --api-keys with a caller of class control");
  mistake("serve --journal x", "--journal: clients could not come back for what it saves");
  for (const char* path : {"llm", "/llm/", "/"})
    mistake("serve --root-path " + std::string(path),
            "--root-path: '" + std::string(path) + "' is not a path");
  mistake("node", "--join is missing");
  for (const char* address : {"a", "a:", ":1", "a:0", "a:65536", "a:b", "a:99999999999999999999"})
    mistake("node --join " + std::string(address), "is not HOST:PORT");
  mistake("node --join a:7000", "a node joins with a certificate of the replica");
  mistake("node --join a:7000 --tls-ca x", "certificates are given in part");
  mistake("node --join a:7000 --tls-ca x --tls-certificate x --tls-key x", "tensors have no network");
  mistake("generate", "--prompt is missing");
  mistake("generate --prompt x --temperature 101", "--temperature: '101' is out of range");
  mistake("generate --chat --chat-template-kwargs '{' --prompt x", "--chat-template-kwargs: is not JSON");
  mistake("logits a b", "OUT.safetensors is missing");
  mistake("synth --out x", "--config is missing");
  mistake("status", "URL is missing");
  for (const char* url :
       {"127.0.0.1:8000", "http://", "http://:8000", "http://a:", "http://a:0", "http://a:65536",
        "http://a:b", "http://[::1", "http://u@a", "http://a/?x", "ftp://a", "'http://a /'"})
    mistake("status " + std::string(url), "is no URL of a server; such as http://127.0.0.1:8000");
  mistake("status https://a:8000", "asks for TLS");
  mistake("status http://a:8000 --timeout 0", "--timeout: '0' is out of range");
  mistake("smoke http://a:8000 --only health --only helth", "--only: 'helth' is unknown; permitted: health");
  for (const char* command : {"status", "smoke", "doctor"})
    mistake(std::string(command) + " http://a:8000 --api-key 'a b'", "--api-key: a key has a space");
  mistake("bench", "what to measure is missing");
  mistake("bench srve", "'srve' cannot be measured; the nearest known one is serve");
  mistake("bench serve", "--base-url is missing");
  mistake("bench serve --base-url a:8000", "is no URL of a server");
  const std::string bench = "bench serve --base-url http://a:8000 ";
  mistake(bench + "--goodput ttft:500 tpot:x", "'tpot:x' is no objective");
  mistake(bench + "--header x", "--header: is not NAME=VALUE");
  mistake(bench + "--percentile-metrics ttft,x", "'x' is no time that is measured");
  mistake(bench + "--metric-percentiles 101", "'101' is no percentage");
  mistake(bench + "--request-rate 0", "--request-rate: '0' is out of range");
  mistake(bench + "--max-concurrency 0", "'0' is out of range");
  mistake(bench + "--dataset-name sharegpt", "permitted: random prefix_repetition trace custom");
  mistake(bench + "--dataset-name trace", "--dataset-path: is missing");
  mistake("bench offline --num-prompts 0", "--num-prompts: '0' is out of range");
  for (const char* sizes : {"''", "0", "1,", "1,x", "-1", "1025", "4294967297"})
    mistake("bench decode --batch-sizes " + std::string(sizes), "is no number from 1 to 1024");
  mistake("bench decode --num-iters 0", "--num-iters: '0' is out of range");
  mistake("bench decode --num-prompts 1", "--num-prompts: unknown flag");
  mistake("run-batch -i x", "--output-file is missing");
  mistake("run-batch -i x -o y --max-concurrency 0", "--max-concurrency: '0' is out of range");
  mistake("chat https://a", "asks for TLS, which this command does not speak");
  mistake("chat --extra-body []", "--extra-body: is no JSON object");
  mistake("chat --extra-body '{\"stream\": false}'",
          "--extra-body: has 'stream', which the command sets itself");
  mistake(bench + "--extra-body '{\"stream\": false}'", "--extra-body: has 'stream'");
  mistake("certs --out x", "HOST is missing");
  mistake("certs node-a", "--out is missing");
  mistake("certs --out x 'node a'", "HOST: 'node a' is neither a host's name nor an IP address");
  mistake("certs --out x ../x", "HOST: '../x' is neither");
  mistake("certs --out x ca", "'ca' is the name of the authority's files");
  mistake("certs --out x node-a --days 0", "--days: '0' is out of range");
  mistake("manual", "--out is missing");
  mistake("version --loud", "--loud: unknown flag");
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run("").err, run("--help").out);
}

TEST_F(Subcommands, FailuresAreNamedInOneLine) {
  for (const char* arguments :
       {"check no/such/folder", "tokenize no/such/folder", "template no/such.jinja",
        "generate no/such/folder --prompt x", "run-batch -i no/such/file -o x",
        "logits " DEMO_MODEL " no/such/ids out", "synth --config no/such.json --out x"}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 1) << arguments;
    EXPECT_THAT(outcome.err, AllOf(StartsWith("troupe: "), HasSubstr("no/such")));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

TEST_F(Subcommands, ManualIsWrittenWhereItIsToldTo) {
  const path out = folder_ / "new/share";
  EXPECT_EQ(run("manual --out " + out.string()).code, 0);
  EXPECT_THAT(read_file(out / "man/man1/troupe-bench-serve.1"), HasSubstr("\\fB\\-\\-base\\-url\\fR"));
  EXPECT_THAT(read_file(out / "bash-completion/completions/troupe"), HasSubstr("--base-url"));
  EXPECT_THAT(read_file(out / "zsh/vendor-completions/_troupe"), StartsWith("#compdef troupe\n"));
  std::ofstream(folder_ / "file") << "x";
  const Outcome refused = run("manual --out " + (folder_ / "file").string());
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("file/man/man1: cannot be made"), HasSubstr("choose another --out")));
}

TEST_F(Subcommands, ShowConfigTellsWhoSetWhat) {
  const Outcome shown = run("serve --show-config --max-num-seqs 4", "", "TROUPE_PORT=9");
  EXPECT_EQ(shown.code, 0);
  EXPECT_THAT(shown.out, HasSubstr("max-num-seqs = 4  # from --max-num-seqs\n"));
  EXPECT_THAT(shown.out, HasSubstr("port = 9  # from TROUPE_PORT\n"));
}

TEST_F(Subcommands, TokenizeBothWays) {
  std::ifstream file(path(TEST_DATA) / "tokenizer/deepseek-v3-cases.json");
  const auto cases = ordered_json::parse(file);
  std::string input;
  for (const auto& each : cases)
    input +=
        ordered_json{{"text", each["text"]}}.dump() + "\n" + ordered_json{{"ids", each["ids"]}}.dump() + "\n";
  create_directories(folder_ / "model");
  copy(DEEPSEEK_TOKENIZER, folder_ / "model/tokenizer.json");
  const auto answers = filter("tokenize " + (folder_ / "model").string(), input);
  ASSERT_EQ(answers.size(), 2 * cases.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i]["ids"], cases[i / 2]["ids"]);
    EXPECT_EQ(answers[i]["text"], cases[i / 2]["decoded"]);
  }
}

TEST_F(Subcommands, TokenizeGoesOnAfterBadLines) {
  const auto answers =
      filter("tokenize",
             "no json\n[]\n\n{}\n{\"text\": 1}\n{\"ids\": [-1]}\n{\"ids\": [99999999]}\n"
             "{\"ids\": [1.5]}\n{\"text\": \"a\", \"ids\": []}\n\"\xff\"\n" +
                 std::string(1000, '[') + "\n{\"text\": \"<｜User｜>\"}\n{\"text\": \"last\"}");
  ASSERT_EQ(answers.size(), 13u);
  for (std::size_t i = 0; i < 11; ++i) EXPECT_TRUE(answers[i].contains("error")) << i << answers[i];
  EXPECT_EQ(answers[11]["ids"], ordered_json({3}));
  EXPECT_EQ(answers[12]["text"], "last");
}

TEST_F(Subcommands, LinesHaveLimits) {
  const std::string longest = "{\"text\": \"" + std::string(max_line_bytes - 12, ' ') + "\"}";
  const std::string deepest = std::string(max_line_depth - 1, '[') + std::string(max_line_depth - 1, ']');
  const auto answers =
      filter("template", longest + "\n" + longest + " \n{\"messages\": [], \"x\": " + deepest +
                             "}\n{\"messages\": [], \"x\": [" + deepest + "]}\n");
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_TRUE(answers[0].contains("text"));
  EXPECT_THAT(answers[1]["error"].get<std::string>(), HasSubstr("the line is longer than"));
  EXPECT_TRUE(answers[2].contains("text")) << answers[2];
  EXPECT_THAT(answers[3]["error"].get<std::string>(), HasSubstr("the line nests deeper than"));
}

TEST_F(Subcommands, TemplateOfTheDemoModel) {
  std::ifstream file(path(TEST_DATA) / "demo-goldens.json");
  const auto goldens = ordered_json::parse(file);
  std::string input;
  for (const auto& each : goldens)
    input += ordered_json{{"messages", each["messages"]},
                          {"tools", each["tools"]},
                          {"thinking", each["thinking"]},
                          {"add_generation_prompt", true}}
                 .dump() +
             "\n";
  const auto answers = filter("template", input);
  ASSERT_EQ(answers.size(), goldens.size());
  for (std::size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i]["text"], goldens[i]["prompt"]);
}

TEST_F(Subcommands, TemplateOfAFile) {
  const path file = folder_ / "t.jinja";
  std::ofstream(file) << "{{ bos_token }}{% if not messages %}{{ raise_exception('empty') }}{% endif %}"
                         "{{ messages[0].content }}{% if add_generation_prompt %}!{% endif %}";
  const auto answers =
      filter("template " + file.string(),
             R"({"messages": [{"content": "hi"}], "bos_token": "<s>", "add_generation_prompt": true})"
             "\n{}\nnonsense\n");
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0], ordered_json({{"text", "<s>hi!"}}));
  EXPECT_EQ(answers[1], ordered_json({{"error", "empty"}}));
  EXPECT_TRUE(answers[2].contains("error"));
}

TEST_F(Subcommands, GenerateSaysWhatTheReferenceSays) {
  const Outcome outcome = run("generate --chat --prompt 'Solve 17 * 23' --temperature 0");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::EndsWith("\n17 * 23 = 391\n"));
  const Outcome cut = run("generate --chat --prompt 'Solve 17 * 23' --temperature 0 --stop ': 7'");
  EXPECT_EQ(cut.out, "17*3\n");
  const Outcome short_one = run("generate --chat --prompt 'Solve 17 * 23' --temperature 0 --max-tokens 4");
  EXPECT_EQ(short_one.out, "17*3\n");
}

TEST_F(Subcommands, GenerateRepeatsItselfWithASeed) {
  const std::string command =
      "generate --chat --prompt 'Tell me a fact' --temperature 1.5 --max-tokens 16 --seed ";
  EXPECT_EQ(run(command + "7").out, run(command + "7 --threads 1").out);
  EXPECT_NE(run(command + "7").out, run(command + "8").out);
}

TEST_F(Subcommands, GenerateRefusesAPromptOverTheContext) {
  const Outcome outcome = run("generate --prompt 'one two three' --max-model-len 2");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("maximum context length is 2 tokens"));
}

TEST_F(Subcommands, LogitsOfAReferenceCheckpoint) {
  const path checkpoint = path(TEST_DATA) / "checkpoints/deepseek-v3-bf16";
  const auto once = run("logits " + checkpoint.string() + " " + (checkpoint / "golden.safetensors").string() +
                        " " + (folder_ / "1.safetensors").string());
  EXPECT_EQ(once.code, 0) << once.err;
  const std::string bytes = read_file(folder_ / "1.safetensors");
  EXPECT_THAT(bytes.substr(0, 200), HasSubstr("\"logits\""));
  for (const char* how :
       {"--threads 1", "-tp 2", "-tp 2 -ep", "-dp 2", "-dp 2 -ep", "-tp 2 -dp 2 -ep", "-tp 4 -ep"}) {
    const auto again =
        run("logits " + checkpoint.string() + " " + (checkpoint / "golden.safetensors").string() + " " +
            (folder_ / "2.safetensors").string() + " " + how);
    EXPECT_EQ(again.code, 0) << again.err;
    EXPECT_EQ(bytes, read_file(folder_ / "2.safetensors")) << how;
  }
}

TEST_F(Subcommands, SynthMakesWhatCheckAccepts) {
  const std::string out = (folder_ / "synthetic").string();
  const Outcome made =
      run("synth --config " DEMO_MODEL "/config.json --dtype fp8 --seed 3 --tokenizer " DEMO_MODEL " --out " +
          out);
  EXPECT_EQ(made.code, 0) << made.err;
  const Outcome checked = run("check " + out);
  EXPECT_EQ(checked.code, 0) << checked.err;
  EXPECT_THAT(checked.out,
              AllOf(HasSubstr("DeepseekV3ForCausalLM"), HasSubstr("F8_E4M3"), HasSubstr("all finite")));
  EXPECT_EQ(run("synth --config " DEMO_MODEL "/config.json --out " + out).code, 1);  // not empty
}

TEST_F(Subcommands, SynthRefusesAHugeConfig) {
  std::ofstream(folder_ / "config.json") << std::string((1 << 20) + 1, ' ');
  const Outcome refused = run("synth --config " + (folder_ / "config.json").string() + " --out x");
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("more than the 1048576"));
}

TEST_F(Subcommands, CheckSaysWhatACheckpointWithoutTokenizerIsFor) {
  const Outcome checked = run("check " TEST_DATA "/checkpoints/deepseek-v3-fp8");
  EXPECT_EQ(checked.code, 0) << checked.err;
  EXPECT_THAT(checked.out, HasSubstr("tokenizer       none"));
}

TEST_F(Subcommands, CheckDescribesTheDemoModel) {
  const Outcome checked = run("check");
  EXPECT_EQ(checked.code, 0) << checked.err;
  EXPECT_THAT(checked.out,
              AllOf(HasSubstr("chat template   yes"), HasSubstr("16 routed, 4 a token, 1 shared")));
}

TEST_F(Subcommands, CheckFindsWhatIsNoNumber) {
  const path copied = folder_ / "model";
  copy(DEMO_MODEL, copied);
  std::fstream weights(copied / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  weights.seekp(-2, std::ios::end);
  weights.write("\xff\xff", 2);  // a NaN of any type
  weights.close();
  const Outcome checked = run("check " + copied.string());
  EXPECT_EQ(checked.code, 1);
  EXPECT_THAT(checked.err, HasSubstr("a NaN or an infinity"));
}

TEST_F(Subcommands, StatusOfNobody) {
  const Outcome outcome = run("status http://127.0.0.1:1/v1");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("127.0.0.1:1: Connection refused"), HasSubstr("troupe serve")));
  EXPECT_EQ(outcome.out, "");
}

TEST_F(Subcommands, BenchOfNobody) {
  const Outcome outcome = run("bench serve --base-url http://127.0.0.1:1");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("127.0.0.1:1: Connection refused"));
  EXPECT_EQ(outcome.out, "");
}

TEST_F(Subcommands, BenchOfflineComputesWhatItWasAsked) {
  const path file = folder_ / "result.json";
  const Outcome outcome =
      run("bench offline --num-prompts 3 --input-len 8 --output-len 4 --output-json " + file.string());
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("output tokens/s"));
  const auto result = ordered_json::parse(read_file(file));
  EXPECT_EQ(result["num_requests"], 3);
  EXPECT_EQ(result["total_num_tokens"], 3 * (8 + 4));
}

TEST_F(Subcommands, BenchDecodeTellsWhatAStepCostsAgainstTheMachine) {
  const path file = folder_ / "result.json";
  const Outcome outcome =
      run("bench decode --batch-sizes 1,3 --input-len 8 --num-iters 2 --num-iters-warmup 0 --prefill-len 32 "
          "--prefill-batch-sizes 1,2 --prefill-iters 1 --threads 1 --avx2 --output-json " +
          file.string());
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("   3 sequences: "), HasSubstr("   2 prompts of 32 tokens: ")));
  const auto result = ordered_json::parse(read_file(file));
  EXPECT_EQ(result["instructions"], "AVX2");
  ASSERT_EQ(result["decode"].size(), 2u);
  // Counted from the demo model's file; three tokens read 1 - (3/4)^3 of the experts where one reads a quarter.
  EXPECT_EQ(result["decode"][0]["weight_bytes"], 4387356);
  EXPECT_EQ(result["decode"][1]["weight_bytes"], 6452244);
  for (const ordered_json& each : result["decode"]) {
    const double seconds = each["step_ms"].get<double>() / 1e3;
    EXPECT_GT(seconds, 0);
    EXPECT_DOUBLE_EQ(each["tokens_per_second"], each["batch_size"].get<double>() / seconds);
    EXPECT_DOUBLE_EQ(each["memory_read_ratio"], each["weight_bytes"].get<double>() / seconds /
                                                    each["memory_read_bytes_per_second"].get<double>());
  }
  ASSERT_EQ(result["prefill"].size(), 2u);
  for (const ordered_json& each : result["prefill"]) {
    const double prompts = each["batch_size"], seconds = each["ms"].get<double>() / 1e3;
    EXPECT_EQ(each["flop"], prompts * 235720704);
    EXPECT_DOUBLE_EQ(each["tokens_per_second"], prompts * 32 / seconds);
    EXPECT_GT(each["fma_peak_ratio"], 0);
  }
}

TEST_F(Subcommands, BenchDecodeNamesTheFlagOfASizeThatIsNone) {
  for (const std::string flag : {"--batch-sizes", "--prefill-batch-sizes"}) {
    const Outcome outcome = run("bench decode " + flag + " 1,0");
    EXPECT_NE(outcome.code, 0);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(flag), HasSubstr("'0' is no number from 1 to 1024")));
  }
}

TEST_F(Subcommands, BenchDecodeRefusesMoreThanTheModelHolds) {
  const Outcome outcome = run("bench decode --prefill-len 4096");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("4097 positions are more than the 4096"));
}

TEST_F(Subcommands, CertsOfOneAuthorityVerifyAndHostsCanBeAdded) {
  const std::string certs = (folder_ / "certs").string();
  EXPECT_EQ(run("certs --out " + certs + " node-a 10.0.0.7").code, 0);
  EXPECT_EQ(run("certs fd00::7 --days 3 --out " + certs).code, 0);
  for (const char* host : {"node-a", "10.0.0.7", "fd00::7"}) {
    const std::string verify = "openssl verify -x509_strict -CAfile " + certs + "/ca.pem " + certs + "/" +
                               host + ".pem >" + (folder_ / "out").string();
    EXPECT_EQ(std::system(verify.c_str()), 0) << read_file(folder_ / "out");
  }
  using std::filesystem::perms;
  for (const char* key : {"ca.key", "node-a.key", "fd00::7.key"})
    EXPECT_EQ(status(folder_ / "certs" / key).permissions(), perms::owner_read | perms::owner_write) << key;
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(certs), {}), 8);
}

TEST_F(Subcommands, CertsReplaceOnlyWhatTheyAreTold) {
  const path certs = folder_ / "certs";
  const std::string command = "certs --out " + certs.string();
  ASSERT_EQ(run(command + " node-a").code, 0);
  const std::string authority = read_file(certs / "ca.pem"), host = read_file(certs / "node-a.pem");
  const Outcome refused = run(command + " node-b node-a");
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("node-a.pem: is there already"), HasSubstr("--force")));
  EXPECT_FALSE(exists(certs / "node-b.pem"));
  EXPECT_EQ(run(command + " node-a --force").code, 0);
  EXPECT_NE(read_file(certs / "node-a.pem"), host);
  EXPECT_EQ(read_file(certs / "ca.pem"), authority);
}

TEST_F(Subcommands, CertsSayWhatIsWrongWithTheFolder) {
  const path certs = folder_ / "certs", others = folder_ / "others";
  const auto failure = [&](const path& out, const std::string& sentence) {
    const Outcome outcome = run("certs --out " + out.string() + " node-b");
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, AllOf(StartsWith("troupe: "), HasSubstr(sentence)));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  };
  ASSERT_EQ(run("certs --out " + certs.string() + " node-a").code, 0);
  ASSERT_EQ(run("certs --out " + others.string() + " node-a").code, 0);
  std::filesystem::remove(others / "ca.pem");
  failure(others, "others/ca.pem: is missing");
  std::filesystem::copy(certs / "ca.pem", others / "ca.pem");
  failure(others, "the key does not fit the certificate");
  std::filesystem::remove(certs / "ca.key");
  failure(certs, "certs/ca.key: is missing");
  temporary_.write("file", "");
  failure(folder_ / "file", "file: cannot be made");
  failure("/proc", "/proc/ca.key: cannot be written");
}

TEST_F(Subcommands, AFlagOfGpusIsToldToHaveNoEffectOnACpu) {
  const Outcome outcome = run("serve /nowhere --cpu-offload-gb 4");
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err,
              HasSubstr("\"--cpu-offload-gb\":\"with --device cpu all weights are in the host's memory\""));
}

}  // namespace
}  // namespace troupe::launch
