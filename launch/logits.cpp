#include "model/logits.hpp"

#include <cstring>

#include "launch/command_line.hpp"
#include "launch/single_rank.hpp"
#include "model/safetensors.hpp"

namespace troupe::launch {
namespace {

using kernels::DType;

constexpr config::Page page{
    .command = "logits",
    .summary = "writes the logits of every position of given token ids",
    .description =
        "Reads the tensor input_ids, I64 or I32 of shape [batch, length], from IDS, runs each row as a text "
        "of its "
        "own, and writes the tensor logits, F32 of shape [batch, length, vocabulary], to OUT. For comparison "
        "with "
        "other implementations. The folder needs no tokenizer.",
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

}  // namespace

int logits(const Arguments& arguments) {
  config::Settings settings;
  std::string ids, out;
  config::Table table = config::select(config::schema(settings), {"model", "threads", "virtual-shards"});
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
  const model::DecoderLimits limits{.max_positions = checkpoint.config().max_position_embeddings};
  SingleRank rank(checkpoint, settings, limits);
  const auto values =
      model::logits_of(*rank.decoder, checkpoint.config(), limits, rank.queue, *rank.communicator, texts);
  const model::TensorToWrite tensor{
      {"logits", DType::f32, {texts.batch, texts.length, checkpoint.config().vocab_size}},
      std::as_bytes(std::span(values))};
  model::write_safetensors(out, std::span(&tensor, 1));
  return 0;
}

}  // namespace troupe::launch
