// Tokenizers and texts for the tests of this folder.
#pragma once

#include <openssl/evp.h>
#include <rapidcheck.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/byte_alphabet.hpp"
#include "model/tokenizer/token_spelling.hpp"
#include "model/tokenizer/tokenizer.hpp"

namespace troupe::model {

inline nlohmann::json read_json(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot open " + path);
  return nlohmann::json::parse(in);
}

inline nlohmann::json demo_file() {
  return read_json(DEMO_MODEL "/tokenizer.json");
}

inline Tokenizer tokenizer_of(const nlohmann::json& file) {
  return Tokenizer::parse(file.dump(), "tokenizer.json");
}

inline const Tokenizer& demo_tokenizer() {
  static const Tokenizer tokenizer = Tokenizer::load(DEMO_MODEL "/tokenizer.json");
  return tokenizer;
}

// Token b is byte b; 256 "ab", 257 "abc", 258 "bc", 259 "<x>" (special), 260 "<x>y" (not special).
inline nlohmann::json small_file() {
  nlohmann::json file = {
      {"version", "1.0"},
      {"added_tokens",
       {{{"id", 259}, {"content", "<x>"}, {"special", true}},
        {{"id", 260}, {"content", "<x>y"}, {"special", false}}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"merges", {"a b", "b c", "ab c"}}}}};
  for (int byte = 0; byte < 256; ++byte) {
    file["model"]["vocab"][letter_of_byte(static_cast<unsigned char>(byte))] = byte;
  }
  file["model"]["vocab"].update({{"ab", 256}, {"abc", 257}, {"bc", 258}});
  return file;
}

// SentencePiece's BPE, as Llama 2's tokenizer.json: 0 <unk>, 1 <s>, 2 </s>, 3 + b byte b, 259 "▁", 260 "a", 261 "b",
// 262 "c", 263 "▁a", 264 "ab", 265 "▁ab", 266 "é".
inline nlohmann::json sentence_piece_file() {
  nlohmann::json file = {{"added_tokens",
                          {{{"id", 0}, {"content", "<unk>"}, {"special", true}},
                           {{"id", 1}, {"content", "<s>"}, {"special", true}},
                           {{"id", 2}, {"content", "</s>"}, {"special", true}}}},
                         {"normalizer",
                          {{"type", "Sequence"},
                           {"normalizers",
                            {{{"type", "Prepend"}, {"prepend", "▁"}},
                             {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}}}}},
                         {"pre_tokenizer", nullptr},
                         {"post_processor",
                          {{"type", "TemplateProcessing"},
                           {"single",
                            {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
                             {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}}}},
                         {"decoder",
                          {{"type", "Sequence"},
                           {"decoders",
                            {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
                             {{"type", "ByteFallback"}},
                             {{"type", "Fuse"}},
                             {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}}},
                         {"model",
                          {{"type", "BPE"},
                           {"unk_token", "<unk>"},
                           {"fuse_unk", true},
                           {"byte_fallback", true},
                           {"vocab", {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}}},
                           {"merges", {"▁ a", "a b", "▁ ab", "▁a b"}}}}};
  for (int byte = 0; byte < 256; ++byte)
    file["model"]["vocab"][name_of_byte(TokenSpelling::sentence_piece, static_cast<unsigned char>(byte))] =
        3 + byte;
  file["model"]["vocab"].update(
      {{"▁", 259}, {"a", 260}, {"b", 261}, {"c", 262}, {"▁a", 263}, {"ab", 264}, {"▁ab", 265}, {"é", 266}});
  return file;
}

// A line of tiktoken's file.
inline std::string tiktoken_line(std::string_view bytes, int rank) {
  std::string base64(bytes.size() * 4 / 3 + 8, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()), int(bytes.size()));
  return base64.substr(0, std::size_t(size)) + " " + std::to_string(rank) + "\n";
}

// Characters of one, two, three and four bytes, white space and control tokens, in valid UTF-8.
inline rc::Gen<std::string> any_text() {
  const auto piece = rc::gen::element<std::string>(
      " ", "\n", "\r\n", "\t", "a", "Z", "the", "17", "!", "<", "｜", "é", "e\u0301", "ß", "汉字", "テ", "각",
      "😀", "\u200d", "\u00a0", "\U0001F468\u200D\U0001F469", std::string(1, '\0'), "<｜User｜>", "<think>",
      "</think>", "<x>y");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece),
                      [](const std::vector<std::string>& pieces) {
                        std::string text;
                        for (const std::string& p : pieces) text += p;
                        return text;
                      });
}

}  // namespace troupe::model
