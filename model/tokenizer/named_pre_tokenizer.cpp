// The patterns are those of the models' own tokenizer.json, which llama.cpp's names stand for (llama-vocab.cpp), but for
// "default", which is its own.
#include "model/tokenizer/named_pre_tokenizer.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>

namespace troupe::model {
namespace {

constexpr std::string_view digits_of_three = R"(\p{N}{1,3})", one_digit = R"(\p{N})", digits = R"(\p{N}+)";

constexpr std::string_view llama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view qwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view tekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kimi =
    R"([\p{Han}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view line_ends = R"([\r\n])";
// DeepSeek LLM's letters: those of scripts that have capitals, as they were when it was made.
constexpr std::string_view cased_letters =
    R"(\s?)"
    R"([A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295})"
    R"(-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C})"
    R"(\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-)"
    R"(\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-)"
    R"(\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-)"
    R"(\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D})"
    R"(\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-)"
    R"(\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102})"
    R"(\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-)"
    R"(\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183})"
    R"(\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-)"
    R"(\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-)"
    R"(\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-)"
    R"(\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2})"
    R"(\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}])"
    R"(+)";
constexpr std::string_view full_width_marks =
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
constexpr std::string_view east_asian = R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
constexpr std::string_view chinese_japanese = R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
constexpr std::string_view deepseek_v3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view marks_of_default = R"([\p{P}\$\+<=>\^~\|]+)",
                           three_ascii_digits = "[0-9][0-9][0-9]";

using Patterns = std::array<std::string_view, 6>;  // one after the other; the rest is empty

struct Known {
  std::string_view name;
  Patterns patterns;
  bool nfc = false, whole_words = false, adds_bos = false;
};

constexpr Known known[] = {
    {"default", {marks_of_default, gpt2_pattern, digits, three_ascii_digits}},
    {"gpt-2", {gpt2_pattern}},
    {"phi-2", {gpt2_pattern}},
    {"olmo", {gpt2_pattern}},
    {"smollm", {one_digit, gpt2_pattern}},
    {"starcoder", {one_digit, gpt2_pattern}},
    {"refact", {one_digit, gpt2_pattern}},
    {"command-r", {one_digit, gpt2_pattern}},
    {"llama-bpe", {llama3}, false, true, true},
    {"llama3", {llama3}, false, true, true},
    {"llama-v3", {llama3}, false, true, true},
    {"falcon3", {llama3}, false, true, true},
    {"dbrx", {llama3}},
    {"smaug-bpe", {llama3}},
    {"qwen2", {qwen2}, true},
    {"deepseek-r1-qwen", {qwen2}, true},
    {"stablelm2", {qwen2}},
    {"tekken", {tekken}, false, true, true},
    {"deepseek-llm", {line_ends, cased_letters, full_width_marks, R"(\s+$)", east_asian, digits}},
    {"deepseek-coder", {line_ends, R"(\s?\p{L}+)", R"(\s?\p{P}+)", east_asian, one_digit}},
    {"deepseek-v3", {digits_of_three, chinese_japanese, deepseek_v3}},
    {"kimi-k2", {kimi}, false, true},
};

PreTokenizer splitting_at(std::span<const std::string_view> patterns) {
  std::vector<Split> splits;
  for (const std::string_view pattern : patterns) splits.push_back({Pattern::regex(pattern)});
  return {std::move(splits), false, {}};
}

}  // namespace

std::optional<NamedPreTokenizer> pre_tokenizer_named(std::string_view name) {
  const auto found =
      std::find_if(std::begin(known), std::end(known), [&](const Known& each) { return each.name == name; });
  if (found == std::end(known)) return std::nullopt;
  std::vector<std::string_view> patterns(found->patterns.begin(), found->patterns.end());
  std::erase_if(patterns, [](std::string_view pattern) { return pattern.empty(); });
  return NamedPreTokenizer{.splits = splitting_at(patterns),
                           .patterns = patterns,
                           .nfc = found->nfc,
                           .whole_words = found->whole_words,
                           .adds_bos = found->adds_bos};
}

PreTokenizer kimi_pre_tokenizer() {
  return splitting_at(std::array{kimi});
}

}  // namespace troupe::model
