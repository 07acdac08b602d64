// Reads slices of a checkpoint's tensors into memory of an Ops, in the type that they are stored in and in the
// layout that they are used in, so that there is never a second copy. Calls only plan and allocate; run()
// reads, on several threads. Owned by the thread that loads a decoder.
#pragma once

#include <string>
#include <vector>

#include "model/checkpoint.hpp"
#include "model/decoder.hpp"
#include "model/storage.hpp"

namespace troupe::model {

// Rows or columns [first, first + count).
struct Slice {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

class WeightReader {
 public:
  // All outlive the reader; what it reads lives in storage.
  WeightReader(const Checkpoint& checkpoint, Storage& storage, const LoadObservers& observers = {})
      : checkpoint_(checkpoint), storage_(&storage), observers_(observers) {}

  // What is planned from now on lives there.
  void store_in(Storage& storage) { storage_ = &storage; }

  // A part of a matrix, in panels; FP8 comes with the scales of the blocks that the part touches. Rows past
  // those of the slice, up to padded_rows, are zero.
  kernels::Weight matrix(const std::string& name, Slice rows, Slice cols, std::int64_t padded_rows = 0);
  // The same row after row, as what is looked up and never multiplied.
  kernels::Weight table(const std::string& name, Slice rows, Slice cols, std::int64_t padded_rows = 0);
  // The same turned around: [cols, rows], so that a dot product runs along what were rows.
  kernels::Weight transposed(const std::string& name, Slice rows, Slice cols);
  // A vector [n], converted to F32, which is exact.
  kernels::Tensor vector(const std::string& name);

  // Fills everything that was planned. Throws Error that names a tensor with a NaN or an infinity.
  void run();

 private:
  // Where the elements of a copy go: as they are stored, or turned around; as F32, row after row, or in their
  // own type in one of the layouts.
  struct Placing {
    bool turned = false;
    bool widen = false;
    kernels::Layout layout = kernels::Layout::rows;
  };
  // A piece of a copy: some rows.
  struct Job {
    std::string name;
    const StoredTensor* source;
    Slice rows, cols;
    Placing placing;
    std::byte* target;      // of the whole copy
    std::int64_t row;       // of the copy, of which rows.first is the source
    std::int64_t all_rows;  // of the copy
    std::size_t source_bytes() const;
  };

  kernels::Weight plan(const std::string& name, Slice rows, Slice cols, std::int64_t padded_rows,
                       const Placing& placing);
  void* plan_copy(const std::string& name, Slice rows, Slice cols, std::int64_t padded_rows,
                  const Placing& placing);
  void copy(const Job& job) const;
  static void place(const Job& job, const std::byte* source, std::int64_t row);

  const Checkpoint& checkpoint_;
  Storage* storage_;
  LoadObservers observers_;
  std::vector<Job> jobs_;
};

}  // namespace troupe::model
