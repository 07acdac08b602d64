// The text side of GGUF files: vocabularies, templates, special tokens; and of conversions.
#include <gmock/gmock.h>

#include "model/checkpoint/synth.hpp"
#include "model/gguf/convert.hpp"
#include "model/gguf/gguf_vocabulary.hpp"
#include "model/gguf/gguf_writer.hpp"
#include "model/text/text_model.hpp"
#include "model/tokenizer/byte_alphabet.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"
#include "tests/model/gguf/damage.hpp"

namespace troupe::model {
namespace {

using kernels::DType;
using nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

// Of a Llama with five tokens.
GgufKeys keys_of_model() {
  GgufKeys keys;
  keys.text("general.architecture", "llama");
  for (const auto& [name, value] :
       {std::pair{"context_length", 64}, std::pair{"embedding_length", 8}, std::pair{"block_count", 1},
        std::pair{"feed_forward_length", 8}, std::pair{"attention.head_count", 2}})
    keys.u32(std::string("llama.") + name, std::uint32_t(value));
  keys.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  return keys;
}

void add_vocabulary(GgufKeys& keys) {
  keys.text("tokenizer.ggml.model", "gpt2");
  keys.text("tokenizer.ggml.pre", "smollm");
  keys.texts("tokenizer.ggml.tokens", std::vector<std::string>{"<s>", "</s>", "a", "b", "ab"});
  keys.i32s("tokenizer.ggml.token_type", std::vector<std::int32_t>{3, 3, 1, 1, 1});
  keys.texts("tokenizer.ggml.merges", std::vector<std::string>{"a b"});
  keys.u32("tokenizer.ggml.bos_token_id", 0);
  keys.u32("tokenizer.ggml.eos_token_id", 1);
}

class GgufText : public testing::Test {
 protected:
  std::filesystem::path write(const GgufKeys& keys) {
    const std::vector<TensorHeader> tensors{{"token_embd.weight", DType::f32, {5, 8}}};
    GgufWriter writer(path(), keys, tensors);
    writer.append(std::vector<std::byte>(160));
    writer.finish();
    return path();
  }
  // A whole model, whose weights are zero.
  std::filesystem::path write_whole(const GgufKeys& keys, std::int64_t tokens) {
    std::vector<TensorHeader> tensors{{"output_norm.weight", DType::f32, {8}},
                                      {"blk.0.attn_norm.weight", DType::f32, {8}},
                                      {"blk.0.ffn_norm.weight", DType::f32, {8}},
                                      {"token_embd.weight", DType::f32, {tokens, 8}}};
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
      tensors.push_back({"blk.0." + std::string(name) + ".weight", DType::f32, {8, 8}});
    GgufWriter writer(path(), keys, tensors);
    for (const TensorHeader& tensor : tensors) writer.append(std::vector<std::byte>(tensor.bytes()));
    writer.finish();
    return path();
  }
  // What converting the file to a folder tells.
  std::vector<std::string> notes_to(const std::filesystem::path& folder) {
    std::vector<std::string> notes;
    ConvertOptions options;
    options.note = [&](const std::string& note) { notes.push_back(note); };
    convert(Checkpoint::open(path()), folder, options);
    return notes;
  }
  std::filesystem::path path() const { return folder_.path() / "m.gguf"; }

  TemporaryFolder folder_;
};

TEST_F(GgufText, IsInTheFilesKeys) {
  GgufKeys keys = keys_of_model();
  add_vocabulary(keys);
  keys.boolean("tokenizer.ggml.add_bos_token", true);
  keys.text("tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}");
  const TextModel text = TextModel::load(write(keys));
  EXPECT_THAT(text.tokenizer.encode("abba").value(), ElementsAre(4, 3, 2));
  EXPECT_THAT(text.encode_prompt("ab").value(), ElementsAre(0, 4));
  EXPECT_THAT(text.eos_ids, ElementsAre(1));
  const auto messages = ordered_json::parse(R"([{"role": "user", "content": "ab"}])");
  EXPECT_EQ(text.render(messages, nullptr, ordered_json::object(), false).value().text, "<s>ab</s>");
}

TEST_F(GgufText, ControlTokensThatEndAnswersAreKnownByName) {
  GgufKeys keys = keys_of_model();
  keys.texts("tokenizer.ggml.tokens",
             std::vector<std::string>{"a", "</s>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>"});
  keys.i32s("tokenizer.ggml.token_type", std::vector<std::int32_t>{0, 3, 3, 3, 1});
  keys.texts("tokenizer.ggml.merges", std::vector<std::string>{});
  keys.u32("tokenizer.ggml.eos_token_id", 1);
  EXPECT_THAT(TextModel::load(write(keys)).eos_ids, ElementsAre(1, 2, 3));
}

TEST_F(GgufText, TheVocabularyMustFitTheModel) {
  GgufKeys keys = keys_of_model();
  keys.texts("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "c", "d", "e", "f"});
  keys.texts("tokenizer.ggml.merges", std::vector<std::string>{});
  EXPECT_THAT(error_of([&] { TextModel::load(write(keys)); }), HasSubstr("the model has a vocab_size of 5"));
}

TEST_F(GgufText, ContradictionsAreRefusedByKey) {
  const auto refused = [&](auto change) {
    GgufKeys keys = keys_of_model();
    change(keys);
    write(keys);
    return error_of([&] { gguf_vocabulary(GgufFile::open(path())); });
  };
  EXPECT_THAT(refused([](GgufKeys&) {}), HasSubstr("tokenizer.ggml.tokens: is missing"));
  const std::vector<std::string> tokens{"a", "b"};
  EXPECT_THAT(refused([&](GgufKeys& keys) {
                keys.texts("tokenizer.ggml.tokens", tokens);
                keys.i32s("tokenizer.ggml.token_type", std::vector<std::int32_t>{1});
              }),
              HasSubstr("tokenizer.ggml.token_type: is not as long as"));
  EXPECT_THAT(refused([&](GgufKeys& keys) {
                keys.texts("tokenizer.ggml.tokens", tokens);
                keys.i32s("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 7});
              }),
              HasSubstr("tokenizer.ggml.token_type: holds 7"));
  EXPECT_THAT(refused([&](GgufKeys& keys) {
                keys.texts("tokenizer.ggml.tokens", std::vector<std::string>(std::size_t(max_token_id) + 2));
              }),
              HasSubstr("tokenizer.ggml.tokens: has more than 1048576 tokens"));
  EXPECT_THAT(refused([&](GgufKeys& keys) {
                keys.texts("tokenizer.ggml.tokens", tokens);
                keys.u32("tokenizer.ggml.bos_token_id", 2);
              }),
              HasSubstr("tokenizer.ggml.bos_token_id: is 2"));
}

TEST_F(GgufText, DamagedOnesAreRefusedOrRead) {
  GgufKeys keys = keys_of_model();
  add_vocabulary(keys);
  keys.text("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}");
  const std::string whole = read_file(write(keys));
  int read = 0;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::string damaged = whole;
    Damage(seed).apply(damaged, whole.size());
    try {
      TextModel::load(folder_.write("damaged.gguf", damaged));
      ++read;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(read, 50);
  EXPECT_LT(read, 1500);
}

// The demo model, to a GGUF file, to a quantised one, and back.
TEST_F(GgufText, IsConvertedWithTheWeights) {
  const auto as_gguf = folder_.path() / "demo.gguf", quantised = folder_.path() / "q8.gguf",
             back = folder_.path() / "back";
  convert(Checkpoint::open(DEMO_MODEL), as_gguf, {});
  ConvertOptions options;
  options.type = DType::q8_0;
  convert(Checkpoint::open(as_gguf), quantised, options);
  convert(Checkpoint::open(quantised), back, {});
  const TextModel original = TextModel::load(DEMO_MODEL);
  const auto messages = ordered_json::parse(R"([{"role": "user", "content": "Solve 17 * 23"}])");
  const auto prompt = [&](const TextModel& text) {
    return text.render(messages, nullptr, ordered_json::object(), true).value().text;
  };
  for (const auto& each : {as_gguf, quantised, back}) {
    const TextModel text = TextModel::load(each);
    EXPECT_EQ(prompt(text), prompt(original)) << each;
    EXPECT_EQ(text.encode_prompt("Solve 17 * 23").value(), original.encode_prompt("Solve 17 * 23").value());
    EXPECT_EQ(text.eos_ids, original.eos_ids);
  }
}

// A byte-level vocabulary of the format's own keys becomes tokenizer.json, with two templates, and a GGUF file again.
TEST_F(GgufText, AVocabularyBecomesTokenizerJson) {
  std::vector<std::string> tokens{"<|endoftext|>", "<|im_start|>", "<|im_end|>", "Ġ1", "ab", "Ġab"};
  std::vector<std::int32_t> types{3, 3, 3, 1, 1, 1};
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(letter_of_byte(static_cast<unsigned char>(byte)));
    types.push_back(1);
  }
  GgufKeys keys = keys_of_model();
  keys.text("tokenizer.ggml.model", "gpt2");
  keys.text("tokenizer.ggml.pre", "smollm");
  keys.texts("tokenizer.ggml.tokens", tokens);
  keys.i32s("tokenizer.ggml.token_type", types);
  keys.texts("tokenizer.ggml.merges", std::vector<std::string>{"a b", "Ġ ab", "Ġ 1"});
  keys.u32("tokenizer.ggml.bos_token_id", 1);
  keys.u32("tokenizer.ggml.eos_token_id", 2);
  keys.boolean("tokenizer.ggml.add_bos_token", false);
  keys.text("tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}");
  keys.text("tokenizer.chat_template.tool_use", "{{ tools }}{{ messages[0].content }}");
  const auto gguf = write_whole(keys, std::int64_t(tokens.size())), folder = folder_.path() / "folder",
             again = folder_.path() / "again.gguf";
  EXPECT_THAT(notes_to(folder), ElementsAre());
  convert(Checkpoint::open(folder), again, {});
  const TextModel original = TextModel::load(gguf);
  const auto messages = ordered_json::parse(R"([{"role": "user", "content": "ab 1"}])");
  for (const auto& each : {folder, again}) {
    const TextModel text = TextModel::load(each);
    for (const char* prompt : {"ab ab 11 1", "<|im_start|>user\nab<|im_end|>", "größe 汉字 \r\n\t 7a", ""})
      EXPECT_EQ(text.encode_prompt(prompt).value(), original.encode_prompt(prompt).value()) << prompt;
    EXPECT_EQ(text.eos_ids, original.eos_ids);
    EXPECT_EQ(text.template_variables, original.template_variables);
    for (const ordered_json& tools : {ordered_json(), ordered_json::array({1})})
      EXPECT_EQ(text.render(messages, tools, ordered_json::object(), false).value().text,
                original.render(messages, tools, ordered_json::object(), false).value().text);
  }
}

TEST_F(GgufText, AFolderWithoutATokenizerIsToldOf) {
  GgufKeys keys = keys_of_model();
  keys.text("tokenizer.chat_template", "{{ messages[0].content }}");
  write_whole(keys, 5);
  EXPECT_THAT(notes_to(folder_.path() / "none"),
              ElementsAre(HasSubstr("no tokenizer, and cannot be served without one: ")));
  EXPECT_EQ(read_file(folder_.path() / "none/chat_template.jinja"), "{{ messages[0].content }}");
  keys.text("tokenizer.ggml.model", "llama");
  keys.texts("tokenizer.ggml.tokens", std::vector<std::string>{"<unk>", "a", "b", "c", "d"});
  keys.f32s("tokenizer.ggml.scores", std::vector<float>(5));
  write_whole(keys, 5);
  EXPECT_THAT(notes_to(folder_.path() / "scores"), ElementsAre(HasSubstr("tokenizer.ggml.model is")));
}

TEST_F(GgufText, RanksOfTiktokenAreRefused) {
  write_whole(keys_of_model(), 5);
  const auto folder = folder_.path() / "folder";
  notes_to(folder);
  std::ofstream(folder / "tiktoken.model") << "YQ== 0\n";
  EXPECT_THAT(error_of([&] { convert(Checkpoint::open(folder), folder_.path() / "new.gguf", {}); }),
              HasSubstr("folder: has its tokenizer in tiktoken.model"));
}

}  // namespace
}  // namespace troupe::model
