#include "model/grammar/grammar_cache.hpp"

#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/base/job_queue.hpp"

namespace troupe::model {
namespace {

// One compile, for all who wait for it. Guarded by Parts::mutex.
struct Flight {
  std::optional<GrammarCache::Result> result;
  std::condition_variable done;
};

}  // namespace

struct GrammarCache::Parts {
  Parts(Compile compiler, GrammarCacheOptions given)
      : compile(std::move(compiler)), options(given), jobs(given.threads, given.waiting) {}

  // These need mutex held.
  std::shared_ptr<const CompiledGrammar> find(GrammarId id);
  // Null: too many wait.
  std::shared_ptr<Flight> join(GrammarId id, const GrammarSpec& spec, TimePoint deadline);
  void keep(GrammarId id, std::shared_ptr<const CompiledGrammar> grammar);
  // A job: locks mutex.
  void run(GrammarId id, const GrammarSpec& spec, TimePoint deadline, Flight& flight);

  const Compile compile;
  const GrammarCacheOptions options;
  std::mutex mutex;
  std::map<GrammarId, std::shared_ptr<Flight>> flights;
  using Kept = std::list<std::pair<GrammarId, std::shared_ptr<const CompiledGrammar>>>;
  Kept kept;  // last used first
  std::map<GrammarId, Kept::iterator> places;
  std::size_t bytes = 0;  // of all that is kept
  JobQueue jobs;          // last: its threads end before what they use
};

std::shared_ptr<const CompiledGrammar> GrammarCache::Parts::find(GrammarId id) {
  const auto place = places.find(id);
  if (place == places.end()) return nullptr;
  kept.splice(kept.begin(), kept, place->second);
  return place->second->second;
}

std::shared_ptr<Flight> GrammarCache::Parts::join(GrammarId id, const GrammarSpec& spec, TimePoint deadline) {
  if (const auto running = flights.find(id); running != flights.end()) return running->second;
  const auto flight = std::make_shared<Flight>();
  if (!jobs.post([=, this] { run(id, spec, deadline, *flight); })) return nullptr;
  flights.emplace(id, flight);
  return flight;
}

void GrammarCache::Parts::run(GrammarId id, const GrammarSpec& spec, TimePoint deadline, Flight& flight) {
  Result result = compile(spec, deadline);
  const std::lock_guard lock(mutex);
  if (result) keep(id, *result);
  flight.result = std::move(result);
  flight.done.notify_all();
  flights.erase(id);
}

void GrammarCache::Parts::keep(GrammarId id, std::shared_ptr<const CompiledGrammar> grammar) {
  if (grammar->bytes() > options.bytes) return;
  bytes += grammar->bytes();
  kept.emplace_front(id, std::move(grammar));
  places[id] = kept.begin();
  while (bytes > options.bytes) {
    bytes -= kept.back().second->bytes();
    places.erase(kept.back().first);
    kept.pop_back();
  }
}

GrammarCache::GrammarCache(Compile compile, GrammarCacheOptions options)
    : parts_(std::make_unique<Parts>(std::move(compile), options)) {}
GrammarCache::~GrammarCache() = default;

std::shared_ptr<const CompiledGrammar> GrammarCache::find(GrammarId id) {
  const std::lock_guard lock(parts_->mutex);
  return parts_->find(id);
}

TimePoint GrammarCache::deadline() const {
  return now() + parts_->options.timeout;
}

GrammarCache::Result GrammarCache::get(const GrammarSpec& spec, TimePoint deadline) {
  const GrammarId id = grammar_id(spec);
  std::unique_lock lock(parts_->mutex);
  if (auto grammar = parts_->find(id)) return grammar;
  const std::shared_ptr<Flight> flight = parts_->join(id, spec, deadline);
  if (!flight)
    return refuse(RefusalKind::unavailable, "too many grammars wait to be compiled; try again", {},
                  "grammar_compiler_busy");
  flight->done.wait(lock, [&] { return flight->result.has_value(); });
  return *flight->result;
}

}  // namespace troupe::model
