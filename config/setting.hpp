// One setting of a command: where its value goes, what it may be, and what the manual says of it. Flags,
// environment variables, TOML keys, the manual page and --show-config all come from tables of these.
// Owned by the thread that reads the command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/byte_size.hpp"
#include "runtime/base/error.hpp"

namespace troupe::config {

// The command line, environment or settings file is wrong; the program ends with exit code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

// Where the value goes. Those that may be left unset keep their own meaning for that.
using Target = std::variant<bool*, std::string*, std::vector<std::string>*, std::uint16_t*, std::int32_t*,
                            std::optional<std::int32_t>*, std::int64_t*, std::optional<std::int64_t>*,
                            std::size_t*, double*, std::optional<double>*, ByteSize*,
                            std::optional<ByteSize>*, std::chrono::milliseconds*>;

// Of whole numbers, numbers, bytes and seconds; what the target cannot hold is never permitted.
struct Range {
  std::int64_t low = 0;
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
  bool above_low = false;  // low itself is not permitted
};

struct Setting {
  std::string_view name = {};  // "max-num-seqs": --max-num-seqs, TROUPE_MAX_NUM_SEQS, max-num-seqs = 64
  Target target = {};
  std::string_view section = {};     // of the manual page
  std::string_view argument = {};    // what the manual calls the value; empty for a switch
  std::string_view help = {};        // sentences
  std::string_view unset = {};       // what it means that an optional value or text is not given
  std::string_view short_flag = {};  // "-tp"; may be empty
  Range range = {};
  std::vector<std::string> choices = {};  // permitted texts; empty: any
  // What may be given besides the choices, for the manual; whoever takes the value refuses the rest. Empty: nothing.
  std::string_view besides = {};
  // Texts that one might expect among the choices, and what is said of each instead of "is unknown".
  std::vector<std::pair<std::string_view, std::string_view>> refused = {};
  bool positional = false;         // may also be given without its flag
  bool required = false;           // on the command line
  bool flag_only = false;          // neither environment nor file knows it
  bool secret = false;             // --show-config hides it
  std::string source = "default";  // who set it last
};

using Table = std::vector<Setting>;

// Appends rows to a table, under a heading of the manual.
void append(Table& table, Table rows, std::string_view section);

// A value that a source gives to a setting of a table, not yet assigned.
struct Given {
  Setting* setting = nullptr;
  std::vector<std::string> texts;
  std::string source;  // "--port", "TROUPE_PORT", "troupe.toml:3: port"
};

// "TROUPE_MAX_NUM_SEQS"
std::string variable_name(const Setting& setting);

enum class Kind { boolean, text, texts, whole, number, size, seconds };
Kind kind_of(const Setting& setting);

// Sets the target; one text, but for lists. The source opens the sentence of the UsageError that a wrong
// type, range or choice is.
void assign(const Given& given);

// As TOML writes it; empty if unset. Durations are in seconds, as operators give them.
std::string toml_value(const Setting& setting);

}  // namespace troupe::config
