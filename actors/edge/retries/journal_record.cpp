#include "actors/edge/retries/journal_record.hpp"

#include <chrono>
#include <limits>

#include "runtime/base/portable_binary.hpp"

namespace troupe::actors::edge {
namespace {

template <class Archive>
void archive_time(Archive& archive, std::chrono::milliseconds& time) {
  std::int64_t count = time.count();
  archive(count);
  time = std::chrono::milliseconds(count);
}

template <class Archive>
void archive_request(Archive& archive, KeptRequest& x, std::size_t most) {
  for (std::string* const each : {&x.request_id, &x.path, &x.body, &x.caller, &x.cache_salt,
                                  &x.idempotency_key, &x.fingerprint, &x.filter_digest})
    archive_text(archive, *each, most);
  archive(x.seed, x.nonce, x.created);
  for (auto* const each : {&x.times.request, &x.times.queue, &x.times.first_token})
    archive_time(archive, *each);
  std::uint8_t partial = x.times.partial;
  archive(partial);
  x.times.partial = partial != 0;
  std::uint8_t limited = x.most_tokens.has_value();
  std::int32_t most_tokens = x.most_tokens.value_or(0);
  archive(x.priority, limited, most_tokens);
  if (limited)
    x.most_tokens = most_tokens;
  else
    x.most_tokens.reset();
}

struct Fields {
  JournalRecord& record;
  std::size_t most_text;  // bytes of one

  template <class Archive>
  void serialize(Archive& archive) {
    auto change = std::uint8_t(record.change);
    archive(change);
    if (change > std::uint8_t(RequestChange::failed)) throw cereal::Exception("no change of a request");
    record.change = RequestChange(change);
    archive_text(archive, record.request.id, most_text);
    if (record.change == RequestChange::begun) archive_request(archive, record.request, most_text);
  }
};

}  // namespace

std::string journal_bytes(const JournalRecord& record) {
  // Fields are read and written by one function, which only reads them here.
  return portable_binary(
      Fields{const_cast<JournalRecord&>(record), std::numeric_limits<std::uint32_t>::max()});
}

std::optional<JournalRecord> read_journal_record(std::string_view bytes) try {
  JournalRecord record;
  Fields fields{record, bytes.size()};
  read_portable_binary(bytes, fields);
  return record;
} catch (const cereal::Exception&) {
  return std::nullopt;
}

}  // namespace troupe::actors::edge
