// A rank's process ends, and the next one has its weights without reading them.
#include "model/checkpoint/weight_pieces.hpp"

#include "model/graphs/decoder_weights.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/memory_file.hpp"
#include "tests/held_by.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"
#include "tests/model/graphs/prediction_session.hpp"

namespace troupe::model {
namespace {

using kernels::cuda::CudaOps;
using kernels::cuda::Gpu;
using kernels::cuda::emulated::Machine;
using testing::ElementsAre;
using testing::HasSubstr;
using transport::ExpertPlacement;

constexpr std::int64_t vocabulary = 1536;  // of the demo model
const DecoderLimits limits{.max_tokens = 16, .max_logit_rows = 16, .max_positions = 64, .prediction = true};

// A device of one life: it ends with it.
class Device {
 public:
  explicit Device(const std::string& kind) {
    if (kind == "cpu") {
      ops_ = kernels::make_cpu_ops(2);
    } else {
      machine_.emplace();
      ops_ = std::make_unique<CudaOps>(std::make_shared<Gpu>(Machine::calls(), Machine::images(), 0));
    }
  }
  kernels::Ops& operator*() { return *ops_; }

 private:
  std::optional<Machine> machine_;
  std::unique_ptr<kernels::Ops> ops_;
};

struct Life {
  Logits logits;
  std::uint64_t read_bytes = 0;
};

class KeptWeights : public ::testing::TestWithParam<const char*> {
 protected:
  KeptWeights() {
    std::filesystem::copy(DEMO_MODEL, folder_.path(), std::filesystem::copy_options::recursive);
    set_log_level(LogLevel::error);
  }
  ~KeptWeights() override { set_log_level(LogLevel::info); }

  // A process that answers something. on_host: of its weights, where it has a device.
  Life live(std::size_t on_host = 0) {
    MemoryKeeper keeper = node_.next_life();
    const Checkpoint checkpoint = Checkpoint::open(folder_.path());
    Device device(GetParam());
    TickBoard board;
    SessionOptions options;
    options.limits = limits;
    options.limits.host_weight_bytes = on_host;
    const auto decoder =
        load_decoder(checkpoint, *device, {}, options.limits, {.ticks = &board, .keeper = &keeper});
    const auto rank = transport::device_communicator(transport::ThreadsMesh(1).communicator(0), *device);
    Session session(*decoder, {*rank, *rank}, options);
    const Tokens text{1, 2, 3, 4, 5, 6, 7, 8};
    return {predictions(session, 0, text, 4, vocabulary), board.loaded_bytes};
  }

  // The checkpoint's weights become no numbers; of its files one sees nothing.
  void spoil() {
    const std::filesystem::path file = folder_.path() / "model.safetensors";
    const auto written = last_write_time(file);
    std::fstream data(file, std::ios::binary | std::ios::in | std::ios::out);
    std::uint64_t header = 0;
    data.read(reinterpret_cast<char*>(&header), sizeof header);
    const std::string nothing(file_size(file) - sizeof header - header, '\xff');
    data.seekp(std::streamoff(sizeof header + header)).write(nothing.data(), std::streamsize(nothing.size()));
    data.close();
    last_write_time(file, written);
  }
  std::vector<std::string> held() {
    std::vector<std::string> names;
    for (const HeldFile& file : node_.files()) names.push_back(file.piece.name);
    std::ranges::sort(names);
    return names;
  }

  TemporaryFolder folder_;
  HeldBy node_;
};

TEST_P(KeptWeights, AreNotReadAgain) {
  const Life first = live();
  EXPECT_GT(first.read_bytes, 1u << 20);
  EXPECT_THAT(held(), ElementsAre("shared"));
  spoil();
  for (int next = 0; next < 2; ++next) {
    const Life life = live();
    EXPECT_EQ(life.read_bytes, 0u);
    EXPECT_TRUE(same_bytes(life.logits, first.logits));
  }
}

TEST_P(KeptWeights, AreKeptInTheHostsMemoryToo) {
  constexpr std::size_t on_host = 3 << 20;
  const Life first = live(), offloaded = live(on_host);
  EXPECT_EQ(offloaded.read_bytes, first.read_bytes) << "others lie in the pieces of these names";
  EXPECT_THAT(held(), ElementsAre("shared", "shared on the host"));
  spoil();
  const Life next = live(on_host);
  EXPECT_EQ(next.read_bytes, 0u);
  EXPECT_TRUE(same_bytes(offloaded.logits, first.logits));
  EXPECT_TRUE(same_bytes(next.logits, first.logits));
}

TEST_P(KeptWeights, OfAFolderThatWasWrittenToAreReadAgain) {
  const Life first = live();
  const std::filesystem::path file = folder_.path() / "model.safetensors";
  last_write_time(file, last_write_time(file) + std::chrono::seconds(1));
  const Life second = live();
  EXPECT_EQ(second.read_bytes, first.read_bytes);
  EXPECT_TRUE(same_bytes(second.logits, first.logits));
  EXPECT_THAT(held(), ElementsAre("shared"));
  EXPECT_EQ(live().read_bytes, 0u);
}

TEST_P(KeptWeights, ThatWereNotReadToTheEndAreNotHeld) {
  MemoryKeeper keeper = node_.next_life();
  Device device(GetParam());
  Progress progress;
  progress.stop = true;
  const Checkpoint checkpoint = Checkpoint::open(folder_.path());
  EXPECT_THAT(error_of([&] {
                load_decoder(checkpoint, *device, {}, limits, {.progress = &progress, .keeper = &keeper});
              }),
              HasSubstr("stopped"));
  EXPECT_THAT(held(), ElementsAre());
}

TEST_P(KeptWeights, ThatCannotBeHadAreRead) {
  const Life first = live();
  const HeldPiece piece = node_.files().at(0).piece;
  const auto life_with = [&](const HeldPiece& other, FileDescriptor file) {
    MemoryKeeper(node_.next_life()).keep(other, file);
    return live();
  };
  HeldPiece smaller = piece;
  smaller.bytes -= 64;
  for (const Life& life : {life_with(piece, shared_memory_file("another", piece.bytes)),
                           life_with(smaller, memory_file("another", "of other bytes"))}) {
    EXPECT_EQ(life.read_bytes, first.read_bytes);
    EXPECT_TRUE(same_bytes(life.logits, first.logits));
  }
}

// The rank has the experts that were placed there, and reads of those that come again only what it has not.
TEST_P(KeptWeights, FollowTheExperts) {
  const ShardingPlan plan{.rank = 0, .tensor_parallel = 2, .expert_parallel = true};
  const auto spread = ExpertPlacement::spread(16, 2);
  ExpertPlacement moved = spread;
  moved.holders[0] = {1};
  moved.holders[9] = {0, 1};
  const auto live = [&](const ExpertPlacement& now, const ExpertPlacement* next = nullptr) {
    MemoryKeeper keeper = node_.next_life();
    Device device(GetParam());
    TickBoard board;
    const Checkpoint checkpoint = Checkpoint::open(folder_.path());
    const auto decoder =
        load_decoder(checkpoint, *device, plan, limits, {.ticks = &board, .keeper = &keeper}, now);
    EXPECT_TRUE(!next || decoder->place(*next));
    return board.loaded_bytes.load();
  };
  const std::uint64_t all = live(spread);
  EXPECT_EQ(held().size(), 9u);  // eight experts
  const std::uint64_t one_more = live(spread, &moved);
  EXPECT_GT(one_more, 0u);
  EXPECT_LT(one_more, all / 8);
  EXPECT_EQ(held().size(), 9u);
  EXPECT_THAT(held(), testing::Not(testing::Contains("expert 0")));
  EXPECT_EQ(live(moved), 0u);
  EXPECT_EQ(live(spread), one_more) << "expert 0 has left";
  EXPECT_THAT(held(), testing::Not(testing::Contains("expert 9"))) << "nobody took it";
}

INSTANTIATE_TEST_SUITE_P(Devices, KeptWeights, ::testing::Values("cpu", "gpu"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace troupe::model
