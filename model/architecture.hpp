// What a family of models brings, and the table of families: README.md shows how one is added. Plain data and pure
// functions; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "model/config.hpp"
#include "model/decoder.hpp"
#include "model/sharding.hpp"

namespace troupe::model {

class JsonFields;
class TensorListing;

// What a decoder is loaded from, and for what: see load_decoder.
struct DecoderOrder {
  const Checkpoint& checkpoint;
  kernels::Ops& ops;
  const ShardingPlan& plan;  // one that check_plan has passed
  const DecoderLimits& limits;
  const LoadObservers& observers;
  const transport::ExpertPlacement& placement;
};

// How a token lies in a layer's caches, on a rank.
struct CacheForms {
  kernels::EntryForm entry;      // of keys and values, or what they are made of
  kernels::EntryForm index_key;  // of no elements: there is no index

  std::int64_t bytes() const { return entry.bytes() + index_key.bytes(); }
};

struct Architecture {
  // What config.json has of the family's own; sizes are known. Throws Error that names the field.
  void (*read_config)(JsonFields& fields, ModelConfig& config);
  // The tensors of a decoder layer, under their names within it.
  void (*list_layer)(TensorListing& list, const ModelConfig& config, std::int64_t layer);
  // Refuses, with the numbers, a plan by which its heads cannot be cut.
  Expected<void> (*check_heads)(const ModelConfig& config, const ShardingPlan& plan);
  CacheForms (*cache_forms)(const ModelConfig& config, const ShardingPlan& plan, kernels::CacheType type);
  // Throws Error.
  std::unique_ptr<Decoder> (*load)(const DecoderOrder& order);
  // What load would take of the device, of which it takes nothing.
  DecoderMemory (*measure)(const DecoderOrder& order);
};

// By config.json's architectures and its model_type, which may be empty. Null: not supported.
const Architecture* find_architecture(std::string_view name, std::string_view model_type = {});
const Architecture& architecture_of(const ModelConfig& config);
std::string supported_architectures();  // for messages: "A, B"

}  // namespace troupe::model
