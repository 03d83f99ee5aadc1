// SPDX-License-Identifier: MIT
#include "data/idx_dataset.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <limits>
#include <system_error>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

constexpr std::uint32_t kImagesMagic = 0x803;
constexpr std::uint32_t kLabelsMagic = 0x801;
// Deflate cannot expand a byte to more than this many.
constexpr std::int64_t kMaxExpansion = 1032;
// Indices are 32 bits wide throughout.
constexpr std::int64_t kMaxImages = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kReadBytes = 1 << 20;

std::string Hex(std::uint32_t value) {
  std::array<char, 16> text;
  std::snprintf(text.data(), text.size(), "0x%x", value);
  return text.data();
}

// A file read through zlib, which passes plain files on as they are.
class GzFile {
 public:
  explicit GzFile(const std::filesystem::path& path) : path_(path.string()) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) Throw(ErrorCode::kNotFound, path_, ": no such file");
    if (!std::filesystem::is_regular_file(status)) Throw(ErrorCode::kIo, path_, ": not a file");
    const std::uintmax_t on_disk = std::filesystem::file_size(path, error);
    if (error) Throw(ErrorCode::kIo, path_, ": ", error.message());
    on_disk_ = static_cast<std::int64_t>(on_disk);
    file_ = gzopen(path_.c_str(), "rb");
    if (file_ == nullptr) Throw(ErrorCode::kIo, path_, ": cannot be opened for reading");
    gzbuffer(file_, 1 << 18);
  }
  ~GzFile() { gzclose_r(file_); }
  GzFile(const GzFile&) = delete;
  GzFile& operator=(const GzFile&) = delete;

  const std::string& path() const { return path_; }

  // An upper bound of the bytes that the file can hold once unpacked.
  std::int64_t MaxBytes() const {
    return gzdirect(file_) != 0 ? on_disk_
                                : std::min(on_disk_, std::int64_t{1} << 50) * kMaxExpansion;
  }

  // Reads until `to` is full or the file ends; returns the bytes read. Throws kIo when the gzip
  // stream is damaged or ends early.
  std::int64_t Read(std::span<std::uint8_t> to) {
    std::size_t done = 0;
    while (done < to.size()) {
      const std::size_t want = std::min(to.size() - done, kReadBytes);
      const int got = gzread(file_, to.data() + done, static_cast<unsigned>(want));
      if (got > 0) done += static_cast<std::size_t>(got);
      if (got < static_cast<int>(want)) break;
    }
    ThrowIfDamaged();
    return static_cast<std::int64_t>(done);
  }

  // Throws unless nothing follows; zlib compares the checksum only when it gets here.
  void ExpectEnd(std::int64_t expected_bytes) {
    std::uint8_t extra;
    if (Read({&extra, 1}) != 0) {
      Throw(ErrorCode::kInvalidArgument, path_, ": bytes left over after the ", expected_bytes,
            " that its header promises");
    }
  }

 private:
  void ThrowIfDamaged() {
    int code = Z_OK;
    const char* message = gzerror(file_, &code);
    if (code == Z_OK || code == Z_STREAM_END) return;
    if (code == Z_BUF_ERROR) Throw(ErrorCode::kIo, path_, ": truncated gzip stream");
    if (code == Z_DATA_ERROR) Throw(ErrorCode::kIo, path_, ": corrupt gzip stream (", message, ")");
    Throw(ErrorCode::kIo, path_, ": cannot be read (", message, ")");
  }

  std::string path_;
  std::int64_t on_disk_ = 0;
  gzFile file_ = nullptr;
};

struct IdxContents {
  std::vector<std::int64_t> sizes;  // count first
  Tensor bytes;
};

// Reads a file of bytes with the header `magic`, whose last digit is the number of sizes.
IdxContents ReadIdx(const std::filesystem::path& path, std::uint32_t magic, Allocator& allocator) {
  GzFile file(path);
  const std::size_t rank = magic & 0xff;
  std::array<std::uint8_t, 16> header;
  const std::size_t header_bytes = 4 * (1 + rank);
  const std::int64_t got = file.Read({header.data(), header_bytes});
  auto word = [&header](std::size_t i) {
    return std::uint32_t{header[4 * i]} << 24 | std::uint32_t{header[4 * i + 1]} << 16 |
           std::uint32_t{header[4 * i + 2]} << 8 | std::uint32_t{header[4 * i + 3]};
  };
  if (got >= 4) {
    NAS_CHECK(word(0) == magic, file.path(), ": wrong magic, found ", Hex(word(0)), ", expected ",
              Hex(magic));
  }
  NAS_CHECK(got == static_cast<std::int64_t>(header_bytes), file.path(), ": ends after ", got,
            " bytes, an IDX header has ", header_bytes);

  IdxContents contents;
  const std::int64_t available = file.MaxBytes() - static_cast<std::int64_t>(header_bytes);
  std::int64_t bytes = 1;
  bool too_many = false;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t size = word(1 + i);
    NAS_CHECK(size > 0, file.path(), ": size ", i, " of the header is 0");
    contents.sizes.push_back(size);
    too_many = too_many || bytes > available / size;
    bytes = too_many ? bytes : bytes * size;
  }
  NAS_CHECK(!too_many, file.path(), ": header promises ", contents.sizes[0],
            rank == 3 ? " images" : " labels", ", more than the file can hold");
  NAS_CHECK(contents.sizes[0] <= kMaxImages, file.path(), ": ", contents.sizes[0],
            " entries, at most ", kMaxImages, " are supported");

  contents.bytes = Tensor::Empty(allocator, {bytes}, DType::kU8, MemoryCategory::kData);
  const std::int64_t read =
      file.Read({contents.bytes.As<std::uint8_t>(), static_cast<std::size_t>(bytes)});
  NAS_CHECK(read == bytes, file.path(), ": header promises ", bytes, " bytes, the file has ", read);
  file.ExpectEnd(bytes);
  return contents;
}

// The path itself, or with .gz when only that is there.
std::filesystem::path PlainOrGzip(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::path zipped = path;
  zipped += ".gz";
  return !std::filesystem::exists(path, error) && std::filesystem::exists(zipped, error) ? zipped
                                                                                         : path;
}

// One more than the largest label; see LoadIdx.
int DeriveClasses(std::span<const std::uint8_t> labels, const std::string& file) {
  std::array<std::int64_t, 256> first;
  first.fill(-1);
  for (std::size_t i = labels.size(); i-- > 0;) first[labels[i]] = static_cast<std::int64_t>(i);
  int largest = 0;
  for (int value = 0; value < 256; ++value) {
    if (first[static_cast<std::size_t>(value)] >= 0) largest = value;
  }
  constexpr int kLargestWithGaps = 9;
  for (int value = 1; largest > kLargestWithGaps && value < largest; ++value) {
    NAS_CHECK(first[static_cast<std::size_t>(value)] >= 0, file, ": label ", largest, " at index ",
              first[static_cast<std::size_t>(largest)], ", but no image has label ", value);
  }
  return largest + 1;
}

}  // namespace

IdxDataset::IdxDataset(const std::filesystem::path& images, const std::filesystem::path& labels,
                       IdxOptions options, Allocator& allocator)
    : options_(std::move(options)) {
  IdxContents pixels = ReadIdx(images, kImagesMagic, allocator);
  IdxContents values = ReadIdx(labels, kLabelsMagic, allocator);
  NAS_CHECK(pixels.sizes[0] == values.sizes[0], images.string(), ": ", pixels.sizes[0],
            " images, but ", labels.string(), " has ", values.sizes[0], " labels");
  const std::span<const std::uint8_t> all{values.bytes.As<std::uint8_t>(),
                                          static_cast<std::size_t>(values.sizes[0])};
  if (options_.classes == 0) options_.classes = DeriveClasses(all, labels.string());
  const auto bad = std::find_if(all.begin(), all.end(),
                                [this](std::uint8_t value) { return value >= options_.classes; });
  NAS_CHECK(bad == all.end(), labels.string(), ": label ", static_cast<int>(*bad), " at index ",
            bad - all.begin(), ", expected 0 to ", options_.classes - 1, " (", options_.classes,
            " classes)");
  count_ = pixels.sizes[0];
  shape_ = {pixels.sizes[1], pixels.sizes[2], 1};
  images_ = std::move(pixels.bytes);
  labels_ = std::move(values.bytes);
}

std::int32_t IdxDataset::label(std::int64_t index) const {
  CheckIndex(index);
  return labels_.As<std::uint8_t>()[index];
}

void IdxDataset::ReadImage(std::int64_t index, std::span<std::uint8_t> hwc) const {
  CheckRead(index, hwc);
  std::memcpy(hwc.data(), images_.As<std::uint8_t>() + index * shape_.elements(), hwc.size());
}

bool HoldsIdx(const std::filesystem::path& directory) {
  std::error_code error;
  return std::filesystem::exists(PlainOrGzip(directory / "train-images-idx3-ubyte"), error);
}

namespace {

TrainAndTest LoadNamed(const std::filesystem::path& directory, Allocator& allocator,
                       IdxOptions options) {
  const std::string name = options.name;
  auto load = [&](const std::string& prefix) {
    return std::make_unique<IdxDataset>(PlainOrGzip(directory / (prefix + "-images-idx3-ubyte")),
                                        PlainOrGzip(directory / (prefix + "-labels-idx1-ubyte")),
                                        options, allocator);
  };
  options.name = name + " train";
  TrainAndTest sets;
  sets.train = load("train");
  options.name = name + " test";
  options.classes = sets.train->classes();
  sets.test = load("t10k");
  NAS_CHECK(sets.train->image_shape() == sets.test->image_shape(), directory.string(),
            ": training images are ", ToString(sets.train->image_shape()), ", test images ",
            ToString(sets.test->image_shape()));
  return sets;
}

}  // namespace

TrainAndTest LoadIdx(const std::filesystem::path& directory, Allocator& allocator, int classes) {
  std::filesystem::path leaf = directory.filename();
  if (leaf.empty()) leaf = directory.parent_path().filename();
  return LoadNamed(directory, allocator,
                   {.name = leaf.string(), .classes = classes, .class_names = {}});
}

TrainAndTest LoadFashionMnist(Allocator& allocator, const std::filesystem::path& directory) {
  if (!HoldsIdx(directory)) {
    Throw(ErrorCode::kNotFound, directory.string(),
          ": Fashion-MNIST is not there; install the package dataset-fashion-mnist "
          "(apt-get install dataset-fashion-mnist)");
  }
  return LoadNamed(directory, allocator,
                   {.name = "fashion-mnist",
                    .classes = 10,
                    .class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal",
                                    "Shirt", "Sneaker", "Bag", "Ankle boot"}});
}

}  // namespace nasengine
