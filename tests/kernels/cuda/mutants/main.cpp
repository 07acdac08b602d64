// Each mutant of the kernels must make a test of theirs fail on the emulated GPU: what tests do not notice they do not
// test. A mutant lives in a process of its own, which may crash or hang of it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/kernels/cuda/mutants/mutant_words.hpp"
#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

struct Mutant {
  int number;
  std::string_view file;
  int line;
  std::string_view what;
};
constexpr Mutant all_mutants[] = {
#include "mutants.inc"
};

// Which tests are a file's.
struct TestsOf {
  std::string_view subject;
  const char* suites;
};
constexpr std::array tests_of{
    TestsOf{"attention", "*/Attention.*:SparseAttention.*:CudaOpsTest.*"},
    TestsOf{"elementwise", "SiluMul.*:Add.*:AddRow.*:Experts.*"},
    TestsOf{"exchange", "Exchange.*"},
    TestsOf{"exp", "SiluMul.*:*/Attention.*"},
    TestsOf{"experts", "Experts.*:CudaOpsTest.*"},
    TestsOf{"layer_cache", "*/Attention.*:StoreEntries.*"},
    TestsOf{"norm", "RmsNorm.*:LayerNorm.*"},
    TestsOf{"product", "Linear.*:HeadLinear.*:CudaOpsTest.*"},
    TestsOf{"product_tile", "Linear.*:Experts.*"},
    TestsOf{"rope", "*/Rope.*"},
    TestsOf{"route", "Route.*:CountExperts.*:CudaOpsTest.*"},
    TestsOf{"rows", "Embed.*:GatherRows.*:JoinColumns.*:CudaOpsTest.*"},
    TestsOf{"scores", "*/Attention.*:SelectKeys.*"},
    TestsOf{"select_keys", "SelectKeys.*"},
    TestsOf{"sample", "Sample.*:CudaOpsTest.*"},
};

// Mutants that compute the same, and why.
struct Harmless {
  std::string_view subject, what, why;
};
constexpr std::array harmless{
    Harmless{"attention", "true: thread < positions", "what threads beyond a split have is not read"},
    Harmless{"exp", "false: x != x", "NaN stays NaN on the host; on a GPU it has no int"},
    Harmless{"exp", "rounded twice: -n, exponential::ln2_high, x", "n times so few bits is exact"},
    Harmless{"exp", "rounded twice: exponential::p0, r, exponential::p1",
             "of all floats none has another result: the rest of the polynomial makes it too small"},
    Harmless{"experts", "true: visit == 0", "all write the same"},
    Harmless{"layer_cache", "true: lane == 0", "all write the same"},
    Harmless{"norm", "true: thread < lanes", "only the first lanes' sum is taken"},
    Harmless{"norm", "true: thread < 32", "only the first thread writes"},
    Harmless{"product", "true: w.scales != nullptr", "scales of weights without any are not read"},
    Harmless{"product_tile", "false: !mine", "saves work: row 0 is computed once more"},
    Harmless{"route", "true: thread == 0", "all lanes have the same"},
    Harmless{"route", "true: thread < warp", "only the first thread writes"},
    Harmless{"route", "false: thread >= warp", "only the first thread writes"},
    Harmless{"route", "true: rule.groups > 1", "of one group all is kept"},
    Harmless{"rows", "false: k.row_bytes % 4 == 0", "bytes are copied as well as words"},
    Harmless{"select_keys", "true: thread == 0", "all threads find the same"},
    Harmless{"sample", "true: thread_ == 0", "all threads have the same"},
    Harmless{"sample", "false: thread_ != 0", "all threads have the same"},
    Harmless{"sample", "true: token != no_token && how_.logprobs >= 0",
             "nobody reads what was not asked for"},
    Harmless{"sample", "true: how_.given != no_token", "nobody reads what was not asked for"},
    Harmless{"sample", "false: how_.allowed == nullptr && how_.edit_count == 0",
             "saves work: nothing is changed"},
};

std::string_view subject_of(const Mutant& mutant) {
  const std::string_view name = mutant.file.substr(mutant.file.rfind('/') + 1);
  return name.substr(0, name.rfind('.'));
}

const char* suites_of(const Mutant& mutant) {
  for (const TestsOf& each : tests_of)
    if (each.subject == subject_of(mutant)) return each.suites;
  return "*";
}

bool is_harmless(const Mutant& mutant) {
  return std::ranges::any_of(harmless, [&](const Harmless& each) {
    return each.subject == subject_of(mutant) && each.what == mutant.what;
  });
}

constexpr int orders = 4;  // of a kernel's threads that are tried
constexpr unsigned patience =
    20;  // seconds for a mutant that hangs; each one's tests take a quarter of it at most
// A process that dies would end the hunt, and a test of seconds that compares a kernel with itself leave it no patience.
constexpr const char* left_out = "-*DeathTest*:*.BytesDoNotDependOnChunks*";

class EndsAtFirstFailure final : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed()) _exit(1);
  }
};

// In a process of its own: whether the tests hold with this mutant alive. 0: none is.
[[noreturn]] void test(int number, const char* suites, std::uint32_t seed) {
  alarm(patience);
  const int nowhere = open("/dev/null", O_WRONLY);
  if (number != 0) dup2(nowhere, STDOUT_FILENO), dup2(nowhere, STDERR_FILENO);
  cuda::emulated::mutant_alive = number;
  ops_under_test = {.gpu_alone = true, .seed = seed};
  GTEST_FLAG_SET(filter, std::string(suites) + left_out);
  if (number != 0) testing::UnitTest::GetInstance()->listeners().Append(new EndsAtFirstFailure);
  _exit(RUN_ALL_TESTS());
}

class Hunt {
 public:
  // How many live on.
  int run() {
    for (const Mutant& mutant : all_mutants)
      if (!is_harmless(mutant)) begin({&mutant, 1});
    while (!under_way_.empty()) end_one();
    return survivors_;
  }

 private:
  struct Try {
    const Mutant* mutant;
    std::uint32_t seed;
  };

  void begin(const Try& next) {
    while (under_way_.size() >= std::thread::hardware_concurrency()) end_one();
    const pid_t pid = fork();
    if (pid == 0) test(next.mutant->number, suites_of(*next.mutant), next.seed);
    under_way_[pid] = next;
  }

  void end_one() {
    int status = 0;
    const auto ended = under_way_.extract(wait(&status));
    const auto [mutant, seed] = ended.mapped();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return;
    if (seed < orders) return begin({mutant, seed + 1});
    ++survivors_;
    std::printf("%s:%d: lives on: %s\n", mutant->file.data(), mutant->line, mutant->what.data());
  }

  std::map<pid_t, Try> under_way_;
  int survivors_ = 0;
};

// The kernels as they were written pass.
bool sound() {
  const pid_t pid = fork();
  if (pid == 0) test(0, "*", 1);
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace
}  // namespace troupe::kernels

int main(int count, char** words) {
  testing::InitGoogleTest(&count, words);
  if (!troupe::kernels::sound()) return 2;
  const int survivors = troupe::kernels::Hunt().run();
  std::printf("%d of %zu mutants live on\n", survivors, std::size(troupe::kernels::all_mutants));
  return survivors == 0 ? 0 : 1;
}
