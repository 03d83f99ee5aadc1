// Weight files: what goes in comes out, other tools' files are read, and nothing damaged is.
// SPDX-License-Identifier: MIT
#include "autograd/state_dict.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "tests/support/kernel_fixture.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

class StateDictTest : public KernelFixture {
 protected:
  StateDictTest() : KernelFixture(KernelRegistry()) {}

  std::string path() const { return dir_ / "w.safetensors"; }

  // Bytes 0, 1, 2, ...
  Tensor Bytes(const Shape& shape, DType dtype) {
    Tensor tensor = context().Empty(shape, dtype, MemoryCategory::kWeights);
    for (std::int64_t i = 0; i < tensor.bytes(); ++i) {
      static_cast<unsigned char*>(tensor.data())[i] = static_cast<unsigned char>(i);
    }
    return tensor;
  }
  static bool SameBytes(const Tensor& a, const Tensor& b) {
    return a.shape() == b.shape() && a.dtype() == b.dtype() &&
           std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.bytes())) == 0;
  }

  StateDict Small() {
    StateDict state;
    state.Add("half", Bytes({3}, DType::kBf16));
    state.Add("a.weight", Bytes({2, 3}, DType::kF32));
    state.Add("count", Bytes({}, DType::kI32));
    state.Add("none", Bytes({0, 4}, DType::kF32));
    return state;
  }

  // Without waiting for the disk, which makes hundreds of files slow.
  void Write(const std::string& bytes) { std::ofstream(path(), std::ios::binary) << bytes; }

  // A file of another tool's making.
  void WriteForeign(const std::string& header, const std::string& data) {
    std::string file;
    for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
    Write(file + header + data);
  }

  // The message with which reading the file is refused, without the path; "" if it is read.
  std::string Refusal() {
    return Message([&] { ReadStateDict(context(), path(), MemoryCategory::kWeights); });
  }
  std::string Message(const std::function<void()>& run) {
    try {
      run();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      const std::string text = error.what();
      EXPECT_EQ(text.find('\n'), std::string::npos);
      return text.rfind(path() + ": ", 0) == 0 ? text.substr(path().size() + 2) : text;
    }
    return "";
  }

 private:
  TempDir dir_;
};

TEST_F(StateDictTest, RefusesRepeatedAndEmptyNames) {
  StateDict state = Small();
  EXPECT_THROW(state.Add("half", Bytes({1}, DType::kF32)), Error);
  EXPECT_THROW(state.Add("", Bytes({1}, DType::kF32)), Error);
  EXPECT_THROW(state.Add("undefined", Tensor()), Error);
  EXPECT_EQ(state.size(), 4u);
  EXPECT_EQ(state.entries()[1].name, "a.weight");
  EXPECT_EQ(state.Find("nowhere"), nullptr);
}

TEST_F(StateDictTest, RoundTrip) {
  const StateDict state = Small();
  const Metadata metadata{{"step", "7"}, {"quote", "a \"}\" and \xc3\xa9"}};
  SaveStateDict(context(), path(), state, metadata);
  const LoadedState loaded = ReadStateDict(context(), path(), MemoryCategory::kWeights);
  EXPECT_EQ(loaded.metadata, metadata);
  ASSERT_EQ(loaded.state.size(), state.size());
  for (const StateDict::Entry& entry : state.entries()) {
    const Tensor* tensor = loaded.state.Find(entry.name);
    ASSERT_NE(tensor, nullptr) << entry.name;
    EXPECT_TRUE(SameBytes(*tensor, entry.tensor)) << entry.name;
  }
}

TEST_F(StateDictTest, EmptyRoundTrip) {
  SaveStateDict(context(), path(), StateDict());
  const LoadedState loaded = ReadStateDict(context(), path(), MemoryCategory::kWeights);
  EXPECT_EQ(loaded.state.size(), 0u);
  EXPECT_TRUE(loaded.metadata.empty());
}

TEST_F(StateDictTest, LayoutIsThePublicFormats) {
  SaveStateDict(context(), path(), Small(), {{"k", "v"}});
  const std::string file = ReadFile(path());
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  const std::string header = file.substr(8, length);
  EXPECT_EQ(length % 8, 0u);
  EXPECT_EQ(file.size(), 8 + length + 24 + 4 + 6);
  EXPECT_EQ(header.rfind("{\"__metadata__\":{\"k\":\"v\",\"xxh64\":\"", 0), 0u);
  // Two-byte tensors come last, so that the others are aligned.
  EXPECT_NE(header.find("\"half\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[28,34]}"),
            std::string::npos)
      << header;
  EXPECT_NE(header.find("\"a.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}"),
            std::string::npos);
  EXPECT_NE(header.find("\"count\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[24,28]}"),
            std::string::npos);
}

TEST_F(StateDictTest, ReadsOtherToolsFiles) {
  WriteForeign(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
               R"("a":{"dtype":"I32","shape":[1,1],"data_offsets":[0,4]}}   )",
               std::string("\1\0\0\0\0\0\x80\x3f", 8));
  const LoadedState loaded = ReadStateDict(context(), path(), MemoryCategory::kWeights);
  ASSERT_EQ(loaded.state.size(), 2u);
  EXPECT_EQ(loaded.state.entries()[0].name, "a");
  EXPECT_EQ(loaded.state.Find("a")->As<std::int32_t>()[0], 1);
  EXPECT_EQ(loaded.state.Find("b")->As<float>()[0], 1);
}

TEST_F(StateDictTest, LoadsInPlace) {
  const StateDict saved = Small();
  StateDict target;
  for (const StateDict::Entry& entry : saved.entries()) {
    const Tensor zeros = Bytes(entry.tensor.shape(), entry.tensor.dtype());
    std::memset(zeros.data(), 0, static_cast<std::size_t>(zeros.bytes()));
    target.Add(entry.name, zeros);
  }
  SaveStateDict(context(), path(), saved, {{"k", "v"}});
  EXPECT_EQ(LoadStateDict(context(), path(), target), (Metadata{{"k", "v"}}));
  for (const StateDict::Entry& entry : saved.entries()) {
    EXPECT_TRUE(SameBytes(*target.Find(entry.name), entry.tensor)) << entry.name;
  }
}

TEST_F(StateDictTest, LoadRefusesAnotherNetworksFileAndChangesNothing) {
  StateDict file;
  file.Add("a", Bytes({4}, DType::kF32));
  file.Add("b", Bytes({2, 2}, DType::kF32));
  SaveStateDict(context(), path(), file);
  const auto refusal = [&](const std::function<void(StateDict&)>& fill) {
    StateDict state;
    const Tensor first = Filled({4}, 5);
    state.Add("a", first);
    fill(state);
    const std::string message = Message([&] { LoadStateDict(context(), path(), state); });
    EXPECT_EQ(Get(first, 1), 5);
    return message;
  };
  EXPECT_EQ(refusal([&](StateDict& state) { state.Add("b", Filled({4}, 0)); }),
            "tensor b is 2x2 f32, expected 4 f32");
  EXPECT_EQ(refusal([&](StateDict& state) {
              state.Add("b", Bytes({2, 2}, DType::kI32));
            }),
            "tensor b is 2x2 f32, expected 2x2 i32");
  EXPECT_EQ(refusal([](StateDict&) {}), "tensor b is not expected");
  EXPECT_EQ(refusal([&](StateDict& state) {
              state.Add("b", Filled({2, 2}, 0));
              state.Add("c", Filled({1}, 0));
            }),
            "tensor c is missing");
}

// One bit, anywhere in the file.
TEST_F(StateDictTest, RefusesEveryFlippedBitAndEveryTruncation) {
  SaveStateDict(context(), path(), Small(), {{"step", "7"}});
  const std::string good = ReadFile(path());
  for (std::size_t i = 0; i < good.size(); ++i) {
    if (good[i] == ' ') continue;  // padding of the header, which carries nothing
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    Write(bad);
    // Only its name makes the checksum one: renamed, the file is another tool's.
    const bool names_checksum = i >= good.find("xxh64") && i < good.find("xxh64") + 5;
    EXPECT_EQ(Refusal().empty(), names_checksum) << "byte " << i;
  }
  for (std::size_t size = 0; size < good.size(); size += 3) {
    Write(good.substr(0, size));
    EXPECT_NE(Refusal(), "") << size;
  }
  Write(good + "x");
  EXPECT_NE(Refusal(), "");
}

TEST_F(StateDictTest, RefusesContradictoryHeaders) {
  const auto refusal = [&](const std::string& header, const std::string& data = "01234567") {
    WriteForeign(header, data);
    return Refusal();
  };
  const auto tensor = [](const char* name, const char* fields) {
    return StrCat("\"", name, "\":{", fields, "}");
  };
  const std::string a = tensor("a", R"("dtype":"F32","shape":[1],"data_offsets":[0,4])");
  const auto with = [&](const std::string& b) { return "{" + a + "," + b + "}"; };
  EXPECT_EQ(refusal(with(tensor("b", R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"))), "");
  EXPECT_EQ(refusal(with(tensor("b", R"("dtype":"BF16","shape":[3],"data_offsets":[2,8])"))),
            "tensor b begins at byte 2 and overlaps the one before it, which ends at 4");
  EXPECT_EQ(refusal(with(tensor("b", R"("dtype":"BF16","shape":[1],"data_offsets":[6,8])"))),
            "tensor b begins at byte 6 after a gap from 4");
  EXPECT_EQ(refusal("{" + a + "}"), "the tensors end at byte 4, the data at 8");
  EXPECT_EQ(refusal(with(tensor("b", R"("dtype":"F32","shape":[2],"data_offsets":[4,12])"))),
            "tensor b ends at byte 12, the file has 8 bytes of data (truncated?)");
  EXPECT_EQ(refusal(with(tensor("b", R"("dtype":"F32","shape":[2],"data_offsets":[4,8])"))),
            "tensor b has 4 bytes, its shape needs 8");
  EXPECT_EQ(refusal(with(tensor("b", R"("dtype":"F64","shape":[1],"data_offsets":[0,8])"))),
            "tensor b has dtype \"F64\", expected F32, BF16 or I32");
  EXPECT_EQ(refusal(with(tensor("b", R"("dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[4,8])"))),
            "tensor b has shape [1,1,1,1,1], expected up to 4 sizes");
  EXPECT_EQ(refusal(with(tensor("b", R"("dtype":"F32","shape":[-1],"data_offsets":[4,8])"))),
            "tensor b has shape [-1], expected sizes");
  EXPECT_EQ(refusal(with(tensor(
                "b", R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[4,8])"))),
            "tensor b has shape [4294967296,4294967296], more than the file's 8 bytes of data");
  EXPECT_EQ(refusal(with(tensor("b", R"("dtype":"F32","shape":[1],"data_offsets":[8,4])"))),
            "tensor b has data_offsets [8,4], expected [begin, end]");
  EXPECT_EQ(refusal(with(tensor("b", R"("dtype":"F32","shape":[1])"))),
            "tensor b lacks dtype, shape or data_offsets");
  EXPECT_EQ(refusal(R"({"__metadata__":{"k":1}})", ""), "__metadata__ k is not a string");
  EXPECT_EQ(refusal("[]"), "the header is not a JSON object");
  EXPECT_EQ(refusal("{\"a\""), "the header is not a JSON object");
  // A repeated name leaves the bytes of its first appearance unclaimed.
  EXPECT_NE(refusal(with(tensor("a", R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"))), "");
}

TEST_F(StateDictTest, NamesTheBadChecksum) {
  SaveStateDict(context(), path(), Small());
  std::string bad = ReadFile(path());
  bad.back() ^= 1;
  WriteFileAtomically(path(), bad);
  EXPECT_EQ(Refusal().rfind("the checksum is ", 0), 0u) << Refusal();
}

TEST_F(StateDictTest, RefusesToSaveWhatTheFormatKeepsForItself) {
  StateDict state;
  state.Add("__metadata__", Bytes({1}, DType::kF32));
  EXPECT_NE(Message([&] { SaveStateDict(context(), path(), state); }), "");
  EXPECT_NE(Message([&] { SaveStateDict(context(), path(), Small(), {{"xxh64", "0"}}); }), "");
  EXPECT_NE(Message([&] { SaveStateDict(context(), path(), Small(), {{"k", "\xff"}}); }), "");
  StateDict wide;
  wide.Add("wide", Bytes({1}, DType::kF64));
  EXPECT_NE(Message([&] { SaveStateDict(context(), path(), wide); }), "");
  EXPECT_THROW(ReadFile(path()), Error);
}

TEST_F(StateDictTest, SaysWhenThereIsNoFile) {
  try {
    ReadStateDict(context(), path(), MemoryCategory::kWeights);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
}

}  // namespace
}  // namespace nasengine
