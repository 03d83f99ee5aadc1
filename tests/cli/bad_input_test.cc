// What a user gets wrong: one line that names the cause, and nothing lost.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/core/file_io.h"
#include "nas/latency/table_file.h"
#include "tests/cli/program.h"
#include "tests/data/idx_files.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

namespace fs = std::filesystem;

class BadInputTest : public ::testing::Test {
 protected:
  ProgramResult Search(const std::vector<std::string>& more) const {
    return RunProgram(task_.Search(more), folder_.path());
  }
  std::string Path(const std::string& name) const { return folder_ / name; }

  TempDir folder_;
  TinyTask task_{folder_.path()};
};

TEST_F(BadInputTest, Device) {
  ExpectRefusal(Search({"--device", "cuda:0"}), 1,
                {"no CUDA "});  // backend in this build, or device on this machine
  ExpectRefusal(Search({"--device", "gpu"}), 1, {"'gpu'", "cpu or cuda:N"});
  EXPECT_FALSE(fs::exists(Path("runs")));
}

TEST_F(BadInputTest, Space) {
  std::string text = ReadFile(task_.space);
  text.replace(text.find("channels = 4"), 8, "chanels ");
  WriteFileAtomically(Path("typo.toml"), text);
  ExpectRefusal(Search({"--space", Path("typo.toml")}), 1, {"typo.toml:9:1: ", "chanels"});
  ExpectRefusal(Search({"--space", "fashon"}), 1, {"fashon", "fashion", "proxyless-imagenet"});
}

TEST_F(BadInputTest, SpaceWithAStrideThatDoesNotFit) {
  ExpectRefusal(Search({"--space", "proxyless-imagenet", "--data", "synthetic:4x4x1:3"}), 1,
                {"stride"});
}

TEST_F(BadInputTest, LatencyTable) {
  ExpectRefusal(Search({"--latency-table", Path("none.json")}), 1, {"none.json"});
  const LatencyTable table = LoadLatencyTable(task_.table);

  LatencyTable incomplete = table;
  const std::string first = incomplete.entries.begin()->first;
  const std::string last = incomplete.entries.rbegin()->first;
  incomplete.entries.erase(first);
  incomplete.entries.erase(last);
  SaveLatencyTable(Path("incomplete.json"), incomplete);
  // Every missing key, not the first alone.
  ExpectRefusal(Search({"--latency-table", Path("incomplete.json")}), 1,
                {"incomplete.json", first, last});

  const std::string json = ReadFile(task_.table);
  const std::size_t at = json.find("\"latency_ms\":") + 13;
  std::string broken = json;
  broken.replace(at, json.find_first_of(",}\n", at) - at, " -1");
  WriteFileAtomically(Path("negative.json"), broken);
  ExpectRefusal(Search({"--latency-table", Path("negative.json")}), 1, {"negative.json", "-1"});
  broken = json;
  broken.replace(at, json.find_first_of(",}\n", at) - at, " NaN");
  WriteFileAtomically(Path("nan.json"), broken);
  ExpectRefusal(Search({"--latency-table", Path("nan.json")}), 1, {"nan.json"});
}

TEST_F(BadInputTest, MemoryBudget) {
  ExpectRefusal(Search({"--memory-budget", "100KiB"}), 1, {"100.0 KiB", "no batch fits"});
  ExpectRefusal(Search({"--memory-budget", "plenty"}), 1, {"--memory-budget", "'plenty'"});
  // The training's batch, though a prime, runs in parts; an evaluation does not.
  const ProgramResult fits = Search({"--dry-run", "--json"});
  ASSERT_EQ(fits.exit_code, 0) << fits.err;
  const auto needed = nlohmann::json::parse(fits.out)["peak_bytes"].get<std::int64_t>();
  WriteFileAtomically(Path("config.toml"), "[recipe]\ntrain_batch = 1999\n");
  ExpectRefusal(Search({"--config", Path("config.toml"), "--memory-budget",
                        std::to_string(needed + (1 << 20))}),
                1, {"evaluating", "validation_batch"});
}

TEST_F(BadInputTest, Recipe) {
  ExpectRefusal(Search({"--preset", "mine"}), 1, {"--preset: found 'mine'", "official"});
  const auto with = [&](const std::string& recipe) {
    WriteFileAtomically(Path("config.toml"), "[recipe]\n" + recipe);
    return Search({"--config", Path("config.toml")});
  };
  ExpectRefusal(with("decay = \"some\"\n"), 1, {"config.toml:2:9", "'some'", "'all' or 'weights'"});
  ExpectRefusal(with("train_batch = 100000\n"), 1, {"train_batch: found 100000", "3686"});
  ExpectRefusal(with("train_warmup_epochs = 50\n"), 1, {"train_warmup_epochs 50"});
  ExpectRefusal(with("mean = [0.1, 0.1]\nstd = [0.1, 0.1]\n"), 1, {"2 means", "[recipe]"});
  ExpectRefusal(with("crop_pad = 40\n"), 1, {"pad 40", "12x12x1"});
}

TEST_F(BadInputTest, Objective) {
  // The smallest reachable latency of this table is far below a millisecond.
  ExpectRefusal(Search({"--objective", "mul-log"}), 1, {"mul-log"});
}

TEST_F(BadInputTest, Data) {
  ExpectRefusal(Search({"--data", "nowhere"}), 1, {"nowhere", "accepted are"});
  ExpectRefusal(Search({"--data", "synthetic:8x8:3"}), 1, {"synthetic:8x8:3"});

  const fs::path images = folder_ / "images";
  fs::create_directory(images);
  WriteFolder(images, Bytes(64, 1), {0, 1});
  const Bytes zipped = Gzip(ImageBytes(64, 3, 2));
  fs::remove(images / "train-images-idx3-ubyte");
  WriteBytes(images / "train-images-idx3-ubyte.gz", Bytes(zipped.begin(), zipped.end() - 12));
  ExpectRefusal(Search({"--data", images}), 1, {"train-images-idx3-ubyte.gz"});
}

TEST_F(BadInputTest, OutputFolder) {
  fs::create_directory(folder_ / "taken");
  std::ofstream(folder_ / "taken/thesis.txt") << "years of work";
  ExpectRefusal(Search({"--out", Path("taken")}), 1, {"taken", "--force"});
  EXPECT_EQ(ReadFile(folder_ / "taken/thesis.txt"), "years of work");
  ExpectRefusal(Search({"--out", "/proc/run"}), 1, {"/proc/run"});
  ExpectRefusal(Search({"--out", task_.space + "/run"}), 1, {"tiny.toml/run"});
}

TEST_F(BadInputTest, FilesThatMayNotGrow) {
  // As a full disk: no file gets beyond so many blocks of 512 bytes.
  for (const std::string blocks : {"1", "6"}) {
    const ProgramResult result =
        RunProgram(task_.Search({"--max-steps", "40", "--out", Path("run")}), ".",
                   "trap '' XFSZ; ulimit -f " + blocks);
    ExpectRefusal(result, 1, {Path("run/"), "cannot write the file", "File too large"});
    const bool left_anything = fs::exists(Path("run"));
    // The table, the first file of all, fits into the larger limit only.
    EXPECT_EQ(left_anything, blocks == "6");
    if (!left_anything) continue;
    for (const auto& entry : fs::directory_iterator(folder_ / "run")) {
      EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
    }
  }
}

TEST_F(BadInputTest, FullDisk) {
  const std::string disk = Path("disk");
  fs::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=16k") != 0) {
    GTEST_SKIP() << "a small file system cannot be mounted here";
  }
  const ProgramResult result = Search({"--max-steps", "40", "--out", disk + "/run"});
  ::umount2(disk.c_str(), MNT_DETACH);
  ExpectRefusal(result, 1, {disk + "/run", "No space left on device"});
}

TEST_F(BadInputTest, Weights) {
  ASSERT_EQ(Search({"--max-steps", "2", "--out", Path("run")}).exit_code, 0);
  const std::string network = Path("run/architecture.json");
  std::string weights = ReadFile(Path("run/weights.safetensors"));
  weights[weights.size() / 2] ^= 1;
  WriteFileAtomically(Path("bad.safetensors"), weights);
  const auto eval = [&](const std::string& file, const std::string& data) {
    return RunProgram({"eval", "--network", network, "--weights", file, "--data", data});
  };
  ExpectRefusal(eval(Path("bad.safetensors"), task_.data), 1, {"bad.safetensors"});
  ExpectRefusal(eval(Path("none.safetensors"), task_.data), 1, {"none.safetensors"});
  ExpectRefusal(eval(Path("run/weights.safetensors"), "synthetic:12x12x3:3"), 1,
                {"12x12x1", "12x12x3"});
}

}  // namespace
}  // namespace nasengine
