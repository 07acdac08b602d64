// A chat template of a strange checkpoint, parsed and rendered within small limits.
#include "model/jinja/chat_template.hpp"
#include "tests/fuzz/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using nlohmann::ordered_json;
  static const ordered_json trusted{{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  static const ordered_json untrusted =
      ordered_json::parse(R"({"add_generation_prompt": true, "tools": [{"function": {"name": "f"}}],
      "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi <s> ä"},
                   {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]})");
  troupe::model::TemplateLimits limits;
  limits.steps = 100'000;
  limits.text_bytes = 64 << 10;
  limits.range_elements = 1'000;
  try {
    const auto parsed = troupe::model::ChatTemplate::parse(std::string(troupe::fuzz::text_of(data, size)),
                                                           "template", limits);
    (void)parsed.render(trusted, untrusted, {});
  } catch (const troupe::Error&) {
  }
  return 0;
}
