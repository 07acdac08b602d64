#include "launch/load/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

namespace troupe::launch::load {
namespace {

using Random = std::mt19937_64;

constexpr std::int32_t most_tokens = 1 << 24;  // of a prompt or an answer in a file

// Draws of tokens that are ordinary text to a server.
class TokenSource {
 public:
  TokenSource(const model::Tokenizer& tokenizer, std::uint64_t seed) : random(seed) {
    for (TokenId id = 0; id < tokenizer.vocab_size(); ++id)
      if (!tokenizer.is_special(id) && !tokenizer.token_bytes(id).empty()) ordinary_.push_back(id);
    if (ordinary_.empty()) throw Error("has no ordinary tokens", "--tokenizer");
  }

  void append(std::vector<TokenId>& to, std::int32_t count) {
    std::uniform_int_distribution<std::size_t> index(0, ordinary_.size() - 1);
    for (std::int32_t i = 0; i < count; ++i) to.push_back(ordinary_[index(random)]);
  }
  std::vector<TokenId> draw(std::int32_t count) {
    std::vector<TokenId> tokens;
    append(tokens, count);
    return tokens;
  }

  Random random;

 private:
  std::vector<TokenId> ordinary_;
};

std::int32_t draw_length(Random& random, std::int32_t length, double ratio) {
  const auto low = std::int32_t(std::floor(length * (1 - ratio)));
  const auto high = std::int32_t(std::ceil(length * (1 + ratio)));
  return std::max(1, std::uniform_int_distribution<std::int32_t>(low, high)(random));
}

std::ifstream open_file(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw Error("cannot be read", file.string(), "give --dataset-path a file");
  return in;
}

Error bad_line(const std::filesystem::path& file, std::size_t number, const std::string& what) {
  return Error(what, file.string() + ":" + std::to_string(number));
}

struct TraceRow {
  double arrived_at = -1;
  std::int32_t prompt = 0, output = 0;
};

TraceRow parse_row(const std::string& line, const std::filesystem::path& file, std::size_t number) {
  TraceRow row;
  char first = 0, second = 0;
  std::istringstream in(line);
  in >> row.arrived_at >> first >> row.prompt >> second >> row.output;
  const bool whole = in && first == ',' && second == ',' && (in >> std::ws).eof();
  if (!whole || row.arrived_at < 0 || row.prompt < 1 || row.output < 1 || row.prompt > most_tokens ||
      row.output > most_tokens)
    throw bad_line(file, number, "is no arrival time, prompt tokens and answer tokens");
  return row;
}

Sample parse_custom(const std::string& line, std::int32_t output_len, const std::filesystem::path& file,
                    std::size_t number) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("prompt") || !json["prompt"].is_string())
    throw bad_line(file, number, "is no JSON object with a text \"prompt\"");
  const auto length = json.find("output_tokens");
  if (length == json.end()) return {json["prompt"].get<std::string>(), output_len};
  if (!length->is_number_integer() || *length < 1 || *length > most_tokens)
    throw bad_line(file, number, "\"output_tokens\" is no number of tokens");
  return {json["prompt"].get<std::string>(), length->get<std::int32_t>()};
}

}  // namespace

std::vector<Sample> random_samples(const model::Tokenizer& tokenizer, const RandomLengths& lengths,
                                   std::int32_t count, std::uint64_t seed) {
  TokenSource source(tokenizer, seed);
  const std::vector<TokenId> prefix = source.draw(lengths.prefix_len);
  std::vector<Sample> samples;
  for (std::int32_t i = 0; i < count; ++i) {
    std::vector<TokenId> prompt = prefix;
    source.append(prompt, draw_length(source.random, lengths.input_len, lengths.range_ratio));
    samples.push_back(
        {std::move(prompt), draw_length(source.random, lengths.output_len, lengths.range_ratio)});
  }
  return samples;
}

std::vector<Sample> prefix_repetition_samples(const model::Tokenizer& tokenizer,
                                              const PrefixRepetition& lengths, std::int32_t count,
                                              std::uint64_t seed) {
  TokenSource source(tokenizer, seed);
  std::vector<std::vector<TokenId>> prefixes;
  for (std::int32_t i = 0; i < lengths.num_prefixes; ++i) prefixes.push_back(source.draw(lengths.prefix_len));
  std::vector<Sample> samples;
  for (std::int32_t i = 0; i < count; ++i) {
    std::vector<TokenId> prompt = prefixes[std::size_t(i % lengths.num_prefixes)];
    source.append(prompt, lengths.suffix_len);
    samples.push_back({std::move(prompt), lengths.output_len});
  }
  std::shuffle(samples.begin(), samples.end(), source.random);
  return samples;
}

std::vector<Sample> trace_samples(const model::Tokenizer& tokenizer, const std::filesystem::path& file,
                                  std::int32_t count, std::uint64_t seed) {
  constexpr std::string_view head = "arrived_at,num_prefill_tokens,num_decode_tokens";
  std::ifstream in = open_file(file);
  std::string line;
  std::getline(in, line);
  if (line != head) throw bad_line(file, 1, "is not \"" + std::string(head) + "\"");
  TokenSource source(tokenizer, seed);
  std::vector<Sample> samples;
  double first = 0, last = 0;
  for (std::size_t number = 2; std::int32_t(samples.size()) < count && std::getline(in, line); ++number) {
    const TraceRow row = parse_row(line, file, number);
    if (samples.empty()) first = last = row.arrived_at;
    if (row.arrived_at < last) throw bad_line(file, number, "arrives before the line above");
    last = row.arrived_at;
    samples.push_back({source.draw(row.prompt), row.output, row.arrived_at - first});
  }
  if (samples.empty()) throw Error("has no requests", file.string());
  return samples;
}

std::vector<Sample> custom_samples(const std::filesystem::path& file, std::int32_t output_len,
                                   std::int32_t count) {
  std::ifstream in = open_file(file);
  std::vector<Sample> samples;
  std::string line;
  for (std::size_t number = 1; std::int32_t(samples.size()) < count && std::getline(in, line); ++number)
    samples.push_back(parse_custom(line, output_len, file, number));
  if (samples.empty()) throw Error("has no requests", file.string());
  return samples;
}

}  // namespace troupe::launch::load
