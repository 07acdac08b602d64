// Reads slices of a checkpoint's tensors into memory of an Ops, in the type that they are stored in (but for blocks of a
// matrix that is turned around, which become F32) and in the layout that they are used in, so that there is never a second copy, but for a few MB on the way to a device that
// the host does not reach. Calls only plan and allocate; run()
// reads, on several threads. Owned by the thread that loads a decoder.
#pragma once

#include <string>
#include <vector>

#include "model/checkpoint/checkpoint.hpp"
#include "model/decoder.hpp"
#include "model/graphs/storage.hpp"

namespace troupe::model {

// Rows or columns [first, first + count).
struct Slice {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// Of a matrix of the checkpoint. Rows up to padded_rows, if they are more than those of the slice, are zero.
struct MatrixPart {
  std::string name;
  Slice rows, cols;
  std::int64_t padded_rows = 0;
};

class WeightReader {
 public:
  // All outlive the reader. Where what it reads is to live it is told next.
  WeightReader(const Checkpoint& checkpoint, kernels::Ops& ops, const LoadObservers& observers = {})
      : checkpoint_(checkpoint), ops_(ops), observers_(observers) {}

  // What is planned from now on lives there, in memory of the same Ops. read: otherwise it gets its place and nothing
  // more: it is only counted, or there already.
  void store_in(Storage& storage, bool read = true) {
    storage_ = &storage;
    reads_ = read;
  }

  // A part of a matrix, in panels; FP8 comes with the scales of the blocks that the part touches. Rows past
  // those of the slice, up to padded_rows, are zero.
  kernels::Weight matrix(const std::string& name, Slice rows, Slice cols, std::int64_t padded_rows = 0);
  // The same row after row, as what is looked up and never multiplied.
  kernels::Weight table(const std::string& name, Slice rows, Slice cols, std::int64_t padded_rows = 0);
  // Several matrices, in panels, in one piece of memory: the panels of each follow those of the one before, and so do
  // their scales in another. A device may see them as one.
  std::vector<kernels::Weight> stack(const std::vector<MatrixPart>& parts);
  // The same, each turned around: [cols, rows], so that a dot product runs along what were rows.
  std::vector<kernels::Weight> turned_stack(const std::vector<MatrixPart>& parts);
  // A vector [n], or a part of one, converted to F32, which is exact.
  kernels::Tensor vector(const std::string& name);
  kernels::Tensor vector(const std::string& name, Slice part);

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
  // What a part of a stored tensor becomes.
  struct Copy {
    MatrixPart part;  // padded_rows counts all rows
    Placing placing;
  };
  // A piece of a copy: some of its rows, which lie together.
  struct Job {
    std::string name;
    const StoredTensor* source;
    Slice rows, cols;  // of the source
    Placing placing;
    std::int64_t width;  // elements of a row of the copy, with those of its first block that come before
    std::byte* target;
    std::size_t target_bytes;
    std::size_t source_row_bytes() const;  // of the blocks that its columns touch
    std::size_t source_bytes() const;
  };

  std::vector<kernels::Weight> plan(std::vector<MatrixPart> parts, const Placing& placing);
  kernels::Weight shape_of(const Copy& copy) const;
  Copy scales_of(const Copy& copy) const;
  void check_order(const Copy& copy) const;
  const std::int32_t* place_order(const std::string& name);  // null: the columns are in order
  std::vector<void*> plan_copies(const std::vector<Copy>& copies);
  kernels::DType type_of(const Copy& copy) const;
  std::size_t bytes_of(const Copy& copy, std::int64_t rows) const;
  void plan_jobs(const Copy& copy, std::byte* target);
  void copy(const Job& job) const;
  void read(const Job& job, std::byte* target) const;
  void place(const Job& job, const std::byte* source, std::int64_t row, std::byte* target) const;
  std::vector<float> values_of(const Job& job, const std::byte* source) const;

  const Checkpoint& checkpoint_;
  kernels::Ops& ops_;
  Storage* storage_ = nullptr;
  bool reads_ = true;
  LoadObservers observers_;
  std::vector<Job> jobs_;
};

}  // namespace troupe::model
