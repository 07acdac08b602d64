#include "runtime/lab/trace_file.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/base/error.hpp"

namespace troupe::runtime::lab {
namespace {

using nlohmann::json;

// The lines of a file, and where one is told what is wrong with it.
class Lines {
 public:
  explicit Lines(const std::filesystem::path& file) : file_(file), in_(file, std::ios::binary) {
    if (!in_ || std::filesystem::is_directory(file)) throw Error("cannot be read", file.string());
  }
  bool next(std::string& line) {
    while (std::getline(in_, line)) {
      ++number_;
      if (line.size() > most_line_bytes)
        refuse("is longer than " + std::to_string(most_line_bytes) + " bytes");
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (!line.empty()) return true;
    }
    if (in_.bad()) throw Error("cannot be read", file_.string());
    return false;
  }
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(why, file_.string() + ":" + std::to_string(number_));
  }

 private:
  std::filesystem::path file_;
  std::ifstream in_;
  std::uint64_t number_ = 0;
};

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> cells;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find(',', begin), line.size());
    cells.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return cells;
}

template <class T>
bool parse(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// "2024-05-10 00:00:01.25+00:00", as seconds since 1970; false: it is no date.
bool parse_date(std::string_view text, double& seconds) {
  const auto number = [&](std::size_t at, std::size_t digits, int& out) {
    return at + digits <= text.size() && parse(text.substr(at, digits), out) && out >= 0;
  };
  int year = 0, month = 0, day = 0, hour = 0, minute = 0;
  if (!number(0, 4, year) || !number(5, 2, month) || !number(8, 2, day) || !number(11, 2, hour) ||
      !number(14, 2, minute) || text.size() < 19)
    return false;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(unsigned(month)),
                                         std::chrono::day(unsigned(day))};
  const std::size_t zone = text.find_first_of("+-Z", 17);
  double second = 0;
  if (!date.ok() || !parse(text.substr(17, zone == text.npos ? zone : zone - 17), second)) return false;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  seconds = double(days) * 86400 + hour * 3600 + minute * 60 + second;
  return true;
}

// What holds for every kind of file: times count from the first one and never go back, and lengths have their limits.
class FileTrace : public Trace {
 public:
  explicit FileTrace(const std::filesystem::path& file) : lines_(file) {}

  std::optional<TraceRequest> next() final {
    std::string line;
    while (lines_.next(line)) {
      std::int64_t prompt = 0, output = 0;
      TraceRequest request;
      read(line, request, prompt, output);
      if (prompt > most_trace_tokens || output > most_trace_tokens)
        lines_.refuse("a prompt or an answer of more than " + std::to_string(most_trace_tokens) + " tokens");
      if (prompt < 0 || output < 0 || !std::isfinite(request.arrives)) lines_.refuse("a number out of range");
      if (prompt == 0 || output == 0) continue;
      if (!first_) first_ = request.arrives;
      request.arrives -= *first_;
      if (request.arrives < last_) lines_.refuse("arrives before the line above");
      last_ = request.arrives;
      request.output_tokens = std::int32_t(output);
      const ContentId own = mixed(++requests_) << 1;
      request.answer = own | 1;
      if (request.prompt.empty()) request.prompt.push_back({own, std::int32_t(prompt)});
      return request;
    }
    return std::nullopt;
  }

 protected:
  // Of the line: all but what is made of lengths. arrives: since whenever.
  virtual void read(const std::string& line, TraceRequest& request, std::int64_t& prompt,
                    std::int64_t& output) = 0;

  Lines lines_;

 private:
  std::optional<double> first_;
  double last_ = 0;
  std::uint64_t requests_ = 0;
};

class CsvTrace final : public FileTrace {
 public:
  explicit CsvTrace(const std::filesystem::path& file) : FileTrace(file) {
    std::string line;
    lines_.next(line);
    const auto names = split(line);
    const auto column = [&](std::initializer_list<std::string_view> known) {
      for (std::size_t i = 0; i < names.size(); ++i)
        if (std::ranges::count(known, names[i])) return i;
      return none;
    };
    columns_ = names.size();
    arrives_ = column({"arrived_at", "Timestamp"});
    date_ = column({"TIMESTAMP"});
    prompt_ = column({"num_prefill_tokens", "ContextTokens", "Request tokens"});
    output_ = column({"num_decode_tokens", "GeneratedTokens", "Response tokens"});
    caller_ = column({"caller", "Session ID"});
    priority_ = column({"priority"});
    ttft_ = column({"ttft_slo_ms"});
    tpot_ = column({"tpot_slo_ms"});
    latency_ = column({"latency_slo_ms"});
    if ((arrives_ == none) == (date_ == none) || prompt_ == none || output_ == none)
      lines_.refuse("the columns are those of no trace that is known: " + line.substr(0, 200));
  }

 private:
  static constexpr std::size_t none = std::size_t(-1);

  void read(const std::string& line, TraceRequest& request, std::int64_t& prompt,
            std::int64_t& output) override {
    const auto cells = split(line);
    if (cells.size() != columns_)
      lines_.refuse("has " + std::to_string(cells.size()) + " columns, not " + std::to_string(columns_));
    if (date_ == none)
      number(cells, arrives_, request.arrives);
    else if (!parse_date(cells[date_], request.arrives))
      lines_.refuse("no date: '" + std::string(cells[date_].substr(0, 40)) + "'");
    number(cells, prompt_, prompt);
    number(cells, output_, output);
    number(cells, priority_, request.priority);
    number(cells, ttft_, request.slo.ttft_slo_ms);
    number(cells, tpot_, request.slo.tpot_slo_ms);
    number(cells, latency_, request.slo.latency_slo_ms);
    if (std::min({request.slo.ttft_slo_ms, request.slo.tpot_slo_ms, request.slo.latency_slo_ms}) < 0)
      lines_.refuse("a time below 0");
    if (caller_ != none && !parse(cells[caller_], request.caller))
      request.caller = std::hash<std::string_view>{}(cells[caller_]);
  }

  // A column that the file has not, or an empty cell, leaves the value.
  template <class T>
  void number(const std::vector<std::string_view>& cells, std::size_t column, T& value) const {
    if (column == none || cells[column].empty()) return;
    if (!parse(cells[column], value))
      lines_.refuse("no such number: '" + std::string(cells[column].substr(0, 40)) + "'");
  }

  std::size_t columns_, arrives_, date_, prompt_, output_, caller_, priority_, ttft_, tpot_, latency_;
};

class MooncakeTrace final : public FileTrace {
 public:
  using FileTrace::FileTrace;
  bool shares_prefixes() const override { return true; }

 private:
  void read(const std::string& line, TraceRequest& request, std::int64_t& prompt,
            std::int64_t& output) override {
    const json fields = json::parse(line, nullptr, false);
    if (!fields.is_object()) lines_.refuse("no JSON object");
    request.arrives = double(whole(fields, "timestamp")) / 1000;
    prompt = whole(fields, "input_length");
    output = whole(fields, "output_length");
    const auto ids = fields.find("hash_ids");
    const std::int64_t blocks = (prompt + mooncake_block - 1) / mooncake_block;
    if (prompt > most_trace_tokens || ids == fields.end()) return;
    if (!ids->is_array() || std::int64_t(ids->size()) != blocks)
      lines_.refuse("hash_ids must be " + std::to_string(blocks) + " numbers");
    for (const json& id : *ids) {
      if (!id.is_number_unsigned()) lines_.refuse("hash_ids must be whole numbers, at least 0");
      const std::int64_t before = std::int64_t(request.prompt.size()) * mooncake_block;
      // Unlike any content that is a request's own.
      request.prompt.push_back({mixed(~id.get<std::uint64_t>()) << 1,
                                std::int32_t(std::min<std::int64_t>(mooncake_block, prompt - before))});
    }
  }

  std::int64_t whole(const json& fields, const char* name) const {
    const auto found = fields.find(name);
    if (found == fields.end() || !found->is_number_integer() || found->get<std::int64_t>() < 0)
      lines_.refuse(std::string(name) + " must be a whole number, at least 0");
    return found->get<std::int64_t>();
  }
};

}  // namespace

std::unique_ptr<Trace> open_trace(const std::filesystem::path& file) {
  std::string first;
  if (!Lines(file).next(first)) throw Error("is empty", file.string());
  if (first.front() == '{') return std::make_unique<MooncakeTrace>(file);
  return std::make_unique<CsvTrace>(file);
}

}  // namespace troupe::runtime::lab
