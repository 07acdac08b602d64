// Tokenizers and texts for the tests of this folder.
#pragma once

#include <rapidcheck.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/byte_alphabet.hpp"
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
