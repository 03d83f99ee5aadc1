// SPDX-License-Identifier: MIT
#include "data/cifar_dataset.h"

#include <array>
#include <cstring>
#include <fstream>
#include <numeric>
#include <sstream>
#include <system_error>
#include <utility>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"

namespace nasengine {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPixels = 32 * 32;
constexpr std::int64_t kChannels = 3;
constexpr std::int64_t kImageBytes = kPixels * kChannels;
constexpr std::int64_t kRecordBytes = 1 + kImageBytes;
constexpr int kClasses = 10;

// "dir/data_batch_1.bin: record 7 (byte 21511)".
std::string Place(const fs::path& file, std::int64_t record) {
  return StrCat(file.string(), ": record ", record, " (byte ", record * kRecordBytes, ")");
}

std::int64_t CountRecords(const fs::path& file) {
  std::error_code error;
  const auto status = fs::status(file, error);
  if (!fs::exists(status)) {
    Throw(ErrorCode::kNotFound, file.string(),
          ": found no such file, expected the binary version of CIFAR-10: data_batch_1.bin to "
          "data_batch_5.bin and test_batch.bin");
  }
  if (!fs::is_regular_file(status)) {
    Throw(ErrorCode::kIo, file.string(), ": found something else, expected a file");
  }
  const auto bytes = static_cast<std::int64_t>(fs::file_size(file, error));
  if (error) Throw(ErrorCode::kIo, file.string(), ": ", error.message());
  const std::int64_t records = bytes / kRecordBytes;
  NAS_CHECK(bytes > 0 && bytes % kRecordBytes == 0, Place(file, records), ": found ",
            bytes % kRecordBytes, " bytes, expected whole records of ", kRecordBytes);
  return records;
}

// Three planes to one pixel after another.
void Interleave(const std::uint8_t* planes, std::uint8_t* hwc) {
  for (std::int64_t p = 0; p < kPixels; ++p) {
    for (std::int64_t c = 0; c < kChannels; ++c) hwc[kChannels * p + c] = planes[kPixels * c + p];
  }
}

void ReadRecords(const fs::path& file, std::int64_t records, std::uint8_t* labels,
                 std::uint8_t* images) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) Throw(ErrorCode::kIo, file.string(), ": cannot be opened for reading");
  std::array<char, kRecordBytes> record;
  for (std::int64_t i = 0; i < records; ++i) {
    if (!stream.read(record.data(), record.size())) {
      Throw(ErrorCode::kIo, Place(file, i), ": found ", stream.gcount(), " bytes, expected ",
            kRecordBytes);
    }
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(record.data());
    NAS_CHECK(bytes[0] < kClasses, Place(file, i), ": found label ", static_cast<int>(bytes[0]),
              ", expected 0 to ", kClasses - 1);
    labels[i] = bytes[0];
    Interleave(bytes + 1, images + i * kImageBytes);
  }
}

std::vector<std::string> ReadClassNames(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) return {};
  std::istringstream lines(ReadFile(file.string()));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  NAS_CHECK(names.size() == kClasses, file.string(), ": found ", names.size(),
            " class names, expected ", kClasses);
  return names;
}

}  // namespace

CifarDataset::CifarDataset(std::string name, std::span<const fs::path> files,
                           std::vector<std::string> class_names, Allocator& allocator)
    : name_(std::move(name)), class_names_(std::move(class_names)) {
  std::vector<std::int64_t> records;
  for (const fs::path& file : files) records.push_back(CountRecords(file));
  count_ = std::accumulate(records.begin(), records.end(), std::int64_t{0});
  images_ = Tensor::Empty(allocator, {count_ * kImageBytes}, DType::kU8, MemoryCategory::kData);
  labels_ = Tensor::Empty(allocator, {count_}, DType::kU8, MemoryCategory::kData);
  std::uint8_t* labels = labels_.As<std::uint8_t>();
  std::uint8_t* images = images_.As<std::uint8_t>();
  for (std::size_t i = 0; i < files.size(); ++i) {
    ReadRecords(files[i], records[i], labels, images);
    labels += records[i];
    images += records[i] * kImageBytes;
  }
}

std::int32_t CifarDataset::label(std::int64_t index) const {
  CheckIndex(index);
  return labels_.As<std::uint8_t>()[index];
}

void CifarDataset::ReadImage(std::int64_t index, std::span<std::uint8_t> hwc) const {
  CheckRead(index, hwc);
  std::memcpy(hwc.data(), images_.As<std::uint8_t>() + index * kImageBytes, hwc.size());
}

bool HoldsCifar10(const fs::path& directory) {
  std::error_code error;
  return fs::exists(directory / "data_batch_1.bin", error);
}

TrainAndTest LoadCifar10(const fs::path& directory, Allocator& allocator) {
  std::vector<fs::path> training;
  for (int i = 1; i <= 5; ++i) training.push_back(directory / StrCat("data_batch_", i, ".bin"));
  const std::vector<fs::path> test = {directory / "test_batch.bin"};
  const std::vector<std::string> names = ReadClassNames(directory / "batches.meta.txt");
  return {.train = std::make_unique<CifarDataset>("cifar10 train", training, names, allocator),
          .test = std::make_unique<CifarDataset>("cifar10 test", test, names, allocator)};
}

}  // namespace nasengine
