#include "actors/edge/capture/captures.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "actors/edge/capture/sealed.hpp"
#include "actors/edge/reply.hpp"
#include "runtime/base/digest.hpp"
#include "runtime/base/durable_file.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

constexpr std::size_t max_pem_bytes = 1 << 16;

class Listener final : public GenerationSink {
 public:
  Listener(std::shared_ptr<GenerationSink> reader, std::shared_ptr<Capture> capture)
      : reader_(std::move(reader)), capture_(std::move(capture)) {}

  Expected<void> on_counted(std::int64_t prompt_tokens, std::int64_t most_output_tokens) override {
    return reader_->on_counted(prompt_tokens, most_output_tokens);
  }
  void on_accepted(runtime::Usage usage) override { reader_->on_accepted(usage); }
  void on_delta(runtime::Delta delta) override {
    capture_->wrote(delta);
    reader_->on_delta(std::move(delta));
  }
  void on_end(runtime::Usage usage) override { reader_->on_end(usage); }
  void on_failure(Refusal refusal) override { reader_->on_failure(std::move(refusal)); }

 private:
  const std::shared_ptr<GenerationSink> reader_;
  const std::shared_ptr<Capture> capture_;
};

std::shared_ptr<const Certificate> read_reader(const config::CaptureSettings& settings) {
  if (settings.folder.empty()) return nullptr;
  if (!std::filesystem::is_directory(settings.folder))
    throw Error("is no folder", settings.folder, "make it, or give another --capture-folder");
  auto all = read_certificates(read_file(settings.certificate, max_pem_bytes), settings.certificate);
  sealed("", all.front().get());
  return std::make_shared<const Certificate>(std::move(all.front()));
}

// Ids may hold what no file's name can.
std::string file_name(const std::string& request_id) {
  return "capture-" + digest(request_id) + ".cms";
}

// Whatever somebody made of that name beforehand, no link is followed.
void write_file(const std::filesystem::path& file, std::string_view bytes) {
  const FileDescriptor out(open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!out) throw Error(std::string("cannot be written: ") + std::strerror(errno), file.string());
  write_whole(out, bytes, file);
}

void log_failure(const std::filesystem::path& file, const char* error) {
  log_event(LogLevel::error, "capture_failed", {{"file", file.string()}, {"error", error}});
}

void seal(const std::filesystem::path& file, const Json& text, X509* reader) noexcept {
  try {
    write_file(file, sealed(dump(text), reader));
    log_event(LogLevel::warning, "request_captured", {{"file", file.string()}});
  } catch (const std::exception& error) {
    log_failure(file, error.what());
  }
}

Json by_choice(const std::map<std::int32_t, std::string>& texts) {
  Json object = Json::object();
  for (const auto& [choice, text] : texts) object[std::to_string(choice)] = text;
  return object;
}

}  // namespace

Capture::Capture(std::filesystem::path file, std::shared_ptr<const Certificate> reader,
                 const std::shared_ptr<JobQueue>& writer, std::string request_id)
    : file_(std::move(file)), reader_(std::move(reader)), writer_(writer) {
  text_["request_id"] = std::move(request_id);
}

void Capture::asked(std::string_view route, std::string_view caller, std::string_view body) {
  const std::lock_guard lock(mutex_);
  text_["route"] = route;
  text_["caller"] = caller;
  text_["body"] = body;
}

std::shared_ptr<GenerationSink> Capture::listen(std::shared_ptr<GenerationSink> reader,
                                                std::shared_ptr<Capture> self) {
  return std::make_shared<Listener>(std::move(reader), std::move(self));
}

void Capture::wrote(const runtime::Delta& delta) {
  const std::lock_guard lock(mutex_);
  std::string calls;
  for (const runtime::ToolCallDelta& call : delta.tool_calls) calls += call.name + call.arguments;
  bytes_ += delta.content.size() + delta.reasoning.size() + calls.size();
  if (bytes_ > most_captured_bytes) return;
  if (!delta.content.empty()) content_[delta.choice] += delta.content;
  if (!delta.reasoning.empty()) reasoning_[delta.choice] += delta.reasoning;
  if (!calls.empty()) calls_[delta.choice] += calls;
}

void Capture::write(int status, bool whole) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    text_["status"] = status;
    text_["content"] = by_choice(content_);
    text_["reasoning"] = by_choice(reasoning_);
    text_["tool_calls"] = by_choice(calls_);
    text_["whole"] = whole && bytes_ <= most_captured_bytes;
    const auto writer = writer_.lock();
    auto job = [file = file_, text = std::move(text_), reader = reader_] { seal(file, text, reader->get()); };
    if (!writer || !writer->post(std::move(job))) log_failure(file_, "too many wait to be written");
  } catch (const std::exception& error) {
    log_failure(file_, error.what());
  }
}

Captures::Captures(const config::CaptureSettings& settings)
    : folder_(settings.folder),
      reader_(read_reader(settings)),
      writer_(reader_ ? std::make_shared<JobQueue>(1, most_unwritten) : nullptr) {}

Expected<std::string> Captures::order(const std::string& request_id, std::chrono::seconds time,
                                      TimePoint now) {
  if (!reader_) return refuse("The server was started without --capture-folder.", "", "capture_off");
  const std::lock_guard lock(mutex_);
  std::erase_if(orders_, [&](const auto& each) { return each.second <= now; });
  if (orders_.size() >= most_orders && !orders_.contains(request_id))
    return refuse(RefusalKind::rate_limited, "Too many captures wait for their request.", "",
                  "too_many_captures");
  orders_[request_id] = now + time;
  return file_name(request_id);
}

std::shared_ptr<Capture> Captures::begin(const std::string& request_id, TimePoint now) {
  if (!reader_) return nullptr;
  const std::lock_guard lock(mutex_);
  const auto order = orders_.find(request_id);
  if (order == orders_.end()) return nullptr;
  const bool late = order->second <= now;
  orders_.erase(order);
  if (late) return nullptr;
  return std::make_shared<Capture>(folder_ / file_name(request_id), reader_, writer_, request_id);
}

}  // namespace troupe::actors::edge
