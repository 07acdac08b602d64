#include "model/graphs/logits.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "kernels/device.hpp"
#include "launch/command_line.hpp"
#include "launch/single_rank.hpp"
#include "model/checkpoint/safetensors.hpp"
#include "runtime/execution/kv_size.hpp"
#include "transport/host/device_communicator.hpp"
#include "transport/host/threads_mesh.hpp"

namespace troupe::launch {
namespace {

using kernels::DType;

constexpr config::Page page{
    .command = "logits",
    .summary = "writes the logits of every position of given token ids",
    .description =
        "Reads the tensor input_ids, I64 or I32 of shape [batch, length], from IDS, runs each row as a text "
        "of its own, and writes the tensor logits, F32 of shape [batch, length, vocabulary], to OUT. For "
        "comparison with other implementations. The folder needs no tokenizer.\n\n"
        "Ranks are threads of this process; the logits are the same bytes for any number of them.",
    .examples = "$ troupe logits /models/deepseek-v3 ids.safetensors logits.safetensors"};

template <class T>
void widen(const model::StoredTensor& ids, const std::string& where, model::TokenMatrix& texts) {
  for (std::size_t i = 0; i < texts.ids.size(); ++i) {
    T id;  // unaligned in the file
    std::memcpy(&id, ids.bytes.data() + i * sizeof id, sizeof id);
    if (!std::in_range<TokenId>(id)) throw Error("a token id is out of range", where);
    texts.ids[i] = TokenId(id);
  }
}

model::TokenMatrix read_ids(const std::filesystem::path& path) {
  const auto file = model::SafetensorsFile::open(path);
  const auto found = file.tensors().find("input_ids");
  const std::string where = path.string() + ": input_ids";
  if (found == file.tensors().end()) throw Error("no such tensor", where);
  const model::StoredTensor& ids = found->second;
  if (ids.shape.size() != 2) throw Error("must have the shape [batch, length]", where);
  model::TokenMatrix texts{ids.shape[0], ids.shape[1], {}};
  texts.ids.resize(std::size_t(texts.batch * texts.length));
  if (ids.dtype == DType::i64)
    widen<std::int64_t>(ids, where, texts);
  else if (ids.dtype == DType::i32)
    widen<std::int32_t>(ids, where, texts);
  else
    throw Error("must be of type I64 or I32", where);
  return texts;
}

// The ranks of a replica as threads: what serving has as processes.
class ThreadRanks {
 public:
  ThreadRanks(const model::Checkpoint& checkpoint, const config::Settings& settings)
      : checkpoint_(checkpoint),
        settings_(settings),
        plan_(sharding(settings, checkpoint)),
        world_(plan_.ranks()) {
    for (int group = 0; group < plan_.data_parallel; ++group) groups_.emplace_back(plan_.tensor_parallel);
  }

  std::vector<float> logits(const model::TokenMatrix& texts) {
    std::vector<float> of_first;
    {
      std::vector<std::jthread> threads;
      for (int rank = 0; rank < plan_.ranks(); ++rank)
        threads.emplace_back([&, rank] {
          auto mine = logits_of_rank(rank, texts);
          if (rank == 0) of_first = std::move(mine);
        });
    }
    if (failure_) std::rethrow_exception(failure_);
    return of_first;
  }

 private:
  // The first failure is kept, and the other ranks do not wait for this one.
  std::vector<float> logits_of_rank(int rank, const model::TokenMatrix& texts) {
    model::ShardingPlan plan = plan_;
    plan.rank = rank;
    std::unique_ptr<kernels::Ops> ops;
    auto world = world_.communicator(rank);
    auto group = groups_[std::size_t(plan.group())].communicator(plan.group_rank());
    try {
      ops = kernels::make_ops(settings_.device, std::max(1, settings_.compute_threads() / plan.ranks()));
      world = transport::device_communicator(std::move(world), *ops);
      group = transport::device_communicator(std::move(group), *ops);
      const std::int64_t positions = checkpoint_.config().max_position_embeddings;
      const model::DecoderLimits limits{
          .max_positions = positions,
          .cache_type = runtime::kv_cache_type(settings_.kv_cache_dtype, positions)};
      const auto decoder = model::load_decoder(checkpoint_, *ops, plan, limits);
      const auto queue = ops->make_queue();
      return model::logits_of(*decoder, checkpoint_.config(), limits, *queue, {*group, *world}, texts);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      world->abort();
      group->abort();
      return {};
    }
  }

  const model::Checkpoint& checkpoint_;
  const config::Settings& settings_;
  const model::ShardingPlan plan_;
  const transport::ThreadsMesh world_;
  std::vector<transport::ThreadsMesh> groups_;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

int logits(const Arguments& arguments) {
  config::Settings settings;
  std::string ids, out;
  config::Table table =
      config::select(config::schema(settings),
                     {"model", "tensor-parallel-size", "data-parallel-size", "enable-expert-parallel",
                      "kv-cache-dtype", "device", "threads", "virtual-shards", "expert-shards"});
  table.front().required = true;
  table.insert(table.begin() + 1, {{.name = "ids",
                                    .target = &ids,
                                    .argument = "IDS.safetensors",
                                    .help = "Input.",
                                    .positional = true,
                                    .required = true,
                                    .flag_only = true},
                                   {.name = "out",
                                    .target = &out,
                                    .argument = "OUT.safetensors",
                                    .help = "Output.",
                                    .positional = true,
                                    .required = true,
                                    .flag_only = true}});
  if (!read_command_line(page, table, arguments)) return 0;
  config::validate(settings);

  const model::TokenMatrix texts = read_ids(ids);
  const auto checkpoint = model::Checkpoint::open(settings.model);
  const auto values = ThreadRanks(checkpoint, settings).logits(texts);
  const model::TensorToWrite tensor{
      {"logits", DType::f32, {texts.batch, texts.length, checkpoint.config().vocab_size}},
      std::as_bytes(std::span(values))};
  model::write_safetensors(out, std::span(&tensor, 1));
  return 0;
}

}  // namespace troupe::launch
