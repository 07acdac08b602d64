#include "actors/edge/callers/key_ring.hpp"

#include <gtest/gtest.h>

#include "runtime/base/digest.hpp"

namespace troupe::actors::edge {
namespace {

using config::Caller;
using config::KeyClass;
using std::chrono::system_clock;

const auto today = std::chrono::sys_days(std::chrono::year(2026) / 11 / 29);

Caller caller(const std::string& name, KeyClass kind, std::vector<config::ApiKey> keys) {
  Caller made{.name = name, .key_class = kind};
  made.keys = std::move(keys);
  return made;
}

TEST(KeyRing, ABearerTokenStandsBehindItsScheme) {
  for (const char* header : {"Bearer one", "bearer one", "Bearer  one", "BEARER    one"})
    EXPECT_EQ(bearer_token(header), "one") << header;
  for (const char* wrong : {"", "Bearer", "Bearer ", "Basic one", "one", "Bearer   ", "Bearerone"})
    EXPECT_EQ(bearer_token(wrong), "") << wrong;
  EXPECT_EQ(bearer_token("Bearer one "), "one ");
}

TEST(KeyRing, MasterKeysOpenEverything) {
  const KeyRing ring({"one", "two"}, {});
  for (const char* key : {"one", "two"}) {
    const KeyRing::Owner* owner = ring.find(key, today);
    ASSERT_TRUE(owner) << key;
    EXPECT_EQ(owner->caller->name, "");
    for (const KeyClass kind : {KeyClass::none, KeyClass::inference, KeyClass::metrics, KeyClass::control})
      EXPECT_TRUE(owner->opens(kind));
  }
  for (const char* wrong : {"", "on", "one ", "three"}) EXPECT_FALSE(ring.find(wrong, today)) << wrong;
  EXPECT_FALSE(KeyRing({}, {}).find("", today));
  EXPECT_FALSE(KeyRing({""}, {}).find("", today));
}

TEST(KeyRing, ACallerMayHaveSeveralKeys) {
  const KeyRing ring({}, {caller("a", KeyClass::inference, {{sha256_hex("a1")}, {sha256_hex("a2")}}),
                          caller("b", KeyClass::inference, {{sha256_hex("b1")}})});
  EXPECT_EQ(ring.find("a1", today)->caller, ring.find("a2", today)->caller);
  EXPECT_EQ(ring.find("b1", today)->caller->name, "b");
  EXPECT_FALSE(ring.find(sha256_hex("a1"), today));
  EXPECT_EQ(ring.callers().size(), 2u);
}

TEST(KeyRing, KeysExpire) {
  const KeyRing ring({}, {caller("a", KeyClass::inference, {{sha256_hex("a1"), today}, {sha256_hex("a2")}})});
  EXPECT_TRUE(ring.find("a1", today - std::chrono::seconds(1)));
  EXPECT_FALSE(ring.find("a1", today));
  EXPECT_TRUE(ring.find("a2", today));
}

TEST(KeyRing, AClassOpensItsOwnAndControlSeesHowTheServerIs) {
  const auto opens = [](KeyClass key, KeyClass route) {
    const KeyRing ring({}, {caller("a", key, {{sha256_hex("k")}})});
    return ring.find("k", today)->opens(route);
  };
  for (const KeyClass key : {KeyClass::inference, KeyClass::metrics, KeyClass::control})
    for (const KeyClass route : {KeyClass::inference, KeyClass::metrics, KeyClass::control})
      EXPECT_EQ(opens(key, route), key == route || (key == KeyClass::control && route == KeyClass::metrics));
}

}  // namespace
}  // namespace troupe::actors::edge
