#include "actors/edge/traces/trace_exporter.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "runtime/base/error.hpp"
#include "tests/actors/edge/collector.hpp"

namespace troupe::actors::edge {
namespace {

std::vector<Span> spans_called(std::size_t count, const std::string& name) {
  std::vector<Span> made(count);
  for (Span& each : made) each.name = name;
  return made;
}

TEST(TraceExporter, ReadsWhereItsCollectorIs) {
  const auto is = [](const char* endpoint, const char* host, const char* port, const char* path) {
    const auto collector = TraceExporter::collector_of(endpoint);
    EXPECT_EQ(collector.host, host) << endpoint;
    EXPECT_EQ(collector.port, port) << endpoint;
    EXPECT_EQ(collector.path, path) << endpoint;
  };
  is("http://a", "a", "4318", "/v1/traces");
  is("http://a/", "a", "4318", "/v1/traces");
  is("http://127.0.0.1:1/x", "127.0.0.1", "1", "/x");
  is("http://a:65535", "a", "65535", "/v1/traces");
  is("http://[::1]", "::1", "4318", "/v1/traces");
  is("http://[fd00::2]:4319/x/y", "fd00::2", "4319", "/x/y");
  for (const char* wrong :
       {"", "a:4318", "https://a", "http://", "http:///v1/traces", "http://a:/x", "http://a:b", "http://a:0",
        "http://a:65536", "http://a:99999999999999999999", "http://a:1:2", "http://::1", "http://[::1",
        "http://[]", "http://[]:1", "http://[::1]4318", "http://[::1]:"})
    EXPECT_THROW(TraceExporter::collector_of(wrong), Error) << wrong;
}

TEST(TraceExporter, SoManySpansWaitAndMoreAreDropped) {
  Collector collector;
  TraceExporter exporter(collector.endpoint(), "1.2.3");
  exporter.add(spans_called(1, "first"));
  const int first = collector.accept();  // it is on its way, and does not wait any more
  exporter.add(spans_called(TraceExporter::most_waiting, "waits"));
  exporter.add(spans_called(1, "too much"));
  Collector::answer(first);
  for (const auto& each : collector.next(TraceExporter::most_waiting)) ASSERT_EQ(each["name"], "waits");
  exporter.add(spans_called(1, "later"));
  EXPECT_EQ(collector.next(1).front()["name"], "later");
}

TEST(TraceExporter, WhatWaitsIsSentBeforeItEnds) {
  Collector collector;
  std::optional<TraceExporter> exporter(std::in_place, collector.endpoint(), "1.2.3");
  exporter->add(spans_called(1, "first"));
  const int first = collector.accept();
  exporter->add(spans_called(2 * TraceExporter::most_sent, "waits"));
  std::thread ends([&] { exporter.reset(); });
  Collector::answer(first);
  EXPECT_EQ(collector.next(2 * TraceExporter::most_sent).size(), 2 * TraceExporter::most_sent);
  ends.join();
}

TEST(TraceExporter, ACollectorThatIsNotThereHoldsNobodyUp) {
  const std::string nobody = [] { return Collector().endpoint(); }();
  TraceExporter exporter(nobody, "1.2.3");
  for (int i = 0; i < 20; ++i) exporter.add(spans_called(TraceExporter::most_sent, "lost"));
}

}  // namespace
}  // namespace troupe::actors::edge
