#include "actors/edge/traces/trace_context.hpp"

#include <gtest/gtest.h>

namespace troupe::actors::edge {
namespace {

const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736", parent = "00f067aa0ba902b7";

TEST(TraceContext, GoesOnWithTheCallers) {
  const TraceContext context = begin_trace("00-" + trace + "-" + parent + "-01", "vendor=x");
  EXPECT_EQ(context.trace_id, trace);
  EXPECT_EQ(context.parent_id, parent);
  EXPECT_EQ(context.state, "vendor=x");
  EXPECT_TRUE(context.sampled);
  EXPECT_EQ(context.span_id.size(), 16u);
  EXPECT_NE(context.span_id, begin_trace("00-" + trace + "-" + parent + "-01", "").span_id);
  EXPECT_FALSE(begin_trace("00-" + trace + "-" + parent + "-00", "").sampled);
  EXPECT_TRUE(begin_trace("00-" + trace + "-" + parent + "-0b", "").sampled);
  EXPECT_EQ(begin_trace("cc-" + trace + "-" + parent + "-01-of-a-later-version", "").trace_id, trace);
}

TEST(TraceContext, BeginsItsOwnWhereNoneOrNonsenseCame) {
  const std::string zeros(32, '0');
  for (const std::string& text :
       {std::string(), std::string("00"), "00-" + trace + "-" + parent, "ff-" + trace + "-" + parent + "-01",
        "00-" + trace + "-" + parent + "-01-more", "00-" + zeros + "-" + parent + "-01",
        "00-" + trace + "-" + zeros.substr(16) + "-01", "00-" + trace + "-" + parent + "-0g",
        "00_" + trace + "-" + parent + "-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + parent + "-01"}) {
    const TraceContext context = begin_trace(text, "vendor=x");
    EXPECT_NE(context.trace_id, trace) << text;
    EXPECT_EQ(context.trace_id.size(), 32u) << text;
    EXPECT_TRUE(context.parent_id.empty() && context.state.empty()) << text;
    EXPECT_TRUE(context.sampled) << text;
  }
}

TEST(TraceContext, AStateThatIsTooLongIsLeftOut) {
  const std::string header = "00-" + trace + "-" + parent + "-01";
  EXPECT_EQ(begin_trace(header, std::string(512, 'x')).state.size(), 512u);
  EXPECT_TRUE(begin_trace(header, std::string(513, 'x')).state.empty());
}

}  // namespace
}  // namespace troupe::actors::edge
