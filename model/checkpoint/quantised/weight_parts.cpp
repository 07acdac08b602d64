#include "model/checkpoint/quantised/weight_parts.hpp"

#include <algorithm>

namespace troupe::model {

using kernels::DType;

const StoredTensor* WeightParts::find(std::string_view name) {
  const auto found = tensors_.find(module_ + std::string(name));
  if (found == tensors_.end()) return nullptr;
  asked_.push_back(found->first);
  return &found->second.stored;
}

const StoredTensor& WeightParts::get(std::string_view name, std::initializer_list<DType> types) {
  const StoredTensor* const part = find(name);
  if (part == nullptr) fail(name, "is missing, and other parts of the weight are there");
  if (std::ranges::find(types, part->dtype) != types.end()) return *part;
  std::string wanted;
  for (const DType type : types) wanted += (wanted.empty() ? "" : ", ") + std::string(type_name(type));
  fail(name, "has type " + std::string(type_name(part->dtype)) + "; quantization_config calls for " + wanted);
}

const StoredTensor& WeightParts::matrix(std::string_view name, std::initializer_list<DType> types) {
  const StoredTensor& part = get(name, types);
  const auto fits = [](std::int64_t extent) { return extent > 0 && extent <= most_extent; };
  if (part.shape.size() != 2 || !std::ranges::all_of(part.shape, fits))
    fail(name, "has shape " + shape_text(part.shape) + "; it must be a matrix of 1 to " +
                   std::to_string(most_extent) + " rows and columns");
  return part;
}

const StoredTensor& WeightParts::shaped(std::string_view name, std::initializer_list<DType> types,
                                        const std::vector<std::int64_t>& shape) {
  const StoredTensor& part = get(name, types);
  if (part.shape != shape)
    fail(name,
         "has shape " + shape_text(part.shape) + "; quantization_config calls for " + shape_text(shape));
  return part;
}

std::string WeightParts::where(std::string_view name) const {
  const std::string whole = module_ + std::string(name);
  const auto found = tensors_.find(whole);
  return found == tensors_.end() ? whole : found->second.file + ": " + whole;
}

void WeightParts::fail(std::string_view name, std::string_view what) const {
  throw Error(what, where(name));
}

void WeightParts::become(StoredTensor weight) {
  CHECK(!asked_.empty(), "a weight of nothing");
  const std::string file = tensors_.find(asked_.front())->second.file;
  for (const std::string& name : asked_) tensors_.erase(name);
  for (const char* name : {"weight", "weight_scale_inv"})
    if (tensors_.contains(module_ + name))
      fail(name, "is there besides the parts of the same weight, quantised");
  tensors_[module_ + "weight"] = {std::move(weight), file};
}

void WeightParts::become(StoredTensor weight, StoredTensor scales) {
  become(std::move(weight));
  const std::string name = module_ + "weight";
  tensors_[name + "_scale_inv"] = {std::move(scales), tensors_[name].file};
}

}  // namespace troupe::model
