#include "runtime/scheduling/recording/schedule_recorder.hpp"

#include "runtime/base/log.hpp"

namespace troupe::runtime {
namespace {

constexpr std::size_t chunk_bytes = 1 << 16;     // a chunk is written once it is larger
constexpr std::chrono::seconds longest_wait{1};  // or older

}  // namespace

ScheduleRecorder::ScheduleRecorder(const std::filesystem::path& file, ScheduleFileLimits limits,
                                   std::size_t most_waiting_events)
    : most_waiting_(most_waiting_events),
      file_(file, limits),
      thread_([this](std::stop_token stop) { write(stop); }) {}

ScheduleRecorder::~ScheduleRecorder() {
  thread_.request_stop();
  thread_.join();
}

bool ScheduleRecorder::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void ScheduleRecorder::heard(CycleEvent event, TimePoint now) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    if (waiting_.size() < most_waiting_) {
      waiting_.push_back({std::move(event), now});
      if (waiting_.size() == 1) came_.notify_one();
      return;
    }
    ended_ = true;
  }
  log_event(
      LogLevel::error, "schedule_recording_ended",
      {{"error", "more happens than can be written: " + std::to_string(most_waiting_) + " events wait"}});
}

// Gathers events until there are enough for a chunk, or time has passed.
void ScheduleRecorder::write(std::stop_token stop) try {
  TimePoint due = TimePoint::max();
  for (bool stopping = false; !stopping;) {
    std::vector<Heard> heard;
    {
      std::unique_lock lock(mutex_);
      const auto some = [this] { return !waiting_.empty(); };
      if (chunk_.empty())
        came_.wait(lock, stop, some);
      else
        came_.wait_until(lock, stop, due, some);
      stopping = stop.stop_requested();
      heard.swap(waiting_);
    }
    if (chunk_.empty()) due = now() + longest_wait;
    record(heard);
    if (!chunk_.empty() && (stopping || now() >= due)) append();
  }
} catch (const std::exception& error) {
  end(error.what());
}

void ScheduleRecorder::record(std::vector<Heard>& heard) {
  PackedWriter writer(chunk_);
  for (const Heard& each : heard) {
    const RecordedEvent event = without_text_(each.event, each.now);
    writer(event);
    if (chunk_.size() >= chunk_bytes) append();
  }
}

void ScheduleRecorder::append() {
  file_.append(chunk_, without_text_.context());
  chunk_.clear();
}

void ScheduleRecorder::end(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    waiting_.clear();
  }
  log_event(LogLevel::error, "schedule_recording_ended", {{"error", why}});
}

}  // namespace troupe::runtime
