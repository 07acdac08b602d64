#include "launch/pull/download.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "launch/pull/file_hash.hpp"
#include "launch/pull/file_name.hpp"
#include "launch/pull/hitch.hpp"
#include "runtime/base/digest.hpp"
#include "runtime/base/durable_file.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::launch::pull {
namespace {

constexpr std::string_view no_room_remedy = "free some space and run it again: it goes on where it was";
constexpr std::uint64_t spans_of_a_connection = 4;  // at least, so that all end at about the same time

void write_at(const FileDescriptor& out, std::string_view bytes, std::uint64_t offset,
              const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(out.get(), bytes.data(), bytes.size(), off_t(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      throw Error(std::string("cannot be written: ") + std::strerror(errno), name, no_room_remedy);
    bytes.remove_prefix(std::size_t(written));
    offset += std::uint64_t(written);
  }
}

std::string seconds_of(Duration time) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

Download::Download(const Hub& hub, PartialFiles& partial, const std::filesystem::path& folder,
                   const DownloadOptions& options, std::function<std::string(const std::string& name)> target)
    : hub_(hub), partial_(partial), folder_(folder), options_(options), target_(std::move(target)) {}

Download::~Download() = default;

std::vector<std::string> Download::run(const std::vector<RemoteFile>& files) {
  for (const RemoteFile& each : files) {
    files_.push_back({.remote = each,
                      .key = digest(each.name + "\n" + each.hash()),
                      .place = place_of(folder_, each.name)});
    all_ += each.size;
  }
  look_what_is_there();
  plan();
  const auto trust = system_trust();
  for (std::int32_t i = 0; i < options_.connections; ++i)
    clients_.push_back(std::make_unique<HttpClient>(trust, options_.silence));
  {
    std::vector<std::jthread> threads;
    for (const auto& client : clients_) threads.emplace_back([&] { work(*client); });
  }
  if (failure_) std::rethrow_exception(failure_);
  std::vector<std::string> hashes;
  for (const File& each : files_) hashes.push_back(each.sha256);
  return hashes;
}

// Files in their places, from before or from elsewhere, are not brought again if they are the right ones.
void Download::look_what_is_there() {
  ThreadPool pool(std::min(usable_cpus(), std::max(1, int(files_.size()))));
  pool.parallel_for(std::int64_t(files_.size()), 1, [&](std::int64_t begin, std::int64_t) {
    File& file = files_[std::size_t(begin)];
    if (is_there(file)) count(std::int64_t(file.remote.size));
  });
}

bool Download::is_there(File& file) {
  std::error_code failure;
  if (std::filesystem::file_size(file.place, failure) != file.remote.size || failure) return false;
  if (const auto known = partial_.sha256_of_done(file.key)) {
    file.sha256 = *known;
    return true;
  }
  const FileHashes found = hash_file(file.place, file.remote.sha256.empty(), [](std::uint64_t) {});
  if ((file.remote.sha256.empty() ? found.git_blob : found.sha256) != file.remote.hash()) return false;
  partial_.done(file.key, found.sha256);
  file.sha256 = found.sha256;
  return true;
}

// Before anything is planned: a server may tell of files that no memory could hold the plan of.
void Download::plan() {
  std::uint64_t missing = 0;
  for (const File& file : files_) missing += file.sha256.empty() ? missing_of(file) : 0;
  check_room(missing);
  const std::uint64_t parts = spans_of_a_connection * std::uint64_t(options_.connections);
  constexpr std::uint64_t block = PartialFiles::block_bytes;
  const std::uint64_t blocks = std::max<std::uint64_t>(1, missing / parts / block);
  for (std::size_t i = 0; i < files_.size(); ++i)
    if (files_[i].sha256.empty()) plan(i, std::min(blocks * block, longest_span));
}

std::uint64_t Download::missing_of(const File& file) const {
  constexpr std::uint64_t block = PartialFiles::block_bytes;
  std::uint64_t missing = file.remote.size;
  for (const std::uint64_t number : partial_.blocks(file.key, file.remote.size))
    if (number * block < file.remote.size) missing -= std::min(block, file.remote.size - number * block);
  return missing;
}

// Spans of a file's blocks that are not there; one without bytes where there is nothing to bring.
void Download::plan(std::size_t index, std::uint64_t span_bytes) {
  constexpr std::uint64_t block = PartialFiles::block_bytes;
  File& file = files_[index];
  const auto there = partial_.blocks(file.key, file.remote.size);
  std::deque<Span> spans;
  for (std::uint64_t begin = 0; begin < file.remote.size; begin += block) {
    const std::uint64_t end = std::min(begin + block, file.remote.size);
    if (there.contains(begin / block)) {
      count(std::int64_t(end - begin));
    } else if (!spans.empty() && spans.back().end == begin && end - spans.back().begin <= span_bytes) {
      spans.back().end = end;
    } else {
      spans.push_back({index, begin, end});
    }
  }
  if (spans.empty()) spans.push_back({index, file.remote.size, file.remote.size});
  file.spans = spans.size();
  const std::lock_guard lock(mutex_);
  spans_.insert(spans_.end(), spans.begin(), spans.end());
}

void Download::check_room(std::uint64_t missing) const {
  struct statvfs room {};
  if (statvfs(folder_.c_str(), &room) != 0) return;  // writing will tell
  const std::uint64_t free = std::uint64_t(room.f_bavail) * room.f_frsize;
  if (missing > free)
    throw Error(std::to_string(missing) + " bytes are to come, and " + std::to_string(free) + " are free",
                folder_.string(), no_room_remedy);
}

// A thread's life.
void Download::work(HttpClient& client) {
  try {
    while (const auto span = take()) {
      fetch(client, *span);
      come(span->file);
    }
  } catch (const HttpClient::Stopped&) {
  } catch (...) {
    fail(std::current_exception());
  }
}

// Waits while others may still find that a file has to come once more. Nothing: all is done, or has failed.
std::optional<Download::Span> Download::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failure_ || !spans_.empty() || busy_ == 0; });
  if (failure_ || spans_.empty()) return std::nullopt;
  const Span span = spans_.front();
  spans_.pop_front();
  ++busy_;
  return span;
}

void Download::fetch(HttpClient& client, Span span) {
  const RemoteFile& remote = files_[span.file].remote;
  const FileDescriptor out = partial_.open(files_[span.file].key);
  const std::string target = target_(remote.name);
  Patience patience(options_.retries);
  while (span.begin < span.end) {
    const std::uint64_t block = span.begin / PartialFiles::block_bytes;
    try {
      hub_.read(client, target, {span.begin, span.end, remote.size},
                [&](std::string_view bytes) { take_bytes(out, span, bytes); });
    } catch (const Hitch& hitch) {
      if (span.begin / PartialFiles::block_bytes > block) patience.renew();
      wait(patience.after(hitch), hitch.what());
    }
  }
}

void Download::take_bytes(const FileDescriptor& out, Span& span, std::string_view bytes) {
  const File& file = files_[span.file];
  write_at(out, bytes, span.begin, (folder_ / file.remote.name).string());
  constexpr std::uint64_t block = PartialFiles::block_bytes;
  const std::uint64_t before = span.begin;
  span.begin += bytes.size();
  for (std::uint64_t number = before / block; number * block < span.begin; ++number)
    if (std::min((number + 1) * block, file.remote.size) <= span.begin) partial_.add_block(file.key, number);
  count(std::int64_t(bytes.size()));
}

// Another of its spans is there.
void Download::come(std::size_t index) {
  bool whole = false;
  {
    const std::lock_guard lock(mutex_);
    whole = --files_[index].spans == 0;
  }
  if (whole) finish(index);
  const std::lock_guard lock(mutex_);
  --busy_;
  changed_.notify_all();
}

void Download::finish(std::size_t index) {
  File& file = files_[index];
  const auto partial = partial_.file(file.key);
  const FileHashes found = hash_file(partial, file.remote.sha256.empty(), [&](std::uint64_t) {
    const std::lock_guard lock(mutex_);
    if (failure_) throw HttpClient::Stopped();
  });
  const std::string& hash = file.remote.sha256.empty() ? found.git_blob : found.sha256;
  if (hash != file.remote.hash()) return begin_again(index, hash);
  sync_file(partial_.open(file.key), partial, no_room_remedy);
  std::error_code failure;
  std::filesystem::rename(partial, file.place, failure);
  if (failure) throw Error("cannot be put there: " + failure.message(), file.place.string());
  sync_folder(file.place.parent_path());
  file.sha256 = found.sha256;
  partial_.done(file.key, found.sha256);
  const std::lock_guard lock(mutex_);
  options_.tell(file.remote.name + "  " + std::to_string(file.remote.size) + " bytes");
}

void Download::begin_again(std::size_t index, const std::string& found) {
  File& file = files_[index];
  const std::string fault = "its hash is " + found + ", and the server tells " + file.remote.hash();
  partial_.forget(file.key);
  if (++file.tries == most_tries)
    throw Error(fault + ", " + std::to_string(most_tries) + " times", file.place.string(),
                "the server, or what is between, changes bytes: nothing of the file is kept");
  count(-std::int64_t(file.remote.size));
  plan(index, longest_span);
  const std::lock_guard lock(mutex_);
  options_.tell(file.remote.name + ": " + fault + "; it is brought again");
}

void Download::wait(Duration delay, const std::string& why) {
  std::unique_lock lock(mutex_);
  if (!failure_) options_.tell(why + "; again in " + seconds_of(delay));
  changed_.wait_for(lock, delay, [&] { return failure_ != nullptr; });
  if (failure_) throw HttpClient::Stopped();
}

void Download::count(std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  done_ += std::uint64_t(bytes);
  options_.progress(done_, all_);
}

// The first of the failures is what is told.
void Download::fail(std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  if (failure_) return;
  failure_ = std::move(failure);
  changed_.notify_all();
  for (const auto& client : clients_) client->stop();
}

}  // namespace troupe::launch::pull
