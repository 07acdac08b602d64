#include "runtime/generation/system_prompt.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

using nlohmann::ordered_json;

ordered_json message(const char* role, const char* content) {
  return {{"role", role}, {"content", content}};
}

const ordered_json plain = {message("user", "hi"), message("assistant", "hello"), message("user", "bye")};

ordered_json with_system_messages() {
  ordered_json messages = plain;
  messages.insert(messages.begin() + 2, message("system", "Two."));
  messages.insert(messages.begin(), message("system", "One."));
  return messages;
}

TEST(SystemPrompt, IsKept) {
  EXPECT_EQ(with_system_prompt(SystemPrompt::keep, with_system_messages()).value(), with_system_messages());
}

TEST(SystemPrompt, IsFoldedIntoTheUsersFirstMessage) {
  ordered_json expected = plain;
  expected[0]["content"] = "One.\n\nTwo.\n\nhi";
  EXPECT_EQ(with_system_prompt(SystemPrompt::fold, with_system_messages()).value(), expected);
}

TEST(SystemPrompt, IsTheUsersMessageWhereThereIsNoOther) {
  const ordered_json messages = {message("system", "One."), message("assistant", "hello")};
  const ordered_json expected = {message("user", "One."), message("assistant", "hello")};
  EXPECT_EQ(with_system_prompt(SystemPrompt::fold, messages).value(), expected);
}

TEST(SystemPrompt, IsRefusedByTheSettingsName) {
  const auto refused = with_system_prompt(SystemPrompt::reject, with_system_messages());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, RefusalKind::invalid);
  EXPECT_EQ(refused.error().param, "messages");
  EXPECT_NE(refused.error().message.find("--system-prompt"), std::string::npos);
}

TEST(SystemPrompt, ChatsWithoutAreLeftAlone) {
  for (const auto how : {SystemPrompt::keep, SystemPrompt::fold, SystemPrompt::reject})
    EXPECT_EQ(with_system_prompt(how, plain).value(), plain);
}

}  // namespace
}  // namespace troupe::runtime
